-- The end of a run that was planned: its status follows from its balance.
--
-- ARGV  4 run, 5 finish token, 6 version of the snapshot that counts from now on, or '',
--       7… names of report parts that finishing wrote
-- Returns reply(status), or reply('') for a stale token.
-- Twice: the token is void after the first time.

local run = ARGV[4]
if run_get(run, 'status') ~= 'finishing' or run_get(run, 'finish_token') ~= ARGV[5] then return reply('') end
for i = 7, #ARGV do redis.call('SADD', run_key(run) .. ':report', ARGV[i]) end

-- Profiles whose chunk was never staged (planning broke off) have no outcome yet: they failed.
local function count(field) return tonumber(run_get(run, field)) or 0 end
local rest = count('read')
for _, outcome in ipairs({'created', 'updated', 'unchanged', 'invalid', 'duplicate', 'suppressed', 'rejected', 'failed'}) do
  rest = rest - count(outcome)
end
run_add(run, 'failed', rest)

local short = count('rejected') + count('failed') + count('chunks_failed')
local status = run_get(run, 'stop')
if count('resubscribed') > 0 then status = 'failed' end
if status == '' then status = short > 0 and 'partial' or 'successful' end
run_set(run, 'finish_until', 0)
if ARGV[6] ~= '' then redis.call('SET', NS .. ':export:' .. run_get(run, 'export') .. ':snapshot', ARGV[6]) end
redis.call('SADD', NS .. ':tidy', run)
end_run(run, status)
keep_alive(run)
return reply(status)

-- Takes the right to plan a run, and voids whatever an earlier, killed plan left behind.
--
-- ARGV  4 run, 5 how many plans may be tried
-- Returns {epoch, token}, {0, ''} if there is nothing to plan now, or {-1, ''} if too many plans were killed.
-- Twice: a second claim while the first one's lease lives gets nothing.

local run = ARGV[4]
local status = run_get(run, 'status')
local unsealed = (status == 'uploading' or status == 'planning') and run_get(run, 'sealed') ~= '1'
if status ~= 'queued' and not unsealed then return {0, ''} end
if redis.call('HGET', NS .. ':export:' .. run_get(run, 'export'), 'active') ~= run then return {0, ''} end
if (tonumber(run_get(run, 'plan_until')) or 0) > now then return {0, ''} end
if (tonumber(run_get(run, 'plan_tries')) or 0) >= tonumber(ARGV[5]) then return {-1, ''} end
redis.call('HINCRBY', run_key(run), 'plan_tries', 1)

local conn, chunks = run_get(run, 'connection'), run_key(run) .. ':chunks'
local old = redis.call('HGETALL', chunks)
for i = 1, #old, 2 do
  local record = cjson.decode(old[i + 1])
  if record.t then
    redis.call('ZREM', conn_key(conn) .. ':leases', lease_name(run, old[i]))
    if record.s == 'running' then haunt(conn, record.t, now + ghost_span(conn)) end
  end
end
redis.call('DEL', chunks, run_key(run) .. ':ready', run_key(run) .. ':open', run_key(run) .. ':later',
  run_key(run) .. ':report')
redis.call('HDEL', run_key(run), 'read', 'created', 'updated', 'unchanged', 'invalid', 'duplicate', 'suppressed',
  'rejected', 'failed', 'chunks_total', 'chunks_done', 'chunks_failed', 'to_send', 'phase',
  'canary', 'removed', 'not_moved')

local epoch = redis.call('HINCRBY', run_key(run), 'epoch', 1)
redis.call('HSETNX', run_key(run), 'started_at', now)
run_set(run, 'status', 'planning', 'plan_token', ARGV[2], 'plan_until', now + policy.lease)
keep_alive(run)
return {epoch, ARGV[2]}

-- Stores a run, unless the same refresh has already asked for it.
--
-- ARGV  4 run, 5 export, 6 trigger (JSON), 7 full (0|1), 8 refresh id or '', 9 does it give way (0|1),
--       10… segments that were refreshed
-- Returns reply(run): the new run, or the earlier one that this refresh created; reply('') for a run that gives
-- way to another, held or waiting.
-- Twice: a repeated refresh finds its segments taken and changes nothing; a repeated run id likewise.
-- A run that finds another active waits behind it; one that waited already, or is held, is superseded by the
-- newer one.

local run, export, refresh = ARGV[4], ARGV[5], ARGV[8]
if redis.call('EXISTS', run_key(run)) == 1 then return reply(run) end

if refresh ~= '' then
  local seen, news = NS .. ':export:' .. export .. ':refresh:' .. refresh, false
  for i = 10, #ARGV do
    if redis.call('HSETNX', seen, ARGV[i], run) == 1 then news = true end
  end
  if not news then return reply(redis.call('HGET', seen, ARGV[10])) end
  redis.call('PEXPIRE', seen, policy.keep)
end

local line = NS .. ':export:' .. export
local active = redis.call('HGET', line, 'active')
if active and redis.call('EXISTS', run_key(active)) == 0 then
  -- it was held for longer than runs are remembered
  redis.call('HDEL', line, 'active')
  active = false
end
local held = active and run_get(active, 'status') == 'held'
if ARGV[9] == '1' and (held or redis.call('HEXISTS', line, 'next') == 1) then return reply('') end

run_set(run, 'run_id', run, 'export', export, 'trigger', ARGV[6], 'full', ARGV[7], 'status', 'queued',
  'created_at', now, 'rung_at', now, 'epoch', 0, 'sealed', 0)
keep_alive(run)
redis.call('ZADD', NS .. ':runs', now, run)
redis.call('ZREMRANGEBYSCORE', NS .. ':runs', '-inf', now - policy.keep)
redis.call('SADD', NS .. ':active', run)
if refresh ~= '' then redis.call('HSET', NS .. ':refreshed', export, now) end

if held then supersede(active, run, 'while it was held') end
if redis.call('HSETNX', line, 'active', run) == 1 then
  ring('plan', run)
else
  local waiting = redis.call('HGET', line, 'next')
  if waiting then supersede(waiting, run, 'before it began') end
  redis.call('HSET', line, 'next', run)
end
return reply(run)

-- Forgets what the ledger knows of an export that was removed, once nothing of it runs any more.
--
-- ARGV  4 export
-- Returns 1, or 0 while a run of it is active or waits.
-- Twice: there is nothing left to forget.

local line = NS .. ':export:' .. ARGV[4]
for _, place in ipairs({'active', 'next'}) do
  local run = redis.call('HGET', line, place)
  if run and redis.call('SISMEMBER', NS .. ':active', run) == 1 then return 0 end
end
redis.call('DEL', line, line .. ':snapshot')
return 1

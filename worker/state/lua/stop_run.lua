-- Ends a run early: no call begins after this; calls in flight are awaited and counted.
--
-- ARGV  4 run, 5 final status (failed|canceled), 6 sentence
-- Returns reply(1), or reply(0) if the run has ended or is stopping already.
-- Twice: the first reason stays.

local run, status = ARGV[4], run_get(ARGV[4], 'status')
if status == '' or redis.call('SISMEMBER', NS .. ':active', run) == 0 then return reply(0) end
if run_get(run, 'stop') ~= '' then return reply(0) end
run_set(run, 'stop', ARGV[5], 'error', ARGV[6])
if status == 'queued' or status == 'held' then
  end_run(run, ARGV[5])
  return reply(1)
end
fail_waiting(run, 'not_sent')
local conn = run_get(run, 'connection')
for _, chunk in ipairs(redis.call('SMEMBERS', run_key(run) .. ':open')) do
  local record = load_chunk(run, chunk)
  if record.s == 'granted' then
    redis.call('ZREM', conn_key(conn) .. ':leases', lease_name(run, chunk))
    fail_chunk(run, chunk, record, 'not_sent')
  end
end
seal_if_abandoned(run)
complete(run)
if conn ~= '' then grant(conn) end
return reply(1)

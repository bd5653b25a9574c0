-- A person lets a held run go on: it is planned again, without the guard.
--
-- ARGV  4 run
-- Returns reply(1), or reply(0) if the run is not held.
-- Twice: the second time it is not held any more.

local run = ARGV[4]
if run_get(run, 'status') ~= 'held' then return reply(0) end
-- its time begins now: waiting for a person is none of it
redis.call('HDEL', run_key(run), 'error', 'late')
run_set(run, 'status', 'queued', 'approved', 1, 'started_at', now, 'rung_at', now)
ring('plan', run)
return reply(1)

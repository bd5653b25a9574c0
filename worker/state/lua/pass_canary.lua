-- What the canary did was looked at and is as it should be: the fan-out may open once it is settled.
--
-- ARGV  4 run
-- Returns reply(1).
-- Twice: sets the same again.

local run = ARGV[4]
run_set(run, 'canary', 'passed')
complete(run)
if run_get(run, 'connection') ~= '' then grant(run_get(run, 'connection')) end
return reply(1)

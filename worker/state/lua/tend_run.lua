-- Asks the ledger what an active run waits for, and rings for it. Every process calls it, in turns.
--
-- ARGV  4 run, 5 deadline of a run (ms after it began), 6 how long a ring may go unanswered (ms)
-- Returns reply(1), or reply(0) if the run is not active any more.
-- Twice: a ring is repeated only after its patience is over.

local run = ARGV[4]
if run_get(run, 'status') == '' then
  redis.call('SREM', NS .. ':active', run)
  return reply(0)
end

local began = tonumber(run_get(run, 'started_at'))
local function unheld(kind) return (tonumber(run_get(run, kind .. '_until')) or 0) <= now end
local late = began and now > began + tonumber(ARGV[5])
if late and run_get(run, 'stop') == '' and run_get(run, 'status') ~= 'held' then
  run_set(run, 'late', 1)
  fail_waiting(run, 'deadline')
  if run_get(run, 'sealed') ~= '1' and unheld('plan') then
    run_set(run, 'stop', 'failed', 'error',
      "The run could not be planned within its time: see the workers' logs for what it waited for.")
  end
end
seal_if_abandoned(run)
complete(run)

local waits_for
if run_get(run, 'status') == 'finishing' then waits_for = unheld('finish') and 'finish'
elseif run_get(run, 'status') ~= 'held' and run_get(run, 'sealed') ~= '1' and unheld('plan') then
  if redis.call('HGET', NS .. ':export:' .. run_get(run, 'export'), 'active') == run then waits_for = 'plan' end
end
if waits_for and now > (tonumber(run_get(run, 'rung_at')) or 0) + tonumber(ARGV[6]) then
  run_set(run, 'rung_at', now)
  ring(waits_for, run)
end
return reply(1)

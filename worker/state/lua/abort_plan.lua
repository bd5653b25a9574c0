-- A plan found that its run can't be: nothing was offered, so the run ends here.
--
-- ARGV  4 run, 5 plan token, 6 final status (failed|skipped|canceled), 7 sentence
-- Returns reply(1); reply(0) if this plan is no longer the run's; reply(2) if chunks are out already: stop it instead.
-- Twice: the second time the run has ended.

local run = ARGV[4]
if run_get(run, 'plan_token') ~= ARGV[5] or run_get(run, 'sealed') == '1' then return reply(0) end
if redis.call('SISMEMBER', NS .. ':active', run) == 0 then return reply(0) end
if redis.call('EXISTS', run_key(run) .. ':chunks') == 1 then
  run_set(run, 'broke_off', 1)
  return reply(2)
end
run_set(run, 'plan_until', 0, 'sealed', 1)
if run_get(run, 'stop') == '' then run_set(run, 'stop', ARGV[6], 'error', ARGV[7]) end
redis.call('SADD', NS .. ':tidy', run)
end_run(run, run_get(run, 'stop'))
return reply(1)

-- The plan is complete: no chunk comes after this.
--
-- ARGV  4 run, 5 plan token, 6… names of the report's parts that planning wrote
-- Returns reply(1), or reply(0) if this plan is no longer the run's. A run without chunks rings its finish.
-- Twice: the second time nothing is left to do.

local run = ARGV[4]
if run_get(run, 'plan_token') ~= ARGV[5] or run_get(run, 'sealed') == '1' then return reply(0) end
for i = 6, #ARGV do redis.call('SADD', run_key(run) .. ':report', ARGV[i]) end
run_set(run, 'sealed', 1, 'status', 'uploading', 'plan_until', 0)
keep_alive(run)
complete(run)
grant(run_get(run, 'connection'))
return reply(1)

-- The canary showed that the audience wants to be written to in another way: the plan is made again.
--
-- ARGV  4 run, 5 epoch of the plan that is void
-- Returns reply(1), or reply(0) if the run has another plan by now.
-- Twice: the second time the plan is void already.

local run = ARGV[4]
if run_get(run, 'epoch') ~= ARGV[5] or run_get(run, 'stop') ~= '' then return reply(0) end
if redis.call('SISMEMBER', NS .. ':active', run) == 0 or run_get(run, 'replanned') == ARGV[5] then return reply(0) end
redis.call('HDEL', run_key(run), 'plan_token')
redis.call('HINCRBY', run_key(run), 'plan_tries', -1)
redis.call('DEL', run_key(run) .. ':ready', run_key(run) .. ':later')
run_set(run, 'replanned', ARGV[5], 'sealed', 0, 'status', 'planning', 'plan_until', 0, 'rung_at', now)
ring('plan', run)
return reply(1)

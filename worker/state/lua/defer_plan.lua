-- A plan could not be made now, for a reason that passes: it is tried again after a while.
--
-- ARGV  4 run, 5 plan token, 6 delay (ms)
-- Returns 1, or 0 if this plan is no longer the run's.
-- Twice: the token is void after the first time. Waiting is no attempt.

local run = ARGV[4]
if run_get(run, 'plan_token') ~= ARGV[5] or run_get(run, 'sealed') == '1' then return 0 end
redis.call('HDEL', run_key(run), 'plan_token')
redis.call('HINCRBY', run_key(run), 'plan_tries', -1)
run_set(run, 'plan_until', now + tonumber(ARGV[6]), 'rung_at', 0)
return 1

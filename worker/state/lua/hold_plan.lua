-- A guard stops a plan before anything is sent: a person decides.
--
-- ARGV  4 run, 5 plan token, 6 sentence
-- Returns 1, or 0 if this plan is no longer the run's or chunks are out already.
-- Twice: the token is void after the first time.

local run = ARGV[4]
if run_get(run, 'plan_token') ~= ARGV[5] or run_get(run, 'sealed') == '1' then return 0 end
if redis.call('EXISTS', run_key(run) .. ':chunks') == 1 then return 0 end
redis.call('HDEL', run_key(run), 'plan_token')
redis.call('HINCRBY', run_key(run), 'plan_tries', -1)
run_set(run, 'status', 'held', 'error', ARGV[6], 'held', ARGV[6], 'plan_until', 0)
tell('held', run)
keep_alive(run)
return 1

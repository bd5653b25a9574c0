-- A guard stops a plan before anything is sent: a person decides, unless a newer run waits behind it already,
-- which is measured by itself. A retry is no newer run: it sends what is missing only.
--
-- ARGV  4 run, 5 plan token, 6 sentence
-- Returns reply(1), or reply(0) if this plan is no longer the run's or chunks are out already.
-- Twice: the token is void after the first time.

local run = ARGV[4]
if run_get(run, 'plan_token') ~= ARGV[5] or run_get(run, 'sealed') == '1' then return reply(0) end
if redis.call('EXISTS', run_key(run) .. ':chunks') == 1 then return reply(0) end
redis.call('HDEL', run_key(run), 'plan_token')
redis.call('HINCRBY', run_key(run), 'plan_tries', -1)
run_set(run, 'status', 'held', 'error', ARGV[6], 'held', ARGV[6], 'plan_until', 0)
keep_alive(run)
local newer = redis.call('HGET', NS .. ':export:' .. run_get(run, 'export'), 'next')
if newer and cjson.decode(run_get(newer, 'trigger')).kind ~= 'retry' then
  supersede(run, newer, 'while it was held')
else
  tell('held', run)
end
return reply(1)

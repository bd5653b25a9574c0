-- Notes what the first pass of a plan found; from here on the run's balance can be drawn up.
--
-- ARGV  4 run, 5 plan token, 6 connection, 7 its limit, 8… field, value, …
-- Returns 1, 0 if this plan is no longer the run's, or 2 if the run was stopped meanwhile.
-- Twice: sets the same values again.

local run, conn = ARGV[4], ARGV[6]
if run_get(run, 'plan_token') ~= ARGV[5] or run_get(run, 'sealed') == '1' then return 0 end
if run_get(run, 'stop') ~= '' then return 2 end
run_set(run, 'connection', conn)
for i = 8, #ARGV, 2 do run_set(run, ARGV[i], ARGV[i + 1]) end
conn_set(conn, 'max', ARGV[7])
redis.call('PERSIST', conn_key(conn))
return 1

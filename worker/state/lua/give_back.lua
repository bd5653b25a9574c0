-- The end of a call on a borrowed slot.
--
-- ARGV  4 connection, 5 token, 6 run that calls were made for, or '', 7 how many,
--       8 may the last one still be open (0|1), 9 the window of grants in which it was throttled, or 0
-- Returns reply(1).
-- Twice: the second time there is nothing to give back, but the run's calls count one too many.

local conn, token = ARGV[4], ARGV[5]
end_call(conn, token)
redis.call('ZREM', conn_key(conn) .. ':wants', token)
if ARGV[8] == '1' then haunt(conn, token, now + ghost_span(conn)) end
if ARGV[9] ~= '0' then throttle(conn, tonumber(ARGV[9])) end
if ARGV[6] ~= '' and redis.call('EXISTS', run_key(ARGV[6])) == 1 then run_add(ARGV[6], 'api_calls', tonumber(ARGV[7])) end
sweep(conn)
grant(conn)
return reply(1)

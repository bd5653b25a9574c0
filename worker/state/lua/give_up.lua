-- A chunk can't be delivered: its members are `failed`, the rest of the run goes on.
--
-- ARGV  4 connection, 5 run, 6 chunk, 7 token, 8 reason (a word), 9 may the call still be open (0|1)
-- Returns reply(1), or reply(0) for a stale token.
-- Twice: the token is void after the first time.

local conn, run, chunk, token = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local record = held(conn, run, chunk, token)
release(conn, run, chunk, token, record)
if ARGV[9] == '1' then haunt(conn, token, now + ghost_span(conn)) end
if record then
  run_add(run, 'api_calls', 1)
  if ARGV[8] == 'not_delivered' then record.x = 1 end
  fail_chunk(run, chunk, record, ARGV[8])
  complete(run)
end
sweep(conn)
grant(conn)
return reply(record and 1 or 0)

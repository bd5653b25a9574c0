-- A connection was removed: no call begins on it after this, and its keys go when the calls in flight have ended.
--
-- ARGV  4 connection
-- Returns 1.
-- Twice: the second time changes nothing.

local conn = ARGV[4]
conn_set(conn, 'paused', 1, 'dropped', 1)
sweep(conn)
grant(conn)
return 1

-- Asks for a slot for one call that belongs to no chunk (reading merge fields, say).
--
-- ARGV  4 connection, 5 its limit, 6 token, 7 how long this wish stands (ms)
-- Returns the window of grants that the slot belongs to (above 0), or 0 if the caller has to ask again before its
-- wish has faded.
-- Twice: a slot that this token has taken stays its own. While wishes stand, chunks get no new slots, so
-- a caller who keeps asking is not starved.

local conn, token = ARGV[4], ARGV[6]
conn_set(conn, 'max', ARGV[5])
redis.call('SADD', NS .. ':connections', conn)
sweep(conn)
local leases, wants = conn_key(conn) .. ':leases', conn_key(conn) .. ':wants'
if redis.call('ZSCORE', leases, 'call:' .. token) then return conn_get(conn, 'grants', 1) end
if free_slots(conn) <= 0 then
  redis.call('ZADD', wants, now + tonumber(ARGV[7]), token)
  redis.call('PEXPIRE', wants, policy.keep)
  return 0
end
redis.call('ZREM', wants, token)
redis.call('ZADD', leases, now + policy.lease, 'call:' .. token)
return redis.call('HINCRBY', conn_key(conn), 'grants', 1)

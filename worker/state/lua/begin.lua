-- May this holder make the call now? The last question before it.
--
-- ARGV  4 connection, 5 run, 6 chunk, 7 token
-- Returns the chunk's record (JSON), or '' for a stale or repeated message, which is dropped, and for a paused
-- connection, whose chunk waits again.
-- Twice: the second caller with the same token gets ''.

local conn, run, chunk, token = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local record = held(conn, run, chunk, token)
if not record or record.s ~= 'granted' then return '' end
if tonumber(redis.call('ZSCORE', conn_key(conn) .. ':leases', lease_name(run, chunk))) <= now then return '' end
if conn_get(conn, 'paused', 0) == 1 then
  redis.call('ZREM', conn_key(conn) .. ':leases', lease_name(run, chunk))
  put_back(conn, run, chunk, record, now)
  return ''
end
record.s, record.b = 'running', now
save_chunk(run, chunk, record)
redis.call('ZADD', conn_key(conn) .. ':leases', now + policy.lease, lease_name(run, chunk))
return cjson.encode(record)

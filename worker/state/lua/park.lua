-- A call did not deliver, for a reason that passes: its chunk waits, the connection learns from it.
--
-- ARGV  4 connection, 5 run, 6 chunk, 7 token, 8 reason (throttled|unavailable|deferred), 9 delay (ms),
--       10 may the call still be open (0|1), 11 when it began, by this holder (ms ago)
-- Returns reply(1), or reply(0) for a stale token.
-- Twice: the token is void after the first time.
--
-- throttled    fewer calls at once: ×0.75, once for each window of grants; no attempt is spent
-- unavailable  two windows without a success close the connection but for one probe at a time, 1 s to 60 s apart;
--              an attempt is spent only if others were delivered since this chunk was first granted, or last failed
-- deferred     nothing was sent (a stop, a shut-down); nothing is learned

local conn, run, chunk, token, reason = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local record = held(conn, run, chunk, token)
release(conn, run, chunk, token, record)
if ARGV[10] == '1' then haunt(conn, token, now + math.max(0, ghost_span(conn) - tonumber(ARGV[11]))) end
if record then
  local window = record.w
  if reason ~= 'deferred' then
    run_add(run, 'api_calls', 1)
    record.r = (record.r or 0) + 1
  end
  if reason == 'throttled' then
    throttle(conn, window)
  elseif reason == 'unavailable' then
    local delivered = conn_get(conn, 'delivered', 0)
    record.x = 1
    if delivered > (record.o or 0) then record.a = (record.a or 0) + 1 end
    record.o = delivered
    if window > conn_get(conn, 'last_failure', 0) then
      local failed = redis.call('HINCRBY', conn_key(conn), 'failed_windows', 1)
      conn_set(conn, 'last_failure', conn_get(conn, 'grants', 0))
      if failed >= 2 then
        local most = conn_get(conn, 'max', 1)
        local limit = math.min(most, conn_get(conn, 'limit', most))
        if limit > 1 then conn_set(conn, 'slow_start_below', tostring(limit)) end
        conn_set(conn, 'limit', 1, 'cool_until', now + math.min(60000, 1000 * 2 ^ math.min(failed - 2, 6)))
      end
    end
  end
  put_back(conn, run, chunk, record, now + tonumber(ARGV[9]))
  keep_alive(run)
  complete(run)
end
sweep(conn)
grant(conn)
return reply(record and 1 or 0)

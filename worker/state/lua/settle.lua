-- A call has delivered: counts its outcomes, once, and gives the freed slot to the next chunk.
--
-- ARGV  4 connection, 5 run, 6 chunk, 7 token, 8 duration (ms), 9 outcomes (JSON: field of the run → how many),
--       10 name of the report part that was written or '', 11 attempts that the children have spent,
--       12… children: members as JSON, how many, not before (ms from now), phase or '' for the same, …
--       (members that the answer did not account for or that have to wait, or the halves of a refused chunk)
-- Returns reply(1), or reply(0) for a stale token: then nothing is counted, only the open call ends.
-- Twice: the token is void after the first time.

local conn, run, chunk, token = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local record = held(conn, run, chunk, token)
release(conn, run, chunk, token, record)
remember_duration(conn, tonumber(ARGV[8]))
if record then
  run_add(run, 'api_calls', 1)
  for field, count in pairs(cjson.decode(ARGV[9])) do run_add(run, field, count) end
  if ARGV[10] ~= '' then redis.call('SADD', run_key(run) .. ':report', ARGV[10]) end
  for i = 12, #ARGV, 4 do
    run_add(run, 'chunks_total', 1)
    local part = {n = tonumber(ARGV[i + 1]), p = record.p, m = cjson.decode(ARGV[i]), a = tonumber(ARGV[11])}
    part.f = tonumber(ARGV[i + 3]) or record.f
    -- an answer that spent an attempt left these members out
    part.x = tonumber(ARGV[11]) > (record.a or 0) and 1 or record.x
    put_back(conn, run, chunk .. '.' .. (i - 12) / 4, part, now + tonumber(ARGV[i + 2]))
  end
  close_chunk(run, chunk, record, 'done')
  keep_alive(run)

  local most = conn_get(conn, 'max', 1)
  local limit = conn_get(conn, 'limit', most)
  if now < conn_get(conn, 'ceiling_until', 0) then most = math.min(most, conn_get(conn, 'ceiling', most)) end
  local step = limit < conn_get(conn, 'slow_start_below', 0) and 1 or 1 / limit
  conn_set(conn, 'limit', tostring(math.max(1, math.min(most, limit + step))), 'failed_windows', 0)
  redis.call('HINCRBY', conn_key(conn), 'delivered', 1)
  complete(run)
end
sweep(conn)
grant(conn)
return reply(record and 1 or 0)

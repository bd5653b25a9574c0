-- Says that these calls are still open, and these plans and finishes still worked on.
--
-- ARGV  4… kind (call|plan|finish), connection, run, chunk, token, …
-- Returns how many were still this holder's.
-- Twice: extends the same deadlines. A call whose lease was lost (an expired lease, a Redis that forgot its
-- last second) is open all the same: it goes on counting, as a ghost. What was said to have ended meanwhile,
-- while this renewal was on its way, has ended.

local mine = 0
for i = 4, #ARGV, 5 do
  local kind, conn, run, chunk, token = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  if kind ~= 'call' then
    if run_get(run, kind .. '_token') == token and (tonumber(run_get(run, kind .. '_until')) or 0) > 0 then
      run_set(run, kind .. '_until', now + policy.lease)
      mine = mine + 1
    end
  elseif held(conn, run, chunk, token) then
    redis.call('ZADD', conn_key(conn) .. ':leases', now + policy.lease, lease_name(run, chunk))
    mine = mine + 1
  elseif not has_ended(conn, token) then
    haunt(conn, token, now + policy.lease)
    redis.call('SADD', NS .. ':connections', conn)
  end
end
return mine

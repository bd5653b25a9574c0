-- The words that every transition shares. scripts.py puts this text in front of each of them.
--
-- KEYS[1]  namespace; every key is built from it (one Redis, not a cluster: see docs/architecture.md)
-- ARGV[1]  now in ms, or '' for the server's clock; only tests pass it
-- ARGV[2]  a nonce, unique to this call: a token is never given twice, not even after Redis lost a second
-- ARGV[3]  policy, JSON: lease, keep (ms), max_crashes, probe, ghost_min, ghost_max (ms)
-- ARGV[4…] arguments of the transition
--
-- Transitions that may have granted chunks or completed runs end with `return reply(status, …)`:
-- {status, kind, run, chunk, token, kind, run, chunk, token, …}, kind being upload, finish or plan.

local NS = KEYS[1]
local policy = cjson.decode(ARGV[3])
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local bells, granted_here = {}, 0

local function ring(kind, run, chunk, token)
  local n = #bells
  bells[n + 1], bells[n + 2], bells[n + 3], bells[n + 4] = kind, run, chunk or '', token or ''
end

local function reply(status)
  local out = {status}
  for i = 1, #bells do out[i + 1] = bells[i] end
  return out
end

local function run_key(run) return NS .. ':run:' .. run end
local function conn_key(conn) return NS .. ':conn:' .. conn end
local function lease_name(run, chunk) return run .. ' ' .. chunk end

local function run_get(run, field) return redis.call('HGET', run_key(run), field) or '' end
local function run_set(run, ...) redis.call('HSET', run_key(run), ...) end
local function run_add(run, field, by)
  if by ~= 0 then redis.call('HINCRBY', run_key(run), field, by) end
end

-- Every key of a run is mortal, whatever happens to the run.
local function keep_alive(run)
  for _, suffix in ipairs({'', ':chunks', ':ready', ':later', ':open', ':report'}) do
    redis.call('PEXPIRE', run_key(run) .. suffix, policy.keep)
  end
end

local function conn_get(conn, field, default)
  return tonumber(redis.call('HGET', conn_key(conn), field) or '') or default
end
local function conn_set(conn, ...) redis.call('HSET', conn_key(conn), ...) end

local function load_chunk(run, chunk)
  local record = redis.call('HGET', run_key(run) .. ':chunks', chunk)
  return record and cjson.decode(record)
end
local function save_chunk(run, chunk, record)
  redis.call('HSET', run_key(run) .. ':chunks', chunk, cjson.encode(record))
end

-- A stopped run whose planner is gone will not be planned again: what was offered is all there is.
local function seal_if_abandoned(run)
  if run_get(run, 'stop') == '' or run_get(run, 'sealed') == '1' then return end
  if (tonumber(run_get(run, 'plan_until')) or 0) > now then return end
  run_set(run, 'sealed', 1, 'status', 'uploading', 'broke_off', 1)
end

local function close_chunk(run, chunk, record, state)
  record.s, record.t, record.b = state, nil, nil
  save_chunk(run, chunk, record)
  redis.call('SREM', run_key(run) .. ':open', chunk)
  run_add(run, state == 'done' and 'chunks_done' or 'chunks_failed', 1)
  if state == 'failed' then run_add(run, 'failed', record.n) end
end

-- `x` marks a chunk of which a call was made whose end nobody saw: Mailchimp may have taken its members.
local function fail_chunk(run, chunk, record, reason)
  if reason == 'not_sent' and record.x then reason = 'unseen' end
  record.e = reason
  close_chunk(run, chunk, record, 'failed')
end

-- Gives up everything of a run that waits; what is in flight is left to end.
local function fail_waiting(run, reason)
  for _, place in ipairs({':ready', ':later'}) do
    for _, chunk in ipairs(redis.call('ZRANGE', run_key(run) .. place, 0, -1)) do
      fail_chunk(run, chunk, load_chunk(run, chunk), reason)
    end
    redis.call('DEL', run_key(run) .. place)
  end
end

local function phase(run) return tonumber(run_get(run, 'phase')) or 1 end

-- A stopping run (failed, canceled) gets no more calls, nor does one whose time is over: what would wait
-- again is given up instead.
local function put_back(conn, run, chunk, record, not_before)
  if run_get(run, 'stop') ~= '' then return fail_chunk(run, chunk, record, 'not_sent') end
  if run_get(run, 'late') ~= '' then return fail_chunk(run, chunk, record, 'deadline') end
  record.s, record.t, record.b = 'ready', nil, nil
  save_chunk(run, chunk, record)
  if record.f > phase(run) then
    redis.call('ZADD', run_key(run) .. ':later', record.f, chunk)
    redis.call('PEXPIRE', run_key(run) .. ':later', policy.keep)
    return
  end
  redis.call('SADD', run_key(run) .. ':open', chunk)
  redis.call('ZADD', run_key(run) .. ':ready', not_before, chunk)
  redis.call('PEXPIRE', run_key(run) .. ':ready', policy.keep)
  redis.call('ZADD', conn_key(conn) .. ':turns', 'NX', conn_get(conn, 'vtime', 0), run)
  redis.call('SADD', NS .. ':connections', conn)
end

-- Chunks of a later phase wait until nothing of the earlier one is open: the canary (0) goes first, people
-- move to their new addresses (0.5) before the uploads (1), and nobody's tag is taken off (2) while an upload
-- of the same person may be on its way.
-- A run whose last chunk is settled, and whose plan is complete, is finished by whoever asks first.
local function complete(run)
  if run_get(run, 'status') ~= 'uploading' then return end
  while redis.call('SCARD', run_key(run) .. ':open') == 0 do
    local sealed, now_in = run_get(run, 'sealed') == '1', phase(run)
    local later = run_key(run) .. ':later'
    if now_in == 0 and run_get(run, 'canary') ~= 'passed' and run_get(run, 'stop') == '' then
      -- whoever went first was refused, and showed nothing: somebody else goes first
      local other = redis.call('ZRANGEBYSCORE', later, 1, 1, 'LIMIT', 0, 1)[1]
      if other then
        local record = load_chunk(run, other)
        record.f = 0
        redis.call('ZREM', later, other)
        put_back(run_get(run, 'connection'), run, other, record, now)
      elseif not sealed then return end
    end
    if redis.call('SCARD', run_key(run) .. ':open') > 0 then return end
    if now_in == 1 and not sealed then return end
    local following = redis.call('ZRANGE', later, 0, 0, 'WITHSCORES')[2]
    if following or now_in < 1 then
      following = tonumber(following or 1)
      run_set(run, 'phase', following)
      for _, chunk in ipairs(redis.call('ZRANGEBYSCORE', later, '-inf', following)) do
        redis.call('ZREM', later, chunk)
        put_back(run_get(run, 'connection'), run, chunk, load_chunk(run, chunk), now)
      end
    else
      if sealed then
        run_set(run, 'status', 'finishing', 'rung_at', now)
        ring('finish', run)
      end
      return
    end
  end
end

-- How long a call whose end was not seen may still be open: twice the slowest of the last calls.
local function ghost_span(conn)
  local slowest = 0
  for _, ms in ipairs(redis.call('LRANGE', conn_key(conn) .. ':durations', 0, -1)) do
    slowest = math.max(slowest, tonumber(ms))
  end
  return math.min(policy.ghost_max, math.max(policy.ghost_min, 2 * slowest))
end

local function haunt(conn, token, until_ms)
  if until_ms > now then redis.call('ZADD', conn_key(conn) .. ':leases', until_ms, 'call:' .. token) end
end

-- Expired leases: the chunk waits again at once, the slot stays taken while the call may be open.
local function sweep(conn)
  local leases = conn_key(conn) .. ':leases'
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now)) do
    redis.call('ZREM', leases, name)
    local run, chunk = string.match(name, '^(%S+) (%S+)$')
    local record = run and load_chunk(run, chunk)
    if record and (record.s == 'granted' or record.s == 'running') then
      if record.s == 'running' then
        record.k, record.x = (record.k or 0) + 1, 1
        haunt(conn, record.t, record.b + ghost_span(conn))
      end
      if (record.k or 0) >= policy.max_crashes then fail_chunk(run, chunk, record, 'kills_workers')
      else put_back(conn, run, chunk, record, now) end
      complete(run)
    end
  end
end

local function first_due(run)
  return redis.call('ZRANGEBYSCORE', run_key(run) .. ':ready', '-inf', now, 'LIMIT', 0, 1)[1]
end

-- Round robin over the runs of a connection: start-time fair queueing, no credit saved while idle.
local function next_pending(conn)
  local turns = conn_key(conn) .. ':turns'
  for _, run in ipairs(redis.call('ZRANGE', turns, 0, -1)) do
    local chunk = first_due(run)
    if chunk then
      local start = math.max(tonumber(redis.call('ZSCORE', turns, run)), conn_get(conn, 'vtime', 0))
      conn_set(conn, 'vtime', start)
      redis.call('ZADD', turns, start + 1, run)
      return run, chunk
    end
    if redis.call('EXISTS', run_key(run) .. ':ready') == 0 then redis.call('ZREM', turns, run) end
  end
end

local function free_slots(conn)
  if now < conn_get(conn, 'cool_until', 0) or conn_get(conn, 'paused', 0) == 1 then return 0 end
  local most = conn_get(conn, 'max', 1)
  local limit = math.floor(math.min(most, conn_get(conn, 'limit', most)))
  redis.call('ZREMRANGEBYSCORE', conn_key(conn) .. ':wants', '-inf', now)
  return limit - redis.call('ZCARD', conn_key(conn) .. ':leases')
end

-- As many pending chunks as there are free slots; the only place where a lease begins.
local function grant(conn)
  for _ = 1, free_slots(conn) - redis.call('ZCARD', conn_key(conn) .. ':wants') do
    local run, chunk = next_pending(conn)
    if not run then break end
    local record = load_chunk(run, chunk)
    redis.call('ZREM', run_key(run) .. ':ready', chunk)
    granted_here = granted_here + 1
    record.s, record.t = 'granted', ARGV[2] .. '-' .. granted_here
    record.w = redis.call('HINCRBY', conn_key(conn), 'grants', 1)
    record.o = record.o or conn_get(conn, 'delivered', 0)
    save_chunk(run, chunk, record)
    redis.call('ZADD', conn_key(conn) .. ':leases', now + policy.lease, lease_name(run, chunk))
    ring('upload', run, chunk, record.t)
  end
  local leases, turns = conn_key(conn) .. ':leases', conn_key(conn) .. ':turns'
  if conn_get(conn, 'dropped', 0) == 1 then
    if redis.call('EXISTS', leases) == 1 then return end
    redis.call('SREM', NS .. ':connections', conn)
    redis.call('DEL', conn_key(conn), turns, conn_key(conn) .. ':wants', conn_key(conn) .. ':durations',
      conn_key(conn) .. ':ended')
  elseif redis.call('EXISTS', leases, turns) == 0 then
    redis.call('SREM', NS .. ':connections', conn)
    if conn_get(conn, 'paused', 0) == 0 then redis.call('PEXPIRE', conn_key(conn), policy.keep) end
    redis.call('PEXPIRE', conn_key(conn) .. ':durations', policy.keep)
  end
end

-- The record of a chunk, if this token is still the one that holds it.
local function held(conn, run, chunk, token)
  local record = load_chunk(run, chunk)
  if record and record.t == token and redis.call('ZSCORE', conn_key(conn) .. ':leases', lease_name(run, chunk)) then
    return record
  end
end

-- A call has ended: what stood for it without a chunk is gone, and no renewal that comes late brings it back.
local function end_call(conn, token)
  local ended = conn_key(conn) .. ':ended'
  redis.call('ZREM', conn_key(conn) .. ':leases', 'call:' .. token)
  redis.call('ZREMRANGEBYSCORE', ended, '-inf', now - 2 * policy.lease)
  redis.call('ZADD', ended, now, token)
  redis.call('PEXPIRE', ended, 2 * policy.lease)
end

local function has_ended(conn, token)
  return (tonumber(redis.call('ZSCORE', conn_key(conn) .. ':ended', token) or '') or 0) > now - 2 * policy.lease
end

-- The call of a chunk has ended: the lease is gone, if it is still this holder's, or the ghost.
local function release(conn, run, chunk, token, record)
  if record then redis.call('ZREM', conn_key(conn) .. ':leases', lease_name(run, chunk)) end
  end_call(conn, token)
end

-- Fewer calls at once: ×0.75, once for each window of grants; not more for a while.
local function throttle(conn, window)
  if window <= conn_get(conn, 'last_decrease', 0) then return end
  local most = conn_get(conn, 'max', 1)
  local limit = math.max(1, math.floor(math.min(most, conn_get(conn, 'limit', most))) * 0.75)
  conn_set(conn, 'limit', tostring(limit), 'last_decrease', conn_get(conn, 'grants', 0),
    'ceiling', math.max(1, math.floor(limit)), 'ceiling_until', now + policy.probe)
end

local function remember_duration(conn, ms)
  if ms <= 0 then return end
  local key = conn_key(conn) .. ':durations'
  redis.call('LPUSH', key, ms)
  redis.call('LTRIM', key, 0, 127)
end

-- People are told of what happened here, even if everybody dies now: see worker/state/outbox.py.
local function tell(event, subject)
  if redis.call('EXISTS', NS .. ':catalog:notifications') == 0 then return end
  redis.call('ZADD', NS .. ':outbox', now, event .. ' ' .. subject)
  redis.call('ZREMRANGEBYSCORE', NS .. ':outbox', '-inf', now - policy.keep)
  redis.call('PEXPIRE', NS .. ':outbox', policy.keep)
end

-- The end of a run: its export goes on with the run that waited behind it.
local function end_run(run, status)
  run_set(run, 'status', status, 'finished_at', now)
  tell(status, run)
  redis.call('SREM', NS .. ':active', run)
  local export = NS .. ':export:' .. run_get(run, 'export')
  if redis.call('HGET', export, 'next') == run then redis.call('HDEL', export, 'next') end
  if redis.call('HGET', export, 'active') ~= run then return end
  local following = redis.call('HGET', export, 'next')
  redis.call('HDEL', export, 'active', 'next')
  if following then
    redis.call('HSET', export, 'active', following)
    run_set(following, 'rung_at', now)
    ring('plan', following)
  end
end

-- A newer run takes the place of one that has not begun, or is held: what was asked of that one is asked of it.
local function supersede(old, run, when)
  if run_get(old, 'full') == '1' then run_set(run, 'full', 1) end
  run_set(old, 'error', 'Superseded by run ' .. run .. ' ' .. when .. '.')
  end_run(old, 'skipped')
end

-- Takes deliveries that are to be tried now, the oldest of each channel: nobody else gets them for a while.
--
-- ARGV  4 how long (ms), 5… channels that are busy
-- Returns {delivery, tries, delivery, tries, …}, this try counted.
-- Twice: what was taken waits until its time is over, and is tried again then: at least once is the promise.

local busy, out = {}, {}
for i = 5, #ARGV do busy[ARGV[i]] = true end
local tries = NS .. ':deliveries:tries'
for _, delivery in ipairs(redis.call('ZRANGEBYSCORE', NS .. ':deliveries', '-inf', now)) do
  local channel = string.match(delivery, '^%S+')
  if not busy[channel] then
    busy[channel] = true
    redis.call('ZADD', NS .. ':deliveries', now + ARGV[4], delivery)
    out[#out + 1], out[#out + 2] = delivery, redis.call('HINCRBY', tries, delivery, 1)
  end
end
redis.call('PEXPIRE', tries, policy.keep)
return out

-- What became of a delivery.
--
-- ARGV  4 delivery, 5 sent|later|given_up, 6 how long to wait (ms) for later, the reason for given_up
-- Returns 1, or 0 if it was settled already.
-- Twice: the second time it is gone, or waits all the same.

local place, delivery = NS .. ':deliveries', ARGV[4]
if not redis.call('ZSCORE', place, delivery) then return 0 end
if ARGV[5] == 'later' then
  redis.call('ZADD', place, now + ARGV[6], delivery)
  redis.call('PEXPIRE', place, policy.keep)
  return 1
end
redis.call('ZREM', place, delivery)
redis.call('HDEL', place .. ':tries', delivery)
if ARGV[5] == 'given_up' then
  local undelivered = NS .. ':undelivered'
  redis.call('ZADD', undelivered, now, delivery .. ' ' .. ARGV[6])
  redis.call('ZREMRANGEBYSCORE', undelivered, '-inf', now - policy.keep)
  redis.call('PEXPIRE', undelivered, policy.keep)
end
return 1

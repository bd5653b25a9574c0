-- What happened becomes a delivery for each channel that wants to know.
--
-- ARGV  4 entry of the outbox (`EVENT SUBJECT`), 5… channels
-- Returns 1, or 0 if another clock was quicker.
-- Twice: the entry is gone after the first time.

local entry = ARGV[4]
local at = redis.call('ZSCORE', NS .. ':outbox', entry)
if not at then return 0 end
redis.call('ZREM', NS .. ':outbox', entry)
for i = 5, #ARGV do
  redis.call('ZADD', NS .. ':deliveries', 'NX', now, ARGV[i] .. ' ' .. entry .. ' ' .. string.format('%.0f', at))
end
redis.call('PEXPIRE', NS .. ':deliveries', policy.keep)
return 1

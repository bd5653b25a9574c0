-- Notes something in a hash of the clock's, unless another clock was quicker.
--
-- ARGV  4 hash (schedules|expected), 5 export, 6 what was read there, '' for nothing, 7 what to put there,
--       '' for nothing, 8 the subject of a refresh that did not come, or ''
-- Returns 1, or 0 if something else stands there by now.
-- Twice: the second time it is not what was read.

local place, export = NS .. ':' .. ARGV[4], ARGV[5]
if (redis.call('HGET', place, export) or '') ~= ARGV[6] then return 0 end
if ARGV[7] == '' then redis.call('HDEL', place, export) else redis.call('HSET', place, export, ARGV[7]) end
if ARGV[8] ~= '' then tell('late', ARGV[8]) end
return 1

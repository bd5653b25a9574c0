-- A snapshot is replaced by a copy of it, from which somebody was taken out.
--
-- ARGV  4 export, 5 version of the snapshot that counts, 6 version of its copy
-- Returns 1, or 0 if a run of the export is under way, or ended since the copy was begun.
-- Twice: the copy counts already, which is as good.

local line = NS .. ':export:' .. ARGV[4]
local counts = redis.call('GET', line .. ':snapshot')
if counts == ARGV[6] then return 1 end
local status = run_get(redis.call('HGET', line, 'active') or '', 'status')
-- a held run has read nothing that it keeps: it is planned again
if counts ~= ARGV[5] or (status ~= '' and status ~= 'held') then return 0 end
redis.call('SET', line .. ':snapshot', ARGV[6])
return 1

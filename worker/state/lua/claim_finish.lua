-- Takes the right to finish a run.
--
-- ARGV  4 run
-- Returns a token, or '' if there is nothing to finish or another holder's lease lives.
-- Twice: a second claim while the first one's lease lives gets nothing.

local run = ARGV[4]
if run_get(run, 'status') ~= 'finishing' then return '' end
if (tonumber(run_get(run, 'finish_until')) or 0) > now then return '' end
run_set(run, 'finish_token', ARGV[2], 'finish_until', now + policy.lease)
return ARGV[2]

-- Adds staged chunks to a run and grants what its connection has slots for.
--
-- ARGV  4 run, 5 plan token, 6 phase (0 canary, 0.5 moves, 1 uploads, 2 removals),
--       7… chunk, members, location, chunk, members, location, …
-- Returns reply(1), or reply(0) if this plan is no longer the run's.
-- Twice: a chunk that has a record is left alone.

local run = ARGV[4]
if run_get(run, 'plan_token') ~= ARGV[5] or run_get(run, 'sealed') == '1' then return reply(0) end
local conn = run_get(run, 'connection')
if run_get(run, 'status') == 'planning' then run_set(run, 'status', 'uploading') end
if tonumber(ARGV[6]) < 1 and run_get(run, 'phase') == '' then run_set(run, 'phase', ARGV[6]) end
for i = 7, #ARGV, 3 do
  if not load_chunk(run, ARGV[i]) then
    run_add(run, 'chunks_total', 1)
    put_back(conn, run, ARGV[i], {n = tonumber(ARGV[i + 1]), p = ARGV[i + 2], f = tonumber(ARGV[6])}, now)
  end
end
keep_alive(run)
sweep(conn)
complete(run)
grant(conn)
return reply(1)

-- Takes back expired leases of a connection and grants its free slots. Every process calls it, in turns.
--
-- ARGV  4 connection
-- Returns reply(how many calls are or may be open).
-- Twice: the second call finds the slots taken.

sweep(ARGV[4])
grant(ARGV[4])
return reply(redis.call('ZCARD', conn_key(ARGV[4]) .. ':leases'))

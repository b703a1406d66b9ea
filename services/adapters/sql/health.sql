-- name: database_now
SELECT clock_timestamp()

-- The upper bound of the last partition of cases, read back from its UUIDv7.
-- name: partitions_last_until
SELECT max(to_timestamp(('x' || left(replace((regexp_match(pg_get_expr(c.relpartbound, c.oid),
    'TO \(''([0-9a-f-]+)''\)'))[1], '-', ''), 12))::bit(48)::bigint / 1000.0))
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'public.cases'::regclass

-- What an official year changes: the years the book knows, the cases it reaches, and what became of them.

-- name: active_files
SELECT v.version, ARRAY (SELECT jsonb_object_keys(v.files)) AS files
FROM active_city a
JOIN city_versions v USING (version)

-- name: recounted_files
-- With the first version there was nothing to count again.
SELECT ARRAY (SELECT jsonb_object_keys(v.files)) AS files
FROM active_city a
JOIN city_versions v ON v.version = coalesce(a.recounted_version, (SELECT min(version) FROM city_versions))

-- name: mark_recounted
-- Not when another version has become active meanwhile: its years are its own loader's to ask for.
UPDATE active_city SET recounted_version = $1 WHERE version = $1 AND recounted_version IS DISTINCT FROM $1

-- Batches that have an older transaction id than this may still decide by the version before: they lock before they read.
-- name: running_until
SELECT pg_current_xact_id()::text

-- name: have_ended
SELECT pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8

-- name: reached
-- $1, $2 from and until of the years, $3 the calendars whose days can be predicted. A row that was set by such
-- a calendar, or before there were any, is provisional; a step of an official one may lie in those years.
SELECT DISTINCT case_id
FROM deadlines
WHERE met_at IS NULL AND closed_at IS NULL
  AND ((NOT official AND start_at < $2 AND greatest(due_at, next_at) >= $1)
       OR (next_at >= $1 AND next_at < $2 AND split_part(limit_text, ' ', 2) = ANY ($3::text[])))
ORDER BY case_id

-- name: decided
SELECT command_id::text, case_id::text, code FROM outcomes WHERE command_id = ANY ($1::uuid[])

-- name: recounted
SELECT c.number, e.payload::text
FROM events e
JOIN cases c USING (case_id)
WHERE e.case_id = ANY ($1::uuid[]) AND e.command_id = ANY ($2::uuid[]) AND e.type = 'DuesRecomputed'
ORDER BY e.case_id, e.seq

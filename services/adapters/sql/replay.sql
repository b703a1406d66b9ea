-- What `console rebuild` reads, all as of one moment, by cursors side by side, and how it writes what is not so.

-- name: events
SELECT e.case_id::text, e.seq, e.type, e.occurred_at, e.actor_ref, e.command_id::text, e.cycle, e.city_version, e.payload
FROM events e
ORDER BY e.case_id, e.seq

-- name: cases
SELECT * FROM cases ORDER BY case_id

-- name: deadlines
SELECT * FROM deadlines ORDER BY case_id

-- name: reports
SELECT case_id, report_id FROM reports ORDER BY case_id

-- In the router's own order; its transactions end within 12 s.
-- name: lock_book
LOCK TABLE cases, events, deadlines, reports IN EXCLUSIVE MODE

-- name: delete_cases
DELETE FROM cases WHERE case_id = ANY ($1::uuid[]) AND case_id BETWEEN $2 AND $3

-- name: delete_deadlines
DELETE FROM deadlines WHERE case_id = ANY ($1::uuid[]) AND case_id BETWEEN $2 AND $3

-- name: move_reports
UPDATE reports r SET case_id = t.case_id
FROM unnest($1::uuid[], $2::uuid[]) AS t(report_id, case_id)
WHERE r.report_id = t.report_id

-- What a reporter may see with a tracking code: facts of the own report and the case it stands with. Of words only
-- the question that was put to the reporter.

-- name: find_report
-- A tracking number is 60 bits of a keyed hash: should two reports ever share one, it is the older that shows.
SELECT r.report_id AS sent_id, r.received_at AS sent_at, r.photos, c.*,
    citizen.due_at AS promised_at, citizen.original_due_at AS first_promised_at
FROM reports r
JOIN cases c ON c.case_id = r.case_id
LEFT JOIN LATERAL (
    SELECT d.due_at, d.original_due_at
    FROM deadlines d
    WHERE d.case_id = r.case_id AND d.clock = 'citizen' AND d.stage = $2
    ORDER BY d.set_seq DESC
    LIMIT 1
) citizen ON true
WHERE r.tracking = $1
ORDER BY r.received_at, r.report_id
LIMIT 1

-- name: read_history
SELECT case_id::text, seq, type, occurred_at, actor_ref, payload::text
FROM events
WHERE case_id = ANY ($1::uuid[]) AND type = ANY ($2)
ORDER BY case_id, seq

-- name: read_question
SELECT w.text
FROM events e
JOIN private.command_words w ON w.command_id = e.command_id
WHERE e.case_id = $1::uuid AND e.type = 'InfoRequested'
ORDER BY e.seq DESC
LIMIT 1

-- name: read_categories
SELECT case_id::text, category FROM cases WHERE case_id = ANY ($1::uuid[])

-- name: read_outcome
SELECT command_id, case_id, outcome, code, detail, field, ranges, decided_at FROM outcomes WHERE command_id = $1::uuid

-- name: read_own_events
SELECT case_id::text, seq, type, occurred_at, actor_ref, command_id::text, payload::text
FROM events
WHERE case_id = ANY ($1::uuid[]) AND command_id = $2::uuid AND actor_ref = $3
ORDER BY case_id, seq

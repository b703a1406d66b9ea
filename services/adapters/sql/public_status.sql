-- What a reporter may see with a tracking code: facts of the own report and its case, never words or names.

-- name: find_report
-- A tracking number is 60 bits of a keyed hash: should two reports ever share one, it is the older that shows.
SELECT r.report_id::text, r.case_id::text, r.photos, r.received_at, c.state, c.unverified, c.hub_code, citizen.due_at
FROM reports r
JOIN cases c ON c.case_id = r.case_id
LEFT JOIN LATERAL (
    SELECT d.due_at
    FROM deadlines d
    WHERE d.case_id = r.case_id AND d.clock = 'citizen' AND d.stage = $2
    ORDER BY d.set_seq DESC
    LIMIT 1
) citizen ON true
WHERE r.tracking = $1
ORDER BY r.received_at, r.report_id
LIMIT 1

-- name: read_history
SELECT type, occurred_at, actor_ref, payload::text
FROM events
WHERE case_id = $1::uuid AND type = ANY ($2)
ORDER BY seq

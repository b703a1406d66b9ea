-- The router's transaction, in the order it is run; new rows go in by COPY (services/adapters/book.py).
-- Bounds of case_id are the smallest and largest of the batch: they let the planner leave out other years.

-- name: ensure_progress
INSERT INTO progress (topic, "partition", next_offset)
SELECT topic, "partition", 0 FROM unnest($1::text[], $2::int[]) AS t(topic, "partition")
ON CONFLICT DO NOTHING

-- name: lock_progress
SELECT p.topic FROM progress p
JOIN unnest($1::text[], $2::int[]) AS t(topic, "partition") USING (topic, "partition")
ORDER BY p.topic, p."partition"
FOR UPDATE OF p

-- name: raise_progress
UPDATE progress p SET next_offset = greatest(p.next_offset, t.next_offset)
FROM unnest($1::text[], $2::int[], $3::bigint[]) AS t(topic, "partition", next_offset)
WHERE p.topic = t.topic AND p."partition" = t."partition"

-- name: lock_families
SELECT root.case_id FROM cases root
WHERE root.case_id IN (
    SELECT c.root_case_id FROM cases c WHERE c.case_id = ANY ($1::uuid[]) AND c.case_id BETWEEN $2 AND $3
)
ORDER BY root.case_id
FOR UPDATE

-- name: outcomes
SELECT o.command_id, o.case_id, o.outcome, o.code, o.detail, o.field, o.ranges, o.decided_at
FROM unnest($1::uuid[]) AS wanted(command_id)
CROSS JOIN LATERAL (SELECT * FROM outcomes WHERE command_id = wanted.command_id OFFSET 0) o

-- name: cases
SELECT * FROM cases WHERE case_id = ANY ($1::uuid[]) AND case_id BETWEEN $2 AND $3

-- name: deadlines
SELECT * FROM deadlines WHERE case_id = ANY ($1::uuid[]) AND case_id BETWEEN $2 AND $3
ORDER BY case_id, set_seq, clock, stage

-- name: events_of_ranges
SELECT e.case_id, e.seq, e.type, e.occurred_at, e.actor_ref, e.command_id, e.cycle, e.city_version, e.payload
FROM unnest($1::uuid[], $2::int[], $3::int[]) AS r(case_id, first_seq, last_seq)
CROSS JOIN LATERAL (
    SELECT * FROM events WHERE case_id = r.case_id AND seq BETWEEN r.first_seq AND r.last_seq OFFSET 0
) e
ORDER BY e.case_id, e.seq

-- name: erased
SELECT id FROM private.erased WHERE id = ANY ($1::uuid[])

-- Cases of the last minutes are not in the statistics, and their ids lie close together: between two of them the
-- planner expects one row, and would compare all there are with each that changes. Named one by one they are as many
-- as are named, whatever it knows; then hashing is right at any size.
-- name: change_by_keys
SET LOCAL enable_hashjoin = on

-- A changed row comes whole, as a value of the table's own type.
-- name: update_cases
UPDATE cases c SET seq = t.seq, stale_seq = t.stale_seq, cycle = t.cycle, state = t.state, lane = t.lane,
    category = t.category, priority = t.priority, place_code = t.place_code, hub_code = t.hub_code, level = t.level,
    supervised_level = t.supervised_level, owner = t.owner, owner_hub_code = t.owner_hub_code,
    location_quality = t.location_quality, unrouted = t.unrouted, confidential = t.confidential,
    report_count = t.report_count, rework_count = t.rework_count, dispatched_at = t.dispatched_at,
    accepted_at = t.accepted_at, resolved_at = t.resolved_at, closed_at = t.closed_at, outcome = t.outcome,
    unverified = t.unverified, handler_ref = t.handler_ref, handler_unit = t.handler_unit, handler_hubs = t.handler_hubs,
    due_at = t.due_at, last_event_at = t.last_event_at, city_version = t.city_version, changed_at = t.changed_at,
    grid_code = t.grid_code, side = t.side
FROM unnest($1::cases[]) AS t
WHERE c.case_id = t.case_id AND c.case_id = ANY ($2::uuid[])

-- name: update_deadlines
UPDATE deadlines d SET due_at = t.due_at, official = t.official, step = t.step, next_at = t.next_at,
    met_at = t.met_at, closed_at = t.closed_at, pauses = t.pauses
FROM unnest($1::deadlines[]) AS t
WHERE d.case_id = t.case_id AND d.clock = t.clock AND d.stage = t.stage AND d.set_seq = t.set_seq
    AND d.case_id = ANY ($2::uuid[])

-- A report that came to another case, or left it.
-- name: move_reports
UPDATE reports r SET case_id = t.case_id
FROM unnest($1::uuid[], $2::uuid[]) AS t(report_id, case_id)
WHERE r.report_id = t.report_id

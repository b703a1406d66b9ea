-- What the board reads. The pool of the board plans each statement for its values (plan_cache_mode =
-- force_custom_plan), so a parameter that is null drops out of the plan and the partial indexes apply.
--
-- Scope and right to read, the same in every statement of a hub (services.adapters.board_views.Scope):
--   $1  codes of the hub's subtree, null for the root hub: it needs no place filter
--   $2  own hub of the caller: its confidential cases
--   $3  hubs directly below the own hub: their confidential cases once resolved or supervised
--   $4  every known hub, only if the own hub is the root: a hub that is no longer known stands below the root
--   $5  unit of the caller, null for a dispatcher: a unit sees its own cases alone

-- name: queue
-- sort_column and sort_type stand for one of due_at, received_at (timestamptz) and priority (text).
-- $6 states, null: any; $7 with those closed since, null: open ones alone; $8 categories; $9 due before; $10, $11 after (value, id); $12 limit
WITH chosen AS NOT MATERIALIZED (
    SELECT c.*
    FROM cases c
    WHERE ($1::text[] IS NULL OR c.place_code = ANY ($1) OR c.hub_code = ANY ($1))
      AND ($5::text IS NOT NULL OR NOT c.confidential OR c.hub_code = $2
           OR ((c.resolved_at IS NOT NULL OR c.supervised_level IS NOT NULL)
               AND (c.hub_code = ANY ($3::text[]) OR c.hub_code <> ALL ($4::text[]))))
      AND ($5::text IS NULL OR (c.owner = $5 AND c.owner_hub_code = $2))
      -- Closed cases are without end. changed_at is never much before closed_at: its index skips the pages of old ones.
      AND ((c.closed_at IS NULL AND ($6::text[] <@ '{closed,archived,declined,redirected,attached,withdrawn}') IS NOT TRUE)
           OR ($7::timestamptz IS NOT NULL AND c.closed_at >= $7 AND c.changed_at >= $7 - interval '1 minute'))
      AND ($6::text[] IS NULL OR c.state = ANY ($6))
      AND ($8::text[] IS NULL OR c.category = ANY ($8))
      AND ($9::timestamptz IS NULL OR c.due_at < $9)
)
SELECT t.total, p.*
FROM (SELECT count(*) AS total FROM chosen) t
LEFT JOIN LATERAL (
    SELECT chosen.*, sort_column::text AS sort_text
    FROM chosen
    WHERE $10::text IS NULL OR (sort_column, case_id) > ($10::text::sort_type, $11::uuid)
    ORDER BY chosen.sort_column, case_id
    LIMIT $12
) p ON true

-- name: changed_since
-- SSE catch-up: $6 since, $7 limit. A case that was last given away from the scope, or from the caller's unit,
-- is told as well, unless it is confidential.
SELECT c.*, ARRAY (SELECT r.report_id::text FROM reports r WHERE r.case_id = c.case_id) AS report_ids, away.from_hub_code
FROM cases c
LEFT JOIN LATERAL (
    SELECT e.payload ->> 'from_hub_code' AS from_hub_code, e.payload ->> 'from_owner' AS from_owner
    FROM events e
    WHERE e.case_id = c.case_id AND e.type = 'CaseReassigned' AND e.occurred_at >= $6
    ORDER BY e.seq DESC
    LIMIT 1
) away ON true
WHERE c.changed_at >= $6
  AND ($1::text[] IS NULL OR c.place_code = ANY ($1) OR c.hub_code = ANY ($1) OR away.from_hub_code = ANY ($1))
  AND ($5::text IS NOT NULL OR NOT c.confidential OR c.hub_code = $2
       OR ((c.resolved_at IS NOT NULL OR c.supervised_level IS NOT NULL)
           AND (c.hub_code = ANY ($3::text[]) OR c.hub_code <> ALL ($4::text[]))))
  AND ($5::text IS NULL OR (c.owner = $5 AND c.owner_hub_code = $2) OR (NOT c.confidential AND away.from_owner = $5))
ORDER BY c.changed_at, c.case_id
LIMIT $7

-- name: cases_with_reports
-- The cases that just changed, for the nudges.
SELECT c.*, ARRAY (SELECT r.report_id::text FROM reports r WHERE r.case_id = c.case_id) AS report_ids
FROM cases c
WHERE c.case_id = ANY ($1::uuid[])

-- name: cases_by_id
SELECT * FROM cases WHERE case_id = ANY ($1::uuid[])

-- name: deadlines_of
SELECT * FROM deadlines WHERE case_id = ANY ($1::uuid[]) ORDER BY case_id, due_at, clock, stage, set_seq

-- name: events_of_case
-- With the words that were written along with the command, told at the first event it made,
-- and for whom a member of staff spoke.
SELECT e.case_id::text, e.seq, e.type, e.occurred_at, e.actor_ref, e.command_id::text, e.payload::text AS payload,
       CASE WHEN e.seq = min(e.seq) FILTER (WHERE e.actor_ref <> 'system') OVER (PARTITION BY e.command_id) THEN w.text END AS text,
       a.role, a.hub_code, a.unit
FROM events e
LEFT JOIN private.command_words w ON w.command_id = e.command_id AND w.case_id = e.case_id
LEFT JOIN staff.accounts a ON a.account_id::text = e.actor_ref
WHERE e.case_id = $1::uuid
ORDER BY e.seq

-- name: events_in_ranges
SELECT e.case_id::text, e.seq, e.type, e.occurred_at, e.actor_ref, e.command_id::text, e.payload::text AS payload,
       CASE WHEN e.seq = min(e.seq) FILTER (WHERE e.actor_ref <> 'system') OVER (PARTITION BY e.case_id, e.command_id) THEN w.text END AS text,
       NULL::text AS role, NULL::text AS hub_code, NULL::text AS unit
FROM unnest($1::uuid[], $2::integer[], $3::integer[]) AS wanted (case_id, first_seq, last_seq)
JOIN events e ON e.case_id = wanted.case_id AND e.seq BETWEEN wanted.first_seq AND wanted.last_seq
LEFT JOIN private.command_words w ON w.command_id = e.command_id AND w.case_id = e.case_id
WHERE e.case_id = ANY ($1::uuid[])
ORDER BY e.case_id, e.seq

-- name: reports_of_case
SELECT r.report_id::text, r.channel, r.category, r.hub_code, r.visibility, r.captured_at, r.received_at, r.photos,
       p.name, p.phone, p.text, p.lon, p.lat, p.accuracy_m
FROM reports r
LEFT JOIN private.report_contents p USING (report_id)
WHERE r.case_id = $1::uuid
ORDER BY r.received_at, r.report_id

-- name: photo_is_of_case
SELECT EXISTS (SELECT FROM reports WHERE case_id = $1::uuid AND $2::text = ANY (photos))
    OR EXISTS (SELECT FROM events WHERE case_id = $1::uuid AND payload -> 'photos' ? $2::text)

-- name: outcome_of
SELECT command_id::text, case_id::text, outcome, code, detail, field, ranges::text AS ranges, decided_at
FROM outcomes
WHERE command_id = $1::uuid

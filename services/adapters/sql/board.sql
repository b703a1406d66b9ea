-- What the board reads. The pool of the board plans each statement for its values (plan_cache_mode =
-- force_custom_plan), so a parameter that is null drops out of the plan and the partial indexes apply.
--
-- Scope and right to read, the same in every statement of a hub (services.adapters.board_views.Scope):
--   $1  codes of the hub's subtree and of the areas it gives aid to, null for the root hub: it needs no filter
--   $2  own hub of the caller: its confidential cases
--   $3  hubs directly below the own hub: their confidential cases once resolved or supervised
--   $4  every known hub, only if the own hub is the root: a hub that is no longer known stands below the root
--   $5  unit of the caller, null for all others: a unit sees its own cases and those it was invited to
--   $6  whether the caller sees only what has ended
--   $7  codes of the hub's subtree alone, null when $1 says as much: elsewhere it sees what it gives aid to
--   $8  whether a unit looks at its own hub: it may be invited from anywhere

-- name: queue
-- sort_column and sort_type stand for one of due_at, received_at (timestamptz) and priority (text), sort_way and
-- sort_beyond for the direction.
-- $9 states, null: any; $10 with those closed since, null: open ones alone; $11 categories; $12 due before;
-- $13 these cases alone, open or not; $14 what waits at the desk: triage or callback; $15, $16 after (value, id); $17 limit
WITH chosen AS NOT MATERIALIZED (
    SELECT c.*
    FROM cases c
    WHERE ($1::text[] IS NULL OR c.place_code = ANY ($1) OR c.hub_code = ANY ($1) OR ($8::boolean AND c.side -> 'invited' @> jsonb_build_array(jsonb_build_object('unit', $5::text, 'hub_code', $2::text, 'partner', false))))
      AND ($7::text[] IS NULL OR c.place_code = ANY ($7) OR c.hub_code = ANY ($7) OR c.side ->> 'aid_hub_code' = $2)
      AND may_be_read
      -- Closed cases are without end. changed_at is never much before closed_at: its index skips the pages of old ones.
      AND ((c.closed_at IS NULL AND ($9::text[] <@ '{closed,archived,declined,redirected,attached,withdrawn}') IS NOT TRUE)
           OR ($10::timestamptz IS NOT NULL AND c.closed_at >= $10 AND c.changed_at >= $10 - interval '1 minute')
           OR $13::uuid[] IS NOT NULL)
      AND ($9::text[] IS NULL OR c.state = ANY ($9))
      AND ($11::text[] IS NULL OR c.category = ANY ($11))
      AND ($12::timestamptz IS NULL OR c.due_at < $12)
      AND ($13::uuid[] IS NULL OR c.case_id = ANY ($13))
      AND ($14::text IS DISTINCT FROM 'triage' OR c.state IN ('triaging', 'need_info') OR c.side ? 'suggested')
      AND ($14::text IS DISTINCT FROM 'callback' OR ((c.side ->> 'answer') IS NULL AND (c.side ->> 'parent_case_id') IS NULL))
)
SELECT t.total, p.*
FROM (SELECT count(*) AS total FROM chosen) t
LEFT JOIN LATERAL (
    SELECT chosen.*, sort_column::text AS sort_text
    FROM chosen
    WHERE $15::text IS NULL OR (sort_column, case_id) sort_beyond ($15::text::sort_type, $16::uuid)
    ORDER BY chosen.sort_column sort_way, case_id sort_way
    LIMIT $17
) p ON true

-- name: may_be_read
-- Of a case c, put into the statements above and below; the same as domain.access.may_read.
CASE WHEN $5::text IS NOT NULL
     THEN (c.owner = $5 AND c.owner_hub_code = $2)
          OR c.side -> 'invited' @> jsonb_build_array(jsonb_build_object('unit', $5::text, 'hub_code', $2::text, 'partner', false))
     ELSE NOT c.confidential
          OR c.hub_code = $2
          OR ((c.resolved_at IS NOT NULL OR c.supervised_level IS NOT NULL)
              AND (c.hub_code = ANY ($3::text[]) OR c.hub_code <> ALL ($4::text[])))
END
AND (NOT $6::boolean OR c.closed_at IS NOT NULL)

-- name: changed_since
-- SSE catch-up: $9 since, $10 limit. A case that was last given away from the scope, or from the caller's unit,
-- is told as well, unless it is confidential.
SELECT c.*, ARRAY (SELECT r.report_id::text FROM reports r WHERE r.case_id = c.case_id) AS report_ids, away.from_hub_code
FROM cases c
LEFT JOIN LATERAL (
    SELECT e.payload ->> 'from_hub_code' AS from_hub_code, e.payload ->> 'from_owner' AS from_owner
    FROM events e
    WHERE e.case_id = c.case_id AND e.type IN ('CaseReassigned', 'ReturnApproved') AND e.occurred_at >= $9
    ORDER BY e.seq DESC
    LIMIT 1
) away ON true
WHERE c.changed_at >= $9
  AND ((($1::text[] IS NULL OR c.place_code = ANY ($1) OR c.hub_code = ANY ($1) OR ($8::boolean AND c.side -> 'invited' @> jsonb_build_array(jsonb_build_object('unit', $5::text, 'hub_code', $2::text, 'partner', false))))
        AND ($7::text[] IS NULL OR c.place_code = ANY ($7) OR c.hub_code = ANY ($7) OR c.side ->> 'aid_hub_code' = $2)
        AND may_be_read)
       OR (NOT c.confidential AND NOT $6::boolean AND ($5::text IS NULL OR away.from_owner = $5)
           AND (away.from_hub_code = ANY ($1) OR ($1::text[] IS NULL AND away.from_hub_code IS NOT NULL))))
ORDER BY c.changed_at, c.case_id
LIMIT $10

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
-- What a part is for was written to the case it is a part of.
LEFT JOIN private.command_words w ON w.command_id = e.command_id AND (w.case_id = e.case_id OR e.type = 'PartFiled')
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
       r.on_behalf, p.name, p.phone, p.text, p.lon, p.lat, p.accuracy_m
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

-- name: case_of_report
SELECT case_id::text FROM reports WHERE tracking = $1 ORDER BY received_at, report_id LIMIT 1

-- name: cases_of_number
-- Of the day that the number names: $2 and $3 are the ids that day begins and ends with.
SELECT * FROM cases WHERE case_id >= $2::uuid AND case_id < $3::uuid AND number = $1 ORDER BY case_id LIMIT 10

-- The counts of a period, grouped: what services.domain.rates.counted says of the same cases (docs/statistics.md).
-- Names of columns are the names of counts. Groups come with their key, the sum of all with null.
--
-- An assignment or cycle belongs to the hub and the unit that had it then, and to the place of its case. They are
-- counted without detail for whoever may look at the hub's queue; confidential ones only for who may read them:
--   $1  codes of the hub's subtree, null for all
--   $2  own hub of the caller: its confidential cases
--   $3  hubs directly below the own hub: their confidential cases once resolved or supervised
--   $4  every known hub, only if the own hub is the root
--   $5  unit of the caller, null for a dispatcher
--   $6  from, $7 until (not included), $8 hub, tier, category or owner, $9 whether everything may be read

-- name: assignments
SELECT grouping(t.key) = 1 AS whole, t.key,
       min(t.level) AS level,
       count(*) AS accept_due,
       count(*) FILTER (WHERE t.accepted_at <= t.due_at) AS accepted_in_time,
       count(t.accepted_at) AS accepted_ever,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY t.accepted_at - t.assigned_at) AS accept_median,
       percentile_disc(0.9) WITHIN GROUP (ORDER BY t.accepted_at - t.assigned_at) AS accept_p90
FROM (
    SELECT a.*, CASE $8::text WHEN 'hub' THEN a.hub_code WHEN 'tier' THEN a.level::text WHEN 'category' THEN a.category
                              ELSE a.owner || '@' || a.owner_hub_code END AS key
    FROM statistics.assignments a
    WHERE a.due_at >= $6 AND a.due_at < $7 AND a.case_id < statistics.first_id($7::timestamptz + interval '1 second')
      AND NOT a.taken_back
      AND ($1::text[] IS NULL OR a.place_code = ANY ($1) OR a.hub_code = ANY ($1))
      AND ($9::boolean OR $5::text IS NOT NULL OR NOT a.confidential OR a.case_hub_code = $2
           OR (a.seen_above AND (a.case_hub_code = ANY ($3::text[]) OR a.case_hub_code <> ALL ($4::text[]))))
      AND ($5::text IS NULL OR (a.owner = $5 AND a.owner_hub_code = $2))
) t
GROUP BY GROUPING SETS ((t.key), ())

-- name: cycles
SELECT grouping(t.key) = 1 AS whole, t.key,
       min(t.level) AS level,
       count(*) FILTER (WHERE t.counts) AS cycles,
       count(*) FILTER (WHERE t.counts AND NOT t.silent) AS due,
       count(*) FILTER (WHERE t.counts AND t.verified AND t.resolved_at <= t.due_at) AS closed_on_time,
       count(*) FILTER (WHERE t.counts_strictly AND NOT t.silent) AS originally_due,
       count(*) FILTER (WHERE t.counts_strictly AND t.verified AND t.resolved_at <= t.original_due_at) AS closed_on_time_strictly,
       count(*) FILTER (WHERE t.counts AND t.accepted_at IS NOT NULL) AS accepted,
       count(*) FILTER (WHERE t.counts AND t.accepted_at IS NOT NULL AND t.closed_at IS NOT NULL) AS closed,
       count(*) FILTER (WHERE t.counts AND NOT t.part AND t.closed_at IS NOT NULL) AS answerable,
       count(*) FILTER (WHERE t.counts AND NOT t.part AND t.answer IS NOT NULL) AS answered,
       count(*) FILTER (WHERE t.counts AND NOT t.part AND t.answer = 'yes') AS said_yes,
       count(*) FILTER (WHERE t.counts AND NOT t.part AND t.answer = 'partly') AS said_partly,
       count(*) FILTER (WHERE t.counts AND NOT t.part AND t.satisfaction IS NOT NULL) AS graded,
       count(*) FILTER (WHERE t.counts AND NOT t.part AND t.satisfaction >= 4) AS satisfied,
       count(*) FILTER (WHERE t.counts AND t.resolved_at IS NOT NULL) AS claimed,
       count(*) FILTER (WHERE t.counts AND t.reworks > 0) AS reworked,
       count(*) FILTER (WHERE t.counts AND t.extended) AS extended,
       count(*) FILTER (WHERE t.counts AND t.returns > 0) AS returned,
       count(*) FILTER (WHERE t.counts AND t.reopened_at IS NOT NULL) AS reopened,
       count(*) FILTER (WHERE t.counts AND t.recurred) AS recurred,
       count(*) FILTER (WHERE t.counts AND t.unverified) AS unverified,
       count(*) FILTER (WHERE t.counts AND t.sampled) AS sampled,
       count(*) FILTER (WHERE t.counts AND t.silent) AS no_response,
       count(*) FILTER (WHERE t.counts AND t.suspensions <> '{}') AS suspended,
       count(*) FILTER (WHERE t.counts AND t.open) AS overdue_open,
       count(*) FILTER (WHERE t.in_period AND t.standing) AS standing,
       count(t.took) AS resolved_ever,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY t.took) AS resolve_median,
       percentile_disc(0.9) WITHIN GROUP (ORDER BY t.took) AS resolve_p90,
       coalesce(jsonb_agg(jsonb_build_array(t.limit_text, t.suspensions))
                FILTER (WHERE t.in_period AND t.suspensions <> '{}'), '[]')::text AS stood
FROM (
    SELECT k.*,
           k.in_period AND NOT k.standing AS counts,
           k.originally_in_period AND NOT k.standing AS counts_strictly,
           k.outcome IS NOT DISTINCT FROM 'no_response' AS silent,
           CASE WHEN k.in_period AND NOT k.standing AND (k.verified OR k.unverified) THEN k.resolved_at - k.dispatched_at END AS took
    FROM (
        SELECT c.*,
               c.due_at >= $6 AND c.due_at < $7 AS in_period,
               c.original_due_at >= $6 AND c.original_due_at < $7 AS originally_in_period,
               CASE $8::text WHEN 'hub' THEN c.hub_code WHEN 'tier' THEN c.level::text WHEN 'category' THEN c.category
                             ELSE c.owner || '@' || c.owner_hub_code END AS key
        FROM statistics.cycles c
        WHERE ((c.due_at >= $6 AND c.due_at < $7) OR (c.moved_from >= $6 AND c.moved_from < $7))
          AND c.case_id < statistics.first_id($7::timestamptz + interval '1 second')
          AND ($1::text[] IS NULL OR c.place_code = ANY ($1) OR c.hub_code = ANY ($1))
          AND ($9::boolean OR $5::text IS NOT NULL OR NOT c.confidential OR c.case_hub_code = $2
               OR (c.seen_above AND (c.case_hub_code = ANY ($3::text[]) OR c.case_hub_code <> ALL ($4::text[]))))
          AND ($5::text IS NULL OR (c.owner = $5 AND c.owner_hub_code = $2))
    ) k
) t
GROUP BY GROUPING SETS ((t.key), ())

-- name: histories
-- Every event of every case, in order: for counting again from the events alone.
SELECT case_id, seq, type, occurred_at, actor_ref, command_id, cycle, city_version, payload
FROM events
ORDER BY case_id, seq

-- What the rates count (docs/statistics.md), for the board and for whoever asks with psql: one row per assignment
-- and one per cycle. Each row is found by its due in `deadlines`; the rest is read from the events of its case, so
-- rows and events must agree (`console statistics --check` counts again from the events alone).
-- Ask with a range of due_at, and case_id < statistics.first_id(its end): the BRIN index reads that part of the
-- table only, and years to come are left out. Nothing here says now(): a due that lies ahead is the asker's to leave out.

CREATE SCHEMA statistics;
COMMENT ON SCHEMA statistics IS 'Rates of domain.md 2.3: see docs/statistics.md. Only for reading.';

-- Dues grow with time, as rows do: a summary of each 32 pages costs the router next to nothing, a tree would be one more.
CREATE INDEX deadlines_by_due ON deadlines USING brin (due_at) WITH (pages_per_range = 32, autosummarize = on);
-- The few that an extension or the parts of a case have moved: they count on time by the one, strictly by the other.
CREATE INDEX deadlines_moved ON deadlines (original_due_at) WHERE original_due_at IS NOT NULL;
-- The few cases that are an old problem again.
CREATE INDEX cases_recurring ON cases ((side ->> 'recurrence_of')) WHERE side ->> 'recurrence_of' IS NOT NULL;

CREATE FUNCTION statistics.first_id(at timestamptz) RETURNS uuid LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN rpad(lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0'), 32, '0')::uuid;
COMMENT ON FUNCTION statistics.first_id IS 'No case that began at or after this instant has a smaller id.';

CREATE FUNCTION statistics.wilson(hits double precision, n bigint, OUT low double precision, OUT high double precision)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT ROW (greatest(0, (middle - spread) / scale), least(1, (middle + spread) / scale))
        FROM (SELECT hits / n + 1.959963984540054 ^ 2 / (2 * n),
                     1.959963984540054 * sqrt(hits / n * (1 - hits / n) / n + 1.959963984540054 ^ 2 / (4.0 * n ^ 2)),
                     1 + 1.959963984540054 ^ 2 / n WHERE n > 0) AS part (middle, spread, scale));
COMMENT ON FUNCTION statistics.wilson IS '95 % score interval of hits of n; null where n is 0.';

-- LIMIT 1 keeps a lookup by key what it is, whatever the planner thinks of the number of rows. What the case's own
-- row says of its present cycle is not looked for among the events.
CREATE VIEW statistics.assignments AS
SELECT d.case_id, c.number, given.cycle, given.seq,
       given.hub_code, given.level, given.owner, given.owner_hub_code,
       CASE WHEN given.cycle = c.cycle THEN c.category ELSE (
           SELECT e.payload ->> 'category' FROM events e
           WHERE e.case_id = d.case_id AND e.cycle <= given.cycle
             AND e.type IN ('TriageStarted', 'CaseFiled', 'PartFiled', 'CategoryChanged')
           ORDER BY e.seq DESC LIMIT 1
       ) END AS category,
       c.place_code, c.state, c.confidential, c.hub_code AS case_hub_code,
       c.resolved_at IS NOT NULL OR c.supervised_level IS NOT NULL AS seen_above,
       given.occurred_at AS assigned_at,
       d.due_at,
       d.met_at AS accepted_at,
       -- it went elsewhere before it was due
       (d.met_at IS NULL AND d.closed_at IS NOT NULL AND d.closed_at < d.due_at) AS taken_back,
       (d.met_at IS NULL OR d.met_at > d.due_at)
           AND NOT (d.met_at IS NULL AND d.closed_at IS NOT NULL AND d.closed_at < d.due_at) AS missed
FROM deadlines d
CROSS JOIN LATERAL (SELECT * FROM cases WHERE case_id = d.case_id LIMIT 1) c
CROSS JOIN LATERAL (
    SELECT e.seq, e.cycle, e.occurred_at, e.payload ->> 'hub_code' AS hub_code, (e.payload ->> 'level')::integer AS level,
           e.payload ->> 'owner' AS owner, e.payload ->> 'owner_hub_code' AS owner_hub_code
    FROM events e
    WHERE e.case_id = d.case_id AND e.seq <= d.set_seq
      AND e.type IN ('CaseDispatched', 'ReturnApproved', 'CaseReassigned', 'CaseReopened')
      -- Where its unit kept it, under another hub or forced a second time, that unit's limit went on.
      AND e.payload -> 'dues' @> '[{"clock": "owner", "stage": "accept"}]'
    ORDER BY e.seq DESC LIMIT 1
) given
WHERE d.clock = 'owner' AND d.stage = 'accept'
  AND NOT (c.state IN ('attached', 'redirected', 'declined', 'withdrawn') AND c.cycle = given.cycle)
  -- The last that was set in its assignment: one whose place another has taken is closed and was not met,
  -- and the next belongs to the same assignment.
  AND (d.closed_at IS NULL OR d.met_at IS NOT NULL OR (
       SELECT coalesce(bool_and(e.type IN ('CaseDispatched', 'ReturnApproved', 'CaseReassigned', 'CaseReopened')), true)
       FROM events e
       WHERE e.case_id = d.case_id
         AND e.seq = (SELECT min(l.set_seq) FROM deadlines l
                      WHERE l.case_id = d.case_id AND l.clock = 'owner' AND l.stage = 'accept' AND l.set_seq > d.set_seq)));

COMMENT ON VIEW statistics.assignments IS
    'One row each time a case was given to an owner with a limit to accept it. Cases that ended as merged, redirected, declined or withdrawn are not here.';
COMMENT ON COLUMN statistics.assignments.due_at IS 'When it was to be accepted, as last set.';
COMMENT ON COLUMN statistics.assignments.taken_back IS 'It went elsewhere, unaccepted, before due_at: neither met nor missed, in no rate.';
COMMENT ON COLUMN statistics.assignments.missed IS 'Not accepted by due_at; of one still open it says only that nobody has accepted yet.';
COMMENT ON COLUMN statistics.assignments.category IS 'What the case turned out to be by the end of the cycle.';
COMMENT ON COLUMN statistics.assignments.case_hub_code IS 'The hub that must act now: whose confidential cases these are.';

CREATE VIEW statistics.cycles AS
SELECT d.case_id, c.number, s.cycle,
       CASE WHEN s.past THEN f.hub_code ELSE c.hub_code END AS hub_code,
       CASE WHEN s.past THEN f.level ELSE c.level END AS level,
       CASE WHEN s.past THEN f.owner ELSE c.owner END AS owner,
       CASE WHEN s.past THEN f.owner_hub_code ELSE c.owner_hub_code END AS owner_hub_code,
       CASE WHEN s.past THEN f.category ELSE c.category END AS category,
       c.place_code, c.state, c.confidential, c.hub_code AS case_hub_code,
       c.resolved_at IS NOT NULL OR c.supervised_level IS NOT NULL AS seen_above,
       c.report_id IS NULL AS part,
       d.limit_text,
       coalesce(f.dispatched_at, f.given_at) AS dispatched_at,
       d.due_at,
       coalesce(d.original_due_at, d.due_at) AS original_due_at,
       d.original_due_at AS moved_from,
       f.accepted_at, f.resolved_at, f.closed_at,
       CASE WHEN f.no_response THEN 'no_response' ELSE f.outcome END AS outcome,
       f.verified, f.unverified,
       f.unverified AND ('x' || left(md5(d.case_id::text || '/' || s.cycle), 7))::bit(28)::integer % 10 = 0 AS sampled,
       (d.met_at IS NULL AND d.closed_at IS NULL) AS open,
       (NOT s.past AND c.state = 'suspended' AND d.due_at > f.suspended_at) AS standing,
       f.reworks, f.returns, f.extended, f.reopened_at,
       coalesce(f.suspensions, '{}') AS suspensions,
       CASE WHEN f.suspensions IS NULL THEN interval '0' ELSE make_interval(secs => (f.suspended_seconds
           + CASE WHEN cardinality(f.suspensions) % 2 = 1 THEN extract(epoch FROM f.suspended_at) ELSE 0 END)::double precision) END AS suspended,
       said.answer, said.satisfaction, said.answered_by,
       f.closed_at IS NOT NULL AND EXISTS (
           SELECT FROM cases r
           WHERE r.side ->> 'recurrence_of' = d.case_id::text
             AND r.state NOT IN ('attached', 'redirected', 'declined', 'withdrawn')
             AND r.received_at >= f.closed_at AND r.received_at < least(f.closed_at + interval '720 hours', f.reopened_at)
             AND r.case_id >= statistics.first_id(f.closed_at)
             AND r.case_id < statistics.first_id(f.closed_at + interval '721 hours')
       ) AS recurred
FROM deadlines d
CROSS JOIN LATERAL (SELECT * FROM cases WHERE case_id = d.case_id LIMIT 1) c
CROSS JOIN LATERAL (
    -- Most cases have one cycle.
    SELECT t.cycle, t.cycle < c.cycle AS past
    FROM (SELECT CASE c.cycle WHEN 1 THEN 1 ELSE (
              SELECT e.cycle FROM events e WHERE e.case_id = d.case_id AND e.seq = d.set_seq) END AS cycle OFFSET 0) t
) s
CROSS JOIN LATERAL (
    SELECT (array_agg(e.payload ->> 'hub_code' ORDER BY e.seq DESC) FILTER (WHERE s.past AND (w.given OR w.led)))[1] AS hub_code,
           (array_agg((e.payload ->> 'level')::integer ORDER BY e.seq DESC) FILTER (WHERE s.past AND (w.given OR w.led)))[1] AS level,
           (array_agg(e.payload ->> 'owner' ORDER BY e.seq DESC) FILTER (WHERE s.past AND w.given))[1] AS owner,
           (array_agg(e.payload ->> 'owner_hub_code' ORDER BY e.seq DESC) FILTER (WHERE s.past AND w.given))[1] AS owner_hub_code,
           (array_agg(e.payload ->> 'category' ORDER BY e.seq DESC)
               FILTER (WHERE s.past AND e.cycle <= s.cycle AND e.type IN ('TriageStarted', 'CaseFiled', 'PartFiled', 'CategoryChanged')))[1] AS category,
           min(e.occurred_at) FILTER (WHERE w.given) AS given_at,
           min(e.occurred_at) FILTER (WHERE w.here AND e.type IN ('CaseDispatched', 'CaseReopened')) AS dispatched_at,
           min(e.occurred_at) FILTER (WHERE w.here AND e.type = 'CaseAccepted') AS accepted_at,
           max(e.occurred_at) FILTER (WHERE w.here AND e.type = 'ResolutionSubmitted') AS resolved_at,
           (array_agg(e.payload ->> 'outcome' ORDER BY e.seq DESC) FILTER (WHERE w.here AND e.type = 'ResolutionSubmitted'))[1] AS outcome,
           array_agg(e.actor_ref) FILTER (WHERE e.type = 'ResolutionSubmitted') AS handlers,
           min(e.occurred_at) FILTER (WHERE w.here AND e.type IN ('VerificationPassed', 'VerificationLapsed', 'NoResponseClosed')) AS closed_at,
           coalesce(bool_or(e.type = 'VerificationPassed') FILTER (WHERE w.here), false) AS verified,
           coalesce(bool_or(e.type = 'VerificationLapsed') FILTER (WHERE w.here), false) AS unverified,
           coalesce(bool_or(e.type = 'NoResponseClosed') FILTER (WHERE w.here), false) AS no_response,
           coalesce(bool_or(e.type = 'ExtensionGranted') FILTER (WHERE w.here), false) AS extended,
           count(*) FILTER (WHERE w.here AND e.type = 'VerificationFailed') AS reworks,
           count(*) FILTER (WHERE w.here AND e.type = 'ReturnRequested') AS returns,
           count(*) FILTER (WHERE e.type = 'CallbackRecorded' OR starts_with(e.actor_ref, 'report:')) AS spoken,
           min(e.occurred_at) FILTER (WHERE e.cycle > s.cycle) AS reopened_at,
           min(e.seq) FILTER (WHERE e.cycle > s.cycle) AS next_seq,
           max(e.occurred_at) FILTER (WHERE w.here AND e.type = 'CaseSuspended') AS suspended_at,
           array_agg(e.occurred_at ORDER BY e.seq) FILTER (WHERE w.here AND w.stood) AS suspensions,
           sum(extract(epoch FROM e.occurred_at) * CASE e.type WHEN 'CaseSuspended' THEN -1 ELSE 1 END)
               FILTER (WHERE w.here AND w.stood) AS suspended_seconds
    FROM events e
    CROSS JOIN LATERAL (
        SELECT e.cycle = s.cycle AS here,
               e.cycle = s.cycle AND e.type IN ('CaseDispatched', 'ReturnApproved', 'CaseReassigned', 'CaseReopened') AS given,
               e.cycle = s.cycle AND e.type = 'ProblemTicketOpened' AS led,
               e.type IN ('CaseSuspended', 'CaseResumed', 'NoResponseClosed') AS stood
    ) w
    WHERE e.case_id = d.case_id
      AND e.type IN ('TriageStarted', 'CaseFiled', 'PartFiled', 'CategoryChanged', 'CaseDispatched', 'ReturnRequested', 'ReturnApproved',
                     'CaseReassigned', 'ProblemTicketOpened', 'CaseAccepted', 'ExtensionGranted', 'CaseSuspended', 'CaseResumed',
                     'ResolutionSubmitted', 'VerificationPassed', 'VerificationFailed', 'VerificationLapsed', 'NoResponseClosed',
                     'CallbackRecorded', 'CaseReopened')
) f
LEFT JOIN LATERAL (
    -- The last word of the reporter, or what an agent heard: to verify or to reopen a case says something too.
    -- Who has handled the case is not asked.
    SELECT CASE e.type WHEN 'CallbackRecorded' THEN e.payload ->> 'resolved' WHEN 'VerificationPassed' THEN 'yes' ELSE 'no' END AS answer,
           CASE e.type WHEN 'CallbackRecorded' THEN (e.payload ->> 'satisfaction')::integer END AS satisfaction,
           CASE WHEN e.type = 'CallbackRecorded' AND NOT (e.payload ->> 'by_reporter')::boolean THEN 'agent' ELSE 'reporter' END AS answered_by
    FROM events e
    WHERE f.closed_at IS NOT NULL AND f.spoken > 0 AND e.case_id = d.case_id
      AND ((e.cycle = s.cycle AND e.type = 'CallbackRecorded'
            AND ((e.payload ->> 'by_reporter')::boolean OR e.actor_ref <> ALL (coalesce(f.handlers, '{}'))))
           OR (e.cycle = s.cycle AND e.type IN ('VerificationPassed', 'VerificationFailed') AND starts_with(e.actor_ref, 'report:'))
           OR (e.cycle = s.cycle + 1 AND e.type = 'CaseReopened' AND starts_with(e.actor_ref, 'report:')))
    ORDER BY e.seq DESC LIMIT 1
) said ON true
WHERE d.clock = 'owner' AND d.stage = 'resolve'
  AND NOT (c.state IN ('attached', 'redirected', 'declined', 'withdrawn') AND c.cycle = s.cycle)
  AND f.given_at IS NOT NULL
  -- Still a due: one whose place another has taken is closed and was not met. And so is the last of a cycle that
  -- ended without an answer.
  AND (d.closed_at IS NULL OR d.met_at IS NOT NULL OR (f.no_response AND NOT EXISTS (
       SELECT FROM deadlines l
       WHERE l.case_id = d.case_id AND l.clock = 'owner' AND l.stage = 'resolve' AND l.set_seq > d.set_seq
         AND (f.next_seq IS NULL OR l.set_seq < f.next_seq))));

COMMENT ON VIEW statistics.cycles IS
    'One row per cycle of a case (dispatch or reopening to closing). Cases that ended as merged, redirected, declined or withdrawn are not here; a part of a decomposed case is a cycle of its own owner.';
COMMENT ON COLUMN statistics.cycles.hub_code IS 'The hub that had to act, and level, owner and category, as they were at the end of the cycle.';
COMMENT ON COLUMN statistics.cycles.part IS 'A part of a decomposed case: it has no reporter who could answer.';
COMMENT ON COLUMN statistics.cycles.due_at IS 'Effective due of the owner''s clock: extensions and time that it stood still are in it.';
COMMENT ON COLUMN statistics.cycles.original_due_at IS 'What was due without the extension, or before the parts of the case fixed it.';
COMMENT ON COLUMN statistics.cycles.moved_from IS 'original_due_at where it is not due_at, else null: the index knows this column.';
COMMENT ON COLUMN statistics.cycles.resolved_at IS 'The last claim that the problem is solved.';
COMMENT ON COLUMN statistics.cycles.closed_at IS 'Verified, or nobody verified in time (unverified), or the reporter was waited for in vain (outcome no_response).';
COMMENT ON COLUMN statistics.cycles.sampled IS 'One in ten of the unverified cycles, always the same: to be looked at by people later.';
COMMENT ON COLUMN statistics.cycles.open IS 'Not claimed as solved, so overdue once due_at has passed, unless it is standing.';
COMMENT ON COLUMN statistics.cycles.standing IS 'Suspended now, before its due: due_at has not come and moves when work goes on.';
COMMENT ON COLUMN statistics.cycles.suspensions IS 'From, to, from, to … of the owner''s clock; odd while it stands.';
COMMENT ON COLUMN statistics.cycles.suspended IS 'How long in all by the wall clock, a suspension that lasts not counted; in working time only the API tells it.';
COMMENT ON COLUMN statistics.cycles.answer IS 'yes, partly or no: the last word of the reporter, or what a callback agent who had no hand in the case heard.';
COMMENT ON COLUMN statistics.cycles.satisfaction IS '1 to 5; satisfied is 4 and above.';
COMMENT ON COLUMN statistics.cycles.recurred IS 'The same problem was reported as a new case within 30 days of closing.';

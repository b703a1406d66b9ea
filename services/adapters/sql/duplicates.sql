-- What new reports may repeat, and how private.sightings follows its cases (docs/duplicates.md).

-- Asked once for a batch, before anything is locked: one row per report, family and strip of latitude. x and y are
-- the point, dx and dy how far to look, in degrees; closed is the part of that, squared, for closed problems. Open ones
-- that were seen since $11, or that are the reporter's own; of closed ones, those since $12 of the same category.
-- name: sightings_near
SELECT a.n, s.case_id::text, s.category, s.lon, s.lat, s.error_m, s.seen_at, s.closed_at, s.text,
    a.who IS NOT NULL AND EXISTS (
        SELECT FROM private.sightings o WHERE o.reporter = a.who AND o.case_id = s.case_id
    ) AS own
FROM unnest($1::int[], $2::int[], $3::text[], $4::float8[], $5::float8[], $6::float8[], $7::float8[],
        $8::float8[], $9::text[], $10::bigint[])
    AS a(n, strip, kin, x, y, dx, dy, closed, category, who)
JOIN private.sightings s ON s.compared AND s.band = a.strip AND s.family = a.kin
    AND s.lon BETWEEN a.x - a.dx AND a.x + a.dx AND s.lat BETWEEN a.y - a.dy AND a.y + a.dy
WHERE CASE WHEN s.closed_at IS NULL THEN
        ((s.lon - a.x) / a.dx) ^ 2 + ((s.lat - a.y) / a.dy) ^ 2 <= 1
        AND (s.seen_at >= $11 OR a.who IS NOT NULL AND EXISTS (
            SELECT FROM private.sightings o WHERE o.reporter = a.who AND o.case_id = s.case_id
        ))
    ELSE
        s.closed_at >= $12 AND s.category = a.category
        AND ((s.lon - a.x) / a.dx) ^ 2 + ((s.lat - a.y) / a.dy) ^ 2 <= a.closed
    END

-- A report that people moved to another case, of these whose rows are locked: from now on it is compared.
-- name: move_sightings
UPDATE private.sightings s SET case_id = t.case_id, compared = true
FROM unnest($1::uuid[], $2::uuid[]) AS t(report_id, case_id)
WHERE s.case_id = ANY ($3::uuid[]) AND s.report_id = t.report_id AND s.case_id <> t.case_id

-- name: update_sightings
UPDATE private.sightings s SET category = t.category, family = t.family, closed_at = t.closed_at
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) AS t(case_id, category, family, closed_at)
WHERE s.case_id = t.case_id

-- name: delete_sightings
DELETE FROM private.sightings WHERE case_id = ANY ($1::uuid[])

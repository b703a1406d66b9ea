-- name: due
SELECT case_id, clock, stage, step, set_seq, next_at
FROM deadlines
WHERE next_at IS NOT NULL AND next_at <= $1 AND (next_at, case_id) > ($2, $3::uuid)
ORDER BY next_at, case_id
LIMIT $4

-- name: active_files
SELECT jsonb_object_keys(v.files) AS file FROM active_city a JOIN city_versions v USING (version)

-- name: oldest_due
SELECT next_at FROM deadlines WHERE next_at IS NOT NULL ORDER BY next_at LIMIT 1

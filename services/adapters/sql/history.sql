-- One case for `console explain`: a look of a person, not of a room.

-- name: case_of_number
SELECT case_id FROM cases WHERE number = $1 ORDER BY case_id LIMIT 1

-- name: events_of
SELECT case_id, seq, type, occurred_at, actor_ref, command_id, cycle, city_version, payload
FROM events
WHERE case_id = $1::uuid
ORDER BY seq

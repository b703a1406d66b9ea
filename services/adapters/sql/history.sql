-- One case for `console explain`: a look of a person, not of a room.

-- name: cases_of_number
-- More than one when 30 bits a day were too few.
SELECT case_id::text FROM cases WHERE number = $1 ORDER BY case_id LIMIT 10

-- name: events_of
SELECT case_id, seq, type, occurred_at, actor_ref, command_id, cycle, city_version, payload
FROM events
WHERE case_id = $1::uuid
ORDER BY seq

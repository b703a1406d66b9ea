-- The city's numbered versions. Loaders queue on one lock, taken in its own statement: what the next one reads
-- is then newer than whatever the loader before it wrote.

-- name: lock_city
SELECT pg_advisory_xact_lock(hashtextextended('pioneer-hub city load', 0));

-- name: active_city
SELECT v.version, v.content_hash
FROM active_city a
JOIN city_versions v USING (version);

-- name: active_version
SELECT version FROM active_city;

-- name: insert_version
INSERT INTO city_versions (version, loaded_at, content_hash, files)
SELECT coalesce(max(version), 0) + 1, $1, $2, $3::text::jsonb
FROM city_versions
RETURNING version;

-- name: move_active
UPDATE active_city SET version = $1 RETURNING version;

-- name: first_active
INSERT INTO active_city (version) VALUES ($1);

-- name: read_version
SELECT files::text FROM city_versions WHERE version = $1;

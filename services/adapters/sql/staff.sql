-- Accounts and sessions (schema staff). A cookie's token is nowhere, only its SHA-256.

-- name: insert_account
INSERT INTO staff.accounts (account_id, username, password_hash, role, hub_code, unit, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (username) DO NOTHING
RETURNING account_id::text

-- name: list_accounts
SELECT account_id::text, username, role, hub_code, unit, disabled_at
FROM staff.accounts
ORDER BY hub_code, username

-- name: account_by_username
SELECT account_id::text, username, role, hub_code, unit, password_hash
FROM staff.accounts
WHERE username = $1 AND disabled_at IS NULL

-- name: delete_sessions_before
-- Sessions of this account that are over: idle since $2 or begun before $3.
DELETE FROM staff.sessions
WHERE account_id = $1::uuid AND (last_seen_at < $2 OR created_at < $3)

-- name: insert_session
-- Not if the password that was looked at ($4) is another by now, or the account was disabled.
INSERT INTO staff.sessions (token_hash, account_id, created_at, last_seen_at)
SELECT $1, account_id, $3, $3
FROM staff.accounts
WHERE account_id = $2::uuid AND password_hash = $4 AND disabled_at IS NULL
FOR SHARE
RETURNING account_id

-- name: find_session
SELECT a.account_id::text, a.username, a.role, a.hub_code, a.unit, s.last_seen_at
FROM staff.sessions s
JOIN staff.accounts a USING (account_id)
WHERE s.token_hash = $1 AND s.last_seen_at >= $2 AND s.created_at >= $3 AND a.disabled_at IS NULL

-- name: touch_session
UPDATE staff.sessions SET last_seen_at = $2 WHERE token_hash = $1 AND last_seen_at < $2

-- name: delete_session
DELETE FROM staff.sessions WHERE token_hash = $1

-- name: disable_account
UPDATE staff.accounts SET disabled_at = coalesce(disabled_at, $2) WHERE username = $1 RETURNING account_id

-- name: enable_account
UPDATE staff.accounts SET disabled_at = NULL WHERE username = $1 RETURNING account_id

-- name: set_password_hash
UPDATE staff.accounts SET password_hash = $2 WHERE username = $1 RETURNING account_id

-- name: delete_sessions_of
DELETE FROM staff.sessions WHERE account_id = $1

-- name: lock_sample_staff
-- Two starters at once would make two passwords.
SELECT pg_advisory_xact_lock(hashtextextended('pioneer-hub sample staff', 0))

-- name: is_sample
-- Put into the statements below: an account that has the name that the sample city gives to its seat.
username = CASE role WHEN 'dispatcher' THEN 'dispatcher-' || hub_code WHEN 'unit' THEN 'unit-' || hub_code || '-' || unit ELSE replace(role, '_', '-') END

-- name: sample_hash
-- The hash that most sample accounts share: one that was given a password of its own has another.
SELECT password_hash
FROM staff.accounts
WHERE is_sample
GROUP BY password_hash
ORDER BY count(*) DESC, password_hash
LIMIT 1

-- name: insert_sample_staff
INSERT INTO staff.accounts (account_id, username, password_hash, role, hub_code, unit, created_at)
SELECT seat.id, seat.username, $6, seat.role, seat.code, nullif(seat.unit, ''), $7
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) AS seat (id, username, role, code, unit)
ON CONFLICT (username) DO NOTHING

-- name: set_sample_hash
-- $1 instead of $2.
UPDATE staff.accounts SET password_hash = $1 WHERE password_hash = $2 AND is_sample

-- name: delete_sample_sessions
DELETE FROM staff.sessions
WHERE account_id IN (SELECT account_id FROM staff.accounts WHERE password_hash = $1 AND is_sample)

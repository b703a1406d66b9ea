-- The book of record (design.md decisions 1, 2, 8, 9, 14). Only the router writes cases, events, deadlines, reports, outcomes.
-- RANGE(case_id): a case id is a UUIDv7, so a partition holds one year; case_id comes first in every key.
-- HASH: what guards uniqueness of a command or report is never cut by time (the same command could be accepted twice).

CREATE TABLE cases (
    case_id          uuid        NOT NULL,
    root_case_id     uuid        NOT NULL,          -- the family whose row is locked; set at birth, never changed
    number           text        NOT NULL,
    seq              integer     NOT NULL CHECK (seq > 0),
    stale_seq        integer     NOT NULL,          -- the last event that makes an older expected_seq stale
    cycle            integer     NOT NULL DEFAULT 1,
    state            text        NOT NULL,
    lane             text        NOT NULL,
    category         text        NOT NULL,
    priority         text        NOT NULL,
    place_code       text,
    hub_code         text        NOT NULL,
    level            integer     NOT NULL,
    supervised_level integer,
    owner            text        NOT NULL,
    owner_hub_code   text        NOT NULL,
    location_quality text        NOT NULL CHECK (location_quality IN ('good', 'low')),
    unrouted         boolean     NOT NULL,
    confidential     boolean     NOT NULL,
    report_count     integer     NOT NULL,
    rework_count     integer     NOT NULL,
    received_at      timestamptz NOT NULL,
    dispatched_at    timestamptz,
    accepted_at      timestamptz,
    resolved_at      timestamptz,
    closed_at        timestamptz,
    outcome          text,
    unverified       boolean     NOT NULL,
    handler_ref      text,                           -- who submitted the resolution: bars verifiers
    handler_unit     text,
    handler_hubs     text[]      NOT NULL,
    due_at           timestamptz NOT NULL,           -- the queue's sort value: earliest unmet owner due, else the citizen's, else infinity
    last_event_at    timestamptz NOT NULL,           -- "now" of a decision is never earlier
    city_version     integer     NOT NULL,
    changed_at       timestamptz NOT NULL,           -- stamped by the router's Clock in the transaction; not part of the replay
    PRIMARY KEY (case_id),
    -- a case is closed exactly when it says so
    CHECK ((state = 'closed') = (closed_at IS NOT NULL))
) PARTITION BY RANGE (case_id);

-- The queues read open cases only: the whole tree by due time, a hub by the places and hubs of its subtree.
CREATE INDEX cases_open_by_due ON cases (due_at, case_id) WHERE closed_at IS NULL;
CREATE INDEX cases_open_by_place ON cases (place_code, due_at) WHERE closed_at IS NULL;
CREATE INDEX cases_open_by_hub ON cases (hub_code, due_at) WHERE closed_at IS NULL;
-- SSE catch-up: what changed since.
CREATE INDEX cases_by_change ON cases USING brin (changed_at);

CREATE TABLE events (
    case_id      uuid        NOT NULL,
    seq          integer     NOT NULL,
    type         text        NOT NULL,
    occurred_at  timestamptz NOT NULL,
    actor_ref    text        NOT NULL,
    command_id   uuid        NOT NULL,
    cycle        integer     NOT NULL,
    city_version integer     NOT NULL,
    payload      jsonb       NOT NULL,
    PRIMARY KEY (case_id, seq)
) PARTITION BY RANGE (case_id);

CREATE TABLE deadlines (
    case_id    uuid        NOT NULL,
    clock      text        NOT NULL CHECK (clock IN ('owner', 'citizen')),
    stage      text        NOT NULL,
    set_seq    integer     NOT NULL,                 -- the event that set this due time
    limit_text text        NOT NULL,
    start_at   timestamptz NOT NULL,
    due_at     timestamptz NOT NULL,
    official   boolean     NOT NULL,
    step       text,                                 -- the next step of the ladder, null when all are passed
    next_at    timestamptz,                          -- its instant; null while met, closed or done
    met_at     timestamptz,
    closed_at  timestamptz,
    pauses     timestamptz[] NOT NULL,               -- from, to, from, to … while the owner's resolve clock stood still
    PRIMARY KEY (case_id, clock, stage, set_seq),
    -- a clock that is met or closed has no next step
    CHECK (next_at IS NULL OR (step IS NOT NULL AND met_at IS NULL AND closed_at IS NULL))
) PARTITION BY RANGE (case_id);

-- The timekeeper's look.
CREATE INDEX deadlines_due ON deadlines (next_at, case_id) WHERE next_at IS NOT NULL;

CREATE TABLE reports (
    report_id   uuid        NOT NULL PRIMARY KEY,
    tracking    bigint      NOT NULL,                -- the 60 bits of the tracking code
    case_id     uuid        NOT NULL,
    channel     text        NOT NULL,
    category    text,
    hub_code    text,
    visibility  text        NOT NULL,
    captured_at timestamptz,
    received_at timestamptz NOT NULL,
    photos      text[]      NOT NULL
) PARTITION BY HASH (report_id);
CREATE INDEX reports_by_tracking ON reports (tracking);
CREATE INDEX reports_by_case ON reports (case_id);

CREATE TABLE outcomes (
    command_id uuid        NOT NULL PRIMARY KEY,     -- one recorded outcome per command, applied or refused
    case_id    uuid,
    outcome    text        NOT NULL CHECK (outcome IN ('applied', 'refused')),
    code       text,
    detail     text,
    field      text,
    ranges     jsonb       NOT NULL,                 -- [[case_id, first_seq, last_seq], …]
    decided_at timestamptz NOT NULL,
    CHECK ((outcome = 'refused') = (code IS NOT NULL))
) PARTITION BY HASH (command_id);

-- The order of transactions of the workers, and where a restored book reads on. Never used to skip.
CREATE TABLE progress (
    topic       text    NOT NULL,
    "partition" integer NOT NULL,
    next_offset bigint  NOT NULL,
    PRIMARY KEY (topic, "partition")
);

CREATE TABLE city_versions (
    version      integer     PRIMARY KEY,
    loaded_at    timestamptz NOT NULL,
    content_hash text        NOT NULL,
    files        jsonb       NOT NULL                -- {file name: text}, exactly as they were in the folder
);
CREATE TABLE active_city (
    one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    version integer NOT NULL REFERENCES city_versions
);

-- Personal data rests here alone.
CREATE SCHEMA private;

CREATE TABLE private.report_contents (
    report_id  uuid NOT NULL PRIMARY KEY,
    name       text,
    phone      text,
    text       text,
    lon        double precision,                     -- WGS-84
    lat        double precision,
    raw_lon    double precision,                     -- as given, in its own datum
    raw_lat    double precision,
    raw_datum  text,
    accuracy_m double precision
) PARTITION BY HASH (report_id);

CREATE TABLE private.command_words (
    command_id uuid NOT NULL PRIMARY KEY,
    case_id    uuid NOT NULL,
    text       text NOT NULL
) PARTITION BY HASH (command_id);
CREATE INDEX command_words_by_case ON private.command_words (case_id);

-- Ids whose contents were erased; a replay must not bring them back. This table stays.
CREATE TABLE private.erased (
    id        uuid        PRIMARY KEY,
    erased_at timestamptz NOT NULL
);

CREATE SCHEMA staff;
CREATE TABLE staff.accounts (
    account_id    uuid        PRIMARY KEY,
    username      text        NOT NULL UNIQUE,
    password_hash text        NOT NULL,
    role          text        NOT NULL CHECK (role IN ('dispatcher', 'unit')),
    hub_code      text        NOT NULL,
    unit          text,
    created_at    timestamptz NOT NULL,
    disabled_at   timestamptz,
    CHECK ((role = 'unit') = (unit IS NOT NULL))
);
CREATE TABLE staff.sessions (
    token_hash   bytea       PRIMARY KEY,            -- SHA-256 of the cookie; the token itself is nowhere
    account_id   uuid        NOT NULL REFERENCES staff.accounts,
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL
);
CREATE INDEX sessions_by_account ON staff.sessions (account_id);

-- Partitions: one a year from 2020 to 2040 by UUIDv7, eight by hash.
DO $$
DECLARE
    parent text;
    y      integer;
    lower  uuid;
    upper  uuid;
BEGIN
    FOREACH parent IN ARRAY ARRAY['cases', 'events', 'deadlines'] LOOP
        FOR y IN 2020..2040 LOOP
            lower := rpad(lpad(to_hex((extract(epoch FROM make_timestamptz(y, 1, 1, 0, 0, 0, 'UTC')) * 1000)::bigint), 12, '0'), 32, '0')::uuid;
            upper := rpad(lpad(to_hex((extract(epoch FROM make_timestamptz(y + 1, 1, 1, 0, 0, 0, 'UTC')) * 1000)::bigint), 12, '0'), 32, '0')::uuid;
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', parent || '_' || y, parent, lower, upper);
        END LOOP;
    END LOOP;
    FOREACH parent IN ARRAY ARRAY['reports', 'outcomes', 'private.report_contents', 'private.command_words'] LOOP
        FOR y IN 0..7 LOOP
            EXECUTE format('CREATE TABLE %s PARTITION OF %s FOR VALUES WITH (MODULUS 8, REMAINDER %s)', parent || '_' || y, parent, y);
        END LOOP;
    END LOOP;
END $$;

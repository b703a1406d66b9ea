-- Where, when and by whom a problem was seen, for the reports that later ones are compared with (docs/duplicates.md).
-- A copy that the router keeps in the same transaction, so that one look needs no join. A row goes when its case can
-- be met no more: archived, declined, redirected, withdrawn or confidential. Personal data: it is erased with the
-- report's contents.

CREATE TABLE private.sightings (
    case_id   uuid             NOT NULL,             -- the case its report stands with now
    report_id uuid             NOT NULL,
    band      integer          NOT NULL,             -- a strip of latitude
    family    text COLLATE "C" NOT NULL,             -- the categories that may mean one problem; '' of one that is never compared
    lon       double precision NOT NULL,             -- WGS-84
    lat       double precision NOT NULL,
    error_m   real             NOT NULL,
    seen_at   timestamptz      NOT NULL,
    category  text             NOT NULL,             -- of the case
    closed_at timestamptz,                           -- of the case
    reporter  bigint,                                -- keyed hash of the telephone number
    compared  boolean          NOT NULL,             -- not of a report that joined a case by itself, nor of one too many
    text      text,
    PRIMARY KEY (case_id, report_id)                 -- case ids grow with time: new rows come at the end
) WITH (fillfactor = 90);
-- The look around a point: a stretch of one strip or two, and of that only what lies near enough north and south.
CREATE INDEX sightings_by_place ON private.sightings (band, family, lon, lat) WHERE compared;
-- Whether a person stands behind a case.
CREATE INDEX sightings_by_reporter ON private.sightings (reporter, case_id) WHERE reporter IS NOT NULL;

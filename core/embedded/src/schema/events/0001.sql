-- Events. Ids of clicks and postbacks are ULIDs as 16 bytes, so primary keys are in order of time.
-- Columns of repeated texts hold texts.id; null: unknown. Money is in millionths of its currency, a currency is
-- its three letters as a number.

CREATE TABLE texts (
    id   INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

-- Whole events as they came, for showing them.
CREATE TABLE bodies (
    id   INTEGER PRIMARY KEY,
    json BLOB NOT NULL
) STRICT;

-- Clicks of both topics: what reports count. facts: see events/facts.rs.
CREATE TABLE clicks (
    id          BLOB PRIMARY KEY,
    facts       INTEGER NOT NULL,
    cost        INTEGER,
    currency    INTEGER,
    campaign    INTEGER,
    stream      INTEGER,
    destination INTEGER,
    source      INTEGER,
    network     INTEGER,
    country     INTEGER,
    region      INTEGER,
    city        INTEGER,
    isp         INTEGER,
    os          INTEGER,
    browser     INTEGER,
    language    INTEGER,
    referrer    INTEGER,
    keyword     TEXT,
    subs        TEXT,
    visitor     BLOB NOT NULL,
    body        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Visits of people that a stream took, by stream and by destination (both are texts.id): in a minute (since 1970),
-- and ever.
CREATE TABLE visits_by_minute (
    entity INTEGER NOT NULL,
    minute INTEGER NOT NULL,
    visits INTEGER NOT NULL,
    PRIMARY KEY (entity, minute)
) STRICT, WITHOUT ROWID;

CREATE TABLE visits_ever (
    entity INTEGER PRIMARY KEY,
    visits INTEGER NOT NULL
) STRICT;

-- Each conversion in the highest version seen, with the facts of its click.
CREATE TABLE conversions (
    id          TEXT PRIMARY KEY,
    version     INTEGER NOT NULL,
    click_ms    INTEGER NOT NULL,
    created_ms  INTEGER NOT NULL,
    status      INTEGER NOT NULL,
    facts       INTEGER NOT NULL,
    revenue     INTEGER NOT NULL,
    currency    INTEGER NOT NULL,
    campaign    INTEGER,
    stream      INTEGER,
    destination INTEGER,
    source      INTEGER,
    network     INTEGER,
    country     INTEGER,
    region      INTEGER,
    city        INTEGER,
    isp         INTEGER,
    os          INTEGER,
    browser     INTEGER,
    language    INTEGER,
    referrer    INTEGER,
    keyword     TEXT,
    subs        TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX conversions_by_click_time ON conversions (click_ms);
CREATE INDEX conversions_by_time ON conversions (created_ms);
CREATE INDEX conversions_of_destination ON conversions (destination, created_ms, status);

CREATE TABLE postbacks (
    id      BLOB PRIMARY KEY,
    network INTEGER,
    result  INTEGER NOT NULL,
    body    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Topics that nothing reads yet, as they came. topic: its code.
CREATE TABLE other_events (
    topic INTEGER NOT NULL,
    id    TEXT NOT NULL,
    json  BLOB NOT NULL,
    PRIMARY KEY (topic, id)
) STRICT, WITHOUT ROWID;

-- Configuration and conversions. Times of entities are RFC 3339 texts as given; *_ms are milliseconds since 1970.

CREATE TABLE revision (
    only  INTEGER PRIMARY KEY CHECK (only = 1),
    value INTEGER NOT NULL
) STRICT;

INSERT INTO revision VALUES (1, 0);

CREATE TABLE records (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    kind       TEXT NOT NULL,
    parent     TEXT NOT NULL,
    slug       TEXT NOT NULL,
    status     TEXT NOT NULL,
    version    INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    spec       TEXT NOT NULL,
    UNIQUE (kind, parent, slug)
) STRICT;

CREATE INDEX records_in_order ON records (kind, seq);

CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    at      TEXT NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    kind    TEXT NOT NULL,
    id      TEXT NOT NULL,
    version INTEGER NOT NULL,
    changes TEXT NOT NULL
) STRICT;

CREATE INDEX audit_of ON audit (id, seq);

-- body is the whole conversion; the columns beside it are for looking it up.
CREATE TABLE conversions (
    id         TEXT PRIMARY KEY,
    version    INTEGER NOT NULL,
    network    TEXT NOT NULL,
    key        TEXT NOT NULL,
    sale_claim TEXT,
    click_id   TEXT NOT NULL,
    campaign   TEXT,
    status     TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    -- Grows with every change while the state waits to be published; null once it is.
    unpublished INTEGER,
    body       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX conversions_once ON conversions (network, key);
CREATE UNIQUE INDEX conversions_one_sale ON conversions (network, sale_claim) WHERE sale_claim IS NOT NULL;
CREATE INDEX conversions_in_order ON conversions (created_ms, id);
CREATE INDEX conversions_of_click ON conversions (click_id);
CREATE INDEX conversions_unpublished ON conversions (unpublished) WHERE unpublished IS NOT NULL;

CREATE TABLE parked (
    id          TEXT PRIMARY KEY,
    network     TEXT NOT NULL,
    click_id    TEXT NOT NULL,
    params      TEXT NOT NULL,
    template    TEXT NOT NULL,
    received_at TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    next_try_at TEXT NOT NULL,
    next_try_ms INTEGER NOT NULL,
    tries       INTEGER NOT NULL,
    UNIQUE (network, template, click_id, params)
) STRICT;

CREATE INDEX parked_due ON parked (next_try_ms);

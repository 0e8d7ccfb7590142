-- The configuration as it was at each revision. change: the number that the change of this entity made; what stood here when
-- this began is below 0, in its order. sums: what was done, as JSON.

CREATE TABLE kept_revisions (
    revision INTEGER PRIMARY KEY,
    at       TEXT NOT NULL,
    actor    TEXT NOT NULL,
    sums     TEXT NOT NULL
) STRICT;

CREATE TABLE kept_versions (
    change     INTEGER PRIMARY KEY,
    action     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    id         TEXT NOT NULL,
    parent     TEXT NOT NULL,
    slug       TEXT NOT NULL,
    status     TEXT NOT NULL,
    version    INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    spec       TEXT NOT NULL
) STRICT;

CREATE INDEX kept_versions_of ON kept_versions (id, change);

INSERT INTO kept_revisions SELECT value, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), '', '[]' FROM revision;
INSERT INTO kept_versions
SELECT seq - 1152921504606846976, '', kind, id, parent, slug, status, version, created_at, updated_at, spec FROM records;

-- What each instance of a service accepted, by kind and hour (hours since 1970), to be held against what is stored. body:
-- see tfx_domain::ledger.

CREATE TABLE ledger_instances (
    id      TEXT PRIMARY KEY,
    service TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    from_ms INTEGER,
    ended   INTEGER NOT NULL
) STRICT;

CREATE TABLE ledger_pages (
    hour     INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    instance TEXT NOT NULL,
    body     BLOB NOT NULL,
    PRIMARY KEY (hour, kind, instance)
) STRICT, WITHOUT ROWID;

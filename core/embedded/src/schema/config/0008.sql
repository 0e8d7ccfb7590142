-- Secrets that all instances of an installation share, each made once.
CREATE TABLE keys (
    name   TEXT PRIMARY KEY,
    secret TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What traffic sources were told of conversions, for good: a name is told once. `conversion` is whose it is.
CREATE TABLE told (
    name       TEXT PRIMARY KEY,
    conversion TEXT NOT NULL
) STRICT, WITHOUT ROWID;

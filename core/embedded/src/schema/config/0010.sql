-- Users, API tokens, login codes and sessions. body is the whole of one; until_ms: from then on it may be forgotten.
CREATE TABLE accounts (
    kind     TEXT NOT NULL,
    id       TEXT NOT NULL,
    name     TEXT NOT NULL,
    version  INTEGER NOT NULL,
    until_ms INTEGER,
    body     TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX accounts_by_name ON accounts (kind, name);
CREATE INDEX accounts_until ON accounts (until_ms) WHERE until_ms IS NOT NULL;

-- By which token something was asked for.
ALTER TABLE audit ADD COLUMN token TEXT NOT NULL DEFAULT '';

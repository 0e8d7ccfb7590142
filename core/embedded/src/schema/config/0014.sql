-- Which clicks of people were erased, so that they go again if they come back. id: whom it was about, as a keyed hash;
-- until_ms: from then on they cannot come back; null: they always may.
CREATE TABLE erased (
    id       TEXT PRIMARY KEY,
    until_ms INTEGER,
    body     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

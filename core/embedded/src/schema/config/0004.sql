-- Former slugs under which an entity is still found.

CREATE TABLE aliases (
    kind   TEXT NOT NULL,
    parent TEXT NOT NULL,
    slug   TEXT NOT NULL,
    id     TEXT NOT NULL,
    PRIMARY KEY (kind, parent, slug)
) STRICT, WITHOUT ROWID;

CREATE INDEX aliases_of ON aliases (id);

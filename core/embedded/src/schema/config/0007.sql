-- The health of destinations. body is the whole of it; the columns beside it are for looking it up.
CREATE TABLE destination_health (
    destination TEXT PRIMARY KEY,
    version     INTEGER NOT NULL,
    down        INTEGER NOT NULL,
    body        TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX destination_health_down ON destination_health (destination) WHERE down = 1;

CREATE TABLE destination_health_history (
    id          TEXT PRIMARY KEY,
    destination TEXT NOT NULL,
    at_ms       INTEGER NOT NULL,
    -- Grows with every change while it waits to be published; null once it is.
    unpublished INTEGER,
    body        TEXT NOT NULL
) STRICT;

CREATE INDEX destination_health_history_in_order ON destination_health_history (at_ms, id);
CREATE INDEX destination_health_history_of ON destination_health_history (destination, at_ms, id);
CREATE INDEX destination_health_history_unpublished ON destination_health_history (unpublished)
    WHERE unpublished IS NOT NULL;

-- What is to be done later. The jobs of a lane are done one after the other: those of a group (g:), or a single one (k:).

CREATE TABLE jobs (
    kind    TEXT NOT NULL,
    key     TEXT NOT NULL,
    lane    TEXT NOT NULL,
    came_ms INTEGER NOT NULL,
    payload TEXT NOT NULL,
    -- Given up: when, and why.
    died_ms INTEGER,
    why     TEXT,
    revived INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX jobs_in_lane ON jobs (kind, lane, came_ms, key) WHERE died_ms IS NULL;
CREATE INDEX jobs_dead ON jobs (kind, died_ms, key) WHERE died_ms IS NOT NULL;

-- There as long as it has jobs that are not dead.
CREATE TABLE job_lanes (
    kind      TEXT NOT NULL,
    lane      TEXT NOT NULL,
    -- It waits until then, or is held until then.
    due_ms    INTEGER NOT NULL,
    held      INTEGER NOT NULL DEFAULT 0,
    -- When a job wants to be tried that came while it was held.
    wanted_ms INTEGER,
    fence     INTEGER NOT NULL DEFAULT 0,
    -- How often its first job was claimed.
    tries     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (kind, lane)
) STRICT, WITHOUT ROWID;

CREATE INDEX job_lanes_due ON job_lanes (kind, due_ms);

CREATE TABLE leases (
    name     TEXT PRIMARY KEY,
    fence    INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Parked postbacks become jobs.
INSERT INTO jobs (kind, key, lane, came_ms, payload)
SELECT 'parked_postback', id, 'g:' || network || ':' || click_id, received_ms,
    json_object('id', id, 'network', network, 'template', template, 'click_id', click_id,
        'params', CASE WHEN json_valid(params) THEN json(params) ELSE params END, 'received_at', received_at)
FROM parked;

INSERT INTO job_lanes (kind, lane, due_ms, tries)
SELECT 'parked_postback', 'g:' || network || ':' || click_id, min(next_try_ms), max(tries)
FROM parked GROUP BY network, click_id;

DROP TABLE parked;

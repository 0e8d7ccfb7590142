-- What was given up of a group: a new one of it is taken behind.
CREATE INDEX IF NOT EXISTS jobs_dead_in_lane ON jobs (kind, lane) WHERE died_ms IS NOT NULL;

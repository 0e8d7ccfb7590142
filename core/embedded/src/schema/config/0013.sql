-- How alerts stand, a row for each group of a rule, and what happened to them.
CREATE TABLE alert_states (
    alert TEXT NOT NULL,
    grp TEXT NOT NULL,
    version INTEGER NOT NULL,
    sent_ms INTEGER,
    body TEXT NOT NULL,
    PRIMARY KEY (alert, grp)
) STRICT, WITHOUT ROWID;
CREATE TABLE alert_log (
    id TEXT NOT NULL PRIMARY KEY,
    alert TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_log_in_order ON alert_log (at_ms, id);
CREATE INDEX alert_log_of_alert ON alert_log (alert, at_ms, id);

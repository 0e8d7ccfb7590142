-- The first row of every table in the order of its key, so that the table itself is read, not an index of it.
SELECT
    (SELECT 1 FROM revision ORDER BY only LIMIT 1),
    (SELECT 1 FROM records ORDER BY rowid LIMIT 1),
    (SELECT 1 FROM aliases ORDER BY kind, parent, slug LIMIT 1),
    (SELECT 1 FROM audit ORDER BY rowid LIMIT 1),
    (SELECT 1 FROM conversions ORDER BY id LIMIT 1),
    (SELECT 1 FROM jobs ORDER BY kind, key LIMIT 1),
    (SELECT 1 FROM job_lanes ORDER BY kind, lane LIMIT 1),
    (SELECT 1 FROM leases ORDER BY name LIMIT 1),
    (SELECT 1 FROM keys ORDER BY name LIMIT 1),
    (SELECT 1 FROM accounts ORDER BY kind, id LIMIT 1),
    (SELECT 1 FROM told ORDER BY name LIMIT 1),
    (SELECT 1 FROM destination_health ORDER BY destination LIMIT 1),
    (SELECT 1 FROM destination_health_history ORDER BY rowid LIMIT 1),
    (SELECT 1 FROM alert_states ORDER BY alert, grp LIMIT 1),
    (SELECT 1 FROM alert_log ORDER BY id LIMIT 1),
    (SELECT 1 FROM erased ORDER BY id LIMIT 1),
    (SELECT 1 FROM rates ORDER BY from_currency, to_currency, day LIMIT 1)

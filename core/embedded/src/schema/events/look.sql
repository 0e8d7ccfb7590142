-- The first row of every table in the order of its key, so that the table itself is read, not an index of it; and the index
-- by which texts are found.
SELECT
    (SELECT 1 FROM clicks ORDER BY id LIMIT 1),
    (SELECT 1 FROM bodies ORDER BY rowid LIMIT 1),
    (SELECT 1 FROM texts ORDER BY rowid LIMIT 1),
    (SELECT 1 FROM conversions ORDER BY id LIMIT 1),
    (SELECT 1 FROM postbacks ORDER BY id LIMIT 1),
    (SELECT 1 FROM visits_by_minute ORDER BY entity, minute LIMIT 1),
    (SELECT 1 FROM visits_ever ORDER BY rowid LIMIT 1),
    (SELECT 1 FROM other_events ORDER BY topic, id LIMIT 1),
    (SELECT 1 FROM conversions_ever ORDER BY rowid LIMIT 1),
    (SELECT 1 FROM conversions_left ORDER BY id LIMIT 1),
    (SELECT 1 FROM texts WHERE text = '')

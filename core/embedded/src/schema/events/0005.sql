-- connection: how the visitor of a click is connected (texts.id). Clicks of before say it in their bodies; conversions of
-- before do not say it.

ALTER TABLE clicks ADD COLUMN connection INTEGER;
ALTER TABLE conversions ADD COLUMN connection INTEGER;

INSERT OR IGNORE INTO texts (text)
SELECT DISTINCT connection
FROM (
    SELECT CASE
        WHEN instr(json, CAST('"connection_type":"' AS BLOB)) > 0 AND json_valid(CAST(json AS TEXT))
            THEN json_extract(CAST(json AS TEXT), '$.connection_type')
    END AS connection
    FROM bodies
)
WHERE connection <> '';

UPDATE clicks SET connection = (
    SELECT texts.id FROM bodies CROSS JOIN texts ON texts.text = CASE
        WHEN json_valid(CAST(bodies.json AS TEXT)) THEN json_extract(CAST(bodies.json AS TEXT), '$.connection_type')
    END
    WHERE bodies.id = clicks.body
)
WHERE (SELECT instr(json, CAST('"connection_type":"' AS BLOB)) FROM bodies WHERE bodies.id = clicks.body) > 0;

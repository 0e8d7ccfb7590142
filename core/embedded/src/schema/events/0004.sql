-- bodies.json of what strangers left is packed from here on (events/packed.rs).
--
-- Conversions whose rows left by age: what is counted of each stays here, so that one of which more is heard later counts
-- once. destination: under which it is counted (texts.id); null: it counts nowhere.

CREATE TABLE conversions_left (
    id          TEXT PRIMARY KEY,
    version     INTEGER NOT NULL,
    created_ms  INTEGER NOT NULL,
    destination INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX conversions_left_of_destination ON conversions_left (destination, created_ms)
WHERE destination IS NOT NULL;

CREATE TRIGGER conversion_leaves AFTER DELETE ON conversions
BEGIN
    INSERT OR REPLACE INTO conversions_left
    SELECT OLD.id, OLD.version, OLD.created_ms,
        CASE WHEN OLD.status <> coalesce((SELECT id FROM texts WHERE text = 'rejected'), 0) THEN OLD.destination END;
END;

DROP TRIGGER conversion_comes;

CREATE TRIGGER conversion_comes AFTER INSERT ON conversions
BEGIN
    UPDATE conversions_ever SET conversions = conversions - 1
    WHERE destination = (SELECT destination FROM conversions_left WHERE id = NEW.id);
    DELETE FROM conversions_left WHERE id = NEW.id;
    INSERT INTO conversions_ever SELECT NEW.destination, 0
    WHERE NEW.destination IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM conversions_ever WHERE destination = NEW.destination);
    UPDATE conversions_ever SET conversions = conversions + 1
    WHERE destination = NEW.destination
        AND NEW.status <> coalesce((SELECT id FROM texts WHERE text = 'rejected'), 0);
END;

-- Conversions of a destination that were not rejected, ever, kept up by what changes conversions: caps ask for it again
-- and again, and it stays when conversions leave by age. status and destination are texts.id.

CREATE TABLE conversions_ever (
    destination INTEGER PRIMARY KEY,
    conversions INTEGER NOT NULL
) STRICT;

INSERT INTO conversions_ever
SELECT destination, count(*) FROM conversions
WHERE destination IS NOT NULL AND status <> coalesce((SELECT id FROM texts WHERE text = 'rejected'), 0)
GROUP BY destination;

CREATE TRIGGER conversion_comes AFTER INSERT ON conversions
WHEN NEW.destination IS NOT NULL AND NEW.status <> coalesce((SELECT id FROM texts WHERE text = 'rejected'), 0)
BEGIN
    INSERT INTO conversions_ever SELECT NEW.destination, 0
    WHERE NOT EXISTS (SELECT 1 FROM conversions_ever WHERE destination = NEW.destination);
    UPDATE conversions_ever SET conversions = conversions + 1 WHERE destination = NEW.destination;
END;

CREATE TRIGGER conversion_changes AFTER UPDATE OF status, destination ON conversions
BEGIN
    INSERT INTO conversions_ever SELECT NEW.destination, 0
    WHERE NEW.destination IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM conversions_ever WHERE destination = NEW.destination);
    UPDATE conversions_ever SET conversions = conversions - 1
    WHERE destination = OLD.destination
        AND OLD.status <> coalesce((SELECT id FROM texts WHERE text = 'rejected'), 0);
    UPDATE conversions_ever SET conversions = conversions + 1
    WHERE destination = NEW.destination
        AND NEW.status <> coalesce((SELECT id FROM texts WHERE text = 'rejected'), 0);
END;

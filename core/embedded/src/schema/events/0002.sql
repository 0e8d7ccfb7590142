-- deciding: the campaign that decided, where a click was handed over to another than the link's; null: the link's.
-- Clicks of before have the one that decided as their campaign. Bit 11 of facts marks tests: they are few, and asked
-- for by themselves.

ALTER TABLE clicks ADD COLUMN deciding INTEGER;
ALTER TABLE conversions ADD COLUMN deciding INTEGER;
ALTER TABLE postbacks ADD COLUMN test INTEGER NOT NULL DEFAULT 0;

CREATE INDEX clicks_tests ON clicks (id) WHERE facts & 2048 <> 0;

-- cost, cost_currency: what a conversion costs as it stands, in millionths; null: nothing. Conversions of before cost nothing.

ALTER TABLE conversions ADD COLUMN cost INTEGER;
ALTER TABLE conversions ADD COLUMN cost_currency INTEGER;

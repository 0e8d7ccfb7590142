-- Since when it is held, as of lanes. Null: since before there was this column.
ALTER TABLE leases ADD COLUMN since_ms INTEGER;

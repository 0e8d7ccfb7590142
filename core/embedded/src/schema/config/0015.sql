-- Since when it waits or is held: if the clock says less, it was set back. Null: since before there was this column.
ALTER TABLE job_lanes ADD COLUMN since_ms INTEGER;

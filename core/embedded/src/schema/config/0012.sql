-- Which revision of the configuration a line is of; none: it tells of no entity. Lines of before say nothing: who followed
-- them reads everything once.
ALTER TABLE audit ADD COLUMN revision INTEGER;
CREATE INDEX audit_revision ON audit (revision) WHERE revision IS NOT NULL;

-- From where a change was asked for, and by which request.

ALTER TABLE audit ADD COLUMN asked_from TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN request_id TEXT NOT NULL DEFAULT '';

-- process: which one told last under this name. outbox: what waits in the instance's journal, as JSON; null: it does not tell.
-- Of ledger_pages, instance is who counts the page: a process, or of versions before an instance.

ALTER TABLE ledger_instances ADD COLUMN process TEXT NOT NULL DEFAULT '';
ALTER TABLE ledger_instances ADD COLUMN outbox TEXT;

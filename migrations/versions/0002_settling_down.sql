DROP TABLE alerts, locks;
DROP INDEX ix_dead_letters_created_at_id;
ALTER TABLE dead_letters DROP COLUMN waiting_since, DROP COLUMN updated_at;
ALTER TABLE dead_letters DROP CONSTRAINT uq_dead_letters_operation_id;
CREATE INDEX ix_dead_letters_operation_id ON dead_letters (operation_id);
ALTER TABLE operations DROP COLUMN replays, DROP COLUMN looks, DROP COLUMN absences, DROP COLUMN handed_over, DROP COLUMN queueable;

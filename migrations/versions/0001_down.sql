DROP FUNCTION erase_hotel(text, text, text);
DROP FUNCTION erase_subjects(text, bytea[], text, text);
DROP FUNCTION audit_log_ensure_partition(date);
DROP TABLE tombstones, invalidations, cursors, inbox, outbox, audit_log, dead_letters, operation_steps,
    operations, list_passes, rooms, guests, reservations, api_keys, hotels;
DROP FUNCTION audit_log_refuse_change();
DROP SEQUENCE read_numbers;

DROP TABLE pgqueuer, pgqueuer_log, pgqueuer_schedules, pgqueuer_statistics;
DROP FUNCTION fn_pgqueuer_changed();
DROP TYPE pgqueuer_status;

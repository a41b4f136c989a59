-- What only the database can promise: an audit that nobody edits, and erasing that finds everything.
-- The functions run as their owner, the role that migrates; a gateway's own role is granted EXECUTE.

-- Refuses every change of the audit. The one way through is a function of the owner that says so for its
-- own transaction: the setting alone does not help another role.
CREATE FUNCTION audit_log_refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owner name := (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID);
BEGIN
    IF current_setting('pms_gateway.erasing', true) = 'on' AND current_user = owner THEN
        RETURN CASE TG_OP WHEN 'UPDATE' THEN NEW WHEN 'DELETE' THEN OLD END;
    END IF;
    RAISE EXCEPTION 'audit_log is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_refuse_change();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse_change();

REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM PUBLIC;

-- Rows of a month without a partition of its own land here, so that an insert never fails.
CREATE TABLE audit_log_default PARTITION OF audit_log DEFAULT;
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log_default
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse_change();

-- Makes the partition of the month (UTC) that `day` is in, and moves rows of that month into it that the
-- default partition has taken meanwhile. Gives the partition's name; doing it twice changes nothing.
CREATE FUNCTION audit_log_ensure_partition(day date) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    first_day date := date_trunc('month', day)::date;
    starts timestamptz := first_day::timestamp AT TIME ZONE 'UTC';
    ends timestamptz := (first_day + interval '1 month') AT TIME ZONE 'UTC';
    partition text := 'audit_log_' || to_char(first_day, 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('audit_log_ensure_partition'));
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN partition;
    END IF;
    LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('CREATE TABLE %I (LIKE audit_log INCLUDING DEFAULTS)', partition);
    PERFORM set_config('pms_gateway.erasing', 'on', true);
    EXECUTE format(
        'WITH moved AS (DELETE FROM audit_log_default WHERE at >= %L AND at < %L RETURNING *)
         INSERT INTO %I SELECT * FROM moved', starts, ends, partition);
    PERFORM set_config('pms_gateway.erasing', 'off', true);
    EXECUTE format('ALTER TABLE audit_log ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   partition, starts, ends);
    EXECUTE format('CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON %I
                    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse_change()', partition);
    RETURN partition;
END $$;

SELECT audit_log_ensure_partition((now() AT TIME ZONE 'UTC' + make_interval(months => ahead))::date)
FROM generate_series(0, 3) AS ahead;

-- Erases a guest of one hotel: blanks whatever carries one of `wanted` (blind indexes), leaves a tombstone
-- for each, and writes its own audit row. Gives the number of rows touched.
-- Refuses while a write for the guest is still live: its outcome could no longer be settled.
CREATE FUNCTION erase_subjects(hotel text, wanted bytea[], actor text, correlation text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    touched bigint := 0;
    step bigint;
BEGIN
    PERFORM 1 FROM hotels WHERE hotels.id = hotel FOR UPDATE;
    IF EXISTS (SELECT 1 FROM operations o WHERE o.hotel_id = hotel AND o.subjects && wanted
               AND o.status IN ('running', 'queued', 'unknown')) THEN
        RAISE EXCEPTION 'a write for this guest is still live' USING ERRCODE = 'object_in_use';
    END IF;
    INSERT INTO tombstones (hotel_id, subject)
        SELECT hotel, unnest(wanted) ON CONFLICT DO NOTHING;

    DELETE FROM guests WHERE hotel_id = hotel AND subjects && wanted;
    GET DIAGNOSTICS step = ROW_COUNT; touched := touched + step;
    UPDATE reservations SET payload = NULL, confirmation_index = NULL, guest_index = NULL,
        last_name_index = NULL, subjects = '{}' WHERE hotel_id = hotel AND subjects && wanted;
    GET DIAGNOSTICS step = ROW_COUNT; touched := touched + step;
    UPDATE operation_steps s SET result = NULL FROM operations o
        WHERE o.id = s.operation_id AND o.hotel_id = hotel AND o.subjects && wanted;
    GET DIAGNOSTICS step = ROW_COUNT; touched := touched + step;
    UPDATE dead_letters SET payload = NULL, error = NULL, notes = NULL, base = NULL, theirs = NULL,
        replayable = false, subjects = '{}' WHERE hotel_id = hotel AND subjects && wanted;
    GET DIAGNOSTICS step = ROW_COUNT; touched := touched + step;
    UPDATE operations SET payload = NULL, answer = NULL, error = NULL, runs_again = false, subjects = '{}',
        target = CASE WHEN kind LIKE 'guest.%' THEN NULL ELSE target END
        WHERE hotel_id = hotel AND subjects && wanted;
    GET DIAGNOSTICS step = ROW_COUNT; touched := touched + step;
    UPDATE outbox SET payload = NULL, subjects = '{}' WHERE hotel_id = hotel AND subjects && wanted;
    GET DIAGNOSTICS step = ROW_COUNT; touched := touched + step;
    UPDATE inbox SET payload = NULL, error = NULL, subjects = '{}'
        WHERE hotel_id = hotel AND subjects && wanted;
    GET DIAGNOSTICS step = ROW_COUNT; touched := touched + step;

    PERFORM set_config('pms_gateway.erasing', 'on', true);
    UPDATE audit_log a SET before = NULL, after = NULL, subjects = '{}',
        target = CASE WHEN a.operation LIKE 'guest.%' THEN NULL ELSE a.target END
        WHERE a.hotel_id = hotel AND a.subjects && wanted;
    GET DIAGNOSTICS step = ROW_COUNT; touched := touched + step;
    PERFORM set_config('pms_gateway.erasing', 'off', true);
    INSERT INTO audit_log (id, actor, hotel_id, operation, outcome, correlation_id)
        VALUES (gen_random_uuid(), actor, hotel, 'guest.erase', 'succeeded', correlation);
    RETURN touched;
END $$;

-- Erases a hotel with all data under its id, its audit too, and writes one audit row that it did.
-- False where there is no such hotel; refuses while the hotel has live writes.
CREATE FUNCTION erase_hotel(hotel text, actor text, correlation text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    -- The lock keeps a new intent out (its foreign key waits for us) until this is decided.
    PERFORM 1 FROM hotels WHERE hotels.id = hotel FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT 1 FROM operations o WHERE o.hotel_id = hotel
               AND o.status IN ('running', 'queued', 'unknown')) THEN
        RAISE EXCEPTION 'the hotel has live operations' USING ERRCODE = 'object_in_use';
    END IF;
    DELETE FROM hotels WHERE hotels.id = hotel;
    PERFORM set_config('pms_gateway.erasing', 'on', true);
    DELETE FROM audit_log a WHERE a.hotel_id = hotel;
    PERFORM set_config('pms_gateway.erasing', 'off', true);
    INSERT INTO audit_log (id, actor, hotel_id, operation, outcome, correlation_id)
        VALUES (gen_random_uuid(), actor, hotel, 'hotel.delete', 'succeeded', correlation);
    RETURN true;
END $$;

REVOKE ALL ON FUNCTION audit_log_ensure_partition(date) FROM PUBLIC;
REVOKE ALL ON FUNCTION erase_subjects(text, bytea[], text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION erase_hotel(text, text, text) FROM PUBLIC;

-- A function with its owner's rights must not find another schema's tables of the same names.
DO $$
DECLARE
    fixed text := format('SET search_path = %I, pg_catalog, pg_temp', current_schema());
BEGIN
    EXECUTE 'ALTER FUNCTION audit_log_ensure_partition(date) ' || fixed;
    EXECUTE 'ALTER FUNCTION erase_subjects(text, bytea[], text, text) ' || fixed;
    EXECUTE 'ALTER FUNCTION erase_hotel(text, text, text) ' || fixed;
END $$;

-- Takes 0005_erasing.sql back. Marks stay: an older version takes them for indexes that fit nothing.
DROP FUNCTION tombstones_among(text, bytea[]);
DROP FUNCTION erase_subjects(text, bytea[], bytea[], text[], text[], text, text);

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

REVOKE ALL ON FUNCTION erase_subjects(text, bytea[], text, text) FROM PUBLIC;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION erase_subjects(text, bytea[], text, text) SET search_path = %I, pg_catalog, pg_temp',
                   current_schema());
END $$;

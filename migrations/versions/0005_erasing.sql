-- Erasing a guest, whose marks outlive a rotation of keys. Frozen.

DROP FUNCTION erase_subjects(text, bytea[], text, text);

-- Erases a guest of one hotel: blanks whatever carries one of `wanted` (blind indexes) or is one of their
-- `stays` (ids of reservations), leaves a tombstone for each of `marks`, and writes its own audit row. Rows that
-- share an address with the guest and speak of somebody else are `spared`, by table and name: 'guests/G-1'.
-- Gives the number of rows touched. Refuses while a write for the guest is still live: its outcome could no longer
-- be settled. Whoever calls it has looked at the rows under the same lock on the hotel, in this transaction.
CREATE FUNCTION erase_subjects(
    hotel text, wanted bytea[], marks bytea[], stays text[], spared text[], actor text, correlation text
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    touched bigint := 0;
    step bigint;
    own uuid[];
BEGIN
    PERFORM 1 FROM hotels WHERE hotels.id = hotel FOR UPDATE;
    own := ARRAY(SELECT o.id FROM operations o WHERE o.hotel_id = hotel AND o.subjects && wanted
                    AND 'operations/' || o.id <> ALL (spared));
    IF EXISTS (SELECT 1 FROM operations o WHERE o.id = ANY (own)
               AND o.status IN ('running', 'queued', 'unknown')) THEN
        RAISE EXCEPTION 'a write for this guest is still live' USING ERRCODE = 'object_in_use';
    END IF;
    INSERT INTO tombstones (hotel_id, subject)
        SELECT hotel, unnest(marks) ON CONFLICT DO NOTHING;

    DELETE FROM guests WHERE hotel_id = hotel AND subjects && wanted AND 'guests/' || id <> ALL (spared);
    GET DIAGNOSTICS step = ROW_COUNT; touched := touched + step;
    UPDATE reservations SET payload = NULL, confirmation_index = NULL, guest_index = NULL,
        last_name_index = NULL, subjects = '{}'
        WHERE hotel_id = hotel AND (subjects && wanted OR id = ANY (stays)) AND payload IS NOT NULL
        AND 'reservations/' || id <> ALL (spared);
    GET DIAGNOSTICS step = ROW_COUNT; touched := touched + step;
    UPDATE operation_steps SET result = NULL WHERE operation_id = ANY (own);
    GET DIAGNOSTICS step = ROW_COUNT; touched := touched + step;
    UPDATE dead_letters SET payload = NULL, error = NULL, notes = NULL, base = NULL, theirs = NULL,
        replayable = false, subjects = '{}'
        WHERE hotel_id = hotel AND (operation_id = ANY (own)
        OR (subjects && wanted AND 'dead_letters/' || id <> ALL (spared)));
    GET DIAGNOSTICS step = ROW_COUNT; touched := touched + step;
    UPDATE operations SET payload = NULL, answer = NULL, error = NULL, runs_again = false, subjects = '{}',
        target = CASE WHEN kind LIKE 'guest.%' THEN NULL ELSE target END
        WHERE id = ANY (own);
    GET DIAGNOSTICS step = ROW_COUNT; touched := touched + step;
    UPDATE outbox SET payload = NULL, subjects = '{}' WHERE hotel_id = hotel AND subjects && wanted
        AND 'outbox/' || id <> ALL (spared);
    GET DIAGNOSTICS step = ROW_COUNT; touched := touched + step;
    UPDATE inbox SET payload = NULL, error = NULL, subjects = '{}'
        WHERE hotel_id = hotel AND subjects && wanted
        AND 'inbox/' || vendor || '|' || external_id <> ALL (spared);
    GET DIAGNOSTICS step = ROW_COUNT; touched := touched + step;

    PERFORM set_config('pms_gateway.erasing', 'on', true);
    UPDATE audit_log a SET before = NULL, after = NULL, subjects = '{}',
        target = CASE WHEN a.operation LIKE 'guest.%' THEN NULL ELSE a.target END
        WHERE a.hotel_id = hotel AND a.subjects && wanted AND 'audit_log/' || a.id <> ALL (spared);
    GET DIAGNOSTICS step = ROW_COUNT; touched := touched + step;
    PERFORM set_config('pms_gateway.erasing', 'off', true);
    INSERT INTO audit_log (id, actor, hotel_id, operation, outcome, correlation_id)
        VALUES (gen_random_uuid(), actor, hotel, 'guest.erase', 'succeeded', correlation);
    RETURN touched;
END $$;

-- Gives those of `wanted` that stand for somebody who was erased, and keeps the next erasing waiting until the
-- caller's transaction ends. Each statement of a volatile function sees what was committed before *it* began:
-- whoever had to wait for an erasing sees its marks.
CREATE FUNCTION tombstones_among(hotel text, wanted bytea[]) RETURNS SETOF bytea
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM 1 FROM hotels WHERE hotels.id = hotel FOR KEY SHARE;
    RETURN QUERY SELECT t.subject FROM tombstones t WHERE t.hotel_id = hotel AND t.subject = ANY (wanted);
END $$;

REVOKE ALL ON FUNCTION erase_subjects(text, bytea[], bytea[], text[], text[], text, text) FROM PUBLIC;

DO $$
DECLARE
    fixed text := format('SET search_path = %I, pg_catalog, pg_temp', current_schema());
BEGIN
    EXECUTE 'ALTER FUNCTION erase_subjects(text, bytea[], bytea[], text[], text[], text, text) ' || fixed;
    EXECUTE 'ALTER FUNCTION tombstones_among(text, bytea[]) ' || fixed;
END $$;

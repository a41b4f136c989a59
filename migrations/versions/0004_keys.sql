-- Which keys the data was written under. Frozen.

CREATE TABLE key_register (
    kind text NOT NULL,
    key_id text NOT NULL,
    proof bytea,
    first_seen_at timestamptz DEFAULT now() NOT NULL,
    first_used_at timestamptz,
    active_at timestamptz,
    retired_at timestamptz,
    CONSTRAINT pk_key_register PRIMARY KEY (kind, key_id),
    CONSTRAINT ck_key_register_kind CHECK (kind IN ('encryption', 'index', 'idempotency'))
);

-- What is there already says under which keys it is: the ids stand in front of each value. The first process that
-- has such a key proves it. Read once, here, where no limit of time is set and no key is needed.
INSERT INTO key_register (kind, key_id, first_used_at)
SELECT 'encryption', key_id, now()
FROM (
    SELECT DISTINCT encode(substring(head FROM 3 FOR get_byte(head, 1)), 'escape') AS key_id
    FROM (
        SELECT substring(value FROM 1 FOR 34) AS head
        FROM (
            SELECT credentials AS value FROM hotels
            UNION ALL SELECT payload FROM reservations
            UNION ALL SELECT payload FROM guests
            UNION ALL SELECT unnest(ARRAY[payload, answer, error]) FROM operations
            UNION ALL SELECT result FROM operation_steps
            UNION ALL SELECT unnest(ARRAY[payload, error, notes, base, theirs]) FROM dead_letters
            UNION ALL SELECT unnest(ARRAY[before, after]) FROM audit_log
            UNION ALL SELECT payload FROM outbox
            UNION ALL SELECT payload FROM inbox
        ) AS sealed
        WHERE length(value) > 2
    ) AS heads
    WHERE get_byte(head, 0) = 1
) AS found
WHERE key_id ~ '^[A-Za-z0-9_.-]{1,32}$';

INSERT INTO key_register (kind, key_id, first_used_at)
SELECT 'index', key_id, now()
FROM (
    SELECT DISTINCT encode(substring(value FROM 2 FOR get_byte(value, 0)), 'escape') AS key_id
    FROM (
        SELECT unnest(subjects || ARRAY[confirmation_index, guest_index, last_name_index]) AS value FROM reservations
        UNION ALL SELECT unnest(subjects || ARRAY[email_index, phone_index, last_name_index]) FROM guests
        UNION ALL SELECT unnest(subjects) FROM operations
        UNION ALL SELECT unnest(subjects) FROM dead_letters
        UNION ALL SELECT unnest(subjects) FROM audit_log
        UNION ALL SELECT unnest(subjects) FROM outbox
        UNION ALL SELECT unnest(subjects) FROM inbox
    ) AS indexes
    WHERE length(value) BETWEEN 18 AND 49 AND length(value) = 17 + get_byte(value, 0)
) AS found
WHERE key_id ~ '^[A-Za-z0-9_.-]{1,32}$';

-- Writes one line's encrypted bytes and blind indexes anew, under other keys. It can do nothing else to the audit: what
-- it replaces must still be there, nothing becomes empty that was not, no subject is added, and who, what and when stay.
-- A line that somebody holds is left for later. True where it was done.
CREATE FUNCTION audit_log_rekey(
    line_at timestamptz, line uuid,
    old_before bytea, new_before bytea, old_after bytea, new_after bytea, old_subjects bytea[], new_subjects bytea[]
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF (old_before IS NULL) <> (new_before IS NULL) OR (old_after IS NULL) <> (new_after IS NULL)
        OR new_subjects IS NULL OR cardinality(new_subjects) > cardinality(old_subjects)
        OR (cardinality(new_subjects) = 0) <> (cardinality(old_subjects) = 0)
        OR get_byte(coalesce(new_before, '\x01'), 0) <> 1 OR get_byte(coalesce(new_after, '\x01'), 0) <> 1 THEN
        RAISE EXCEPTION 'audit_log_rekey writes the same under other keys, nothing else'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM 1 FROM audit_log a WHERE a.at = line_at AND a.id = line
        AND a.before IS NOT DISTINCT FROM old_before AND a.after IS NOT DISTINCT FROM old_after
        AND a.subjects = old_subjects
        FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM set_config('pms_gateway.erasing', 'on', true);
    UPDATE audit_log a SET before = new_before, after = new_after, subjects = new_subjects
        WHERE a.at = line_at AND a.id = line;
    PERFORM set_config('pms_gateway.erasing', 'off', true);
    RETURN true;
END $$;

REVOKE ALL ON FUNCTION audit_log_rekey(timestamptz, uuid, bytea, bytea, bytea, bytea, bytea[], bytea[]) FROM PUBLIC;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION audit_log_rekey(timestamptz, uuid, bytea, bytea, bytea, bytea, bytea[], bytea[]) '
                   'SET search_path = %I, pg_catalog, pg_temp', current_schema());
END $$;

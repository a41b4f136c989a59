-- A role of its own for the gateway and its workers, which can do everything that they do and no more: it can add to the
-- audit and read it, never change it, and it cannot change the schema.
--
-- Run it as the role that migrates (the owner of the tables), after every `pms-gateway migrate`; doing it again changes
-- nothing. What a migration adds is out of the gateway's reach until then.
--   psql "$OWNERS_DATABASE_URL" -v ON_ERROR_STOP=1 -f deploy/postgres/roles.sql
--   psql "$OWNERS_DATABASE_URL" -c '\password pms_gateway'
-- Another name than pms_gateway: PGOPTIONS='-c pms_gateway.role=NAME' psql …
-- Where the owner may not make roles, an administrator makes it first: CREATE ROLE pms_gateway LOGIN PASSWORD '…';
BEGIN;

DO $$
DECLARE
    gateway text := coalesce(nullif(current_setting('pms_gateway.role', true), ''), 'pms_gateway');
    -- Where our tables are: the schema in which the owner's migrations put them.
    ours name := (SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = 'alembic_version'::regclass);
    found record;
BEGIN
    IF gateway = current_user THEN
        RAISE EXCEPTION 'run this as the role that migrates, not as %', gateway;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = gateway) THEN
        EXECUTE format('CREATE ROLE %I LOGIN', gateway);
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = gateway AND (rolsuper OR rolcreaterole OR rolbypassrls))
       OR pg_has_role(gateway, current_user, 'MEMBER') THEN
        RAISE EXCEPTION '% has the rights of others: nothing that is granted here would limit it', gateway;
    END IF;

    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', ours, gateway);
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC, %I', ours, gateway);
    EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %I TO %I', ours, gateway);

    FOR found IN
        SELECT oid, relname, relname = 'audit_log' OR relname LIKE 'audit\_log\_%' AS is_audit
        FROM pg_class WHERE relnamespace = ours::regnamespace AND relkind IN ('r', 'p', 'v')
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %I', found.oid::regclass, gateway);
        IF found.relname = 'audit_log' THEN
            EXECUTE format('GRANT SELECT, INSERT ON %s TO %I', found.oid::regclass, gateway);
        ELSIF found.is_audit THEN
            CONTINUE;  -- a month of it: reached through the whole only
        ELSIF found.relname = 'alembic_version' THEN
            EXECUTE format('GRANT SELECT ON %s TO %I', found.oid::regclass, gateway);
        ELSE
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', found.oid::regclass, gateway);
        END IF;
    END LOOP;

    -- The functions that run with their owner's rights keep the audit's promise themselves. They are nobody else's: a
    -- restore without privileges would give them to everybody.
    FOR found IN
        SELECT oid, prosecdef FROM pg_proc
        WHERE pronamespace = ours::regnamespace AND prokind = 'f'
          AND prorettype <> ALL (ARRAY['trigger'::regtype, 'event_trigger'::regtype])
    LOOP
        IF found.prosecdef THEN
            EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', found.oid::regprocedure);
        END IF;
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', found.oid::regprocedure, gateway);
    END LOOP;
END $$;

COMMIT;

-- Takes 0004_keys.sql back.
DROP FUNCTION audit_log_rekey(timestamptz, uuid, bytea, bytea, bytea, bytea, bytea[], bytea[]);
DROP TABLE key_register;

-- Takes 0004_keys.sql back.
SELECT 1;

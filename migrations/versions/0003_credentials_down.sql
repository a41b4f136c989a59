-- Takes 0003_credentials.sql back.
ALTER TABLE hotels DROP COLUMN credentials_since;

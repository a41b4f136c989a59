-- Takes 0003_credentials.sql back.
SELECT 1;

-- Takes 0005_erasing.sql back.
SELECT 1;

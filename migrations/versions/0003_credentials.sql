-- When each credential was set. Frozen.
SELECT 1;

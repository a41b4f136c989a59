-- Which keys the data was written under. Frozen.
SELECT 1;

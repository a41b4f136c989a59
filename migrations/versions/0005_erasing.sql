-- Erasing a guest, whose marks outlive a rotation of keys. Frozen.
SELECT 1;

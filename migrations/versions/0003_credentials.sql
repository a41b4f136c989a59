-- When each credential was set. Frozen.

-- Of every credential by its name the instant since which it is what it is; never a value, nor anything made of one.
-- A hotel from before this has none: its credentials count from when it was registered.
ALTER TABLE hotels ADD COLUMN credentials_since jsonb DEFAULT '{}'::jsonb NOT NULL;

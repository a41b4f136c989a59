-- What settling, queueing and alerting remember. Frozen.

ALTER TABLE operations
    ADD COLUMN queueable boolean DEFAULT false NOT NULL,
    ADD COLUMN handed_over boolean DEFAULT false NOT NULL,
    ADD COLUMN absences bigint DEFAULT 0 NOT NULL,
    ADD COLUMN looks bigint DEFAULT 0 NOT NULL,
    ADD COLUMN replays bigint DEFAULT 0 NOT NULL;

DROP INDEX ix_dead_letters_operation_id;
ALTER TABLE dead_letters ADD CONSTRAINT uq_dead_letters_operation_id UNIQUE (operation_id);
ALTER TABLE dead_letters
    ADD COLUMN updated_at timestamptz DEFAULT now() NOT NULL,
    ADD COLUMN waiting_since timestamptz DEFAULT now() NOT NULL;
CREATE INDEX ix_dead_letters_waiting ON dead_letters (operation, status, auto_retry, waiting_since)
    WHERE status IN ('pending', 'retrying') AND NOT notice;
CREATE INDEX ix_dead_letters_created_at_id ON dead_letters (created_at, id);

CREATE TABLE locks (
    hotel_id text NOT NULL,
    name text NOT NULL,
    operation_id uuid NOT NULL,
    until timestamptz,
    CONSTRAINT pk_locks PRIMARY KEY (hotel_id, name),
    CONSTRAINT fk_locks_hotel_id FOREIGN KEY (hotel_id) REFERENCES hotels (id) ON DELETE CASCADE,
    CONSTRAINT fk_locks_operation_id FOREIGN KEY (operation_id) REFERENCES operations (id) ON DELETE CASCADE
);
CREATE INDEX ix_locks_operation_id ON locks (operation_id);

CREATE TABLE alerts (
    name text NOT NULL,
    firing boolean DEFAULT false NOT NULL,
    value double precision DEFAULT 0 NOT NULL,
    changed_at timestamptz DEFAULT now() NOT NULL,
    told boolean DEFAULT false NOT NULL,
    telling_until timestamptz,
    CONSTRAINT pk_alerts PRIMARY KEY (name)
);

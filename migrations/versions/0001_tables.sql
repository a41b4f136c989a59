-- The tables as app/store/tables.py had them when this migration was written. Frozen.

CREATE SEQUENCE read_numbers;

CREATE TABLE hotels (
    id text NOT NULL,
    name text NOT NULL,
    vendor text NOT NULL,
    base_url text NOT NULL,
    property_id text,
    timezone text NOT NULL,
    currency text NOT NULL,
    country text,
    options jsonb NOT NULL,
    sync jsonb NOT NULL,
    cache jsonb NOT NULL,
    credentials bytea NOT NULL,
    revision bigint NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_hotels PRIMARY KEY (id)
);

CREATE TABLE api_keys (
    id uuid NOT NULL,
    client text NOT NULL,
    prefix text NOT NULL,
    key_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    hotels text[],
    created_at timestamptz DEFAULT now() NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT pk_api_keys PRIMARY KEY (id),
    CONSTRAINT uq_api_keys_prefix UNIQUE (prefix)
);

CREATE TABLE reservations (
    hotel_id text NOT NULL,
    id text NOT NULL,
    read_no bigint NOT NULL,
    status text NOT NULL,
    arrival date NOT NULL,
    departure date NOT NULL,
    confirmation_index bytea,
    guest_index bytea,
    last_name_index bytea,
    payload bytea,
    subjects bytea[] DEFAULT '{}'::bytea[] NOT NULL,
    as_of timestamptz NOT NULL,
    CONSTRAINT pk_reservations PRIMARY KEY (hotel_id, id),
    CONSTRAINT fk_reservations_hotel_id FOREIGN KEY (hotel_id) REFERENCES hotels (id) ON DELETE CASCADE
);

CREATE INDEX ix_reservations_hotel_id_arrival ON reservations (hotel_id, arrival);
CREATE INDEX ix_reservations_hotel_id_confirmation_index ON reservations (hotel_id, confirmation_index);
CREATE INDEX ix_reservations_hotel_id_departure ON reservations (hotel_id, departure);
CREATE INDEX ix_reservations_hotel_id_guest_index ON reservations (hotel_id, guest_index);
CREATE INDEX ix_reservations_hotel_id_last_name_index ON reservations (hotel_id, last_name_index);
CREATE INDEX ix_reservations_hotel_id_status ON reservations (hotel_id, status);
CREATE INDEX ix_reservations_subjects ON reservations USING gin (subjects);

CREATE TABLE guests (
    hotel_id text NOT NULL,
    id text NOT NULL,
    read_no bigint NOT NULL,
    email_index bytea,
    phone_index bytea,
    last_name_index bytea,
    payload bytea NOT NULL,
    subjects bytea[] DEFAULT '{}'::bytea[] NOT NULL,
    as_of timestamptz NOT NULL,
    CONSTRAINT pk_guests PRIMARY KEY (hotel_id, id),
    CONSTRAINT fk_guests_hotel_id FOREIGN KEY (hotel_id) REFERENCES hotels (id) ON DELETE CASCADE
);

CREATE INDEX ix_guests_hotel_id_email_index ON guests (hotel_id, email_index);
CREATE INDEX ix_guests_hotel_id_last_name_index ON guests (hotel_id, last_name_index);
CREATE INDEX ix_guests_hotel_id_phone_index ON guests (hotel_id, phone_index);
CREATE INDEX ix_guests_subjects ON guests USING gin (subjects);

CREATE TABLE rooms (
    hotel_id text NOT NULL,
    room_number text NOT NULL,
    read_no bigint NOT NULL,
    payload jsonb NOT NULL,
    as_of timestamptz NOT NULL,
    CONSTRAINT pk_rooms PRIMARY KEY (hotel_id, room_number),
    CONSTRAINT fk_rooms_hotel_id FOREIGN KEY (hotel_id) REFERENCES hotels (id) ON DELETE CASCADE
);

CREATE TABLE list_passes (
    id bigint GENERATED ALWAYS AS IDENTITY,
    hotel_id text NOT NULL,
    resource text NOT NULL,
    day date,
    read_no bigint NOT NULL,
    finished_at timestamptz NOT NULL,
    CONSTRAINT pk_list_passes PRIMARY KEY (id),
    CONSTRAINT uq_list_passes_hotel_id_resource_day UNIQUE NULLS NOT DISTINCT (hotel_id, resource, day),
    CONSTRAINT fk_list_passes_hotel_id FOREIGN KEY (hotel_id) REFERENCES hotels (id) ON DELETE CASCADE
);

CREATE TABLE operations (
    id uuid NOT NULL,
    hotel_id text NOT NULL,
    client text NOT NULL,
    kind text NOT NULL,
    target text,
    method text NOT NULL,
    route text NOT NULL,
    key_hash bytea,
    fingerprint bytea NOT NULL,
    status text NOT NULL,
    runs_again boolean DEFAULT false NOT NULL,
    owner text,
    deadline_at timestamptz NOT NULL,
    last_sent_at timestamptz,
    attempts bigint DEFAULT 0 NOT NULL,
    payload bytea,
    answer_status bigint,
    answer bytea,
    error bytea,
    correlation_id text,
    subjects bytea[] DEFAULT '{}'::bytea[] NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    accepted_at timestamptz,
    settled_at timestamptz,
    key_expires_at timestamptz,
    expires_at timestamptz,
    next_attempt_at timestamptz,
    dead_letter_id uuid,
    CONSTRAINT pk_operations PRIMARY KEY (id),
    CONSTRAINT ck_operations_status CHECK (status IN ('running', 'queued', 'unknown', 'succeeded', 'rejected', 'dead', 'expired', 'withdrawn')),
    CONSTRAINT fk_operations_hotel_id FOREIGN KEY (hotel_id) REFERENCES hotels (id) ON DELETE CASCADE
);

CREATE INDEX ix_operations_hotel_id_created_at ON operations (hotel_id, created_at);
CREATE INDEX ix_operations_key_expiry ON operations (key_expires_at) WHERE key_hash IS NOT NULL;
CREATE INDEX ix_operations_live_deadline ON operations (deadline_at) WHERE status IN ('running', 'queued', 'unknown');
CREATE INDEX ix_operations_live_target ON operations (hotel_id, target) WHERE status IN ('running', 'queued', 'unknown');
CREATE INDEX ix_operations_subjects ON operations USING gin (subjects);
CREATE UNIQUE INDEX uq_operations_live_key ON operations (client, hotel_id, key_hash) WHERE key_hash IS NOT NULL;

CREATE TABLE operation_steps (
    operation_id uuid NOT NULL,
    name text NOT NULL,
    reference text NOT NULL,
    status text NOT NULL,
    undoable boolean DEFAULT false NOT NULL,
    attempts bigint DEFAULT 1 NOT NULL,
    result bytea,
    started_at timestamptz DEFAULT now() NOT NULL,
    finished_at timestamptz,
    CONSTRAINT pk_operation_steps PRIMARY KEY (operation_id, name),
    CONSTRAINT ck_operation_steps_status CHECK (status IN ('running', 'done', 'undone', 'rejected', 'not_sent', 'unknown')),
    CONSTRAINT fk_operation_steps_operation_id FOREIGN KEY (operation_id) REFERENCES operations (id) ON DELETE CASCADE
);

CREATE TABLE dead_letters (
    id uuid NOT NULL,
    operation_id uuid,
    hotel_id text NOT NULL,
    operation text NOT NULL,
    payload bytea,
    error_code text NOT NULL,
    error bytea,
    attempts bigint DEFAULT 0 NOT NULL,
    first_attempt_at timestamptz,
    last_attempt_at timestamptz,
    next_attempt_at timestamptz,
    auto_retry boolean DEFAULT false NOT NULL,
    replayable boolean DEFAULT false NOT NULL,
    notice boolean DEFAULT false NOT NULL,
    status text NOT NULL,
    resolved_by text,
    resolved_at timestamptz,
    notes bytea,
    base bytea,
    theirs bytea,
    correlation_id text,
    subjects bytea[] DEFAULT '{}'::bytea[] NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_dead_letters PRIMARY KEY (id),
    CONSTRAINT ck_dead_letters_status CHECK (status IN ('pending', 'retrying', 'resolved', 'abandoned')),
    CONSTRAINT fk_dead_letters_operation_id FOREIGN KEY (operation_id) REFERENCES operations (id) ON DELETE CASCADE,
    CONSTRAINT fk_dead_letters_hotel_id FOREIGN KEY (hotel_id) REFERENCES hotels (id) ON DELETE CASCADE
);

CREATE INDEX ix_dead_letters_open ON dead_letters (hotel_id, created_at) WHERE status = 'pending';
CREATE INDEX ix_dead_letters_operation_id ON dead_letters (operation_id);
CREATE INDEX ix_dead_letters_subjects ON dead_letters USING gin (subjects);

CREATE TABLE audit_log (
    at timestamptz DEFAULT now() NOT NULL,
    id uuid NOT NULL,
    actor text NOT NULL,
    hotel_id text,
    operation text NOT NULL,
    target text,
    outcome text NOT NULL,
    correlation_id text,
    vendor_request_id text,
    before bytea,
    after bytea,
    subjects bytea[] DEFAULT '{}'::bytea[] NOT NULL,
    CONSTRAINT pk_audit_log PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);

CREATE INDEX ix_audit_log_hotel_id_at ON audit_log (hotel_id, at);
CREATE INDEX ix_audit_log_hotel_id_target ON audit_log (hotel_id, target);
CREATE INDEX ix_audit_log_subjects ON audit_log USING gin (subjects);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    event_id uuid NOT NULL,
    hotel_id text NOT NULL,
    type text NOT NULL,
    payload bytea,
    subjects bytea[] DEFAULT '{}'::bytea[] NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_outbox PRIMARY KEY (id),
    CONSTRAINT uq_outbox_event_id UNIQUE (event_id),
    CONSTRAINT fk_outbox_hotel_id FOREIGN KEY (hotel_id) REFERENCES hotels (id) ON DELETE CASCADE
);

CREATE INDEX ix_outbox_hotel_id ON outbox (hotel_id);
CREATE INDEX ix_outbox_subjects ON outbox USING gin (subjects);
CREATE INDEX ix_outbox_xid_id ON outbox (xid, id);

CREATE TABLE inbox (
    vendor text NOT NULL,
    external_id text NOT NULL,
    hotel_id text,
    payload bytea,
    subjects bytea[] DEFAULT '{}'::bytea[] NOT NULL,
    received_at timestamptz DEFAULT now() NOT NULL,
    handled_at timestamptz,
    attempts bigint DEFAULT 0 NOT NULL,
    error text,
    CONSTRAINT pk_inbox PRIMARY KEY (vendor, external_id),
    CONSTRAINT fk_inbox_hotel_id FOREIGN KEY (hotel_id) REFERENCES hotels (id) ON DELETE CASCADE
);

CREATE INDEX ix_inbox_hotel_id ON inbox (hotel_id);
CREATE INDEX ix_inbox_subjects ON inbox USING gin (subjects);
CREATE INDEX ix_inbox_waiting ON inbox (received_at) WHERE handled_at IS NULL;

CREATE TABLE cursors (
    hotel_id text NOT NULL,
    resource text NOT NULL,
    cursor text,
    lease_owner text,
    lease_until timestamptz,
    requested_at timestamptz,
    next_due_at timestamptz,
    last_started_at timestamptz,
    last_finished_at timestamptz,
    last_error text,
    failures bigint DEFAULT 0 NOT NULL,
    CONSTRAINT pk_cursors PRIMARY KEY (hotel_id, resource),
    CONSTRAINT fk_cursors_hotel_id FOREIGN KEY (hotel_id) REFERENCES hotels (id) ON DELETE CASCADE
);

CREATE INDEX ix_cursors_next_due_at ON cursors (next_due_at);

CREATE TABLE invalidations (
    id bigint GENERATED ALWAYS AS IDENTITY,
    hotel_id text NOT NULL,
    resources text[] NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    done_at timestamptz,
    CONSTRAINT pk_invalidations PRIMARY KEY (id),
    CONSTRAINT fk_invalidations_hotel_id FOREIGN KEY (hotel_id) REFERENCES hotels (id) ON DELETE CASCADE
);

CREATE INDEX ix_invalidations_open ON invalidations (id) WHERE done_at IS NULL;

CREATE TABLE tombstones (
    hotel_id text NOT NULL,
    subject bytea NOT NULL,
    erased_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_tombstones PRIMARY KEY (hotel_id, subject),
    CONSTRAINT fk_tombstones_hotel_id FOREIGN KEY (hotel_id) REFERENCES hotels (id) ON DELETE CASCADE
);

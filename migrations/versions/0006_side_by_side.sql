-- Which older versions of the gateway may serve beside the one that this schema was made for. Frozen.

CREATE TABLE compatible_revisions (
    revision text NOT NULL,
    CONSTRAINT pk_compatible_revisions PRIMARY KEY (revision)
);

DROP TABLE compatible_revisions;

-- What a target may hold of a subject.

-- The last record that a target was given of a subject that it may hold: what a deletion delivers. As the provisioner got
-- it, after the filters.
CREATE TABLE provisioned_records (
    co TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    target TEXT NOT NULL,
    record TEXT NOT NULL,                   -- a subject of the plugin contract
    PRIMARY KEY (co, subject_kind, subject_id, target)
) STRICT;

-- Targets that were called before may hold the subject.
UPDATE provisioned_services SET document = json_set(
    document, '$.held',
    json(CASE WHEN json_extract(document, '$.status') IN ('provisioned', 'failed') THEN 'true' ELSE 'false' END));

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('provisioned_records', 'sqlite_autoindex_provisioned_records_1', '500000 500000 250000 5 1');

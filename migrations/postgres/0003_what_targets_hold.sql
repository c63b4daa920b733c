-- What a target may hold of a subject.

-- The last record that a target was given of a subject that it may hold: what a deletion delivers. As the provisioner got
-- it, after the filters.
CREATE TABLE provisioned_records (
    co TEXT COLLATE "C" NOT NULL,
    subject_kind TEXT COLLATE "C" NOT NULL,
    subject_id TEXT COLLATE "C" NOT NULL,
    target TEXT COLLATE "C" NOT NULL,
    record TEXT NOT NULL,                   -- a subject of the plugin contract
    PRIMARY KEY (co, subject_kind, subject_id, target)
);

-- Targets that were called before may hold the subject.
UPDATE provisioned_services SET document = jsonb_set(
    document::jsonb, '{held}', to_jsonb(document::jsonb ->> 'status' IN ('provisioned', 'failed')))::text;

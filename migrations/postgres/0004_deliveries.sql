-- What a COmanage Registry delivered about each person, so that an older document never takes the place of a newer one.
CREATE TABLE deliveries (
    co TEXT COLLATE "C" NOT NULL REFERENCES collaborations (id),
    person_id TEXT COLLATE "C" NOT NULL,
    document TEXT NOT NULL,                 -- versions of the Registry's rows, names of the groups
    PRIMARY KEY (co, person_id)
);

-- Nested groups, and the instants at which time changes what is valid.

-- Groups whose members are members of another group.
CREATE TABLE group_nestings (
    co TEXT NOT NULL,
    group_id TEXT NOT NULL,                 -- the group that the other is nested in
    source_id TEXT NOT NULL,                -- the nested group
    negate INTEGER NOT NULL,                -- whether its members are kept out instead
    PRIMARY KEY (co, group_id, source_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_nestings_by_source ON group_nestings (co, source_id, group_id);

-- When a part of a person, or a membership, becomes valid or ceases to be so: the first instant of which the host has not
-- brought about what follows. NULL: never.
ALTER TABLE records ADD COLUMN due INTEGER;
ALTER TABLE memberships ADD COLUMN due INTEGER;
CREATE INDEX records_due ON records (due, co, id) WHERE due IS NOT NULL;
CREATE INDEX memberships_due ON memberships (due, co, group_id, person_id) WHERE due IS NOT NULL;

-- People behind this id are still to be brought into the automatic groups of the collaboration. NULL: none.
ALTER TABLE collaborations ADD COLUMN unsettled TEXT;

-- What is there already is looked at by the next host that starts.
UPDATE collaborations SET unsettled = '';
UPDATE records SET due = 0 WHERE kind = 'person' AND deleted IS NULL AND document LIKE '%"valid_%';
UPDATE memberships SET due = 0 WHERE document LIKE '%"valid_%';

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('group_nestings', 'group_nestings', '1000 1000 2 1'),
    ('group_nestings', 'group_nestings_by_source', '1000 1000 2 1'),
    ('records', 'records_due', '10000 1 1 1'),
    ('memberships', 'memberships_due', '10000 1 1 1 1');

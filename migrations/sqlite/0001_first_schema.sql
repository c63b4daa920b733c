-- Points in time are microseconds since 1970-01-01T00:00:00Z, truth values 0 and 1, documents JSON text.

-- The tenants that everything else belongs to.
CREATE TABLE collaborations (
    id TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL                  -- name, description, units, affiliations
) STRICT;

-- People, groups, email lists, services.
CREATE TABLE records (
    co TEXT NOT NULL REFERENCES collaborations (id),
    kind TEXT NOT NULL,                     -- person, group, email_list, service
    id TEXT NOT NULL,
    document TEXT NOT NULL,                 -- the record without memberships; of a deleted one its last state
    stored INTEGER NOT NULL,                -- the last write of the document
    deleted INTEGER,                        -- NULL while the record lives
    last_memberships TEXT,                  -- what a deleted record was part of, a list of membership documents
    PRIMARY KEY (co, kind, id)
) STRICT;

-- Who is in which group; only of live records.
CREATE TABLE memberships (
    co TEXT NOT NULL,
    group_id TEXT NOT NULL,
    person_id TEXT NOT NULL,
    document TEXT NOT NULL,                 -- member, owner, validity
    PRIMARY KEY (co, group_id, person_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_by_person ON memberships (co, person_id, group_id);

-- The change history; rows are only ever added.
CREATE TABLE changes (
    co TEXT NOT NULL,
    sequence INTEGER NOT NULL,              -- 1, 2, 3 ... in each collaboration, in the order of commits
    subject_kind TEXT NOT NULL,             -- kind and id of the record
    subject_id TEXT NOT NULL,
    operation TEXT NOT NULL,                -- created, updated, deleted
    parts TEXT NOT NULL,                    -- names of the parts that changed, a list
    actor TEXT NOT NULL,                    -- who did it
    at INTEGER NOT NULL,
    provision INTEGER NOT NULL,             -- whether it was to be provisioned
    PRIMARY KEY (co, sequence)
) STRICT, WITHOUT ROWID;

-- The catalog of plugins.
CREATE TABLE plugins (
    digest TEXT NOT NULL PRIMARY KEY,       -- SHA-256 of the component, hexadecimal
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    world TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,            -- of the component
    installed INTEGER NOT NULL,
    manifest TEXT NOT NULL                  -- what the plugin says of itself, and its imports
) STRICT;

-- Beside the catalog, so that listing it reads no component.
CREATE TABLE plugin_components (
    digest TEXT NOT NULL PRIMARY KEY REFERENCES plugins (digest) ON DELETE CASCADE,
    wasm BLOB NOT NULL
) STRICT;

-- Connections to counterparts.
CREATE TABLE servers (
    co TEXT NOT NULL REFERENCES collaborations (id),
    id TEXT NOT NULL,
    description TEXT NOT NULL,
    configuration TEXT NOT NULL,            -- a document without secrets
    secrets TEXT NOT NULL,                  -- sealed text by field
    revision INTEGER NOT NULL,              -- grows with every write
    PRIMARY KEY (co, id)
) STRICT;

-- Data filters.
CREATE TABLE filters (
    co TEXT NOT NULL REFERENCES collaborations (id),
    id TEXT NOT NULL,
    plugin TEXT NOT NULL REFERENCES plugins (digest),
    document TEXT NOT NULL,
    PRIMARY KEY (co, id)
) STRICT;
CREATE INDEX filters_by_plugin ON filters (plugin);

-- Provisioning targets.
CREATE TABLE targets (
    co TEXT NOT NULL REFERENCES collaborations (id),
    id TEXT NOT NULL,
    plugin TEXT NOT NULL REFERENCES plugins (digest),
    document TEXT NOT NULL,
    PRIMARY KEY (co, id)
) STRICT;
CREATE INDEX targets_by_plugin ON targets (plugin);

-- Planned and finished runs of one subject at one target. They outlive their target once finished.
CREATE TABLE invocations (
    co TEXT NOT NULL,
    id BLOB NOT NULL,                       -- UUIDv7: ascending in the order of planning
    target TEXT NOT NULL,
    subject_kind TEXT NOT NULL,             -- kind and id of the record
    subject_id TEXT NOT NULL,
    action TEXT NOT NULL,                   -- why: added, updated, deleted, ...
    change INTEGER,                         -- sequence of the change it follows from; NULL for a request
    cause TEXT,                             -- the person whose membership caused the provisioning of a group
    attempt INTEGER NOT NULL DEFAULT 0,     -- runs so far: those that were cut off, and the one that ended
    planned INTEGER NOT NULL,
    finished INTEGER,                       -- NULL until the outcome is committed
    failed INTEGER NOT NULL DEFAULT 0,      -- whether the outcome is a failure
    outcome TEXT,                           -- a document; NULL until finished
    fuel INTEGER NOT NULL DEFAULT 0,        -- units of fuel of filters and provisioner
    memory_bytes INTEGER NOT NULL DEFAULT 0,    -- largest linear memory
    effects INTEGER NOT NULL DEFAULT 0,     -- effects that passed the gate
    duration_us INTEGER NOT NULL DEFAULT 0, -- wall-clock time in microseconds
    PRIMARY KEY (co, id)
) STRICT;
CREATE INDEX invocations_unfinished ON invocations (id) WHERE finished IS NULL;
CREATE INDEX invocations_by_subject ON invocations (co, subject_kind, subject_id, id);
CREATE INDEX invocations_by_target ON invocations (co, target, id);
CREATE INDEX invocations_failed ON invocations (co, id) WHERE failed = 1;
-- What pruning removes first.
CREATE INDEX invocations_finished ON invocations (failed, finished) WHERE finished IS NOT NULL;

-- The effects of a finished invocation. Beside it, so that listing invocations reads none.
CREATE TABLE transcripts (
    co TEXT NOT NULL,
    id BLOB NOT NULL,
    transcript TEXT NOT NULL,               -- a document
    PRIMARY KEY (co, id),
    FOREIGN KEY (co, id) REFERENCES invocations (co, id) ON DELETE CASCADE
) STRICT;

-- Where a subject stands at a target; no row: it was never provisioned there.
CREATE TABLE provisioned_services (
    co TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    target TEXT NOT NULL,
    document TEXT NOT NULL,                 -- status, times, last failure
    PRIMARY KEY (co, subject_kind, subject_id, target)
) STRICT, WITHOUT ROWID;

-- What plugins remember.
CREATE TABLE plugin_state (
    co TEXT NOT NULL,
    target TEXT NOT NULL,
    subject_kind TEXT NOT NULL,             -- kind and id of the record; empty for state of the target itself
    subject_id TEXT NOT NULL,
    key BLOB NOT NULL,                      -- UTF-8; bytes, since a plugin may use any character
    value BLOB NOT NULL,
    PRIMARY KEY (co, target, subject_kind, subject_id, key)
) STRICT;

-- Who may call the API.
CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,           -- the public part of the key
    co TEXT,                                -- NULL: the whole platform
    full_access INTEGER NOT NULL,           -- whether it may write
    description TEXT NOT NULL,
    hash TEXT NOT NULL,                     -- SHA-256 of the secret, hexadecimal
    created INTEGER NOT NULL
) STRICT;

-- How often the targets, filters, servers and email lists of a collaboration, or itself, changed.
CREATE TABLE configuration_generations (
    co TEXT NOT NULL PRIMARY KEY,
    generation INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the query planner is to believe of the sizes: a table's rows, then the rows that share the first column of the
-- index, the first two, and so on. Without it the planner takes a collaboration for a handful of rows and reads all of
-- its memberships to find those of one person.
ANALYZE collaborations;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('records', 'sqlite_autoindex_records_1', '200000 200000 100000 1'),
    ('memberships', 'memberships', '1000000 1000000 1000 1'),
    ('memberships', 'memberships_by_person', '1000000 1000000 5 1'),
    ('changes', 'changes', '1000000 1000000 1'),
    ('invocations', 'sqlite_autoindex_invocations_1', '1000000 1000000 1'),
    ('invocations', 'invocations_unfinished', '10000 1'),
    ('invocations', 'invocations_by_subject', '1000000 1000000 500000 5 1'),
    ('invocations', 'invocations_by_target', '1000000 1000000 200000 1'),
    ('invocations', 'invocations_failed', '10000 10000 1'),
    ('invocations', 'invocations_finished', '1000000 500000 1'),
    ('transcripts', 'sqlite_autoindex_transcripts_1', '1000000 1000000 1'),
    ('provisioned_services', 'provisioned_services', '500000 500000 250000 5 1'),
    ('plugin_state', 'sqlite_autoindex_plugin_state_1', '500000 500000 100000 50000 100 1');

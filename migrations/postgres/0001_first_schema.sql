-- Points in time are microseconds since 1970-01-01T00:00:00Z, truth values 0 and 1, documents JSON text.
-- Keys are collated by their bytes, so that a page ends and the next begins at the same place on every server.

-- The tenants that everything else belongs to.
CREATE TABLE collaborations (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    document TEXT NOT NULL                  -- name, description, units, affiliations
);

-- People, groups, email lists, services.
CREATE TABLE records (
    co TEXT COLLATE "C" NOT NULL REFERENCES collaborations (id),
    kind TEXT COLLATE "C" NOT NULL,         -- person, group, email_list, service
    id TEXT COLLATE "C" NOT NULL,
    document TEXT NOT NULL,                 -- the record without memberships; of a deleted one its last state
    stored BIGINT NOT NULL,                 -- the last write of the document
    deleted BIGINT,                         -- NULL while the record lives
    last_memberships TEXT,                  -- what a deleted record was part of, a list of membership documents
    PRIMARY KEY (co, kind, id)
);

-- Who is in which group; only of live records.
CREATE TABLE memberships (
    co TEXT COLLATE "C" NOT NULL,
    group_id TEXT COLLATE "C" NOT NULL,
    person_id TEXT COLLATE "C" NOT NULL,
    document TEXT NOT NULL,                 -- member, owner, validity
    PRIMARY KEY (co, group_id, person_id)
);
CREATE INDEX memberships_by_person ON memberships (co, person_id, group_id);

-- The change history; rows are only ever added.
CREATE TABLE changes (
    co TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,               -- 1, 2, 3 ... in each collaboration, in the order of commits
    subject_kind TEXT COLLATE "C" NOT NULL, -- kind and id of the record
    subject_id TEXT COLLATE "C" NOT NULL,
    operation TEXT NOT NULL,                -- created, updated, deleted
    parts TEXT NOT NULL,                    -- names of the parts that changed, a list
    actor TEXT NOT NULL,                    -- who did it
    at BIGINT NOT NULL,
    provision BIGINT NOT NULL,              -- whether it was to be provisioned
    PRIMARY KEY (co, sequence)
);

-- The catalog of plugins.
CREATE TABLE plugins (
    digest TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- SHA-256 of the component, hexadecimal
    name TEXT COLLATE "C" NOT NULL,
    version TEXT NOT NULL,
    world TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,             -- of the component
    installed BIGINT NOT NULL,
    manifest TEXT NOT NULL                  -- what the plugin says of itself, and its imports
);

-- Beside the catalog, so that listing it reads no component.
CREATE TABLE plugin_components (
    digest TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES plugins (digest) ON DELETE CASCADE,
    wasm BYTEA NOT NULL
);

-- Connections to counterparts.
CREATE TABLE servers (
    co TEXT COLLATE "C" NOT NULL REFERENCES collaborations (id),
    id TEXT COLLATE "C" NOT NULL,
    description TEXT NOT NULL,
    configuration TEXT NOT NULL,            -- a document without secrets
    secrets TEXT NOT NULL,                  -- sealed text by field
    revision BIGINT NOT NULL,               -- grows with every write
    PRIMARY KEY (co, id)
);

-- Data filters.
CREATE TABLE filters (
    co TEXT COLLATE "C" NOT NULL REFERENCES collaborations (id),
    id TEXT COLLATE "C" NOT NULL,
    plugin TEXT COLLATE "C" NOT NULL REFERENCES plugins (digest),
    document TEXT NOT NULL,
    PRIMARY KEY (co, id)
);
CREATE INDEX filters_by_plugin ON filters (plugin);

-- Provisioning targets.
CREATE TABLE targets (
    co TEXT COLLATE "C" NOT NULL REFERENCES collaborations (id),
    id TEXT COLLATE "C" NOT NULL,
    plugin TEXT COLLATE "C" NOT NULL REFERENCES plugins (digest),
    document TEXT NOT NULL,
    PRIMARY KEY (co, id)
);
CREATE INDEX targets_by_plugin ON targets (plugin);

-- Planned and finished runs of one subject at one target. They outlive their target once finished.
CREATE TABLE invocations (
    co TEXT COLLATE "C" NOT NULL,
    id BYTEA NOT NULL,                      -- UUIDv7: ascending in the order of planning
    target TEXT COLLATE "C" NOT NULL,
    subject_kind TEXT COLLATE "C" NOT NULL, -- kind and id of the record
    subject_id TEXT COLLATE "C" NOT NULL,
    action TEXT NOT NULL,                   -- why: added, updated, deleted, ...
    change BIGINT,                          -- sequence of the change it follows from; NULL for a request
    cause TEXT,                             -- the person whose membership caused the provisioning of a group
    attempt BIGINT NOT NULL DEFAULT 0,      -- runs so far: those that were cut off, and the one that ended
    planned BIGINT NOT NULL,
    finished BIGINT,                        -- NULL until the outcome is committed
    failed BIGINT NOT NULL DEFAULT 0,       -- whether the outcome is a failure
    outcome TEXT,                           -- a document; NULL until finished
    fuel BIGINT NOT NULL DEFAULT 0,         -- units of fuel of filters and provisioner
    memory_bytes BIGINT NOT NULL DEFAULT 0, -- largest linear memory
    effects BIGINT NOT NULL DEFAULT 0,      -- effects that passed the gate
    duration_us BIGINT NOT NULL DEFAULT 0,  -- wall-clock time in microseconds
    PRIMARY KEY (co, id)
);
CREATE INDEX invocations_unfinished ON invocations (id) WHERE finished IS NULL;
CREATE INDEX invocations_by_subject ON invocations (co, subject_kind, subject_id, id);
CREATE INDEX invocations_by_target ON invocations (co, target, id);
CREATE INDEX invocations_failed ON invocations (co, id) WHERE failed = 1;
-- What pruning removes first.
CREATE INDEX invocations_finished ON invocations (failed, finished) WHERE finished IS NOT NULL;

-- The effects of a finished invocation. Beside it, so that listing invocations reads none.
CREATE TABLE transcripts (
    co TEXT COLLATE "C" NOT NULL,
    id BYTEA NOT NULL,
    transcript TEXT NOT NULL,               -- a document
    PRIMARY KEY (co, id),
    FOREIGN KEY (co, id) REFERENCES invocations (co, id) ON DELETE CASCADE
);

-- Where a subject stands at a target; no row: it was never provisioned there.
CREATE TABLE provisioned_services (
    co TEXT COLLATE "C" NOT NULL,
    subject_kind TEXT COLLATE "C" NOT NULL,
    subject_id TEXT COLLATE "C" NOT NULL,
    target TEXT COLLATE "C" NOT NULL,
    document TEXT NOT NULL,                 -- status, times, last failure
    PRIMARY KEY (co, subject_kind, subject_id, target)
);

-- What plugins remember.
CREATE TABLE plugin_state (
    co TEXT COLLATE "C" NOT NULL,
    target TEXT COLLATE "C" NOT NULL,
    subject_kind TEXT COLLATE "C" NOT NULL, -- kind and id of the record; empty for state of the target itself
    subject_id TEXT COLLATE "C" NOT NULL,
    key BYTEA NOT NULL,                     -- UTF-8; bytes, since a plugin may use any character
    value BYTEA NOT NULL,
    PRIMARY KEY (co, target, subject_kind, subject_id, key)
);

-- Who may call the API.
CREATE TABLE api_keys (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- the public part of the key
    co TEXT COLLATE "C",                    -- NULL: the whole platform
    full_access BIGINT NOT NULL,            -- whether it may write
    description TEXT NOT NULL,
    hash TEXT NOT NULL,                     -- SHA-256 of the secret, hexadecimal
    created BIGINT NOT NULL
);

-- How often the targets, filters, servers and email lists of a collaboration, or itself, changed.
CREATE TABLE configuration_generations (
    co TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    generation BIGINT NOT NULL
);

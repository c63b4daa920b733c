-- What became of subjects, for those who look after them: history, notifications, and the way of these to people.

-- Who asked for a run; NULL for one that follows from a change.
ALTER TABLE invocations ADD COLUMN requested_by TEXT;

-- The changes of one record, the newest last.
CREATE INDEX changes_by_subject ON changes (co, subject_kind, subject_id, at, sequence);

-- What became of subjects at targets, beside the changes of the records themselves. Outlives invocations and targets.
CREATE TABLE provisioning_history (
    co TEXT COLLATE "C" NOT NULL,
    subject_kind TEXT COLLATE "C" NOT NULL, -- kind and id of the record
    subject_id TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,                     -- when the run ended
    invocation BYTEA NOT NULL,
    event TEXT NOT NULL,                    -- provisioned, manually_provisioned, removed, failed
    target TEXT COLLATE "C" NOT NULL,
    action TEXT NOT NULL,                   -- why: added, updated, deleted, ...
    change BIGINT,                          -- sequence of the change it follows from; NULL for a request
    requested_by TEXT,                      -- who asked for it; NULL when it follows from a change
    class TEXT,                             -- of a failure, and its message
    message TEXT,
    lines TEXT,                             -- what the plugin has to say, a list; NULL when nothing
    PRIMARY KEY (co, subject_kind, subject_id, at, invocation)
);
-- What pruning removes first.
CREATE INDEX provisioning_history_by_age ON provisioning_history (at);

-- What administrators are to know: a target that cannot be brought up to date with a subject.
CREATE TABLE notifications (
    co TEXT COLLATE "C" NOT NULL,
    id BYTEA NOT NULL,                      -- UUIDv7: ascending in the order they were opened
    target TEXT COLLATE "C" NOT NULL,
    subject_kind TEXT COLLATE "C" NOT NULL, -- kind and id of the record
    subject_id TEXT COLLATE "C" NOT NULL,
    state TEXT NOT NULL,                    -- open, acknowledged, resolved
    failures BIGINT NOT NULL,               -- in a row, so far
    first_failed BIGINT NOT NULL,
    last_failed BIGINT NOT NULL,
    class TEXT NOT NULL,                    -- of the last failure, its message and its invocation
    message TEXT NOT NULL,
    invocation BYTEA NOT NULL,
    announced BIGINT NOT NULL,              -- the last time that it was put into the outbox
    acknowledged BIGINT,
    acknowledged_by TEXT,
    resolved BIGINT,                        -- NULL while it is open or acknowledged
    resolution TEXT,                        -- provisioned, removed, skipped, target_deleted
    PRIMARY KEY (co, id)
);
CREATE UNIQUE INDEX notifications_unresolved ON notifications (co, target, subject_kind, subject_id)
    WHERE resolved IS NULL;
CREATE INDEX notifications_by_state ON notifications (co, state, id);
CREATE INDEX notifications_by_target ON notifications (co, target, id);
-- What pruning removes first.
CREATE INDEX notifications_resolved ON notifications (resolved) WHERE resolved IS NOT NULL;

-- The outbox: what a channel has still to tell of a notification. Written with the notification.
CREATE TABLE notification_events (
    co TEXT COLLATE "C" NOT NULL,
    channel TEXT COLLATE "C" NOT NULL,      -- log, email, webhook
    id BYTEA NOT NULL,                      -- UUIDv7
    notification BYTEA NOT NULL,
    event TEXT NOT NULL,                    -- opened, reminder, resolved
    PRIMARY KEY (co, channel, id),
    FOREIGN KEY (co, notification) REFERENCES notifications (co, id) ON DELETE CASCADE
);
CREATE INDEX notification_events_by_notification ON notification_events (co, notification);

-- How far each channel of a collaboration is, and the one message that it has under way.
CREATE TABLE notification_channels (
    co TEXT COLLATE "C" NOT NULL,
    channel TEXT COLLATE "C" NOT NULL,      -- log, email, webhook
    due BIGINT,                             -- when there is something to do, or another process may try; NULL: nothing
    composed BIGINT,                        -- when the last message was made of events
    document TEXT,                          -- the message under way, and how often it was tried
    delivered BIGINT,                       -- the last time that a message was taken
    problem TEXT,                           -- why the last attempt failed
    PRIMARY KEY (co, channel)
);

-- Who is told of notifications, where a collaboration differs from the rule.
CREATE TABLE notification_settings (
    co TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES collaborations (id),
    document TEXT NOT NULL,                 -- recipients, webhook
    secrets TEXT NOT NULL                   -- sealed text by field
);

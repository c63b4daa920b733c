-- What became of subjects, for those who look after them: history, notifications, and the way of these to people.

-- Who asked for a run; NULL for one that follows from a change.
ALTER TABLE invocations ADD COLUMN requested_by TEXT;

-- The changes of one record, the newest last.
CREATE INDEX changes_by_subject ON changes (co, subject_kind, subject_id, at, sequence);

-- What became of subjects at targets, beside the changes of the records themselves. Outlives invocations and targets.
CREATE TABLE provisioning_history (
    co TEXT NOT NULL,
    subject_kind TEXT NOT NULL,             -- kind and id of the record
    subject_id TEXT NOT NULL,
    at INTEGER NOT NULL,                    -- when the run ended
    invocation BLOB NOT NULL,
    event TEXT NOT NULL,                    -- provisioned, manually_provisioned, removed, failed
    target TEXT NOT NULL,
    action TEXT NOT NULL,                   -- why: added, updated, deleted, ...
    change INTEGER,                         -- sequence of the change it follows from; NULL for a request
    requested_by TEXT,                      -- who asked for it; NULL when it follows from a change
    class TEXT,                             -- of a failure, and its message
    message TEXT,
    lines TEXT,                             -- what the plugin has to say, a list; NULL when nothing
    PRIMARY KEY (co, subject_kind, subject_id, at, invocation)
) STRICT, WITHOUT ROWID;
-- What pruning removes first.
CREATE INDEX provisioning_history_by_age ON provisioning_history (at);

-- What administrators are to know: a target that cannot be brought up to date with a subject.
CREATE TABLE notifications (
    co TEXT NOT NULL,
    id BLOB NOT NULL,                       -- UUIDv7: ascending in the order they were opened
    target TEXT NOT NULL,
    subject_kind TEXT NOT NULL,             -- kind and id of the record
    subject_id TEXT NOT NULL,
    state TEXT NOT NULL,                    -- open, acknowledged, resolved
    failures INTEGER NOT NULL,              -- in a row, so far
    first_failed INTEGER NOT NULL,
    last_failed INTEGER NOT NULL,
    class TEXT NOT NULL,                    -- of the last failure, its message and its invocation
    message TEXT NOT NULL,
    invocation BLOB NOT NULL,
    announced INTEGER NOT NULL,             -- the last time that it was put into the outbox
    acknowledged INTEGER,
    acknowledged_by TEXT,
    resolved INTEGER,                       -- NULL while it is open or acknowledged
    resolution TEXT,                        -- provisioned, removed, skipped, target_deleted
    PRIMARY KEY (co, id)
) STRICT;
CREATE UNIQUE INDEX notifications_unresolved ON notifications (co, target, subject_kind, subject_id)
    WHERE resolved IS NULL;
CREATE INDEX notifications_by_state ON notifications (co, state, id);
CREATE INDEX notifications_by_target ON notifications (co, target, id);
-- What pruning removes first.
CREATE INDEX notifications_resolved ON notifications (resolved) WHERE resolved IS NOT NULL;

-- The outbox: what a channel has still to tell of a notification. Written with the notification.
CREATE TABLE notification_events (
    co TEXT NOT NULL,
    channel TEXT NOT NULL,                  -- log, email, webhook
    id BLOB NOT NULL,                       -- UUIDv7
    notification BLOB NOT NULL,
    event TEXT NOT NULL,                    -- opened, reminder, resolved
    PRIMARY KEY (co, channel, id),
    FOREIGN KEY (co, notification) REFERENCES notifications (co, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX notification_events_by_notification ON notification_events (co, notification);

-- How far each channel of a collaboration is, and the one message that it has under way.
CREATE TABLE notification_channels (
    co TEXT NOT NULL,
    channel TEXT NOT NULL,                  -- log, email, webhook
    due INTEGER,                            -- when there is something to do, or another process may try; NULL: nothing
    composed INTEGER,                       -- when the last message was made of events
    document TEXT,                          -- the message under way, and how often it was tried
    delivered INTEGER,                      -- the last time that a message was taken
    problem TEXT,                           -- why the last attempt failed
    PRIMARY KEY (co, channel)
) STRICT, WITHOUT ROWID;

-- Who is told of notifications, where a collaboration differs from the rule.
CREATE TABLE notification_settings (
    co TEXT NOT NULL PRIMARY KEY REFERENCES collaborations (id),
    document TEXT NOT NULL,                 -- recipients, webhook
    secrets TEXT NOT NULL                   -- sealed text by field
) STRICT;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('changes', 'changes_by_subject', '1000000 1000000 500000 5 1 1'),
    ('provisioning_history', 'provisioning_history', '5000000 5000000 2500000 20 1 1'),
    ('provisioning_history', 'provisioning_history_by_age', '5000000 1'),
    ('notifications', 'sqlite_autoindex_notifications_1', '100000 100000 1'),
    ('notifications', 'notifications_unresolved', '10000 10000 2000 1000 1'),
    ('notifications', 'notifications_by_state', '100000 100000 33000 1'),
    ('notifications', 'notifications_by_target', '100000 100000 20000 1'),
    ('notifications', 'notifications_resolved', '90000 1'),
    ('notification_events', 'notification_events', '10000 10000 3300 1'),
    ('notification_events', 'notification_events_by_notification', '10000 10000 3');

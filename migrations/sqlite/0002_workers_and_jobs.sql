-- Processes that run work. Whoever did not renew the lease in time is dead, once and for all, and loses all work to others.
CREATE TABLE workers (
    id BLOB NOT NULL PRIMARY KEY,           -- UUIDv7; all zero is nobody, who is dead: work that waits for a worker
    host TEXT NOT NULL,                     -- machine and process, for people
    expires INTEGER NOT NULL                -- end of the lease, by the clock of the database
) STRICT;
INSERT INTO workers (id, host, expires) VALUES (x'00000000000000000000000000000000', '', 0);

-- All unfinished invocations of one subject at one target belong to one worker, who runs them one after the other.
ALTER TABLE invocations ADD COLUMN worker BLOB NOT NULL DEFAULT x'00000000000000000000000000000000';
ALTER TABLE invocations ADD COLUMN handed INTEGER NOT NULL DEFAULT 0;   -- 1: the worker does not know of it yet
ALTER TABLE invocations ADD COLUMN job INTEGER;                         -- the job that it is a run of
ALTER TABLE invocations ADD COLUMN bulk INTEGER NOT NULL DEFAULT 0;     -- 1: other work goes first
CREATE INDEX invocations_of_worker ON invocations (worker, co) WHERE finished IS NULL;
CREATE INDEX invocations_handed ON invocations (worker, id) WHERE finished IS NULL AND handed = 1;
CREATE INDEX invocations_unfinished_of_subject ON invocations (co, subject_kind, subject_id, target)
    WHERE finished IS NULL;
CREATE INDEX invocations_of_job ON invocations (co, job) WHERE job IS NOT NULL AND finished IS NULL;

-- Durable work: a queued provisioning of one subject, or one of all subjects.
CREATE TABLE jobs (
    co TEXT NOT NULL,
    id INTEGER NOT NULL,                    -- 1, 2, 3 ... in each collaboration
    kind TEXT NOT NULL,                     -- provision, reprovision_all, reevaluate
    target TEXT NOT NULL,
    subject_kind TEXT NOT NULL,             -- kind and id of the record; empty for all subjects
    subject_id TEXT NOT NULL,
    action TEXT NOT NULL,                   -- why: added, updated, deleted, ...
    change INTEGER,                         -- sequence of the last change that it follows from; NULL for a request
    cause TEXT,                             -- the person whose membership caused the provisioning of a group
    status TEXT NOT NULL,                   -- queued, in_progress, complete, failed, canceled
    asked_by TEXT NOT NULL,
    registered INTEGER NOT NULL,
    start_after INTEGER NOT NULL,           -- not run before
    started INTEGER,
    ended INTEGER,
    superseded_by INTEGER,                  -- the waiting job that does what this one was to do
    retry_of INTEGER,                       -- the job that this one tries again
    retries INTEGER NOT NULL,               -- failures since the last change
    gave_up INTEGER NOT NULL DEFAULT 0,     -- 1: failed, not tried again, and nothing succeeded since
    canceled_by TEXT,                       -- who wants it to end
    message TEXT,                           -- what came of it
    worker BLOB NOT NULL,                   -- who leads a job for all subjects
    done INTEGER NOT NULL DEFAULT 0,        -- subjects that ended, of a job for all subjects
    total INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    progress TEXT,                          -- a document: by kind, and where it goes on
    PRIMARY KEY (co, id)
) STRICT;
-- One job waits for the same.
CREATE UNIQUE INDEX jobs_waiting ON jobs (co, target, subject_kind, subject_id, action, kind)
    WHERE status = 'queued';
CREATE INDEX jobs_due ON jobs (co, target, start_after, id) WHERE status = 'queued';
CREATE INDEX jobs_led ON jobs (worker) WHERE status = 'in_progress' AND kind <> 'provision';
CREATE INDEX jobs_gave_up ON jobs (co, target, subject_kind, subject_id) WHERE gave_up = 1;
CREATE INDEX jobs_by_status ON jobs (co, status, id);
CREATE INDEX jobs_by_target ON jobs (co, target, id);
CREATE INDEX jobs_by_subject ON jobs (co, subject_kind, subject_id, id);
CREATE INDEX jobs_ended ON jobs (ended) WHERE ended IS NOT NULL;

-- What happened to a job between its registration and its end.
CREATE TABLE job_history (
    co TEXT NOT NULL,
    job INTEGER NOT NULL,
    line INTEGER NOT NULL,                  -- ascending in each job
    at INTEGER NOT NULL,
    text TEXT NOT NULL,
    subject_kind TEXT,                      -- the record that it is about, of a job for all subjects
    subject_id TEXT,
    PRIMARY KEY (co, job, line),
    FOREIGN KEY (co, job) REFERENCES jobs (co, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- The last number of a job, also of one that is gone.
CREATE TABLE job_numbers (
    co TEXT NOT NULL PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the query planner is to believe of the sizes, as in the first schema.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('invocations', 'invocations_of_worker', '10000 5000 1000'),
    ('invocations', 'invocations_handed', '100 50 1'),
    ('invocations', 'invocations_unfinished_of_subject', '10000 10000 5000 2 1'),
    ('invocations', 'invocations_of_job', '10000 10000 1'),
    ('jobs', 'sqlite_autoindex_jobs_1', '1000000 1000000 1'),
    ('jobs', 'jobs_waiting', '20000 20000 5000 2500 1 1 1'),
    ('jobs', 'jobs_due', '20000 20000 5000 1 1'),
    ('jobs', 'jobs_led', '10 5'),
    ('jobs', 'jobs_gave_up', '1000 1000 200 100 1'),
    ('jobs', 'jobs_by_status', '1000000 1000000 200000 1'),
    ('jobs', 'jobs_by_target', '1000000 1000000 200000 1'),
    ('jobs', 'jobs_by_subject', '1000000 1000000 500000 5 1'),
    ('jobs', 'jobs_ended', '1000000 1'),
    ('job_history', 'job_history', '1000000 1000000 3 1');

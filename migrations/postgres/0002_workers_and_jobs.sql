-- Processes that run work. Whoever did not renew the lease in time is dead, once and for all, and loses all work to others.
CREATE TABLE workers (
    id BYTEA NOT NULL PRIMARY KEY,          -- UUIDv7; all zero is nobody, who is dead: work that waits for a worker
    host TEXT NOT NULL,                     -- machine and process, for people
    expires BIGINT NOT NULL                 -- end of the lease, by the clock of the database
);
INSERT INTO workers (id, host, expires) VALUES ('\x00000000000000000000000000000000'::bytea, '', 0);

-- All unfinished invocations of one subject at one target belong to one worker, who runs them one after the other.
ALTER TABLE invocations ADD COLUMN worker BYTEA NOT NULL DEFAULT '\x00000000000000000000000000000000'::bytea;
ALTER TABLE invocations ADD COLUMN handed BIGINT NOT NULL DEFAULT 0;   -- 1: the worker does not know of it yet
ALTER TABLE invocations ADD COLUMN job BIGINT;                         -- the job that it is a run of
ALTER TABLE invocations ADD COLUMN bulk BIGINT NOT NULL DEFAULT 0;     -- 1: other work goes first
CREATE INDEX invocations_of_worker ON invocations (worker, co) WHERE finished IS NULL;
CREATE INDEX invocations_handed ON invocations (worker, id) WHERE finished IS NULL AND handed = 1;
CREATE INDEX invocations_unfinished_of_subject ON invocations (co, subject_kind, subject_id, target)
    WHERE finished IS NULL;
CREATE INDEX invocations_of_job ON invocations (co, job) WHERE job IS NOT NULL AND finished IS NULL;

-- Durable work: a queued provisioning of one subject, or one of all subjects.
CREATE TABLE jobs (
    co TEXT COLLATE "C" NOT NULL,
    id BIGINT NOT NULL,                     -- 1, 2, 3 ... in each collaboration
    kind TEXT COLLATE "C" NOT NULL,         -- provision, reprovision_all, reevaluate
    target TEXT COLLATE "C" NOT NULL,
    subject_kind TEXT COLLATE "C" NOT NULL, -- kind and id of the record; empty for all subjects
    subject_id TEXT COLLATE "C" NOT NULL,
    action TEXT NOT NULL,                   -- why: added, updated, deleted, ...
    change BIGINT,                          -- sequence of the last change that it follows from; NULL for a request
    cause TEXT,                             -- the person whose membership caused the provisioning of a group
    status TEXT NOT NULL,                   -- queued, in_progress, complete, failed, canceled
    asked_by TEXT NOT NULL,
    registered BIGINT NOT NULL,
    start_after BIGINT NOT NULL,            -- not run before
    started BIGINT,
    ended BIGINT,
    superseded_by BIGINT,                   -- the waiting job that does what this one was to do
    retry_of BIGINT,                        -- the job that this one tries again
    retries BIGINT NOT NULL,                -- failures since the last change
    gave_up BIGINT NOT NULL DEFAULT 0,      -- 1: failed, not tried again, and nothing succeeded since
    canceled_by TEXT,                       -- who wants it to end
    message TEXT,                           -- what came of it
    worker BYTEA NOT NULL,                  -- who leads a job for all subjects
    done BIGINT NOT NULL DEFAULT 0,         -- subjects that ended, of a job for all subjects
    total BIGINT NOT NULL DEFAULT 0,
    failed BIGINT NOT NULL DEFAULT 0,
    progress TEXT,                          -- a document: by kind, and where it goes on
    PRIMARY KEY (co, id)
);
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
    co TEXT COLLATE "C" NOT NULL,
    job BIGINT NOT NULL,
    line BIGINT NOT NULL,                   -- ascending in each job
    at BIGINT NOT NULL,
    text TEXT NOT NULL,
    subject_kind TEXT COLLATE "C",          -- the record that it is about, of a job for all subjects
    subject_id TEXT COLLATE "C",
    PRIMARY KEY (co, job, line),
    FOREIGN KEY (co, job) REFERENCES jobs (co, id) ON DELETE CASCADE
);

-- The last number of a job, also of one that is gone.
CREATE TABLE job_numbers (
    co TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    last BIGINT NOT NULL
);

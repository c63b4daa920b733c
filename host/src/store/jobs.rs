//! Jobs: registered, claimed, ended. Reading them is in `job_lists`.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::rows::{ManyRows, document, kind_word, signed, subject, timestamp, unsigned, word};
use super::{Progress, Store, StoreError, Transaction};
use crate::provisioning::{Job, JobKind, JobStatus, NewJob, PlannedInvocation, RegisteredJob};
use crate::registry::record::SubjectKey;

pub(super) const TABLE: &str = "jobs";

/// A subject at a target.
pub type Place = (String, SubjectKey);

/// How a run of a job ended.
#[derive(Clone, Debug, PartialEq)]
pub struct EndedJob {
    pub id: i64,
    pub status: JobStatus,
    pub at: Timestamp,
    pub message: String,
    /// Whether it failed and is not tried again.
    pub gave_up: bool,
}

/// The columns that [`job_of`] reads.
macro_rules! job_columns {
    () => {
        "id, kind, target, subject_kind, subject_id, action, status, change, cause, asked_by, registered, start_after, \
         started, ended, superseded_by, retry_of, retries, gave_up, canceled_by, message, done, failed, total, progress"
    };
}
pub(super) use job_columns;

const REGISTER: ManyRows = ManyRows {
    head: "INSERT INTO jobs (co, id, kind, target, subject_kind, subject_id, action, change, cause, status, asked_by, \
           registered, start_after, ended, superseded_by, retry_of, retries, message, worker)",
    columns: 19,
    tail: "",
};
/// The jobs that wait for some of (target, kind, id, action).
pub(super) const WAITING: ManyRows = ManyRows {
    head: "SELECT id, target, subject_kind, subject_id, action, cause FROM jobs WHERE status = 'queued' \
           AND kind = 'provision' AND (co, target, subject_kind, subject_id, action) IN (",
    columns: 5,
    tail: ")",
};
/// What supersedes gets the change of what it supersedes, and waits no longer.
const SUPERSEDE: ManyRows = ManyRows {
    head: "UPDATE jobs SET change = newer.column3, cause = newer.column4, \
           start_after = CASE WHEN jobs.start_after > newer.column5 THEN newer.column5 ELSE jobs.start_after END, \
           retries = newer.column6 FROM (",
    columns: 6,
    tail: ") AS newer WHERE jobs.co = newer.column1 AND jobs.id = newer.column2",
};
/// The earliest job that waits, of the target behind ($1, $2).
pub(super) const NEXT_LANE: &str = "SELECT co, target, start_after FROM jobs WHERE status = 'queued' \
                                    AND (co, target) > ($1, $2) ORDER BY co, target, start_after LIMIT 1";
/// Jobs of a target that may run: nothing of the same subject there is under way, nor due before them.
pub(super) const DUE: &str = "\
    SELECT j.id, j.subject_kind, j.subject_id, j.action, j.change, j.cause FROM jobs j \
    WHERE j.co = $1 AND j.target = $2 AND j.status = 'queued' AND j.start_after <= $3 AND j.kind = 'provision' \
    AND NOT EXISTS (SELECT 1 FROM invocations i WHERE i.co = j.co AND i.subject_kind = j.subject_kind \
      AND i.subject_id = j.subject_id AND i.target = j.target AND i.finished IS NULL) \
    AND NOT EXISTS (SELECT 1 FROM jobs o WHERE o.co = j.co AND o.target = j.target \
      AND o.subject_kind = j.subject_kind AND o.subject_id = j.subject_id AND o.status = 'queued' \
      AND o.start_after <= $3 AND o.id < j.id) \
    ORDER BY j.start_after, j.id LIMIT $4";
const BEGIN: ManyRows = ManyRows {
    head: "UPDATE jobs SET status = 'in_progress', started = begun.column3 FROM (",
    columns: 3,
    tail: ") AS begun WHERE jobs.co = begun.column1 AND jobs.id = begun.column2",
};
const END: ManyRows = ManyRows {
    head: "UPDATE jobs SET status = ended.column3, ended = ended.column4, message = ended.column5, \
           gave_up = ended.column6 FROM (",
    columns: 6,
    tail: ") AS ended WHERE jobs.co = ended.column1 AND jobs.id = ended.column2",
};
/// Retries that a success made needless.
pub(super) const DROP_RETRIES: ManyRows = ManyRows {
    head: "UPDATE jobs SET status = 'canceled', ended = done.column5, \
           message = 'not tried again: a later provisioning succeeded' FROM (",
    columns: 5,
    tail: ") AS done WHERE jobs.co = done.column1 AND jobs.target = done.column2 \
           AND jobs.subject_kind = done.column3 AND jobs.subject_id = done.column4 \
           AND jobs.status = 'queued' AND jobs.kind = 'provision' AND jobs.retries > 0",
};
pub(super) const SETTLE: ManyRows = ManyRows {
    head: "UPDATE jobs SET gave_up = 0 FROM (",
    columns: 4,
    tail: ") AS done WHERE jobs.co = done.column1 AND jobs.target = done.column2 \
           AND jobs.subject_kind = done.column3 AND jobs.subject_id = done.column4 AND jobs.gave_up = 1",
};
const APPEND: ManyRows = ManyRows {
    head: "INSERT INTO job_history (co, job, line, at, text, subject_kind, subject_id) \
           SELECT n.column1, n.column2, n.column3 + COALESCE((SELECT MAX(h.line) FROM job_history h \
             WHERE h.co = n.column1 AND h.job = n.column2), 0), n.column4, n.column5, n.column6, n.column7 FROM (",
    columns: 7,
    tail: ") AS n",
};
pub(super) const PRUNE: &str = "DELETE FROM jobs WHERE (co, id) IN (SELECT co, id FROM jobs WHERE ended < $1 \
                                ORDER BY ended LIMIT $2)";

/// Waiting jobs by target, subject and action: number and cause.
type Waiting = HashMap<(String, SubjectKey, String), (i64, Option<String>)>;

/// A line for the history of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJobLine {
    pub job: i64,
    pub at: Timestamp,
    pub text: String,
    pub subject: Option<SubjectKey>,
}

impl Store {
    /// The targets that have jobs to run at a point in time.
    pub async fn due_lanes(&self, now: Timestamp) -> Result<Vec<(String, String)>, StoreError> {
        let mut connection = self.reader().await?;
        let (mut lanes, mut after) = (Vec::new(), (String::new(), String::new()));
        loop {
            let row = sqlx::query(NEXT_LANE)
                .bind(after.0.clone())
                .bind(after.1.clone())
                .fetch_optional(&mut *connection)
                .await?;
            let Some(row) = row else { return Ok(lanes) };
            after = (row.try_get(0)?, row.try_get(1)?);
            if row.try_get::<i64, _>(2)? <= now.as_microsecond() {
                lanes.push(after.clone());
            }
        }
    }
}

/// Registering and claiming.
impl Transaction<'_> {
    /// Registers provisionings. One that waits already for the same takes the place of the new one, which is noted as
    /// superseded, runs now, and has all its retries again.
    pub async fn register_jobs(
        &mut self,
        co: &str,
        jobs: &[NewJob],
        asked_by: &str,
        now: Timestamp,
    ) -> Result<Vec<RegisteredJob>, StoreError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let waiting = self.waiting_jobs(co, jobs).await?;
        let first = self.take_job_numbers(co, jobs.len()).await?;
        let (mut rows, mut superseding, mut registered) = (Vec::new(), Vec::new(), Vec::new());
        for (id, job) in (first..).zip(jobs) {
            let found = waiting.get(&key_of(job));
            if let Some((waits, cause)) = found {
                // One person alone is the cause, or none.
                let cause = if *cause == job.cause { cause.clone() } else { None };
                superseding.push((*waits, job, cause));
            }
            let superseded_by = found.map(|(waits, _)| *waits);
            rows.push((id, job, superseded_by));
            let NewJob { target, subject, action, change, .. } = job.clone();
            registered.push(RegisteredJob { id, target, subject, action, change, superseded_by });
        }
        let dialect = self.dialect;
        let connection = self.in_collaboration(co).await?;
        REGISTER
            .execute(connection, dialect, &rows, |query, (id, job, superseded_by)| {
                let status = if superseded_by.is_some() { JobStatus::Failed } else { JobStatus::Queued };
                let message = superseded_by.map(|waits| format!("superseded by job {waits}"));
                let query =
                    query.bind(co).bind(*id).bind(JobKind::Provision.word()).bind(job.target.as_str());
                let query = query.bind(kind_word(job.subject.kind)).bind(job.subject.id.as_str());
                let query = query.bind(job.action.word()).bind(job.change).bind(job.cause.as_deref());
                let query = query.bind(status.word()).bind(asked_by).bind(now.as_microsecond());
                let query = query.bind(job.start_after.as_microsecond());
                let query = query.bind(superseded_by.map(|_| now.as_microsecond())).bind(*superseded_by);
                let query = query.bind(job.retry_of).bind(i64::from(job.retries)).bind(message);
                query.bind(Uuid::nil().as_bytes().as_slice())
            })
            .await?;
        SUPERSEDE
            .execute(connection, dialect, &superseding, |query, (waits, job, cause)| {
                let query = query.bind(co).bind(*waits).bind(job.change).bind(cause.as_deref());
                query.bind(job.start_after.as_microsecond()).bind(i64::from(job.retries))
            })
            .await?;
        Ok(registered)
    }

    /// The job that waits for the same.
    pub async fn waiting_job(&mut self, co: &str, job: &NewJob) -> Result<Option<i64>, StoreError> {
        let waiting = self.waiting_jobs(co, std::slice::from_ref(job)).await?;
        Ok(waiting.into_values().next().map(|(id, _)| id))
    }

    /// The waiting jobs for the same, by what they do: number and cause.
    async fn waiting_jobs(&mut self, co: &str, jobs: &[NewJob]) -> Result<Waiting, StoreError> {
        let dialect = self.dialect;
        let rows = WAITING
            .execute(self.in_collaboration(co).await?, dialect, jobs, |query, job| {
                let query = query.bind(co).bind(job.target.as_str()).bind(kind_word(job.subject.kind));
                query.bind(job.subject.id.as_str()).bind(job.action.word())
            })
            .await?;
        let mut waiting = HashMap::new();
        for row in &rows {
            let subject = subject(TABLE, row.try_get(2)?, row.try_get(3)?)?;
            waiting.insert((row.try_get(1)?, subject, row.try_get(4)?), (row.try_get(0)?, row.try_get(5)?));
        }
        Ok(waiting)
    }

    /// The first of so many new numbers.
    pub(super) async fn take_job_numbers(&mut self, co: &str, count: usize) -> Result<i64, StoreError> {
        let count = signed(count as u64);
        let last: i64 = sqlx::query_scalar(
            "INSERT INTO job_numbers (co, last) VALUES ($1, $2) \
             ON CONFLICT (co) DO UPDATE SET last = job_numbers.last + excluded.last RETURNING last",
        )
        .bind(co)
        .bind(count)
        .fetch_one(self.in_collaboration(co).await?)
        .await?;
        Ok(last - count + 1)
    }

    /// Claims up to `limit` jobs of a target that are due, and plans a run of each.
    pub async fn claim_jobs(
        &mut self,
        co: &str,
        target: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<PlannedInvocation>, StoreError> {
        let dialect = self.dialect;
        let connection = self.in_collaboration(co).await?;
        let rows = sqlx::query(DUE)
            .bind(co)
            .bind(target)
            .bind(now.as_microsecond())
            .bind(i64::from(limit))
            .fetch_all(&mut *connection)
            .await?;
        let mut planned = Vec::with_capacity(rows.len());
        let mut ids = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: i64 = row.try_get(0)?;
            let subject = subject(TABLE, row.try_get(1)?, row.try_get(2)?)?;
            let action = word(TABLE, &id.to_string(), row.try_get(3)?)?;
            planned.push(PlannedInvocation {
                change: row.try_get(4)?,
                cause: row.try_get(5)?,
                job: Some(id),
                ..PlannedInvocation::new(Uuid::now_v7(), target, subject, action)
            });
            ids.push(id);
        }
        BEGIN
            .execute(connection, dialect, &ids, |query, id| {
                query.bind(co).bind(*id).bind(now.as_microsecond())
            })
            .await?;
        if !planned.is_empty() {
            self.plan_invocations(co, &mut planned, now).await?;
        }
        Ok(planned)
    }
}

/// Ending.
impl Transaction<'_> {
    /// Writes how jobs ended.
    pub async fn end_jobs(&mut self, co: &str, ended: &[EndedJob]) -> Result<(), StoreError> {
        let dialect = self.dialect;
        END.execute(self.in_collaboration(co).await?, dialect, ended, |query, job| {
            let query = query.bind(co).bind(job.id).bind(job.status.word()).bind(job.at.as_microsecond());
            query.bind(job.message.as_str()).bind(i64::from(job.gave_up))
        })
        .await?;
        Ok(())
    }

    /// After a success: drops waiting retries of subjects at targets, and forgets what was given up there.
    pub async fn settle_jobs(
        &mut self,
        co: &str,
        places: &[Place],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let dialect = self.dialect;
        let connection = self.in_collaboration(co).await?;
        DROP_RETRIES
            .execute(connection, dialect, places, |query, (target, subject)| {
                let query = query.bind(co).bind(target.as_str()).bind(kind_word(subject.kind));
                query.bind(subject.id.as_str()).bind(now.as_microsecond())
            })
            .await?;
        SETTLE
            .execute(connection, dialect, places, |query, (target, subject)| {
                let query = query.bind(co).bind(target.as_str()).bind(kind_word(subject.kind));
                query.bind(subject.id.as_str())
            })
            .await?;
        Ok(())
    }

    /// One job.
    pub async fn job(&mut self, co: &str, id: i64) -> Result<Option<Job>, StoreError> {
        super::job_lists::job(self.in_collaboration(co).await?, co, id).await
    }

    /// Notes who wants a job to end; none of it runs again.
    pub async fn cancel_job(&mut self, co: &str, id: i64, by: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE jobs SET canceled_by = $1 WHERE co = $2 AND id = $3")
            .bind(by)
            .bind(co)
            .bind(id)
            .execute(self.in_collaboration(co).await?)
            .await?;
        Ok(())
    }

    /// Forgets that a job was given up.
    pub async fn settle_job(&mut self, co: &str, id: i64) -> Result<(), StoreError> {
        sqlx::query("UPDATE jobs SET gave_up = 0 WHERE co = $1 AND id = $2")
            .bind(co)
            .bind(id)
            .execute(self.in_collaboration(co).await?)
            .await?;
        Ok(())
    }

    /// Appends to the history of jobs. Lines of one job must follow each other.
    pub async fn append_job_lines(&mut self, co: &str, lines: &[NewJobLine]) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(lines.len());
        let mut numbers: HashMap<i64, i64> = HashMap::new();
        for line in lines {
            let number = numbers.entry(line.job).or_default();
            *number += 1;
            rows.push((*number, line));
        }
        let dialect = self.dialect;
        APPEND
            .execute(self.in_collaboration(co).await?, dialect, &rows, |query, (number, line)| {
                let subject = line.subject.as_ref();
                let query = query.bind(co).bind(line.job).bind(*number).bind(line.at.as_microsecond());
                let query = query.bind(line.text.as_str());
                let query = query.bind(subject.map(|subject| kind_word(subject.kind)));
                query.bind(subject.map(|subject| subject.id.as_str()))
            })
            .await?;
        Ok(())
    }

    /// Removes up to `limit` jobs that ended before a point in time.
    pub async fn prune_jobs(&mut self, ended_before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let pruned = sqlx::query(PRUNE)
            .bind(ended_before.as_microsecond())
            .bind(i64::from(limit))
            .execute(&mut *self.connection)
            .await?;
        Ok(pruned.rows_affected())
    }
}

fn key_of(job: &NewJob) -> (String, SubjectKey, String) {
    (job.target.clone(), job.subject.clone(), job.action.word().to_owned())
}

pub(super) fn job_of(row: &AnyRow) -> Result<Job, StoreError> {
    let id: i64 = row.try_get(0)?;
    let key = id.to_string();
    let time = |at: Option<i64>| at.map(|at| timestamp(TABLE, &key, at)).transpose();
    let kind: &str = row.try_get(3)?;
    let subject = match kind {
        "" => None,
        kind => Some(subject(TABLE, kind, row.try_get(4)?)?),
    };
    let status: JobStatus = word(TABLE, &key, row.try_get(6)?)?;
    let (done, total) = (unsigned(row.try_get(20)?), unsigned(row.try_get(22)?));
    let progress: Option<&str> = row.try_get(23)?;
    let progress: Option<Progress> = progress.map(|json| document(TABLE, &key, json)).transpose()?;
    let retries: i64 = row.try_get(16)?;
    Ok(Job {
        id,
        kind: word(TABLE, &key, row.try_get(1)?)?,
        target: row.try_get(2)?,
        subject,
        action: word(TABLE, &key, row.try_get(5)?)?,
        status,
        change: row.try_get(7)?,
        cause: row.try_get(8)?,
        asked_by: row.try_get(9)?,
        registered: timestamp(TABLE, &key, row.try_get(10)?)?,
        start_after: timestamp(TABLE, &key, row.try_get(11)?)?,
        started: time(row.try_get(12)?)?,
        ended: time(row.try_get(13)?)?,
        superseded_by: row.try_get(14)?,
        retry_of: row.try_get(15)?,
        retries: u32::try_from(retries).unwrap_or(u32::MAX),
        gave_up: row.try_get::<i64, _>(17)? != 0,
        canceled_by: row.try_get(18)?,
        message: row.try_get(19)?,
        percent: Job::percent_of(status, done, total),
        done,
        failed: unsigned(row.try_get(21)?),
        total,
        progress: progress.map(|progress| progress.kinds),
    })
}

//! Jobs for all subjects of a collaboration: who leads them, and how far they are.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use uuid::Uuid;

use super::jobs::TABLE;
use super::rows::{document, json, signed, subject, unsigned, uuid, word};
use super::{Store, StoreError, Transaction};
use crate::provisioning::{Action, JobKind, KindProgress, PlannedInvocation};

/// How far a job for all subjects is, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub kinds: Vec<KindProgress>,
    /// The record that was planned last: kind and id; empty before the first.
    after_kind: String,
    after_id: String,
    /// Whether all records are planned.
    planned: bool,
}

impl Progress {
    fn ends(&self) -> KindEnds {
        self.kinds.iter().fold(KindEnds::default(), |ends, kind| KindEnds {
            done: ends.done + kind.done,
            failed: ends.failed + kind.failed,
            untouched: ends.untouched + kind.untouched,
        })
    }
}

/// A job that a worker leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedJob {
    pub co: String,
    pub id: i64,
    pub kind: JobKind,
    pub target: String,
}

/// What the next step of a job for all subjects came to.
#[derive(Debug)]
pub enum BulkStep {
    /// These runs were planned; none when the last ones are still under way.
    Planned(Vec<PlannedInvocation>),
    /// All subjects are done.
    Done(KindEnds),
    /// Somebody canceled it.
    Canceled { by: String },
}

/// Subjects of a job that ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindEnds {
    pub done: u64,
    /// Of those that are done.
    pub failed: u64,
    /// Of those that are done: nothing was to do.
    pub untouched: u64,
}

/// What ended of a job, by kind of record.
pub type BulkEnds = BTreeMap<String, KindEnds>;

/// What a run has to know of its job for all subjects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BulkStanding {
    pub canceled: bool,
    /// Whether only those subjects are sent that are not at the target as they would be.
    pub only_differing: bool,
}

pub(super) const LED: &str = "SELECT co, id, target, kind FROM jobs WHERE worker = $1 AND status = 'in_progress' AND kind <> 'provision'";
pub(super) const LED_BY_THE_DEAD: &str = "SELECT w.id FROM workers w CROSS JOIN jobs j WHERE j.worker = w.id \
                                          AND j.status = 'in_progress' AND j.kind <> 'provision' AND w.expires < $1";
pub(super) const UNFINISHED: &str =
    "SELECT 1 FROM invocations WHERE co = $1 AND job = $2 AND finished IS NULL LIMIT 1";
pub(super) const PAGE: &str = "SELECT kind, id FROM records WHERE co = $1 AND (kind, id) > ($2, $3) \
                               AND deleted IS NULL ORDER BY kind, id LIMIT $4";
/// What was deleted may still be at a target that no change reached.
pub(super) const PAGE_WITH_DELETED: &str = "SELECT kind, id FROM records WHERE co = $1 AND (kind, id) > ($2, $3) \
                                            ORDER BY kind, id LIMIT $4";

const COUNT: &str =
    "SELECT kind, COUNT(*) FROM records WHERE co = $1 AND deleted IS NULL GROUP BY kind ORDER BY kind";
const COUNT_WITH_DELETED: &str =
    "SELECT kind, COUNT(*) FROM records WHERE co = $1 GROUP BY kind ORDER BY kind";

impl Store {
    /// The jobs for all subjects that a worker leads, also those that dead workers led until now.
    pub async fn led_jobs(&self, worker: Uuid) -> Result<Vec<LedJob>, StoreError> {
        let mut connection = self.reader().await?;
        let now: i64 = sqlx::query_scalar(self.location.dialect().now()).fetch_one(&mut *connection).await?;
        let dead = sqlx::query(LED_BY_THE_DEAD).bind(now).fetch_all(&mut *connection).await?;
        if !dead.is_empty() {
            let dead: Vec<Uuid> =
                dead.iter().map(|row| uuid(TABLE, row.try_get(0)?)).collect::<Result<_, _>>()?;
            self.write(move |transaction| Box::pin(async move { lead(transaction, worker, &dead).await }))
                .await?;
        }
        let rows = sqlx::query(LED).bind(worker.as_bytes().as_slice()).fetch_all(&mut *connection).await?;
        rows.iter()
            .map(|row| {
                let (co, id, target) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                let kind = word(TABLE, &format!("{id} in {co}"), row.try_get(3)?)?;
                Ok(LedJob { co, id, kind, target })
            })
            .collect()
    }

    /// What a run has to know of its job; the default when that is gone.
    pub async fn bulk_standing(&self, co: &str, id: i64) -> Result<BulkStanding, StoreError> {
        let row = sqlx::query("SELECT canceled_by, kind FROM jobs WHERE co = $1 AND id = $2")
            .bind(co)
            .bind(id)
            .fetch_optional(&mut *self.reader().await?)
            .await?;
        let Some(row) = row else { return Ok(BulkStanding::default()) };
        Ok(BulkStanding {
            canceled: row.try_get::<Option<&str>, _>(0)?.is_some(),
            only_differing: row.try_get::<&str, _>(1)? == JobKind::Reevaluate.word(),
        })
    }
}

async fn lead(transaction: &mut Transaction<'_>, worker: Uuid, dead: &[Uuid]) -> Result<(), StoreError> {
    for dead in dead {
        sqlx::query(
            "UPDATE jobs SET worker = $1 WHERE worker = $2 AND status = 'in_progress' AND kind <> 'provision'",
        )
        .bind(worker.as_bytes().as_slice())
        .bind(dead.as_bytes().as_slice())
        .execute(&mut *transaction.connection)
        .await?;
    }
    Ok(())
}

impl Transaction<'_> {
    /// The job for all subjects that a target has under way.
    pub async fn bulk_job(&mut self, co: &str, target: &str) -> Result<Option<i64>, StoreError> {
        let id = sqlx::query_scalar(
            "SELECT id FROM jobs WHERE co = $1 AND status = 'in_progress' AND kind <> 'provision' AND target = $2",
        )
        .bind(co)
        .bind(target)
        .fetch_optional(self.in_collaboration(co).await?)
        .await?;
        Ok(id)
    }

    /// Begins a job for all subjects, led by this process.
    pub async fn begin_bulk_job(
        &mut self,
        co: &str,
        kind: JobKind,
        target: &str,
        asked_by: &str,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let worker = self.worker;
        let id = self.take_job_numbers(co, 1).await?;
        let connection = self.in_collaboration(co).await?;
        let count = match kind {
            JobKind::Reevaluate => COUNT_WITH_DELETED,
            _ => COUNT,
        };
        let rows = sqlx::query(count).bind(co).fetch_all(&mut *connection).await?;
        let mut progress = Progress::default();
        for row in &rows {
            let (kind, total) = (row.try_get(0)?, unsigned(row.try_get(1)?));
            progress.kinds.push(KindProgress { kind, total, ..KindProgress::default() });
        }
        let total: u64 = progress.kinds.iter().map(|kind| kind.total).sum();
        sqlx::query(
            "INSERT INTO jobs (co, id, kind, target, subject_kind, subject_id, action, status, asked_by, registered, \
             start_after, started, retries, worker, total, progress) \
             VALUES ($1, $2, $3, $4, '', '', $5, 'in_progress', $6, $7, $7, $7, 0, $8, $9, $10)",
        )
        .bind(co)
        .bind(id)
        .bind(kind.word())
        .bind(target)
        .bind(Action::ReprovisionRequested.word())
        .bind(asked_by)
        .bind(now.as_microsecond())
        .bind(worker.as_bytes().as_slice())
        .bind(signed(total))
        .bind(json(&progress)?)
        .execute(connection)
        .await?;
        Ok(id)
    }

    /// Plans the next subjects of a job, at most so many, in one step with the place where it goes on.
    pub async fn next_of_bulk_job(
        &mut self,
        job: &LedJob,
        limit: u32,
        now: Timestamp,
    ) -> Result<BulkStep, StoreError> {
        let LedJob { co, id, target, .. } = job;
        let row = sqlx::query(
            "SELECT progress, canceled_by FROM jobs WHERE co = $1 AND id = $2 \
             AND status = 'in_progress' AND worker = $3",
        )
        .bind(co.as_str())
        .bind(*id)
        .bind(self.worker.as_bytes().as_slice())
        .fetch_optional(self.in_collaboration(co).await?)
        .await?;
        // Another worker leads it by now, or its target is gone.
        let Some(row) = row else { return Ok(BulkStep::Planned(Vec::new())) };
        let mut progress: Progress = document(TABLE, &id.to_string(), row.try_get(0)?)?;
        let canceled: Option<String> = row.try_get(1)?;
        let mut planned = Vec::new();
        if canceled.is_none() && !progress.planned {
            planned = self.plan_page(job, &mut progress, limit).await?;
            self.plan_invocations(co, &mut planned, now).await?;
            sqlx::query("UPDATE jobs SET progress = $1 WHERE co = $2 AND id = $3")
                .bind(json(&progress)?)
                .bind(co.as_str())
                .bind(*id)
                .execute(&mut *self.connection)
                .await?;
        }
        let under_way = sqlx::query(UNFINISHED)
            .bind(co.as_str())
            .bind(*id)
            .fetch_optional(&mut *self.connection)
            .await?
            .is_some();
        tracing::debug!(co, job = id, target, planned = planned.len(), under_way, "next page of a job");
        Ok(match canceled {
            Some(by) if !under_way => BulkStep::Canceled { by },
            None if progress.planned && !under_way => BulkStep::Done(progress.ends()),
            _ => BulkStep::Planned(planned),
        })
    }

    async fn plan_page(
        &mut self,
        job: &LedJob,
        progress: &mut Progress,
        limit: u32,
    ) -> Result<Vec<PlannedInvocation>, StoreError> {
        let page = match job.kind {
            JobKind::Reevaluate => PAGE_WITH_DELETED,
            _ => PAGE,
        };
        let rows = sqlx::query(page)
            .bind(job.co.as_str())
            .bind(progress.after_kind.as_str())
            .bind(progress.after_id.as_str())
            .bind(i64::from(limit))
            .fetch_all(&mut *self.connection)
            .await?;
        progress.planned = rows.len() < limit as usize;
        let mut planned = Vec::with_capacity(rows.len());
        for row in &rows {
            progress.after_kind = row.try_get(0)?;
            progress.after_id = row.try_get(1)?;
            let subject = subject(TABLE, &progress.after_kind, &progress.after_id)?;
            let action = Action::ReprovisionRequested;
            planned.push(PlannedInvocation {
                job: Some(job.id),
                bulk: true,
                ..PlannedInvocation::new(Uuid::now_v7(), &job.target, subject, action)
            });
        }
        Ok(planned)
    }

    /// Counts what ended of a job.
    pub async fn count_bulk_ends(&mut self, co: &str, id: i64, ends: &BulkEnds) -> Result<(), StoreError> {
        let connection = self.in_collaboration(co).await?;
        let row =
            sqlx::query_scalar::<_, Option<String>>("SELECT progress FROM jobs WHERE co = $1 AND id = $2")
                .bind(co)
                .bind(id)
                .fetch_optional(&mut *connection)
                .await?;
        let Some(stored) = row.flatten() else { return Ok(()) };
        let mut progress: Progress = document(TABLE, &id.to_string(), &stored)?;
        for (word, KindEnds { done, failed, untouched }) in ends {
            if !progress.kinds.iter().any(|kind| kind.kind == *word) {
                // The first record of its kind came while the job ran.
                progress.kinds.push(KindProgress { kind: word.clone(), ..KindProgress::default() });
            }
            let Some(kind) = progress.kinds.iter_mut().find(|kind| kind.kind == *word) else { continue };
            kind.done += done;
            kind.failed += failed;
            kind.untouched += untouched;
            // Records came while the job ran.
            kind.total = kind.total.max(kind.done);
        }
        let sum = |of: fn(&KindProgress) -> u64| signed(progress.kinds.iter().map(of).sum());
        sqlx::query(
            "UPDATE jobs SET progress = $1, done = $2, failed = $3, total = $4 WHERE co = $5 AND id = $6",
        )
        .bind(json(&progress)?)
        .bind(sum(|kind| kind.done))
        .bind(sum(|kind| kind.failed))
        .bind(sum(|kind| kind.total))
        .bind(co)
        .bind(id)
        .execute(connection)
        .await?;
        Ok(())
    }
}

//! What people do with jobs: cancel them, and queue those anew that gave up.

use jiff::Timestamp;

use crate::provisioning::{Job, JobKind, JobStatus, NewJob, RegisteredJob};
use crate::store::{EndedJob, JobFilter, NewJobLine, Store, StoreError, Transaction};

/// Why a job was left as it is.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("there is no job {0}")]
    Unknown(i64),
    #[error("job {id} is {status}; only one that waits or runs can be canceled", status = status.word())]
    Ended { id: i64, status: JobStatus },
    #[error("job {id} is {status}; only one that failed or was canceled can be queued anew", status = status.word())]
    NotFailed { id: i64, status: JobStatus },
    #[error("job {0} is for all subjects; start it anew instead")]
    ForAllSubjects(i64),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What came of queueing jobs anew.
#[derive(Clone, Debug, PartialEq)]
pub struct Requeued {
    pub jobs: Vec<RegisteredJob>,
}

/// Jobs queued anew at once, when all are asked for.
const PAGE: u32 = 500;

/// Cancels a job: one that waits ends now, and one that runs is not tried again; a job for all subjects ends before its
/// next subject.
pub async fn cancel(store: &Store, co: &str, id: i64, by: &str, now: Timestamp) -> Result<Job, JobError> {
    let (co, by) = (co.to_owned(), by.to_owned());
    store
        .write(move |transaction| {
            Box::pin(async move {
                let job = transaction.job(&co, id).await?.ok_or(JobError::Unknown(id))?;
                match job.status {
                    JobStatus::Queued => end_now(transaction, &co, id, &by, now).await?,
                    JobStatus::InProgress => {}
                    status => return Err(JobError::Ended { id, status }),
                }
                transaction.cancel_job(&co, id, &by).await?;
                let text = format!("canceled by {by}");
                transaction
                    .append_job_lines(&co, &[NewJobLine { job: id, at: now, text, subject: None }])
                    .await?;
                transaction.job(&co, id).await?.ok_or(JobError::Unknown(id))
            })
        })
        .await
}

async fn end_now(
    transaction: &mut Transaction<'_>,
    co: &str,
    id: i64,
    by: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let message = format!("canceled by {by} before it ran");
    let ended = EndedJob { id, status: JobStatus::Canceled, at: now, message, gave_up: false };
    transaction.end_jobs(co, &[ended]).await
}

/// Queues a job anew that failed or was canceled, with all its retries.
pub async fn requeue(
    store: &Store,
    co: &str,
    id: i64,
    by: &str,
    now: Timestamp,
) -> Result<RegisteredJob, JobError> {
    let (co, by) = (co.to_owned(), by.to_owned());
    store
        .write(move |transaction| {
            Box::pin(async move {
                let job = transaction.job(&co, id).await?.ok_or(JobError::Unknown(id))?;
                requeue_in(transaction, &co, job, &by, now).await
            })
        })
        .await
}

async fn requeue_in(
    transaction: &mut Transaction<'_>,
    co: &str,
    job: Job,
    by: &str,
    now: Timestamp,
) -> Result<RegisteredJob, JobError> {
    let id = job.id;
    if !matches!(job.status, JobStatus::Failed | JobStatus::Canceled) {
        return Err(JobError::NotFailed { id, status: job.status });
    }
    let subject = job.subject.ok_or(JobError::ForAllSubjects(id))?;
    let anew = NewJob {
        target: job.target,
        subject,
        action: job.action,
        change: job.change,
        cause: job.cause,
        start_after: now,
        retry_of: Some(id),
        retries: 0,
    };
    let registered = transaction.register_jobs(co, &[anew], by, now).await?;
    let registered = registered.into_iter().next().ok_or(JobError::Unknown(id))?;
    transaction.settle_job(co, id).await?;
    let text = match registered.superseded_by {
        None => format!("queued anew by {by} as job {}", registered.id),
        Some(waiting) => format!("queued anew by {by}; job {waiting} waits for the same already"),
    };
    transaction.append_job_lines(co, &[NewJobLine { job: id, at: now, text, subject: None }]).await?;
    Ok(registered)
}

/// Queues all jobs anew that gave up, of a kind, and of one target if one is named.
pub async fn requeue_all(
    store: &Store,
    co: &str,
    target: Option<&str>,
    by: &str,
    now: Timestamp,
) -> Result<Requeued, JobError> {
    let filter = JobFilter {
        target: target.map(str::to_owned),
        kind: Some(JobKind::Provision),
        gave_up: true,
        ..JobFilter::default()
    };
    let (mut jobs, mut before) = (Vec::new(), None);
    loop {
        let page = store.jobs(co, &filter, before, PAGE).await?;
        let Some(last) = page.last() else { return Ok(Requeued { jobs }) };
        before = Some(last.id);
        let (co, by) = (co.to_owned(), by.to_owned());
        let registered: Vec<RegisteredJob> = store
            .write::<_, JobError, _>(move |transaction| {
                Box::pin(async move {
                    let mut registered = Vec::with_capacity(page.len());
                    for job in page {
                        registered.push(requeue_in(transaction, &co, job, &by, now).await?);
                    }
                    Ok(registered)
                })
            })
            .await?;
        jobs.extend(registered);
    }
}

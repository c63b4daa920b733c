//! Jobs for all subjects: begun on request, led page by page.

use crate::pipeline::Pipeline;
use crate::provisioning::{Job, JobKind, JobStatus, Mode};
use crate::store::{BulkStep, EndedJob, KindEnds, LedJob, Store, StoreError};
use jiff::Timestamp;

/// Why a job for all subjects was not begun.
#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    #[error("there is no target `{0}`")]
    UnknownTarget(String),
    #[error("target `{0}` is disabled; set another mode first")]
    Disabled(String),
    #[error("job {0} for all subjects of this target is under way; wait for its end or cancel it")]
    UnderWay(i64),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Begins to provision all subjects to a target: email lists, groups, people and services, also those that are not active,
/// which are removed there.
pub async fn reprovision_all(
    store: &Store,
    co: &str,
    target: &str,
    by: &str,
    now: Timestamp,
) -> Result<Job, BulkError> {
    begin(store, JobKind::ReprovisionAll, (co, target), by, now).await
}

/// Begins to look at all subjects as a target is configured now, also those that were deleted, and to provision those that
/// are not there as they would be: with another record, by another plugin, configuration or server, after a failure, not at
/// all, or although they do not belong there.
pub async fn re_evaluate(
    store: &Store,
    co: &str,
    target: &str,
    by: &str,
    now: Timestamp,
) -> Result<Job, BulkError> {
    begin(store, JobKind::Reevaluate, (co, target), by, now).await
}

async fn begin(
    store: &Store,
    kind: JobKind,
    (co, target): (&str, &str),
    by: &str,
    now: Timestamp,
) -> Result<Job, BulkError> {
    let (co, target, by) = (co.to_owned(), target.to_owned(), by.to_owned());
    store
        .write(move |transaction| {
            Box::pin(async move {
                let found = transaction.target(&co, &target).await?;
                match found {
                    None => return Err(BulkError::UnknownTarget(target)),
                    Some(found) if found.mode == Mode::Disabled => return Err(BulkError::Disabled(target)),
                    Some(_) => {}
                }
                if let Some(id) = transaction.bulk_job(&co, &target).await? {
                    return Err(BulkError::UnderWay(id));
                }
                let id = transaction.begin_bulk_job(&co, kind, &target, &by, now).await?;
                transaction.job(&co, id).await?.ok_or(BulkError::UnderWay(id))
            })
        })
        .await
}

/// Plans so many more subjects of a job, if few are under way, or writes how it ended.
pub(super) async fn lead(
    store: &Store,
    pipeline: &Pipeline,
    job: LedJob,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(target) = store.target(&job.co, &job.target).await? else { return Ok(()) };
    let ahead = (4 * target.concurrency as usize).clamp(16, 256);
    let under_way = pipeline.bulk_under_way(&job.co, &job.target, job.id);
    if under_way > ahead / 2 || target.mode == Mode::Disabled {
        return Ok(());
    }
    let limit = u32::try_from(ahead - under_way).unwrap_or(u32::MAX);
    let co = job.co.clone();
    let planned = store
        .write::<_, StoreError, _>(move |transaction| {
            Box::pin(async move {
                let ended = match transaction.next_of_bulk_job(&job, limit, now).await? {
                    BulkStep::Planned(planned) => return Ok(planned),
                    BulkStep::Done(ends) => ended(job.kind, ends),
                    BulkStep::Canceled { by } => (JobStatus::Canceled, format!("canceled by {by}")),
                };
                let (status, message) = ended;
                let ended = EndedJob { id: job.id, status, at: now, message, gave_up: false };
                transaction.end_jobs(&job.co, &[ended]).await?;
                Ok(Vec::new())
            })
        })
        .await?;
    pipeline.submit(&co, &planned);
    Ok(())
}

fn ended(kind: JobKind, KindEnds { done, failed, untouched }: KindEnds) -> (JobStatus, String) {
    let status = if failed == 0 { JobStatus::Complete } else { JobStatus::Failed };
    let of_them = if failed == 0 { "none".to_owned() } else { failed.to_string() };
    let sent = match kind {
        JobKind::Reevaluate => format!("{} of {done} subjects sent", done.saturating_sub(untouched)),
        _ => format!("{done} subjects"),
    };
    (status, format!("{sent}, {of_them} of them failed"))
}

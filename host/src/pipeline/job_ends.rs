//! What the end of a run means for its job: complete, tried again, or given up.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::commit::Finished;
use super::contract::subject_kind;
use crate::provisioning::{
    Action, FailureClass, InvocationOutcome, Job, JobStatus, Mode, NewJob, Retry, Target, retry,
};
use crate::store::{BulkEnds, EndedJob, NewJobLine, Place, StoreError, Transaction};

/// Writes what the ends of runs mean for jobs of a collaboration. `now` is by the clock of the schedule.
pub(super) async fn write(
    transaction: &mut Transaction<'_>,
    co: &str,
    ends: &[&Finished],
    now: Timestamp,
) -> Result<(), StoreError> {
    let (failures, successes): (Vec<&Finished>, Vec<&Finished>) =
        ends.iter().partition(|end| matches!(end.outcome, InvocationOutcome::Failed { .. }));
    let places: Vec<Place> =
        successes.iter().map(|end| (end.work.target.clone(), end.work.subject.clone())).collect();
    if !places.is_empty() {
        transaction.settle_jobs(co, &places, now).await?;
    }
    let mut ended: Vec<EndedJob> = successes.iter().filter_map(|end| completed(end, now)).collect();
    let targets: HashMap<String, Target> = match failures.iter().any(|end| !end.work.bulk) {
        true => {
            transaction.targets(co).await?.into_iter().map(|target| (target.id.clone(), target)).collect()
        }
        false => HashMap::new(),
    };
    for end in failures.into_iter().filter(|end| !end.work.bulk) {
        if let Some(target) = targets.get(&end.work.target) {
            ended.extend(failed(transaction, co, end, target, now).await?);
        }
    }
    transaction.end_jobs(co, &ended).await?;
    count(transaction, co, ends, now).await
}

/// Counts the ends of runs of jobs for all subjects, and lists the subjects that failed.
pub(super) async fn count(
    transaction: &mut Transaction<'_>,
    co: &str,
    ends: &[&Finished],
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut counts: HashMap<i64, BulkEnds> = HashMap::new();
    let mut lines = Vec::new();
    for end in ends.iter().filter(|end| end.work.bulk) {
        let Some(job) = end.work.job else { continue };
        let kind = subject_kind(end.work.subject.kind).replace('-', "_");
        let counted = counts.entry(job).or_default().entry(kind).or_default();
        counted.done += 1;
        counted.untouched += u64::from(end.untouched);
        if let InvocationOutcome::Failed { message, .. } = &end.outcome {
            counted.failed += 1;
            let (text, subject) = (format!("failed: {message}"), Some(end.work.subject.clone()));
            lines.push(NewJobLine { job, at: now, text, subject });
        }
    }
    for (job, ends) in &counts {
        transaction.count_bulk_ends(co, *job, ends).await?;
    }
    transaction.append_job_lines(co, &lines).await
}

fn completed(end: &Finished, now: Timestamp) -> Option<EndedJob> {
    let id = end.work.job.filter(|_| !end.work.bulk)?;
    let message = match &end.outcome {
        InvocationOutcome::Skipped { reason } => format!("nothing was to do: {reason}"),
        InvocationOutcome::Unchanged => "the target was up to date".to_owned(),
        _ => "provisioned".to_owned(),
    };
    Some(EndedJob { id, status: JobStatus::Complete, at: now, message, gave_up: false })
}

/// Registers the retry of a failure, if there is to be one. Gives the end of its job, if it was a run of one.
async fn failed(
    transaction: &mut Transaction<'_>,
    co: &str,
    end: &Finished,
    target: &Target,
    now: Timestamp,
) -> Result<Option<EndedJob>, StoreError> {
    let InvocationOutcome::Failed { class, message, retry_after_seconds, .. } = &end.outcome else {
        return Ok(None);
    };
    let job = match end.work.job {
        Some(id) => transaction.job(co, id).await?,
        None => None,
    };
    let asked = end.work.action == Action::ReprovisionRequested;
    if job.is_none() && (target.mode != Mode::QueueOnError || asked) {
        return Ok(None);
    }
    let next = match job.as_ref().and_then(|job| job.canceled_by.as_ref()) {
        Some(by) => Retry::Never(format!("canceled by {by}")),
        None => next(target, *class, *retry_after_seconds, job.as_ref()),
    };
    let follows = match &next {
        Retry::After(wait) => {
            let wait = SignedDuration::try_from(*wait).unwrap_or(SignedDuration::MAX);
            let start_after = now.checked_add(wait).unwrap_or(Timestamp::MAX);
            register(transaction, co, end, job.as_ref(), start_after, now).await?
        }
        Retry::Never(why) => why.clone(),
    };
    let Some(job) = job else { return Ok(None) };
    let gave_up = matches!(next, Retry::Never(_)) && job.canceled_by.is_none();
    let line =
        NewJobLine { job: job.id, at: now, text: format!("failed: {message}; {follows}"), subject: None };
    transaction.append_job_lines(co, &[line]).await?;
    let message = format!("{message}; {follows}");
    Ok(Some(EndedJob { id: job.id, status: JobStatus::Failed, at: now, message, gave_up }))
}

fn next(target: &Target, class: FailureClass, retry_after_s: Option<u32>, job: Option<&Job>) -> Retry {
    let retries = job.map_or(0, |job| job.retries);
    retry(target, class, retry_after_s, retries, rand::random_range(-1.0..=1.0))
}

/// Registers a retry, unless a job waits for the same: that one will do. Says which it is.
async fn register(
    transaction: &mut Transaction<'_>,
    co: &str,
    end: &Finished,
    job: Option<&Job>,
    start_after: Timestamp,
    now: Timestamp,
) -> Result<String, StoreError> {
    let again = NewJob {
        target: end.work.target.clone(),
        subject: end.work.subject.clone(),
        action: end.work.action,
        change: end.work.change,
        cause: end.work.cause.clone(),
        start_after,
        retry_of: job.map(|job| job.id),
        retries: job.map_or(0, |job| job.retries) + 1,
    };
    if let Some(waiting) = transaction.waiting_job(co, &again).await? {
        return Ok(format!("job {waiting} waits for the same already"));
    }
    let asked_by = job.map_or("the host", |job| job.asked_by.as_str());
    let registered = transaction.register_jobs(co, &[again], asked_by, now).await?;
    let id = registered.first().map(|job| job.id).unwrap_or_default();
    Ok(format!("tried again by job {id}, not before {start_after:.0}"))
}

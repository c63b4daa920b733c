//! The history of a job: what its times tell, and the lines that were written beside.

use crate::provisioning::{Job, JobLine};
use crate::store::{Store, StoreError};

/// The lines of a job, in order. Registration, begin and end are kept with the job, not as lines.
pub async fn history(store: &Store, co: &str, job: &Job) -> Result<Vec<JobLine>, StoreError> {
    let line = |at, text: String| JobLine { at, text, subject: None };
    let mut lines = vec![line(job.registered, registration(job))];
    if let Some(started) = job.started {
        lines.push(line(started, "started".to_owned()));
    }
    lines.extend(store.job_history(co, job.id).await?);
    if let Some(ended) = job.ended {
        let message = job.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
        lines.push(line(ended, format!("{}{message}", job.status.word())));
    }
    // Stable: what happened at the same time stays in this order.
    lines.sort_by_key(|line| line.at);
    Ok(lines)
}

fn registration(job: &Job) -> String {
    match job.retry_of {
        Some(before) => format!("registered for {} to do job {before} again", job.asked_by),
        None => format!("registered for {}", job.asked_by),
    }
}

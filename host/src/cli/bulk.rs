//! A job for all subjects of a target, led to its end with a bar that tells how far it is.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::answer::{Answer, Table, printable, word};
use crate::host::Host;
use crate::provisioning::{Job, JobKind, JobStatus};

/// Failed subjects that are shown one by one.
const SHOWN: usize = 10;

pub(super) async fn led(host: &Host, co: &str, begun: Job, as_json: bool) -> anyhow::Result<Answer> {
    let bar = bar(begun.total, as_json);
    let ended = host
        .jobs
        .lead_to_the_end(co, begun.id, |job| {
            bar.set_length(job.total);
            bar.set_position(job.done);
            if job.failed > 0 {
                bar.set_message(format!("{} failed", job.failed));
            }
        })
        .await?;
    bar.finish_and_clear();
    let job = ended.unwrap_or(begun);
    let text = text(host, co, &job).await?;
    Ok(Answer::new(&job, text)?.failed_if(job.status != JobStatus::Complete))
}

fn bar(total: u64, hidden: bool) -> ProgressBar {
    // Draws nothing where standard error is no terminal.
    let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {per_sec}, {eta} left {msg}");
    ProgressBar::with_draw_target(Some(total), target)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

async fn text(host: &Host, co: &str, job: &Job) -> anyhow::Result<String> {
    let titles: &[&str] = match job.kind {
        JobKind::Reevaluate => &["kind", "done", "failed", "of", "as they were"],
        _ => &["kind", "done", "failed", "of"],
    };
    let mut table = Table::new(titles);
    for kind in job.progress.iter().flatten() {
        let numbers = [kind.done, kind.failed, kind.total, kind.untouched].map(|number| number.to_string());
        table.row([kind.kind.clone()].into_iter().chain(numbers).take(titles.len()));
    }
    let message = job.message.as_deref().unwrap_or_default();
    let mut text = format!(
        "job {} {}: {}\n\n{}",
        job.id,
        job.status.word(),
        printable(message),
        table.or("no subjects")
    );
    let failed = host.store.job_history(co, job.id).await?;
    let subjects = failed.iter().filter_map(|line| Some((line.subject.as_ref()?, &line.text)));
    for (subject, line) in subjects.take(SHOWN) {
        text.push_str(&format!("{} {}: {}\n", word(&subject.kind), subject.id, printable(line)));
    }
    if job.failed > SHOWN as u64 {
        text.push_str(&format!("all of them: provender jobs show --co {co} {}\n", job.id));
    }
    Ok(text)
}

//! `provender jobs`: list, show, cancel, queue anew and run them.

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::answer::{Answer, Table, printable, utc, utc_or_dash, word};
use super::input::{SubjectFilter, actor, known_collaboration};
use crate::host::Host;
use crate::jobs;
use crate::provisioning::{Job, JobLine, JobStatus, RegisteredJob};
use crate::store::JobFilter;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List jobs, the newest first
    #[command(after_help = "\
Examples:
  provender jobs list --co physics --status queued
  provender jobs list --co physics --gave-up            failed and not tried again
  provender jobs list --co physics --person 42 --target directory")]
    List(Box<ListArguments>),
    /// Show a job with its history
    Show(Named),
    /// End a job: one that waits at once, one that runs is not tried again
    Cancel(Named),
    /// Queue jobs anew that failed
    #[command(after_help = "\
Examples:
  provender jobs requeue 12 --co physics
  provender jobs requeue --co physics --all-given-up --target directory")]
    Requeue(RequeueArguments),
    /// Run the jobs that are due, and end; for cron, beside as many other processes as one likes
    #[command(after_help = "\
Examples:
  provender jobs run
  provender jobs run --co physics --max 500")]
    Run(RunArguments),
}

impl Command {
    /// Whether it calls targets.
    pub(super) fn provisions(&self) -> bool {
        matches!(self, Self::Run(_))
    }
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// id of the job
    id: i64,
    /// The collaboration
    #[arg(long)]
    co: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StatusWord {
    Queued,
    #[value(name = "in_progress", alias = "in-progress")]
    InProgress,
    Complete,
    Failed,
    Canceled,
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// The collaboration
    #[arg(long)]
    co: String,
    /// Only those of this target
    #[arg(long, value_name = "ID")]
    target: Option<String>,
    #[command(flatten)]
    subject: SubjectFilter,
    /// Only those that stand so
    #[arg(long, value_enum)]
    status: Option<StatusWord>,
    /// Only those that failed and are not tried again
    #[arg(long)]
    gave_up: bool,
    /// Also those that a waiting job superseded
    #[arg(long)]
    superseded: bool,
    /// Only those before this one
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

#[derive(Debug, Args)]
pub(super) struct RequeueArguments {
    /// id of the job
    #[arg(required_unless_present = "all_given_up")]
    id: Option<i64>,
    /// The collaboration
    #[arg(long)]
    co: String,
    /// All that failed and are not tried again
    #[arg(long, conflicts_with = "id")]
    all_given_up: bool,
    /// With --all-given-up: only those of this target
    #[arg(long, value_name = "ID", requires = "all_given_up")]
    target: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// Only jobs of this collaboration
    #[arg(long)]
    co: Option<String>,
    /// So many jobs at most
    #[arg(long, value_name = "JOBS")]
    max: Option<u64>,
}

pub(super) async fn run(command: Command, host: &Host) -> anyhow::Result<Answer> {
    match command {
        Command::List(arguments) => list(*arguments, host).await,
        Command::Show(Named { id, co }) => {
            known_collaboration(host, &co).await?;
            let job = host.store.job(&co, id).await?.ok_or(jobs::JobError::Unknown(id))?;
            let history = jobs::history(&host.store, &co, &job).await?;
            let text = described(&job, &history);
            Answer::new(&Shown { job, history }, text)
        }
        Command::Cancel(Named { id, co }) => {
            known_collaboration(host, &co).await?;
            let job = jobs::cancel(&host.store, &co, id, &actor(), host.clock().now()).await?;
            let done = match job.status {
                JobStatus::InProgress => "is not tried again",
                _ => "canceled",
            };
            Answer::new(&job, format!("job {id} {done}"))
        }
        Command::Requeue(arguments) => requeue(arguments, host).await,
        Command::Run(RunArguments { co, max }) => {
            if let Some(co) = &co {
                known_collaboration(host, co).await?;
            }
            let run = host.jobs.run_due(co.as_deref(), max).await?;
            Answer::new(&serde_json::json!({ "run": run }), format!("{run} jobs run"))
        }
    }
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    job: Job,
    history: Vec<JobLine>,
}

async fn list(arguments: ListArguments, host: &Host) -> anyhow::Result<Answer> {
    known_collaboration(host, &arguments.co).await?;
    let filter = JobFilter {
        target: arguments.target,
        subject: arguments.subject.key(),
        status: arguments.status.map(|status| match status {
            StatusWord::Queued => JobStatus::Queued,
            StatusWord::InProgress => JobStatus::InProgress,
            StatusWord::Complete => JobStatus::Complete,
            StatusWord::Failed => JobStatus::Failed,
            StatusWord::Canceled => JobStatus::Canceled,
        }),
        kind: None,
        gave_up: arguments.gave_up,
        without_superseded: !arguments.superseded,
    };
    let jobs = host.store.jobs(&arguments.co, &filter, arguments.before, arguments.limit).await?;
    let mut table = Table::new(&[
        "id",
        "registered",
        "job",
        "target",
        "subject",
        "action",
        "status",
        "retries",
        "message",
    ]);
    for job in &jobs {
        table.row([
            job.id.to_string(),
            utc(job.registered),
            word(&job.kind),
            job.target.clone(),
            subject(job),
            action(job),
            standing(job),
            job.retries.to_string(),
            printable(job.message.as_deref().unwrap_or_default()).to_string(),
        ]);
    }
    Answer::new(&jobs, table.or("no jobs"))
}

async fn requeue(arguments: RequeueArguments, host: &Host) -> anyhow::Result<Answer> {
    let co = &arguments.co;
    known_collaboration(host, co).await?;
    let now = host.clock().now();
    let registered: Vec<RegisteredJob> = match arguments.id {
        Some(id) => vec![jobs::requeue(&host.store, co, id, &actor(), now).await?],
        None => jobs::requeue_all(&host.store, co, arguments.target.as_deref(), &actor(), now).await?.jobs,
    };
    let ids: Vec<i64> = registered.iter().map(|job| job.superseded_by.unwrap_or(job.id)).collect();
    let words: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let text = match words.len() {
        0 => "no job gave up".to_owned(),
        1 => format!("queued as job {}", words.join(", ")),
        many => format!("{many} jobs queued"),
    };
    Answer::new(&serde_json::json!({ "jobs": ids }), text)
}

fn subject(job: &Job) -> String {
    match &job.subject {
        Some(subject) => format!("{} {}", word(&subject.kind), subject.id),
        None => "all".to_owned(),
    }
}

fn action(job: &Job) -> String {
    match &job.subject {
        Some(subject) => format!("{} ({})", word(&job.action), job.action.code(subject.kind)),
        None => word(&job.action),
    }
}

/// Superseded is no error.
fn standing(job: &Job) -> String {
    match (job.status, job.superseded_by) {
        (_, Some(_)) => "superseded".to_owned(),
        (JobStatus::InProgress, None) if job.total > 0 => format!("in_progress ({} %)", job.percent),
        (status, None) => status.word().to_owned(),
    }
}

fn described(job: &Job, history: &[JobLine]) -> String {
    let mut fields = Table::of_fields([
        ("job", job.id.to_string()),
        ("does", word(&job.kind)),
        ("target", job.target.clone()),
        ("subject", subject(job)),
        ("action", action(job)),
        ("status", standing(job)),
        ("asked by", job.asked_by.clone()),
        ("registered", utc(job.registered)),
        ("not before", utc(job.start_after)),
        ("started", utc_or_dash(job.started)),
        ("ended", utc_or_dash(job.ended)),
        ("retries", job.retries.to_string()),
    ])
    .to_string();
    for kind in job.progress.iter().flatten() {
        fields.push_str(&format!("{}: {} of {}, {} failed\n", kind.kind, kind.done, kind.total, kind.failed));
    }
    for line in history {
        let subject =
            line.subject.as_ref().map(|subject| format!("{} {}: ", word(&subject.kind), subject.id));
        let text = printable(&line.text);
        fields.push_str(&format!("{}  {}{text}\n", utc(line.at), subject.unwrap_or_default()));
    }
    fields
}

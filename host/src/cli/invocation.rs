//! `provender invocation`: what was run, and what it did.

use anyhow::Context;
use clap::Subcommand;
use serde::Serialize;
use uuid::Uuid;

use super::answer::{Answer, Table, printable, utc, utc_or_dash, word};
use super::input::{SubjectFilter, known_collaboration};
use super::outcomes::outcome_line;
use super::transcript;
use crate::host::Host;
use crate::pipeline::{ReplayedStep, Verdict};
use crate::provisioning::{CodedInvocation, Invocation};
use crate::store::InvocationFilter;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List invocations, the newest first
    #[command(after_help = "\
Examples:
  provender invocation list --co physics --failed
  provender invocation list --co physics --target directory --person 42 --limit 5")]
    List(ListArguments),
    /// Show an invocation with its transcript
    #[command(after_help = "\
Example:
  provender invocation show --co physics 0198c5a2-7f3e-7c2b-9a4f-2f6d1c0b9e77")]
    Show {
        /// id of the invocation
        id: Uuid,
        /// The collaboration
        #[arg(long)]
        co: String,
    },
    /// Run a finished invocation again from its record, and compare
    #[command(long_about = REPLAY, after_help = "\
Example:
  provender invocation replay --co physics 0198c5a2-7f3e-7c2b-9a4f-2f6d1c0b9e77")]
    Replay {
        /// id of the invocation
        id: Uuid,
        /// The collaboration
        #[arg(long)]
        co: String,
    },
}

const REPLAY: &str = "\
Run a finished invocation again from its record, and compare

Calls the same plugins with what they were called with. Each effect is answered as it was; nothing outside is reached and \
nothing is stored. Says for each plugin whether it did and used the same, or names the first difference. Exits with 1 when \
something differs.";

#[derive(Debug, clap::Args)]
pub(super) struct ListArguments {
    /// The collaboration
    #[arg(long)]
    co: String,
    /// Only those of this target
    #[arg(long, value_name = "ID")]
    target: Option<String>,
    #[command(flatten)]
    subject: SubjectFilter,
    /// Only those that failed
    #[arg(long)]
    failed: bool,
    /// Only those before this one
    #[arg(long, value_name = "ID")]
    before: Option<Uuid>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

pub(super) async fn run(command: Command, host: &Host) -> anyhow::Result<Answer> {
    match command {
        Command::List(arguments) => list(arguments, host).await,
        Command::Show { id, co } => show(host, &co, id).await,
        Command::Replay { id, co } => replay(host, &co, id).await,
    }
}

async fn list(arguments: ListArguments, host: &Host) -> anyhow::Result<Answer> {
    known_collaboration(host, &arguments.co).await?;
    let ListArguments { target, subject, failed: failed_only, .. } = arguments;
    let filter = InvocationFilter { target, subject: subject.key(), failed_only };
    let found = host.store.invocations(&arguments.co, &filter, arguments.before, arguments.limit).await?;
    let mut table = Table::new(&["id", "planned", "target", "kind", "subject", "action", "code", "outcome"]);
    let found: Vec<CodedInvocation> = found.into_iter().map(CodedInvocation::from).collect();
    for CodedInvocation { invocation, code } in &found {
        table.row([
            invocation.id.to_string(),
            utc(invocation.planned),
            invocation.target.clone(),
            word(&invocation.subject.kind),
            invocation.subject.id.clone(),
            word(&invocation.action),
            (*code).to_owned(),
            outcome_line(invocation.outcome.as_ref()),
        ]);
    }
    Answer::new(&found, table.or("no invocations"))
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    invocation: CodedInvocation,
    transcript: Option<serde_json::Value>,
}

async fn show(host: &Host, co: &str, id: Uuid) -> anyhow::Result<Answer> {
    known_collaboration(host, co).await?;
    let invocation = host.store.invocation(co, id).await?;
    let invocation = invocation.with_context(|| format!("there is no invocation {id} in `{co}`"))?;
    let transcript = host.store.transcript(co, id).await?;
    let transcript = transcript.as_deref().map(serde_json::from_str).transpose().context("transcript")?;
    let mut text = fields(&invocation).to_string();
    match &transcript {
        Some(steps) => text.push_str(&transcript::text(steps)?),
        None => text.push_str("\nno transcript\n"),
    }
    Answer::new(&Shown { invocation: invocation.into(), transcript }, text)
}

async fn replay(host: &Host, co: &str, id: Uuid) -> anyhow::Result<Answer> {
    known_collaboration(host, co).await?;
    let replayed = host.pipeline.replay(co, id).await?;
    let lines = replayed.steps.iter().map(|step| {
        let ReplayedStep { step: role, id, plugin, version, effects, fuel, verdict } = step;
        let used = format!("{effects} effects, {fuel} units of fuel");
        let verdict = match verdict {
            Verdict::Equal => format!("equal: {used}"),
            Verdict::EqualUntilDeadline => format!("equal up to its deadline: {used}"),
            Verdict::NotDeterministic { difference } => {
                format!("NOT DETERMINISTIC: {}", printable(difference))
            }
            Verdict::OtherEngine { difference, recorded, this } => {
                format!(
                    "differs on another engine ({this}; recorded by {recorded}): {}",
                    printable(difference)
                )
            }
        };
        format!("{} {id} ({plugin} {version}): {verdict}\n", word(role))
    });
    let text: String = lines.collect();
    Ok(Answer::new(&replayed, text)?.failed_if(!replayed.equal))
}

fn fields(invocation: &Invocation) -> Table {
    let Invocation {
        id,
        target,
        subject,
        action,
        change,
        cause,
        attempt,
        planned,
        finished,
        outcome,
        delivery,
        usage,
        ..
    } = invocation;
    let change = change.map_or_else(|| "none: requested".to_owned(), |sequence| sequence.to_string());
    Table::of_fields([
        ("invocation", id.to_string()),
        ("target", target.clone()),
        ("subject", format!("{} {}", word(&subject.kind), subject.id)),
        ("action", format!("{} ({})", word(action), action.code(subject.kind))),
        ("sent", delivery.sent.map_or_else(|| "nothing".to_owned(), |sent| word(&sent))),
        ("not eligible", delivery.not_eligible.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)),
        ("change", change),
        ("because of", cause.as_ref().map_or_else(|| "-".to_owned(), |person| format!("person {person}"))),
        ("planned", utc(*planned)),
        ("finished", utc_or_dash(*finished)),
        ("attempt", attempt.to_string()),
        ("outcome", outcome_line(outcome.as_ref())),
        (
            "used",
            format!(
                "{} units of fuel, {} KiB of memory, {} effects, {:.1} ms",
                usage.fuel,
                usage.memory_bytes / 1024,
                usage.effects,
                usage.duration_us as f64 / 1000.0
            ),
        ),
    ])
}

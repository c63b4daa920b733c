//! `provender history`: what happened to a record, and what became of it at the targets.

use clap::Args;

use super::answer::{Answer, Table, utc, word};
use super::input::{SubjectArguments, known_collaboration};
use crate::host::Host;
use crate::provisioning::HistoryEntry;
use crate::store::HistoryPosition;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  provender history --co physics --person 42
  provender history --co physics --group staff --limit 10
  provender history --co physics --email-list announcements --json")]
pub(super) struct Arguments {
    /// The collaboration
    #[arg(long)]
    co: String,
    #[command(flatten)]
    subject: SubjectArguments,
    /// Only what is older than this place, as the list before it says
    #[arg(long, value_name = "PLACE", value_parser = |text: &str| text.parse::<HistoryPosition>())]
    before: Option<HistoryPosition>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

pub(super) async fn run(arguments: Arguments, host: &Host) -> anyhow::Result<Answer> {
    let (co, subject) = (arguments.co, arguments.subject.key());
    known_collaboration(host, &co).await?;
    if host.store.record(&co, &subject).await?.is_none() {
        anyhow::bail!("there is no {} `{}` in `{co}` and never was", word(&subject.kind), subject.id);
    }
    let entries = host.store.history(&co, &subject, arguments.before, arguments.limit).await?;
    let mut table = Table::new(&["at", "what", "target", "why", "by", "more"]);
    for entry in &entries {
        table.row([
            utc(entry.at),
            word(&entry.event),
            entry.target.clone().unwrap_or_else(|| "-".to_owned()),
            why(entry),
            entry.actor.clone().unwrap_or_else(|| "-".to_owned()),
            more(entry),
        ]);
    }
    let mut text = table.or("nothing happened");
    if let Some(last) = entries.last().filter(|_| entries.len() == arguments.limit as usize) {
        text.push_str(&format!("\nThere may be more: --before {}", HistoryPosition::of(last)));
    }
    Answer::new(&entries, text)
}

fn why(entry: &HistoryEntry) -> String {
    match (entry.action, entry.code) {
        (Some(action), Some(code)) => format!("{} ({code})", word(&action)),
        _ => entry.parts.join(", "),
    }
}

fn more(entry: &HistoryEntry) -> String {
    let failure = entry.class.map(|class| match &entry.message {
        Some(message) => format!("{}: {message}", word(&class)),
        None => word(&class),
    });
    let unprovisioned = (entry.provision == Some(false)).then(|| "not provisioned".to_owned());
    failure.into_iter().chain(unprovisioned).chain(entry.lines.iter().cloned()).collect::<Vec<_>>().join("; ")
}

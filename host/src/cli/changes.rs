//! `provender changes`: the change history of a collaboration.

use clap::Args;

use super::answer::{Answer, Table, utc, word};
use super::input::known_collaboration;
use crate::host::Host;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  provender changes --co physics
  provender changes --co physics --after 1200 --limit 50
  provender changes --co physics --json | jq -r '.[-1].sequence'")]
pub(super) struct Arguments {
    /// The collaboration
    #[arg(long)]
    co: String,
    /// Only changes behind this sequence number
    #[arg(long, value_name = "SEQUENCE", default_value_t = 0)]
    after: i64,
    /// How many at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

pub(super) async fn run(arguments: Arguments, host: &Host) -> anyhow::Result<Answer> {
    known_collaboration(host, &arguments.co).await?;
    let changes = host.store.changes(&arguments.co, arguments.after, arguments.limit).await?;
    let mut table = Table::new(&["sequence", "at", "what", "kind", "id", "parts", "by"]);
    for change in &changes {
        table.row([
            change.sequence.to_string(),
            utc(change.at),
            word(&change.operation),
            word(&change.subject.kind),
            change.subject.id.clone(),
            change.parts.join(", "),
            change.actor.clone() + if change.provision { "" } else { " (not provisioned)" },
        ]);
    }
    let mut text = table.or("no changes");
    if let Some(last) = changes.last().filter(|_| changes.len() == arguments.limit as usize) {
        text.push_str(&format!("\nThere may be more: --after {}", last.sequence));
    }
    Answer::new(&changes, text)
}

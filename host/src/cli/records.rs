//! `provender records`: stored records.

use anyhow::bail;
use clap::Subcommand;
use serde::Serialize;

use super::answer::{Answer, word};
use super::input::{SubjectArguments, known_collaboration};
use crate::host::Host;
use crate::registry::record::{Membership, Record, RecordKind, SubjectKey};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show a person with its memberships, or a group
    #[command(after_help = "\
Examples:
  provender records get --co physics --person 42
  provender records get --co physics --group staff")]
    Get {
        /// The collaboration
        #[arg(long)]
        co: String,
        #[command(flatten)]
        subject: SubjectArguments,
    },
}

/// In the form of a line that an import reads.
#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    record: Record,
    #[serde(skip_serializing_if = "Option::is_none")]
    memberships: Option<Vec<Membership>>,
}

pub(super) async fn run(command: Command, host: &Host) -> anyhow::Result<Answer> {
    let Command::Get { co, subject } = command;
    let line = line(host, &co, subject.key()).await?;
    Answer::new(&line, serde_json::to_string_pretty(&line)?)
}

async fn line(host: &Host, co: &str, key: SubjectKey) -> anyhow::Result<Line> {
    known_collaboration(host, co).await?;
    let stored = host.store.record(co, &key).await?.filter(|stored| stored.deleted.is_none());
    let Some(stored) = stored else {
        bail!("there is no {} `{}` in `{co}`", word(&key.kind), key.id);
    };
    let memberships = match key.kind {
        RecordKind::Person => {
            let found = host.store.memberships_of_person(co, &key.id).await?;
            Some(found.into_iter().map(|in_group| in_group.membership).collect())
        }
        _ => None,
    };
    Ok(Line { record: stored.record, memberships })
}

//! `provender records`: stored records, of every kind.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use super::answer::{Answer, Table, word};
use super::input::{SubjectArguments, WriteArguments, known_collaboration, read_json};
use super::outcomes::told;
use crate::host::Host;
use crate::registry::record::{Membership, Record, RecordKind, SubjectKey};
use crate::registry::validate::parse_record;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show a record; a person with its memberships
    #[command(after_help = "\
Examples:
  provender records get --co physics --person 42
  provender records get --co physics --department theory")]
    Get {
        /// The collaboration
        #[arg(long)]
        co: String,
        #[command(flatten)]
        subject: SubjectArguments,
    },
    /// List the records of a kind, by ascending id
    #[command(after_help = "\
Example:
  provender records list --co physics --kind email-list")]
    List {
        /// The collaboration
        #[arg(long)]
        co: String,
        #[arg(long, value_enum)]
        kind: Kind,
        /// Only those behind this id
        #[arg(long, value_name = "ID")]
        after: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Create or replace a record from a JSON file, and provision it
    #[command(after_help = "\
Examples:
  provender records put --co physics --kind department theory.json
  provender records put --co physics --kind service --no-provision - < wiki.json

The file holds the record with its id:
  {\"meta\": {\"id\": \"theory\"}, \"name\": \"Theory\", \"leadership_group\": \"theory-heads\"}

The process ends with 1 when a provisioning failed.")]
    Put {
        /// The file; `-` is standard input
        file: PathBuf,
        /// The collaboration
        #[arg(long)]
        co: String,
        #[arg(long, value_enum)]
        kind: Kind,
        #[command(flatten)]
        write: WriteArguments,
    },
    /// Delete a record, and have it removed from the targets
    Delete {
        /// The collaboration
        #[arg(long)]
        co: String,
        #[command(flatten)]
        subject: SubjectArguments,
        #[command(flatten)]
        write: WriteArguments,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Kind {
    Person,
    Group,
    EmailList,
    Service,
    Department,
}

impl Command {
    /// Whether targets are told of it.
    pub(super) fn provisions(&self) -> bool {
        match self {
            Self::Get { .. } | Self::List { .. } => false,
            Self::Put { write, .. } | Self::Delete { write, .. } => write.options().provision,
        }
    }
}

impl Kind {
    fn record_kind(self) -> RecordKind {
        match self {
            Self::Person => RecordKind::Person,
            Self::Group => RecordKind::Group,
            Self::EmailList => RecordKind::EmailList,
            Self::Service => RecordKind::Service,
            Self::Department => RecordKind::Department,
        }
    }
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
    match command {
        Command::Get { co, subject } => {
            let line = line(host, &co, subject.key()).await?;
            Answer::new(&line, serde_json::to_string_pretty(&line)?)
        }
        Command::List { co, kind, after, limit } => list(host, &co, kind.record_kind(), after, limit).await,
        Command::Put { file, co, kind, write } => {
            let document: Value = read_json(&file)?;
            let record = parse_record(kind.record_kind(), document.to_string().as_bytes())?;
            let written = host.registry.put(&co, record.key(), record, &write.options()).await?;
            told(host, &co, written).await
        }
        Command::Delete { co, subject, write } => {
            let written = host.registry.delete(&co, &subject.key(), &write.options()).await?;
            told(host, &co, written).await
        }
    }
}

async fn list(
    host: &Host,
    co: &str,
    kind: RecordKind,
    after: Option<String>,
    limit: u32,
) -> anyhow::Result<Answer> {
    known_collaboration(host, co).await?;
    let stored = host.store.records(co, kind, after.as_deref(), limit).await?;
    let records: Vec<Record> = stored.into_iter().map(|stored| stored.record).collect();
    let mut table = Table::new(&["id", "name", "status"]);
    for record in &records {
        let status = match record {
            Record::Department(_) => "-".to_owned(),
            record => word(&record.status()),
        };
        table.row([record.meta().id.clone(), record.display_name(), status]);
    }
    let mut text = table.or("no such records");
    if let Some(last) = records.last().filter(|_| records.len() == limit as usize) {
        text.push_str(&format!("\nThere may be more: --after {}", last.meta().id));
    }
    Answer::new(&records, text)
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

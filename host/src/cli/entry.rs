//! `provender cou`, `org-identity-source` and `terms`: the entries of a collaboration that its records refer to.

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use serde::de::DeserializeOwned;

use super::answer::{Answer, Table};
use super::input::{known_collaboration, read_json};
use crate::host::Host;
use crate::registry::record::{Collaboration, Cou, Entry, OrgIdentitySource, TermsAndConditions};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List them, by ascending id
    List {
        /// The collaboration
        #[arg(long)]
        co: String,
    },
    /// Show one of them
    Get {
        id: String,
        /// The collaboration
        #[arg(long)]
        co: String,
    },
    /// Create or replace one from a JSON file
    Put {
        /// The file, which holds its id too; `-` is standard input
        file: PathBuf,
        /// The collaboration
        #[arg(long)]
        co: String,
    },
    /// Delete one that no record refers to
    Delete {
        id: String,
        /// The collaboration
        #[arg(long)]
        co: String,
    },
}

/// What a list shows beside the id.
pub(super) trait Described: Entry {
    const COLUMNS: [&str; 3];
    fn columns(&self) -> [String; 2];
}

impl Described for Cou {
    const COLUMNS: [&str; 3] = ["id", "name", "above it"];
    fn columns(&self) -> [String; 2] {
        [self.name.clone(), self.parent.clone().unwrap_or_default()]
    }
}

impl Described for OrgIdentitySource {
    const COLUMNS: [&str; 3] = ["id", "description", ""];
    fn columns(&self) -> [String; 2] {
        [self.description.clone(), String::new()]
    }
}

impl Described for TermsAndConditions {
    const COLUMNS: [&str; 3] = ["id", "description", "published at"];
    fn columns(&self) -> [String; 2] {
        [self.description.clone(), self.url.clone().unwrap_or_default()]
    }
}

pub(super) async fn run<E: Described + DeserializeOwned>(
    command: Command,
    host: &Host,
) -> anyhow::Result<Answer> {
    let kind = E::REFERENCE.word();
    match command {
        Command::List { co } => {
            let mut entries = E::entries(&collaboration(host, &co).await?).to_vec();
            entries.sort_by(|a, b| a.id().cmp(b.id()));
            let mut table = Table::new(&E::COLUMNS);
            for entry in &entries {
                table.row([entry.id().to_owned()].into_iter().chain(entry.columns()));
            }
            Answer::new(&entries, table.or("there are none"))
        }
        Command::Get { id, co } => {
            let collaboration = collaboration(host, &co).await?;
            let entry = E::entries(&collaboration).iter().find(|entry| entry.id() == id);
            let entry = entry.with_context(|| format!("there is no {kind} `{id}` in `{co}`"))?;
            Answer::new(entry, serde_json::to_string_pretty(entry)?)
        }
        Command::Put { file, co } => {
            let entry: E = read_json(&file)?;
            let created = host.registry.put_entry(&co, entry.clone()).await?;
            let done = if created { "created" } else { "replaced" };
            Answer::new(&entry, format!("{kind} `{}` {done}", entry.id()))
        }
        Command::Delete { id, co } => {
            host.registry.delete_entry::<E>(&co, &id).await?;
            Ok(Answer::new(&id, format!("{kind} `{id}` deleted"))?)
        }
    }
}

async fn collaboration(host: &Host, co: &str) -> anyhow::Result<Collaboration> {
    known_collaboration(host, co).await?;
    Ok(host.store.collaboration(co).await?.unwrap_or_default())
}

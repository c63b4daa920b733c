//! `provender co`: collaborations.

use std::path::PathBuf;

use anyhow::bail;
use clap::Subcommand;

use super::answer::{Answer, Table};
use super::input::read_json;
use crate::host::Host;
use crate::registry::record::Collaboration;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a collaboration
    #[command(after_help = "\
Examples:
  provender co create physics --name 'Physics'
  provender co create physics --file physics.json

The file holds a collaboration as JSON, with its units and affiliations:
  {\"id\": \"physics\", \"name\": \"Physics\", \"cous\": [{\"id\": \"lab\", \"name\": \"Laboratory\"}]}")]
    Create {
        /// In the path of the API; cannot be changed later
        id: String,
        /// What people call it
        #[arg(long, required_unless_present = "file")]
        name: Option<String>,
        #[arg(long)]
        description: Option<String>,
        /// Read it from a JSON file, `-` for standard input
        #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "description", "no_automatic_groups", "no_status_recalculation"])]
        file: Option<PathBuf>,
        /// Keep no groups of all and of active members
        #[arg(long)]
        no_automatic_groups: bool,
        /// Leave the status of people and roles as it is written, whatever the dates of the roles
        #[arg(long)]
        no_status_recalculation: bool,
        /// Replace the one that is there
        #[arg(long)]
        replace: bool,
    },
    /// List collaborations
    List,
}

pub(super) async fn run(command: Command, host: &Host) -> anyhow::Result<Answer> {
    match command {
        Command::List => list(host).await,
        Command::Create {
            id,
            name,
            description,
            file,
            no_automatic_groups,
            no_status_recalculation,
            replace,
        } => {
            let mut collaboration = match file {
                Some(file) => read_json::<Collaboration>(&file)?,
                None => {
                    let name = name.unwrap_or_default();
                    let automatic_groups = !no_automatic_groups;
                    let status_recalculation = !no_status_recalculation;
                    Collaboration {
                        name,
                        description,
                        automatic_groups,
                        status_recalculation,
                        ..Collaboration::default()
                    }
                }
            };
            collaboration.id = id;
            create(host, collaboration, replace).await
        }
    }
}

async fn create(host: &Host, collaboration: Collaboration, replace: bool) -> anyhow::Result<Answer> {
    if !replace && host.store.collaboration(&collaboration.id).await?.is_some() {
        bail!("there is a collaboration `{}` already; `--replace` replaces it", collaboration.id);
    }
    let (stored, created) = host.registry.put_collaboration(collaboration).await?;
    let done = if created { "created" } else { "replaced" };
    Answer::new(&stored, format!("collaboration `{}` {done}", stored.id))
}

async fn list(host: &Host) -> anyhow::Result<Answer> {
    let collaborations = host.store.collaborations().await?;
    let mut table = Table::new(&["id", "name", "units", "description"]);
    for co in &collaborations {
        let description = co.description.clone().unwrap_or_default();
        table.row([co.id.clone(), co.name.clone(), co.cous.len().to_string(), description]);
    }
    Answer::new(&collaborations, table.or("no collaborations yet: `provender co create ID --name NAME`"))
}

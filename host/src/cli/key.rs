//! `provender key`: keys of the API.

use clap::Subcommand;
use secrecy::ExposeSecret;
use serde_json::json;

use super::answer::{Answer, Table, utc};
use crate::api::keys::{self, CreatedKey, NewKey};
use crate::host::Host;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a key, and show it once
    #[command(after_help = "\
Examples:
  provender key create --full --description 'enrollment service'
  provender key create --co physics --description 'reports, reads only'
  curl -H \"Authorization: Bearer $KEY\" http://127.0.0.1:8470/api/v1/cos/physics/people")]
    Create {
        /// Only for this collaboration; without it, for the whole platform
        #[arg(long)]
        co: Option<String>,
        /// It may write; without it, it only reads
        #[arg(long)]
        full: bool,
        /// Who has it, what for
        #[arg(long, default_value = "")]
        description: String,
    },
    /// List keys, without their secrets
    List,
    /// Remove a key; it opens nothing from then on
    Remove { id: String },
}

pub(super) async fn run(command: Command, host: &Host) -> anyhow::Result<Answer> {
    match command {
        Command::Create { co, full, description } => {
            let CreatedKey { id, key } =
                keys::create(&host.store, NewKey { co, full_access: full, description }).await?;
            eprintln!("Key `{id}`. Keep it now: it cannot be shown again.");
            let key = key.expose_secret();
            Answer::new(&json!({ "id": id, "key": key }), key)
        }
        Command::List => {
            let entries = keys::list(&host.store).await?;
            let mut table = Table::new(&["id", "collaboration", "access", "created", "description"]);
            for entry in &entries {
                let access = if entry.full_access { "full" } else { "read" };
                let co = entry.co.clone().unwrap_or_else(|| "(all)".to_owned());
                let created = utc(entry.created);
                table.row([entry.id.clone(), co, access.to_owned(), created, entry.description.clone()]);
            }
            Answer::new(&entries, table.or("no keys: the API needs none on a loopback address"))
        }
        Command::Remove { id } => {
            keys::delete(&host.store, &id).await?;
            Answer::new(&json!({ "removed": id }), format!("key `{id}` removed"))
        }
    }
}

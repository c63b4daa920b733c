//! `provender person`: what happens to people beside the writes to their records.

use clap::Subcommand;

use super::answer::Answer;
use super::input::{actor, known_collaboration};
use super::outcomes::told;
use crate::host::Host;
use crate::registry::write::WriteOptions;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Provision a person whose enrollment has ended, and its groups
    #[command(after_help = "\
Example:
  provender person enrollment-finalized --co physics 42

The process ends with 1 when a provisioning failed.")]
    EnrollmentFinalized {
        /// id of the person
        id: String,
        /// The collaboration
        #[arg(long)]
        co: String,
    },
}

pub(super) async fn run(command: Command, host: &Host) -> anyhow::Result<Answer> {
    let Command::EnrollmentFinalized { id, co } = command;
    known_collaboration(host, &co).await?;
    let options = WriteOptions::by(actor());
    let written = host.registry.finalize_enrollment(&co, &id, &options).await?;
    told(host, &co, written).await
}

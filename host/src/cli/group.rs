//! `provender group`: groups nested in groups.

use anyhow::bail;
use clap::{Args, Subcommand};

use super::answer::{Answer, Table};
use super::input::{actor, known_collaboration};
use crate::host::Host;
use crate::provisioning::InvocationOutcome;
use crate::registry::history::Operation;
use crate::registry::record::{GroupNesting, RecordKind, SubjectKey};
use crate::registry::write::{WriteOptions, Written};

/// Nestings read at once.
const PAGE: u32 = 1_000;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the members of a group members of another, and provision them
    #[command(after_help = "\
Examples:
  provender group nest --co physics --group staff --source lab
  provender group nest --co physics --group staff --source guests --negate")]
    Nest {
        #[command(flatten)]
        nesting: NestingArguments,
        /// Keep the members of the nested group out instead
        #[arg(long)]
        negate: bool,
    },
    /// Take a group out of another
    Unnest {
        #[command(flatten)]
        nesting: NestingArguments,
    },
    /// List what is nested in a group
    Nested {
        /// The collaboration
        #[arg(long)]
        co: String,
        /// id of the group
        #[arg(long, value_name = "ID")]
        group: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct NestingArguments {
    /// The collaboration
    #[arg(long)]
    co: String,
    /// id of the group that the other is nested in
    #[arg(long, value_name = "ID")]
    group: String,
    /// id of the nested group
    #[arg(long, value_name = "ID")]
    source: String,
    /// Store it, and provision nothing
    #[arg(long)]
    no_provision: bool,
}

impl Command {
    /// Whether something is changed, and provisioned.
    pub(super) fn writes(&self) -> bool {
        !matches!(self, Self::Nested { .. })
    }
}

pub(super) async fn run(command: Command, host: &Host) -> anyhow::Result<Answer> {
    match command {
        Command::Nested { co, group } => nested(host, &co, group).await,
        Command::Nest { nesting: NestingArguments { co, group, source, no_provision }, negate } => {
            let nesting = GroupNesting { group, source, negate };
            let written = host.registry.nest(&co, nesting.clone(), &options(no_provision)).await?;
            finished(host, &co, &nesting, written).await
        }
        Command::Unnest { nesting: NestingArguments { co, group, source, no_provision } } => {
            let written = host.registry.unnest(&co, &group, &source, &options(no_provision)).await?;
            finished(host, &co, &GroupNesting { group, source, negate: false }, written).await
        }
    }
}

fn options(no_provision: bool) -> WriteOptions {
    WriteOptions { provision: !no_provision, ..WriteOptions::by(actor()) }
}

/// Waits for what follows, and tells how it went.
async fn finished(host: &Host, co: &str, nesting: &GroupNesting, written: Written) -> anyhow::Result<Answer> {
    host.pipeline.submit(co, &written.planned);
    let ids: Vec<_> = written.planned.iter().map(|planned| planned.id).collect();
    let invocations = host.pipeline.outcomes(co, &ids).await?;
    let is_failed =
        |outcome: &Option<InvocationOutcome>| matches!(outcome, Some(InvocationOutcome::Failed { .. }));
    let failed = invocations.iter().filter(|invocation| is_failed(&invocation.outcome)).count();
    let GroupNesting { group, source, .. } = nesting;
    let done = match written.operation {
        Some(Operation::Created) => "nested in",
        Some(Operation::Updated) => "nested anew in",
        Some(Operation::Deleted) => "taken out of",
        None => "was nested so already in",
    };
    let text =
        format!("`{source}` {done} `{group}`; {} provisionings followed, {failed} failed", invocations.len());
    Ok(Answer::new(&invocations, text)?.failed_if(failed > 0))
}

async fn nested(host: &Host, co: &str, group: String) -> anyhow::Result<Answer> {
    known_collaboration(host, co).await?;
    let key = SubjectKey { kind: RecordKind::Group, id: group };
    if host.store.record(co, &key).await?.is_none_or(|stored| stored.deleted.is_some()) {
        bail!("there is no group `{}` in `{co}`", key.id);
    }
    let mut nestings: Vec<GroupNesting> = Vec::new();
    loop {
        let after = nestings.last().map(|nesting| nesting.source.clone());
        let page = host.store.nestings_of_group(co, &key.id, after.as_deref(), PAGE).await?;
        if page.is_empty() {
            break;
        }
        nestings.extend(page);
    }
    let mut table = Table::new(&["nested", "members are"]);
    for nesting in &nestings {
        let effect = if nesting.negate { "kept out" } else { "members" };
        table.row([nesting.source.clone(), effect.to_owned()]);
    }
    Answer::new(&nestings, table.or("nothing is nested in this group"))
}

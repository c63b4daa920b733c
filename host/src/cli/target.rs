//! `provender target`: provisioning targets of a collaboration.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Subcommand, ValueEnum};

use super::answer::{Answer, Table, word};
use super::input::{
    ConfigurationArguments, actor, assignment, known_collaboration, number_assignment, read_json,
};
use super::{bulk, effects, grants};
use crate::administration::{PluginChoice, TargetInput};
use crate::host::Host;
use crate::jobs;
use crate::pipeline::{ReEvaluation, Trial, TrialError};
use crate::provisioning::{Backoff, Mode, Target, concurrency, max_retry, retry_interval_s};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create or replace a target
    #[command(after_help = "\
Examples:
  provender target put log --co physics --plugin changelog --slot log=files
  provender target put people --co physics --plugin api --slot endpoint=people-server \\
      --config-json '{\"identifier_type\": \"uid\"}' --filter short-names --limit deadline_ms=5000
  provender target put people --co physics --file target.json

The file holds what the flags say:
  {\"plugin\": \"api\", \"configuration\": {\"identifier_type\": \"uid\"},
   \"slots\": {\"endpoint\": \"people-server\"}, \"filters\": [\"short-names\"],
   \"mode\": \"automatic\", \"order\": 2, \"limits\": {\"deadline_ms\": 5000}}

What a plugin's configuration and slots are: provender plugin inspect NAME")]
    Put(Box<PutArguments>),
    /// List targets, in the order they are called
    List {
        /// The collaboration
        #[arg(long)]
        co: String,
    },
    /// Show a target
    Show(Named),
    /// Show what the plugin asks for and what it is granted
    Grants(Named),
    /// Let the plugin test its configuration and servers, and show what it did
    Check(Named),
    /// Let the plugin set its servers up, and show what it did
    Prepare {
        #[command(flatten)]
        named: Named,
        /// Only show what would be done
        #[arg(long)]
        preview: bool,
    },
    /// Provision what a change of its settings concerns, and wait for the end
    #[command(after_help = "\
All records are looked at, deleted ones too. Those are sent that are not there, do not belong there, would get another record by now, came from another plugin, configuration or server, or failed last. If this command is ended, a service goes on.
The process ends with 1 when a subject failed.

Examples:
  provender target re-evaluate directory --co physics --dry-run     how many that are
  provender target re-evaluate directory --co physics")]
    ReEvaluate {
        #[command(flatten)]
        named: Named,
        /// Count them only, and send nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Provision all records to a target anew, and wait for the end
    #[command(after_help = "\
All email lists, groups, people, services and departments: what is not active is removed there. Changes that come meanwhile go first. If this command is ended, a service goes on.
The process ends with 1 when a subject failed.")]
    ReprovisionAll(Named),
    /// Remove a target with its plugin's state and what is planned for it
    Remove(Named),
}

#[derive(Clone, Debug, Args)]
pub(super) struct Named {
    /// id of the target
    id: String,
    /// The collaboration
    #[arg(long)]
    co: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModeWord {
    /// At every change, right after its commit
    Automatic,
    /// At every change, by a job
    Queue,
    /// At every change, right after its commit; again by a job when that failed
    #[value(name = "queue_on_error", alias = "queue-on-error")]
    QueueOnError,
    /// When an enrollment is finalized, and when somebody asks for it
    Enrollment,
    /// Only when somebody asks for it
    Manual,
    /// Never
    Disabled,
}

#[derive(Debug, Args)]
pub(super) struct PutArguments {
    #[command(flatten)]
    named: Named,
    /// The provisioner: name, name@version or digest
    #[arg(long, required_unless_present = "file")]
    plugin: Option<String>,
    /// The operator's words for it
    #[arg(long, default_value = "")]
    description: String,
    #[command(flatten)]
    configuration: ConfigurationArguments,
    /// When it is called
    #[arg(long, value_enum, default_value_t = ModeWord::Automatic)]
    mode: ModeWord,
    /// Targets are called in ascending order [default: behind all others]
    #[arg(long)]
    order: Option<i64>,
    /// Data filter to run first; several run in the order given
    #[arg(long = "filter", value_name = "ID")]
    filters: Vec<String>,
    /// id of the group whose valid members alone are provisioned [default: everybody]
    #[arg(long, value_name = "ID")]
    provisioning_group: Option<String>,
    /// Org identity source whose people are not provisioned
    #[arg(long, value_name = "SOURCE")]
    skip_source: Option<String>,
    /// Send every deletion, also of what the target cannot hold
    #[arg(long)]
    always_send_deletions: bool,
    /// Server for a slot of the plugin
    #[arg(long = "slot", value_name = "SLOT=SERVER", value_parser = assignment)]
    slots: Vec<(String, String)>,
    /// Limit of a call that differs from the host's, see `provender limits`
    #[arg(long = "limit", value_name = "LIMIT=NUMBER", value_parser = number_assignment)]
    limits: Vec<(String, u64)>,
    /// Seconds until a failed queued provisioning is tried again; 0: it is not
    #[arg(long, value_name = "SECONDS", default_value_t = retry_interval_s())]
    retry_interval: u64,
    /// How often it is tried again after the first failure; 0: without end
    #[arg(long, value_name = "TIMES", default_value_t = max_retry())]
    max_retry: u32,
    /// Make each retry interval so many times the one before, varied at random
    #[arg(long, value_name = "FACTOR")]
    backoff: Option<f64>,
    /// With --backoff: the longest retry interval, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
    longest_interval: u64,
    /// Calls that run at once
    #[arg(long, value_name = "CALLS", default_value_t = concurrency(), value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: u32,
    /// Read all of it from a JSON file, `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "plugin", "description", "ConfigurationArguments", "mode", "order", "filters", "slots", "limits",
        "provisioning_group", "skip_source", "always_send_deletions",
        "retry_interval", "max_retry", "backoff", "longest_interval", "concurrency",
    ])]
    file: Option<PathBuf>,
}

impl PutArguments {
    fn input(self) -> anyhow::Result<TargetInput> {
        if let Some(file) = &self.file {
            return read_json(file);
        }
        Ok(TargetInput {
            id: None,
            description: self.description,
            plugin: PluginChoice::Reference(self.plugin.unwrap_or_default()),
            configuration: self.configuration.read()?,
            mode: match self.mode {
                ModeWord::Automatic => Mode::Automatic,
                ModeWord::Queue => Mode::Queue,
                ModeWord::QueueOnError => Mode::QueueOnError,
                ModeWord::Enrollment => Mode::Enrollment,
                ModeWord::Manual => Mode::Manual,
                ModeWord::Disabled => Mode::Disabled,
            },
            order: self.order,
            filters: self.filters,
            slots: self.slots.into_iter().collect(),
            limits: self.limits.into_iter().collect(),
            retry_interval_s: self.retry_interval,
            max_retry: self.max_retry,
            backoff: self.backoff.map(|factor| Backoff { factor, longest_s: self.longest_interval }),
            concurrency: self.concurrency,
            automatic_after: None,
            provisioning_group: self.provisioning_group,
            skip_source: self.skip_source,
            always_send_deletions: self.always_send_deletions,
            subject_kinds: None,
            re_evaluation_advisable: None,
        })
    }
}

impl Command {
    /// Whether it calls targets.
    pub(super) fn provisions(&self) -> bool {
        matches!(self, Self::ReprovisionAll(_) | Self::ReEvaluate { dry_run: false, .. })
    }
}

pub(super) async fn run(command: Command, host: &Host, as_json: bool) -> anyhow::Result<Answer> {
    let administration = &host.administration;
    match command {
        Command::Put(arguments) => {
            let Named { id, co } = arguments.named.clone();
            let (stored, created) = administration.put_target(&co, &id, arguments.input()?).await?;
            let done = if created { "created" } else { "replaced" };
            let advice = match stored.re_evaluation_advisable {
                true => format!(
                    "\nWhat it means for the records: provender target re-evaluate {id} --co {co} --dry-run"
                ),
                false => String::new(),
            };
            Answer::new(&stored, format!("target `{id}` {done}{advice}"))
        }
        Command::List { co } => {
            known_collaboration(host, &co).await?;
            list(administration.targets(&co).await?)
        }
        Command::Show(Named { id, co }) => {
            let target = administration.target(&co, &id).await?;
            Answer::new(&target, described(&target)?)
        }
        Command::Grants(Named { id, co }) => {
            let granted = administration.target_grants(&co, &id).await?;
            let text = grants::page(&granted);
            Answer::new(&granted, text)
        }
        Command::Check(Named { id, co }) => {
            let trial = host.pipeline.check_target(&co, &id).await;
            tried(trial, &format!("target `{id}` is as it should be"))
        }
        Command::Prepare { named: Named { id, co }, preview: true } => {
            let trial = host.pipeline.preview_preparation(&co, &id).await;
            tried(trial, "nothing was changed")
        }
        Command::Prepare { named: Named { id, co }, preview: false } => {
            let trial = host.pipeline.prepare_target(&co, &id).await;
            tried(trial, &format!("target `{id}` is prepared"))
        }
        Command::ReEvaluate { named: Named { id, co }, dry_run: false } => {
            known_collaboration(host, &co).await?;
            let begun = jobs::re_evaluate(&host.store, &co, &id, &actor(), host.clock().now()).await?;
            bulk::led(host, &co, begun, as_json).await
        }
        Command::ReEvaluate { named: Named { id, co }, dry_run: true } => {
            let found = host.pipeline.re_evaluate(&co, &id).await?;
            let text = re_evaluation(&found);
            Answer::new(&found, text)
        }
        Command::ReprovisionAll(Named { id, co }) => {
            known_collaboration(host, &co).await?;
            let begun = jobs::reprovision_all(&host.store, &co, &id, &actor(), host.clock().now()).await?;
            bulk::led(host, &co, begun, as_json).await
        }
        Command::Remove(Named { id, co }) => {
            administration.delete_target(&co, &id).await?;
            Answer::new(&serde_json::json!({ "removed": id }), format!("target `{id}` removed"))
        }
    }
}

fn re_evaluation(found: &ReEvaluation) -> Table {
    Table::of_fields([
        ("examined", found.examined.to_string()),
        ("would be added", found.added.to_string()),
        ("would be updated", found.updated.to_string()),
        ("would be removed", found.removed.to_string()),
        ("have that record already", found.unchanged.to_string()),
        ("stay out", found.left_out.to_string()),
        ("would fail", found.failed.to_string()),
    ])
}

/// What a plugin did and said. What it did is shown also where it failed.
fn tried(trial: Result<Trial, TrialError>, end: &str) -> anyhow::Result<Answer> {
    let trial = trial.map_err(|error| match error {
        TrialError::Failed { ref effects, .. } if !effects.is_empty() => {
            anyhow!("{error}\nuntil then:\n{}", effects::list(effects, None).trim_end())
        }
        _ => error.into(),
    })?;
    let done = effects::list(&trial.effects, trial.ends.as_deref());
    Answer::new(&trial, format!("{done}{}", said(&trial.findings, end)))
}

/// What a plugin or a server had to say, and the end of it.
pub(super) fn said(lines: &[String], end: &str) -> String {
    let lines: String = lines.iter().map(|line| format!("{}\n", super::answer::printable(line))).collect();
    format!("{lines}{end}")
}

fn list(targets: Vec<Target>) -> anyhow::Result<Answer> {
    let mut table = Table::new(&["order", "id", "mode", "plugin", "filters", "servers", "description"]);
    for target in &targets {
        table.row([
            target.order.to_string(),
            target.id.clone(),
            word(&target.mode),
            target.plugin.name.clone(),
            target.filters.join(", "),
            bindings(target),
            target.description.clone(),
        ]);
    }
    Answer::new(&targets, table.or("no targets"))
}

fn bindings(target: &Target) -> String {
    target.slots.iter().map(|(slot, server)| format!("{slot}={server}")).collect::<Vec<_>>().join(", ")
}

fn retries(target: &Target) -> String {
    let times = match target.max_retry {
        0 => "without end".to_owned(),
        times => format!("at most {times} times"),
    };
    match (target.retry_interval_s, target.backoff) {
        (0, _) => "none".to_owned(),
        (seconds, None) => format!("{times}, every {seconds} s"),
        (seconds, Some(Backoff { factor, longest_s })) => {
            format!("{times}, after {seconds} s, then {factor} times as long, up to {longest_s} s")
        }
    }
}

fn described(target: &Target) -> anyhow::Result<String> {
    let limits: Vec<String> = target.limits.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let fields = Table::of_fields([
        ("id", target.id.clone()),
        ("description", target.description.clone()),
        ("plugin", format!("{} {}", target.plugin.name, target.plugin.digest)),
        ("mode", word(&target.mode)),
        ("order", target.order.to_string()),
        ("filters", target.filters.join(", ")),
        ("servers", bindings(target)),
        ("limits", limits.join(", ")),
        ("provisioning group", target.provisioning_group.clone().unwrap_or_else(|| "-".to_owned())),
        ("skip source", target.skip_source.clone().unwrap_or_else(|| "-".to_owned())),
        ("deletions", if target.always_send_deletions { "always sent" } else { "sent once" }.to_owned()),
        ("retries", retries(target)),
        ("calls at once", target.concurrency.to_string()),
    ]);
    Ok(format!("{fields}configuration:\n{}", serde_json::to_string_pretty(&target.configuration)?))
}

//! `provender filter`: data filters of a collaboration.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::answer::{Answer, Table, yes_or_no};
use super::input::{ConfigurationArguments, known_collaboration, read_json};
use crate::administration::{FilterInput, PluginChoice};
use crate::host::Host;
use crate::provisioning::Filter;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create or replace a filter
    #[command(after_help = "\
Examples:
  provender filter put short-names --co physics --plugin group-name \\
      --config-json '{\"identifier_type\": \"groupname\"}'
  provender filter put short-names --co physics --file filter.json")]
    Put(PutArguments),
    /// List filters
    List {
        /// The collaboration
        #[arg(long)]
        co: String,
    },
    /// Show a filter
    Show(Named),
    /// Remove a filter that no target uses
    Remove(Named),
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// id of the filter
    id: String,
    /// The collaboration
    #[arg(long)]
    co: String,
}

#[derive(Debug, Args)]
pub(super) struct PutArguments {
    #[command(flatten)]
    named: Named,
    /// The data filter: name, name@version or digest
    #[arg(long, required_unless_present = "file")]
    plugin: Option<String>,
    /// The operator's words for it
    #[arg(long, default_value = "")]
    description: String,
    #[command(flatten)]
    configuration: ConfigurationArguments,
    /// Have targets pass it over
    #[arg(long)]
    suspended: bool,
    /// Read all of it from a JSON file, `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "plugin", "description", "ConfigurationArguments", "suspended",
    ])]
    file: Option<PathBuf>,
}

impl PutArguments {
    fn input(self) -> anyhow::Result<FilterInput> {
        if let Some(file) = &self.file {
            return read_json(file);
        }
        Ok(FilterInput {
            id: None,
            description: self.description,
            plugin: PluginChoice::Reference(self.plugin.unwrap_or_default()),
            configuration: self.configuration.read()?,
            suspended: self.suspended,
            re_evaluation_advisable_for: None,
        })
    }
}

pub(super) async fn run(command: Command, host: &Host) -> anyhow::Result<Answer> {
    let administration = &host.administration;
    match command {
        Command::Put(arguments) => {
            let Named { id, co } = Named { id: arguments.named.id.clone(), co: arguments.named.co.clone() };
            let (stored, created) = administration.put_filter(&co, &id, arguments.input()?).await?;
            let done = if created { "created" } else { "replaced" };
            let advice = stored.re_evaluation_advisable_for.iter().map(|target| {
                format!("\nWhat it means for `{target}`: provender target re-evaluate {target} --co {co} --dry-run")
            });
            let advice: String = advice.collect();
            Answer::new(&stored, format!("filter `{id}` {done}{advice}"))
        }
        Command::List { co } => {
            known_collaboration(host, &co).await?;
            let filters = administration.filters(&co).await?;
            let mut table = Table::new(&["id", "plugin", "suspended", "description", "configuration"]);
            for Filter { id, description, plugin, configuration, suspended } in &filters {
                table.row([
                    id.clone(),
                    plugin.name.clone(),
                    yes_or_no(*suspended),
                    description.clone(),
                    configuration.to_string(),
                ]);
            }
            Answer::new(&filters, table.or("no filters"))
        }
        Command::Show(Named { id, co }) => {
            let filter = administration.filter(&co, &id).await?;
            Answer::new(&filter, described(&filter)?)
        }
        Command::Remove(Named { id, co }) => {
            administration.delete_filter(&co, &id).await?;
            Answer::new(&serde_json::json!({ "removed": id }), format!("filter `{id}` removed"))
        }
    }
}

fn described(filter: &Filter) -> anyhow::Result<String> {
    let fields = Table::of_fields([
        ("id", filter.id.clone()),
        ("description", filter.description.clone()),
        ("plugin", format!("{} {}", filter.plugin.name, filter.plugin.digest)),
        ("suspended", yes_or_no(filter.suspended)),
    ]);
    Ok(format!("{fields}configuration:\n{}", serde_json::to_string_pretty(&filter.configuration)?))
}

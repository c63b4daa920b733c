//! The command line: one file per command. Reads arguments, calls the host, prints the answer, and turns errors into
//! messages and exit codes. Decides nothing itself.

mod answer;
mod bulk;
mod changes;
mod check;
mod co;
mod compile_component;
mod demo;
mod effects;
mod entry;
mod explain;
mod filter;
mod grants;
mod group;
mod history;
mod import;
mod input;
mod invocation;
mod jobs;
mod key;
mod limits;
mod notifications;
mod outcomes;
mod person;
mod plugin;
mod preview;
mod provision;
mod records;
mod serve;
mod server;
mod services;
mod signals;
mod target;
mod transcript;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::configuration::{Configuration, LogConfiguration};
use crate::host::Host;
use crate::logging::{self, Destination};
use crate::registry::record::{Cou, OrgIdentitySource, TermsAndConditions};
use crate::sandbox::Compiler;
use answer::Answer;

/// Provender keeps people and groups of collaborations, and brings other systems up to date through sandboxed plugins.
#[derive(Debug, Parser)]
#[command(name = "provender", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Arguments {
    /// Configuration file [default: provender.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE", env = crate::configuration::FILE_VARIABLE)]
    config: Option<PathBuf>,
    /// Answer in JSON; messages still go to standard error
    #[arg(long, global = true)]
    json: bool,
    /// Log as configured; without it, commands but `serve` log warnings only
    #[arg(long, short, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  provender demo                                        see it work, in a folder of its own
  provender co create physics --name 'Physics'          a first collaboration
  provender plugin install --bundled                    the plugins that come with the host
  provender import people.ndjson --co physics           records, provisioned as they come
  provender services --co physics --person 42           what each target holds of a person
  provender serve                                       the REST API

Exit codes: 0 done, 1 failed, 2 wrong usage.";

/// How long what runs in the background may take to end.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the host with its REST API until it is told to stop
    Serve,
    /// Show the host at work with made-up records, or with your own
    Demo(demo::Arguments),
    /// Store records from a file, one JSON object per line, and provision them
    Import(import::Arguments),
    /// Create and list collaborations
    #[command(subcommand)]
    Co(co::Command),
    /// Install, list, inspect and remove plugins
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Configure the servers that plugins may reach
    #[command(subcommand)]
    Server(server::Command),
    /// Configure data filters
    #[command(subcommand)]
    Filter(filter::Command),
    /// Configure provisioning targets
    #[command(subcommand)]
    Target(target::Command),
    /// Nest groups in groups
    #[command(subcommand)]
    Group(group::Command),
    /// Provision one record to one target now, and wait for the outcome
    Provision(provision::Arguments),
    /// Show what a provisioning would do now, and change nothing
    Preview(preview::Arguments),
    /// Show what each target holds of a record
    Services(services::Arguments),
    /// Verify that the invariants of the host hold
    Check,
    /// Tell why a record is at a target or not
    Explain(explain::Arguments),
    /// Read the change history
    Changes(changes::Arguments),
    /// Show what happened to a record, and what became of it at the targets
    History(history::Arguments),
    /// List invocations, show what one of them did, and run it again from its record
    #[command(subcommand, alias = "invocations")]
    Invocation(invocation::Command),
    /// List and acknowledge what administrators are to know
    #[command(subcommand, alias = "notification")]
    Notifications(notifications::Command),
    /// List, cancel, queue anew and run jobs
    #[command(subcommand, alias = "job")]
    Jobs(jobs::Command),
    /// Read and write stored records
    #[command(subcommand)]
    Records(records::Command),
    /// Tell what happened to people beside their records
    #[command(subcommand)]
    Person(person::Command),
    /// Divide a collaboration into units
    #[command(subcommand)]
    Cou(entry::Command),
    /// Name where org identities come from
    #[command(subcommand)]
    OrgIdentitySource(entry::Command),
    /// Name what people agree to
    #[command(subcommand)]
    Terms(entry::Command),
    /// Create, list and remove keys of the API
    #[command(subcommand)]
    Key(key::Command),
    /// Show the limits of a plugin call on this host
    Limits,
    #[command(name = compile_component::SUBCOMMAND, hide = true)]
    CompileComponent(compile_component::Arguments),
}

/// Runs the command of this process.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Command::CompileComponent(arguments) = &arguments.command {
        return compile_component::run(arguments);
    }
    let as_json = arguments.json;
    let printed =
        answered(arguments).and_then(|answer| Ok(answer.print(as_json).map(|()| answer.succeeded())?));
    match printed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => match error.downcast_ref::<clap::Error>() {
            Some(usage) => usage.exit(),
            None => {
                eprintln!("error: {}", with_causes(&error));
                ExitCode::FAILURE
            }
        },
    }
}

fn answered(arguments: Arguments) -> anyhow::Result<Answer> {
    let runtime = tokio::runtime::Runtime::new()?;
    let answer = runtime.block_on(run(arguments));
    // A read of standard input cannot be called off, and its writer may never end.
    runtime.shutdown_timeout(SHUTDOWN_GRACE);
    answer
}

async fn run(arguments: Arguments) -> anyhow::Result<Answer> {
    if let Command::Demo(demo) = arguments.command {
        return demo::run(demo, arguments.json).await;
    }
    let mut configuration = Configuration::load(arguments.config.as_deref())?;
    configuration.sandbox.compiler = compiler();
    if let Command::Limits = arguments.command {
        return limits::run(&configuration);
    }
    if let Command::Check = arguments.command {
        logging::start(&quiet(&configuration.log), Destination::StandardError)?;
        return check::run(&configuration).await;
    }
    let serves = matches!(arguments.command, Command::Serve);
    let log = if serves || arguments.verbose { configuration.log.clone() } else { quiet(&configuration.log) };
    logging::start(&log, Destination::StandardError)?;
    // A command that provisions nothing must not take up what another one left unfinished.
    let host = match &arguments.command {
        Command::Serve => Host::start(configuration).await?,
        // Jobs are for the service, and for those who ask for it.
        Command::Import(_) | Command::Provision(_) | Command::Person(_) => {
            Host::start_without_jobs(configuration).await?
        }
        Command::Records(command) if command.provisions() => Host::start_without_jobs(configuration).await?,
        Command::Group(command) if command.writes() => Host::start_without_jobs(configuration).await?,
        Command::Jobs(command) if command.provisions() => Host::start_without_jobs(configuration).await?,
        Command::Target(command) if command.provisions() => Host::start_without_jobs(configuration).await?,
        _ => Host::open(configuration).await?,
    };
    let answer = answer(arguments.command, &host, arguments.json).await;
    host.stop().await;
    answer
}

/// Components are compiled by processes of this program.
fn compiler() -> Compiler {
    Compiler::this_program(compile_component::SUBCOMMAND)
}

/// A command's answer says what failed, so the log need not say it too.
fn quiet(log: &LogConfiguration) -> LogConfiguration {
    LogConfiguration { filter: "warn,provender::pipeline=off".to_owned(), ..log.clone() }
}

async fn answer(command: Command, host: &Arc<Host>, as_json: bool) -> anyhow::Result<Answer> {
    match command {
        Command::Serve => serve::run(host).await,
        Command::Import(arguments) => import::run(arguments, host, as_json).await,
        Command::Co(command) => co::run(command, host).await,
        Command::Plugin(command) => plugin::run(command, host).await,
        Command::Server(command) => server::run(command, host).await,
        Command::Filter(command) => filter::run(command, host).await,
        Command::Group(command) => group::run(command, host).await,
        Command::Target(command) => target::run(command, host, as_json).await,
        Command::Provision(arguments) => provision::run(arguments, host).await,
        Command::Preview(arguments) => preview::run(arguments, host).await,
        Command::Services(arguments) => services::run(arguments, host).await,
        Command::Explain(arguments) => explain::run(arguments, host).await,
        Command::Changes(arguments) => changes::run(arguments, host).await,
        Command::History(arguments) => history::run(arguments, host).await,
        Command::Invocation(command) => invocation::run(command, host).await,
        Command::Notifications(command) => notifications::run(command, host).await,
        Command::Jobs(command) => jobs::run(command, host).await,
        Command::Records(command) => records::run(command, host).await,
        Command::Person(command) => person::run(command, host).await,
        Command::Cou(command) => entry::run::<Cou>(command, host).await,
        Command::OrgIdentitySource(command) => entry::run::<OrgIdentitySource>(command, host).await,
        Command::Terms(command) => entry::run::<TermsAndConditions>(command, host).await,
        Command::Key(command) => key::run(command, host).await,
        // Need no host, and were answered without one.
        Command::Demo(_) | Command::Limits | Command::Check | Command::CompileComponent(_) => {
            Ok(Answer::nothing())
        }
    }
}

/// An error with its causes, each once: some texts hold that of their cause already.
fn with_causes(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if message.is_empty() {
            message = cause;
        } else if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_of_all_commands_fit_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn an_error_is_told_with_its_causes_each_once() {
        let error = anyhow!("disk is full").context("record not stored").context("import: record not stored");
        assert_eq!(with_causes(&error), "import: record not stored: disk is full");
    }
}

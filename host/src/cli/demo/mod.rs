//! `provender demo`: the host at work in a folder of its own, from an empty store to an account of what happened.

mod account;
mod check;
mod commands;
mod names;
mod people;
mod place;
mod receiver;
mod sample;
mod script;
mod setup;

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;
use tokio::io::BufReader;
use tokio::net::TcpListener;
use uuid::Uuid;

use super::answer::Answer;
use super::import::{self, Progress, Report};
use super::outcomes::Outcomes;
use super::signals::stop_requested;
use crate::api;
use crate::configuration::LogConfiguration;
use crate::host::Host;
use crate::logging::{self, Destination};
use crate::registry::import::ImportOptions;
use crate::registry::write::{OnError, UnknownGroups, WriteOptions};
use account::{Account, ChangelogAccount, ExampleMessage, ReceiverAccount};
use check::Check;
use people::Member;
use place::Place;
use receiver::{Received, Receiver};
use script::Story;
use setup::{CHANGELOG, CO};

/// For those who try the API; its answer tells what became of it at each target.
const EXAMPLE_PERSON: &str = r#"{"names": [{"given": "Zoë", "primary": true}], "identifiers": [{"identifier": "zoë", "type": "uid"}]}"#;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  provender demo
  provender demo --directory /tmp/look --serve
  provender demo --records people.ndjson

It needs nothing and reaches nothing but this machine. The folder stays for you to look into.
The process ends with 1 when a target does not hold what it should.")]
pub(super) struct Arguments {
    /// Where to keep everything: a new or empty folder [default: one below the temporary folder]
    #[arg(long, value_name = "FOLDER")]
    directory: Option<PathBuf>,
    /// Your own records instead of the sample, one JSON object per line
    #[arg(long, value_name = "FILE")]
    records: Option<PathBuf>,
    /// Your own records: the type of identifier that the receiver knows people by [default: the one most people have]
    #[arg(long, value_name = "TYPE", requires = "records")]
    identifier_type: Option<String>,
    /// Keep the host running with its API afterwards, until Ctrl-C
    #[arg(long)]
    serve: bool,
}

pub(super) async fn run(arguments: Arguments, as_json: bool) -> anyhow::Result<Answer> {
    let place = Place::prepare(arguments.directory.as_deref())?;
    let log = File::create(place.log_file()).context("log file")?;
    logging::start(&LogConfiguration::default(), Destination::File(log))?;
    let receiver = Receiver::start(format!("demo-{}", Uuid::now_v7().simple())).await?;
    let host = Host::start(place.configuration()).await?;
    let demo = Demo { arguments: &arguments, place, receiver, host: Arc::clone(&host), as_json };
    let ended = demo.run().await;
    host.stop().await;
    ended
}

struct Demo<'a> {
    arguments: &'a Arguments,
    place: Place,
    receiver: Receiver,
    host: Arc<Host>,
    as_json: bool,
}

impl Demo<'_> {
    async fn run(&self) -> anyhow::Result<Answer> {
        let account = self.account().await?;
        let answer = Answer::new(&account, account.text()?)?.failed_if(!account.problems.is_empty());
        if !self.arguments.serve || !answer.succeeded() {
            return Ok(answer);
        }
        answer.print(self.as_json)?;
        self.serve().await?;
        Ok(Answer::nothing())
    }

    async fn account(&self) -> anyhow::Result<Account> {
        let (host, place) = (&*self.host, &self.place);
        self.step("installing the plugins");
        setup::install_plugins(host).await?;
        let identifier_type = self.identifier_type().await?;
        setup::configure(host, place, &self.receiver, &identifier_type).await?;
        self.step("importing and provisioning");
        let report = self.import().await?;
        let members = people::people(&host.store).await?;
        let before = host.store.changes(CO, 0, u32::MAX).await?.last().map_or(0, |change| change.sequence);
        self.step("changing, removing, and making some fail");
        let story = script::play(host, &self.receiver, &members, &identifier_type).await?;
        self.step("checking what the targets hold");
        let mut planned = report.planned.clone();
        planned.extend(story.events.iter().flat_map(|event| &event.invocations));
        planned.sort_unstable();
        let outcomes = Outcomes::read(&host.store, CO, &planned).await?;
        let changelog = self.changelog().await?;
        let received = self.receiver.received();
        let groups = people::groups(&host.store).await?;
        let problems = Check {
            members: &people::people(&host.store).await?,
            groups: &groups,
            identifier_type: &identifier_type,
            received: &received,
            changelog: &changelog,
            outcomes: &outcomes,
            story: &story,
            is_sample: self.arguments.records.is_none(),
        }
        .problems();
        let commands = self.commands(&story, &outcomes, before)?;
        Ok(Account {
            directory: place.root().to_owned(),
            is_sample: self.arguments.records.is_none(),
            people: members.len(),
            groups: groups.len(),
            import: report,
            changelog: ChangelogAccount {
                file: place.changelog_file(),
                lines: changelog.len(),
                example: example_line(&changelog, &story),
            },
            receiver: self.receiver_account(&received, &members, &story, &identifier_type),
            events: story.events,
            outcomes,
            problems,
            files: self.files(),
            commands,
        })
    }

    /// Says what is going on, to somebody who watches.
    fn step(&self, what: &str) {
        if !self.as_json && std::io::stderr().is_terminal() {
            eprintln!("{what} ...");
        }
    }

    /// The type that was asked for, that of the sample, or the one that most people of the user's file have.
    async fn identifier_type(&self) -> anyhow::Result<String> {
        let Some(file) = &self.arguments.records else {
            return Ok(sample::PERSON_IDENTIFIER.to_owned());
        };
        if let Some(asked) = &self.arguments.identifier_type {
            return Ok(asked.clone());
        }
        let text =
            tokio::fs::read_to_string(file).await.with_context(|| format!("file `{}`", file.display()))?;
        Ok(people::usual_identifier_type(&text).unwrap_or_else(|| sample::PERSON_IDENTIFIER.to_owned()))
    }

    async fn import(&self) -> anyhow::Result<Report> {
        let file = match &self.arguments.records {
            Some(file) => file.clone(),
            None => self.write_sample()?,
        };
        let input =
            tokio::fs::File::open(&file).await.with_context(|| format!("file `{}`", file.display()))?;
        let progress = Progress::new(Some(input.metadata().await?.len()), self.as_json);
        let options = ImportOptions {
            on_error: OnError::Continue,
            unknown_groups: UnknownGroups::Create,
            ..ImportOptions::default()
        };
        let write = WriteOptions::by("demo");
        let report =
            import::import(&self.host, CO, BufReader::new(input), &options, &write, &progress).await?;
        if report.stored == 0 {
            bail!("file `{}` holds no record that could be stored", file.display());
        }
        Ok(report)
    }

    fn write_sample(&self) -> anyhow::Result<PathBuf> {
        let file = self.place.records_file();
        let mut output = BufWriter::new(File::create(&file)?);
        for line in sample::lines() {
            writeln!(output, "{line}")?;
        }
        output.flush()?;
        Ok(file)
    }

    /// Lines of the changelog with what they say.
    async fn changelog(&self) -> anyhow::Result<Vec<(String, Value)>> {
        let file = self.place.changelog_file();
        let text = tokio::fs::read_to_string(&file).await.with_context(|| file.display().to_string())?;
        let lines = text.lines().map(|line| Ok((line.to_owned(), serde_json::from_str(line)?)));
        lines.collect::<Result<_, serde_json::Error>>().context("a line of the changelog is no JSON")
    }

    fn receiver_account(
        &self,
        received: &Received,
        members: &[Member],
        story: &Story,
        identifier_type: &str,
    ) -> ReceiverAccount {
        let of_story = story.events.first().and_then(|event| {
            let member = members.iter().find(|member| member.id() == event.subject.id)?;
            received.people.get(member.identifier(identifier_type)?)
        });
        let example = of_story.or_else(|| received.people.values().next());
        ReceiverAccount {
            base_url: self.receiver.base_url(),
            people: received.people.len(),
            puts: received.puts,
            deletes: received.deletes,
            refused: received.refused,
            example: example.map(|it| ExampleMessage {
                path: it.path.clone(),
                body: it.text.clone(),
                members: it.body.pointer("/person/members").cloned().unwrap_or_default(),
            }),
        }
    }

    fn files(&self) -> Vec<(&'static str, PathBuf)> {
        let own =
            self.arguments.records.as_ref().map(|file| file.canonicalize().unwrap_or_else(|_| file.clone()));
        let records = own.unwrap_or_else(|| self.place.records_file());
        vec![
            ("records", records),
            ("changelog", self.place.changelog_file()),
            ("configuration", self.place.configuration_file()),
            ("database, key", self.place.configuration().data_directory),
            ("log", self.place.log_file()),
        ]
    }

    fn commands(
        &self,
        story: &Story,
        outcomes: &Outcomes,
        change: i64,
    ) -> anyhow::Result<Vec<commands::Suggestion>> {
        let first = || story.events.first().map(|event| event.subject.id.clone());
        let of_busy =
            outcomes.failures.iter().find(|failure| Some(&failure.subject.id) == story.busy.as_ref());
        let subjects = commands::Subjects {
            person: story.busy.clone().or_else(first),
            failed: of_busy.or_else(|| outcomes.failures.first()).map(|failure| failure.invocation),
            change,
        };
        Ok(commands::suggestions(&std::env::current_exe()?, &self.place, &subjects))
    }

    /// The API on its usual port, or on a free one where that is taken.
    async fn serve(&self) -> anyhow::Result<()> {
        let listener = match TcpListener::bind(self.host.configuration.listen).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?,
        };
        let base = format!("http://{}/api/v1", listener.local_addr()?);
        eprintln!(
            "\nThe API is at {base} until Ctrl-C. As long as there is no key, it needs none:\n\n  \
             curl '{base}/cos/{CO}/people?limit=2'\n  \
             curl '{base}/cos/{CO}/changes?after=0'\n  \
             curl '{base}/cos/{CO}/targets/{CHANGELOG}'\n  \
             curl -X PUT '{base}/cos/{CO}/people/zoe' -H 'Content-Type: application/json' \\\n    \
             -d '{EXAMPLE_PERSON}'\n  \
             curl {base}/openapi.json\n"
        );
        api::serve(Arc::clone(&self.host), listener, stop_requested()).await?;
        Ok(())
    }
}

/// The line of the first event, else the first line.
fn example_line(changelog: &[(String, Value)], story: &Story) -> Option<String> {
    let invocation = story.events.first().and_then(|event| event.invocations.first())?.to_string();
    let of_event = |line: &Value| line.get("invocation").and_then(Value::as_str) == Some(invocation.as_str());
    let found = changelog.iter().find(|(_, line)| of_event(line)).or_else(|| changelog.first());
    found.map(|(text, _)| text.clone())
}

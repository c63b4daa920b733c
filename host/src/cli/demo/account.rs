//! The account of a demo: what changed, what the targets received, what failed and why, and how to look further.

use std::fmt::Write;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::commands::Suggestion;
use super::script::Event;
use super::setup::{CHANGELOG, CO, PEOPLE_API, SHORT_GROUP_NAMES};
use crate::cli::answer::{Table, printable, word};
use crate::cli::import::Report;
use crate::cli::outcomes::Outcomes;

/// Letters of an example that are shown.
const SHOWN_LETTERS: usize = 320;

#[derive(Debug, Serialize)]
pub(super) struct Account {
    pub(super) directory: PathBuf,
    /// Whether the records are those that the demo made up.
    pub(super) is_sample: bool,
    pub(super) people: usize,
    pub(super) groups: usize,
    pub(super) import: Report,
    pub(super) events: Vec<Event>,
    /// Of the import and of all that followed.
    pub(super) outcomes: Outcomes,
    pub(super) changelog: ChangelogAccount,
    pub(super) receiver: ReceiverAccount,
    /// What is not as it should be.
    pub(super) problems: Vec<String>,
    pub(super) files: Vec<(&'static str, PathBuf)>,
    pub(super) commands: Vec<Suggestion>,
}

#[derive(Debug, Serialize)]
pub(super) struct ChangelogAccount {
    pub(super) file: PathBuf,
    pub(super) lines: usize,
    /// A line as it stands in the file.
    pub(super) example: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct ReceiverAccount {
    pub(super) base_url: String,
    pub(super) people: usize,
    pub(super) puts: u64,
    pub(super) deletes: u64,
    /// Answered by 503.
    pub(super) refused: u64,
    pub(super) example: Option<ExampleMessage>,
}

#[derive(Debug, Serialize)]
pub(super) struct ExampleMessage {
    /// As it was encoded.
    pub(super) path: String,
    pub(super) body: String,
    /// Its groups, by the names that the filter gave them.
    pub(super) members: Value,
}

impl Account {
    pub(super) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        self.write_import(&mut text)?;
        self.write_events(&mut text)?;
        self.write_targets(&mut text)?;
        self.write_failures(&mut text)?;
        self.write_check(&mut text)?;
        self.write_ways_on(&mut text)?;
        Ok(text)
    }

    fn write_import(&self, text: &mut String) -> std::fmt::Result {
        let (people, groups) = (self.people, self.groups);
        let source = if self.is_sample { "made up for the demo" } else { "of your own" };
        writeln!(text, "Provender demo in {}\n", self.directory.display())?;
        writeln!(
            text,
            "Imported {people} people and {groups} groups, {source}, into the collaboration `{CO}`, and provisioned \
             them: {:.2} s, {} records per second.",
            self.import.duration_ms as f64 / 1000.0,
            self.import.records_per_second
        )?;
        for refused in &self.import.refused {
            writeln!(text, "Line {} was refused: {}", refused.line, refused.problems.join("; "))?;
        }
        Ok(())
    }

    fn write_events(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\nThen this happened:\n")?;
        let outcome = |event: &Event, target: &str| {
            let found = event.outcomes.iter().find(|outcome| outcome.target == target);
            let short = |outcome: &str| outcome.split(": ").take(2).collect::<Vec<_>>().join(": ");
            found.map_or_else(|| "-".to_owned(), |it| short(&it.outcome))
        };
        let mut table = Table::new(&["  id", "name", "what", CHANGELOG, PEOPLE_API]);
        for event in self.events.iter().filter(|event| event.outcomes.iter().any(is_automatic)) {
            table.row([
                format!("  {}", event.subject.id),
                event.name.clone(),
                event.what.clone(),
                outcome(event, CHANGELOG),
                outcome(event, PEOPLE_API),
            ]);
        }
        writeln!(text, "{table}")
    }

    fn write_targets(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "What the targets received, all in all:\n")?;
        writeln!(text, "{}", indented(&self.outcomes.table().to_string()))?;
        let changelog = &self.changelog;
        writeln!(text, "  {CHANGELOG} appended {} lines to {}", changelog.lines, changelog.file.display())?;
        if let Some(example) = &changelog.example {
            writeln!(text, "    one of them: {}", shortened(example))?;
        }
        let receiver = &self.receiver;
        writeln!(
            text,
            "\n  {PEOPLE_API} asked {} for {} PUT and {} DELETE, {} of them refused by 503; it holds {} people.\n  \
             The filter `{SHORT_GROUP_NAMES}` put identifiers in place of names of groups (`members`), and the host \
             added the\n  bearer token, which no plugin sees.",
            receiver.base_url,
            receiver.puts + receiver.refused,
            receiver.deletes,
            receiver.refused,
            receiver.people,
        )?;
        if let Some(example) = &receiver.example {
            writeln!(text, "    one of them: PUT {} {}", example.path, shortened(&example.body))?;
            writeln!(text, "    and in it:   \"members\": {}", example.members)?;
        }
        Ok(())
    }

    fn write_failures(&self, text: &mut String) -> std::fmt::Result {
        let on_purpose = if self.is_sample { ", all of it on purpose" } else { "" };
        writeln!(text, "\nWhat failed{on_purpose}:\n")?;
        let mut table = Table::new(&["  target", "subject", "class", "message"]);
        for failure in &self.outcomes.failures {
            let retry = failure.retry_after_seconds.map(|seconds| format!(" (try again after {seconds} s)"));
            table.row([
                format!("  {}", failure.target),
                failure.subject.id.clone(),
                word(&failure.class),
                format!("{}{}", failure.message, retry.unwrap_or_default()),
            ]);
        }
        writeln!(text, "{table}")
    }

    fn write_check(&self, text: &mut String) -> std::fmt::Result {
        if self.problems.is_empty() {
            return writeln!(
                text,
                "Checked: the receiver holds exactly the people it should, with their groups and addresses, and the\n\
                 last line of everybody in the changelog tells how they are now."
            );
        }
        writeln!(text, "NOT AS IT SHOULD BE:\n")?;
        self.problems.iter().try_for_each(|problem| writeln!(text, "  {}", printable(problem)))
    }

    fn write_ways_on(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\nFiles:\n")?;
        let files: Table = self
            .files
            .iter()
            .map(|(what, file)| vec![format!("  {what}"), file.display().to_string()])
            .collect();
        writeln!(text, "{files}")?;
        writeln!(text, "Look further:\n")?;
        for Suggestion { what, line } in &self.commands {
            writeln!(text, "  # {what}\n  {line}")?;
        }
        Ok(())
    }
}

fn is_automatic(outcome: &super::script::TargetOutcome) -> bool {
    [CHANGELOG, PEOPLE_API].contains(&outcome.target.as_str())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// The beginning of a document.
fn shortened(text: &str) -> String {
    let text = printable(text);
    let beginning: String = text.chars().take(SHOWN_LETTERS).collect();
    if beginning.len() == text.len() { text } else { format!("{beginning}... ({} bytes)", text.len()) }
}

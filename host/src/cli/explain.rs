//! `provender explain`: why a subject is at a target or not.

use std::fmt::Write;

use clap::Args;

use super::answer::{Answer, Table, printable, utc_or_dash, word};
use super::input::{SubjectArguments, known_collaboration};
use super::outcomes::outcome_line;
use crate::host::Host;
use crate::pipeline::{Difference, Explanation};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  provender explain --co physics --target directory --person 42
  provender explain --co physics --target directory --group staff --json

Filters are called with the record of this moment; the plugin is not.")]
pub(super) struct Arguments {
    /// The collaboration
    #[arg(long)]
    co: String,
    /// id of the target
    #[arg(long, value_name = "ID")]
    target: String,
    #[command(flatten)]
    subject: SubjectArguments,
}

pub(super) async fn run(arguments: Arguments, host: &Host) -> anyhow::Result<Answer> {
    let subject = arguments.subject.key();
    known_collaboration(host, &arguments.co).await?;
    let explanation = host.pipeline.explain(&arguments.co, &arguments.target, &subject).await?;
    Answer::new(&explanation, text(&explanation)?)
}

fn text(explanation: &Explanation) -> anyhow::Result<String> {
    let Explanation { target, subject, would, steps, service, last_invocation, .. } = explanation;
    let mut text = format!("{} `{}` at `{target}`\n\n", word(&subject.kind), subject.id);
    for step in steps {
        let mark = if step.passed { "yes" } else { "no " };
        writeln!(text, "  {mark} {:<12}{}", word(&step.question), printable(&step.text))?;
        for difference in &step.changed {
            writeln!(text, "                  {}", difference_line(difference))?;
        }
    }
    let last = last_invocation.as_ref().map_or_else(
        || "never run".to_owned(),
        |last| format!("{}: {}", utc_or_dash(last.finished), outcome_line(last.outcome.as_ref())),
    );
    let fields = Table::of_fields([
        ("a run now would", word(would).replace('_', " ")),
        ("status", word(&service.status).replace('_', " ")),
        ("may be there", super::answer::yes_or_no(service.held)),
        ("last run", last),
    ]);
    Ok(format!("{text}\n{fields}"))
}

/// One place that a filter changed.
pub(super) fn difference_line(difference: &Difference) -> String {
    let shown = |value: &Option<serde_json::Value>| {
        value.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)
    };
    let Difference { path, before, after } = difference;
    printable(&format!("{path}: {} -> {}", shown(before), shown(after)))
}

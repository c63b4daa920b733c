//! `provender preview`: what a provisioning would do now.

use clap::Args;

use super::answer::{Answer, word};
use super::effects;
use super::input::{SubjectArguments, known_collaboration};
use super::outcomes::outcome_line;
use crate::host::Host;
use crate::pipeline::Preview;
use crate::provisioning::InvocationOutcome;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  provender preview --co physics --target directory --person 42
  provender preview --co physics --target directory --group staff --json

Filters and plugin are called as for a provisioning. What they read is read; what would change something is
shown and not done, and the plugin goes on with the answer that it says it expects. Nothing is stored.
The process ends with 1 when the provisioning would fail.")]
pub(super) struct Arguments {
    /// The collaboration
    #[arg(long)]
    co: String,
    /// id of the target; any mode
    #[arg(long, value_name = "ID")]
    target: String,
    #[command(flatten)]
    subject: SubjectArguments,
}

pub(super) async fn run(arguments: Arguments, host: &Host) -> anyhow::Result<Answer> {
    let subject = arguments.subject.key();
    known_collaboration(host, &arguments.co).await?;
    let preview = host.pipeline.preview(&arguments.co, &arguments.target, &subject).await?;
    let failed = matches!(preview.outcome, Some(InvocationOutcome::Failed { .. }));
    Ok(Answer::new(&preview, text(&preview))?.failed_if(failed))
}

fn text(preview: &Preview) -> String {
    let Preview { target, subject, action, effects, effects_left_out, ends, outcome, .. } = preview;
    let called = match action {
        Some(action) => format!("the plugin is called: {}", word(action).replace('_', " ")),
        None => "the plugin is not called".to_owned(),
    };
    let mut text = format!("{} `{}` to `{target}`: {called}\n", word(&subject.kind), subject.id);
    text.push_str(&effects::list(effects, ends.as_deref()));
    if *effects_left_out > 0 {
        text.push_str(&format!("  and {effects_left_out} more effects, which did not fit\n"));
    }
    if effects.is_empty() && ends.is_none() {
        text.push_str("  nothing is done at the counterpart\n");
    }
    match outcome {
        Some(outcome) => format!("{text}it would end: {}\nNothing was changed.", outcome_line(Some(outcome))),
        None => format!("{text}Nothing was changed."),
    }
}

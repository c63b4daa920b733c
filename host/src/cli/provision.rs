//! `provender provision`: one subject to one target, on request.

use clap::Args;

use super::answer::{Answer, word};
use super::input::{SubjectArguments, actor, known_collaboration};
use super::outcomes::outcome_line;
use crate::host::Host;
use crate::provisioning::{CodedInvocation, Invocation, InvocationOutcome};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  provender provision --co physics --target directory --person 42
  provender provision --co physics --target directory --group staff

The process ends with 1 when the provisioning failed.")]
pub(super) struct Arguments {
    /// The collaboration
    #[arg(long)]
    co: String,
    /// id of the target; any mode but disabled
    #[arg(long, value_name = "ID")]
    target: String,
    #[command(flatten)]
    subject: SubjectArguments,
}

pub(super) async fn run(arguments: Arguments, host: &Host) -> anyhow::Result<Answer> {
    let subject = arguments.subject.key();
    known_collaboration(host, &arguments.co).await?;
    let invocation =
        host.pipeline.provision_for(Some(&actor()), &arguments.co, &arguments.target, &subject).await?;
    let failed = matches!(invocation.outcome, Some(InvocationOutcome::Failed { .. }));
    let text = text(&arguments.co, &invocation);
    Ok(Answer::new(&CodedInvocation::from(invocation), text)?.failed_if(failed))
}

fn text(co: &str, invocation: &Invocation) -> String {
    let subject = &invocation.subject;
    format!(
        "{} `{}` to `{}`: {}\nSee what it did: provender invocation show --co {co} {}",
        word(&subject.kind),
        subject.id,
        invocation.target,
        outcome_line(invocation.outcome.as_ref()),
        invocation.id,
    )
}

//! `provender services`: where a subject stands at each target.

use clap::Args;

use super::answer::{Answer, Table, utc, utc_or_dash, word};
use super::input::{SubjectArguments, known_collaboration};
use crate::host::Host;
use crate::provisioning::ServiceView;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  provender services --co physics --person 42
  provender services --co physics --group staff --json")]
pub(super) struct Arguments {
    /// The collaboration
    #[arg(long)]
    co: String,
    #[command(flatten)]
    subject: SubjectArguments,
}

pub(super) async fn run(arguments: Arguments, host: &Host) -> anyhow::Result<Answer> {
    let (co, subject) = (arguments.co, arguments.subject.key());
    known_collaboration(host, &co).await?;
    let Some(services) = host.pipeline.services(&co, &subject).await? else {
        anyhow::bail!("there is no {} `{}` in `{co}` and never was", word(&subject.kind), subject.id);
    };
    let mut table = Table::new(&["target", "status", "provisioned", "removed", "failed", "why"]);
    for service in &services {
        table.row([
            service.target.clone(),
            word(&service.status),
            utc_or_dash(service.provisioned),
            utc_or_dash(service.removed),
            utc_or_dash(service.failed),
            reason(service),
        ]);
    }
    Answer::new(&services, table.or("the collaboration has no targets"))
}

/// Why it is so: what is on its way, what failed, or what keeps the subject out.
fn reason(service: &ServiceView) -> String {
    let waiting = service.waiting.as_ref().map(|waiting| {
        let job = waiting.job.map(|job| format!("job {job}, ")).unwrap_or_default();
        let next = waiting.next.map(|next| format!(" at {}", utc(next))).unwrap_or_default();
        format!("{job}attempt {}{next}", waiting.attempt)
    });
    let newer = service.newer_change.map(|change| format!("change {change} is not there yet"));
    let class = service.failure_class.map(|class| word(&class));
    let filter = service.filter.as_ref().map(|filter| format!("in filter `{filter}`"));
    let why = service.not_eligible.as_ref().map(ToString::to_string);
    // Where a subject was left out, the message is the reason.
    let message = service.message.clone().filter(|message| why.as_ref() != Some(message));
    [waiting, newer, class, filter, message, why].into_iter().flatten().collect::<Vec<_>>().join(": ")
}

//! `provender services`: where a subject stands at each target.

use clap::Args;

use super::answer::{Answer, Table, utc_or_dash, word};
use super::input::{SubjectArguments, known_collaboration};
use crate::host::Host;
use crate::provisioning::ProvisionedService;

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
    if host.store.record(&co, &subject).await?.is_none() {
        anyhow::bail!("there is no {} `{}` in `{co}` and never was", word(&subject.kind), subject.id);
    }
    let known = host.store.provisioned_services(&co, &subject).await?;
    let services: Vec<ProvisionedService> = host
        .administration
        .targets(&co)
        .await?
        .into_iter()
        .map(|target| {
            let service = known.iter().find(|service| service.target == target.id).cloned();
            service.unwrap_or_else(|| ProvisionedService::never(target.id, subject.clone()))
        })
        .collect();
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

fn reason(service: &ProvisionedService) -> String {
    let class = service.failure_class.map(|class| word(&class));
    [class, service.message.clone()].into_iter().flatten().collect::<Vec<_>>().join(": ")
}

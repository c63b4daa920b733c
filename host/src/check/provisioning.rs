//! Invocations, and what follows from them: provisioned services, and the state of plugins.

use std::collections::HashMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::report::Check;
use super::{finished, report};
use crate::provisioning::{InvocationOutcome, InvocationState, ProvisionedService, ServiceStatus};
use crate::store::{CheckedInvocation, CheckedService, Defect, PageKey, Snapshot, StoreError, Table};

/// `kept_since`: invocations that ended before may have been removed.
pub(super) async fn checks(snapshot: &mut Snapshot, kept_since: Timestamp) -> Vec<Check> {
    let invocations = Check::new("invocations", "each has its change, and an end as a whole or none");
    let services = Check::new("services", "subjects stand at targets as the newest invocation left them");
    let state = Check::new("plugin state", "belongs to a target, and to a record if to one");
    vec![
        finished(invocations, async |check| self::invocations(check, snapshot).await).await,
        finished(services, async |check| self::services(check, snapshot, kept_since).await).await,
        finished(state, async |check| self::state(check, snapshot).await).await,
    ]
}

async fn invocations(check: &mut Check, snapshot: &mut Snapshot) -> Result<(), StoreError> {
    let mut after = Some(PageKey::default());
    while let Some(key) = after {
        let page = snapshot.checked_invocations(&key).await?;
        check.examine(page.rows.len() as u64);
        for row in page.rows {
            match row {
                Err(error) => check.broken(error.to_string()),
                Ok(found) => {
                    let (id, co) = (found.invocation.id, &found.co);
                    for problem in problems_of(&found) {
                        check.broken(format!("invocation {id} in {co} {problem}"));
                    }
                }
            }
        }
        after = page.next;
    }
    let unplanned = "follows from a change that did not plan it";
    report(check, snapshot, Defect::InvocationWithoutChange, unplanned).await?;
    report(check, snapshot, Defect::InvocationWithoutRecord, "is of a record that is not there").await?;
    report(check, snapshot, Defect::UnfinishedWithoutTarget, "is unfinished, and its target is gone").await?;
    report(check, snapshot, Defect::TranscriptWithoutInvocation, "is not there, but its transcript is").await
}

fn problems_of(found: &CheckedInvocation) -> Vec<&'static str> {
    let invocation = &found.invocation;
    let failed = matches!(invocation.outcome, Some(InvocationOutcome::Failed { .. }));
    let problems = match invocation.state {
        InvocationState::Finished => [
            (invocation.outcome.is_none(), "is finished and has no outcome"),
            (!found.has_transcript, "is finished and has no transcript"),
            (invocation.attempt == 0, "is finished and was never attempted"),
            (invocation.outcome.is_some() && failed != found.failed, "is not listed as its outcome says"),
        ],
        InvocationState::Planned => [
            (invocation.outcome.is_some(), "is unfinished and has an outcome"),
            (found.has_transcript, "is unfinished and has a transcript"),
            (found.failed, "is unfinished and listed as failed"),
            (false, ""),
        ],
    };
    problems.into_iter().filter(|(so, _)| *so).map(|(_, problem)| problem).collect()
}

async fn services(
    check: &mut Check,
    snapshot: &mut Snapshot,
    kept_since: Timestamp,
) -> Result<(), StoreError> {
    let mut oldest = HashMap::new();
    let mut after = Some(PageKey::default());
    while let Some(key) = after {
        let page = snapshot.checked_services(&key).await?;
        check.examine(page.rows.len() as u64);
        for row in page.rows {
            let found = match row {
                Err(error) => {
                    check.broken(error.to_string());
                    continue;
                }
                Ok(found) => found,
            };
            if !oldest.contains_key(&found.co) {
                oldest.insert(found.co.clone(), snapshot.oldest_finished(&found.co).await?);
            }
            let kept = Kept { since: kept_since, oldest: oldest.get(&found.co).copied().flatten() };
            if let Some(problem) = problem_of(&found, kept) {
                let ProvisionedService { subject, target, .. } = &found.service;
                let kind = format!("{:?}", subject.kind).to_lowercase();
                check.broken(format!("{kind} {} at {target} in {} {problem}", subject.id, found.co));
            }
        }
        after = page.next;
    }
    report(check, snapshot, Defect::ServiceWithoutTarget, "stands at a target that is not there").await?;
    report(check, snapshot, Defect::ServiceWithoutRecord, "stands there, but there is no such record").await
}

/// Which finished invocations of a collaboration are still there.
#[derive(Clone, Copy)]
struct Kept {
    since: Timestamp,
    /// Whatever ended before it may have been removed when less was kept.
    oldest: Option<Uuid>,
}

impl Kept {
    fn must_hold(&self, id: Uuid) -> bool {
        let planned = id.get_timestamp().and_then(|at| i64::try_from(at.to_unix().0).ok());
        planned.is_some_and(|seconds| seconds > self.since.as_second())
            && self.oldest.is_some_and(|oldest| id > oldest)
    }
}

fn problem_of(found: &CheckedService, kept: Kept) -> Option<String> {
    let stands = found.service.invocation?;
    match &found.newest {
        Some((newest, outcome)) if *newest == stands => outcome
            .as_ref()
            .filter(|outcome| !agrees(&found.service, outcome))
            .map(|_| format!("does not stand as invocation {stands} left it")),
        Some((newest, _)) if *newest > stands => {
            Some(format!("stands as invocation {stands} left it, but {newest} ended later"))
        }
        _ if kept.must_hold(stands) => {
            Some(format!("stands as invocation {stands} left it, which is not there"))
        }
        _ => None,
    }
}

/// Whether a subject can stand so after an invocation that ended so.
fn agrees(service: &ProvisionedService, outcome: &InvocationOutcome) -> bool {
    match outcome {
        InvocationOutcome::Applied { .. } | InvocationOutcome::Unchanged => {
            matches!(service.status, ServiceStatus::Provisioned | ServiceStatus::Removed)
                && service.failure_class.is_none()
        }
        InvocationOutcome::Skipped { reason } => service.message.as_deref() == Some(reason),
        InvocationOutcome::Failed { class, .. } => {
            service.status == ServiceStatus::Failed && service.failure_class == Some(*class)
        }
    }
}

async fn state(check: &mut Check, snapshot: &mut Snapshot) -> Result<(), StoreError> {
    check.examine(snapshot.count(Table::PluginState).await?);
    report(check, snapshot, Defect::StateWithoutTarget, "has state of its plugin, but is not there").await?;
    report(check, snapshot, Defect::StateWithoutRecord, "has state of a plugin, but there is no such record")
        .await
}

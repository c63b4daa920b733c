//! Invocations, and what follows from them: provisioned services, and the state of plugins.

use std::collections::HashMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::report::Check;
use super::{finished, report};
use crate::provisioning::{InvocationOutcome, InvocationState, ProvisionedService, ServiceStatus};
use crate::registry::record::{Record, SubjectKey};
use crate::store::{
    CheckedInvocation, CheckedService, Defect, PageKey, Snapshot, StoreError, Table, UnplannedChange,
};

/// `kept_since`: invocations that ended before may have been removed.
pub(super) async fn checks(snapshot: &mut Snapshot, kept_since: Timestamp) -> Vec<Check> {
    let invocations = Check::new("invocations", "each has its change, and an end as a whole or none");
    let plans = Check::new("plans", "every change has its work at every automatic target");
    let jobs = Check::new("jobs", "those that run are run, and for a target");
    let services = Check::new("services", "subjects stand at targets as the newest invocation left them");
    let state = Check::new("plugin state", "belongs to a target, and to a record if to one");
    vec![
        finished(invocations, async |check| self::invocations(check, snapshot).await).await,
        finished(plans, async |check| self::plans(check, snapshot).await).await,
        finished(jobs, async |check| self::jobs(check, snapshot).await).await,
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
    report(check, snapshot, Defect::UnfinishedWithoutWorker, "is of a worker that never was").await?;
    report(check, snapshot, Defect::UnfinishedOfTwoWorkers, "has work that two workers have").await?;
    report(check, snapshot, Defect::TranscriptWithoutInvocation, "is not there, but its transcript is").await
}

async fn jobs(check: &mut Check, snapshot: &mut Snapshot) -> Result<(), StoreError> {
    check.examine(snapshot.count(Table::Jobs).await?);
    report(check, snapshot, Defect::JobWithoutRun, "is in progress, and nobody runs it").await?;
    report(check, snapshot, Defect::RunWithoutJob, "is a run of a job that is not in progress").await?;
    report(check, snapshot, Defect::JobWithoutTarget, "is not ended, and its target is gone").await
}

/// A record that can be provisioned was planned at each automatic target when it last changed. That it was is known by the
/// invocation, or, when that was removed since, by where the record stands.
async fn plans(check: &mut Check, snapshot: &mut Snapshot) -> Result<(), StoreError> {
    for collaboration in snapshot.collaborations().await?.into_iter().flatten() {
        let co = collaboration.id;
        for found in snapshot.checked_targets(&co).await?.into_iter().flatten() {
            let Some(after) = found.target.automatic_after else { continue };
            check.examine(1);
            let target = &found.target.id;
            snapshot
                .unplanned_changes(&co, target, after, |unplanned| match unplanned {
                    Err(error) => check.broken(error.to_string()),
                    Ok(unplanned)
                        if found.target.handles(unplanned.record.key.kind) && is_missing(&unplanned) =>
                    {
                        let SubjectKey { kind, id } = &unplanned.record.key;
                        let kind = format!("{kind:?}").to_lowercase();
                        let sequence = unplanned.sequence;
                        check.broken(format!(
                            "change {sequence} in {co} left no work for {kind} {id} at {target}"
                        ));
                    }
                    Ok(_) => {}
                })
                .await?;
        }
    }
    Ok(())
}

fn is_missing(unplanned: &UnplannedChange) -> bool {
    if let Record::Person(person) = &unplanned.record.record
        && !person.status.is_provisionable()
    {
        return false;
    }
    let last = unplanned.service.as_ref().and_then(|service| service.invocation).and_then(planned_ms);
    last.is_none_or(|planned_ms| planned_ms < unplanned.at.as_millisecond())
}

/// When an invocation was planned, as its id tells, in milliseconds since 1970.
fn planned_ms(invocation: Uuid) -> Option<i64> {
    let (seconds, nanoseconds) = invocation.get_timestamp()?.to_unix();
    Some(i64::try_from(seconds).ok()? * 1_000 + i64::from(nanoseconds / 1_000_000))
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
            if let Some(problem) = problem_of(&found, kept).or_else(|| record_problem(&found)) {
                let ProvisionedService { subject, target, .. } = &found.service;
                let kind = format!("{:?}", subject.kind).to_lowercase();
                check.broken(format!("{kind} {} at {target} in {} {problem}", subject.id, found.co));
            }
        }
        after = page.next;
    }
    report(check, snapshot, Defect::ServiceWithoutTarget, "stands at a target that is not there").await?;
    report(check, snapshot, Defect::ServiceWithoutRecord, "stands there, but there is no such record")
        .await?;
    let unknown = "was last given a record, but nothing is known of it";
    report(check, snapshot, Defect::ProvisionedRecordWithoutService, unknown).await
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
        planned_ms(id).is_some_and(|planned_ms| planned_ms > self.since.as_millisecond())
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

/// Whether what a deletion would deliver is kept as long as there is something to delete.
fn record_problem(found: &CheckedService) -> Option<String> {
    match (found.service.held, found.has_record) {
        // Of what was provisioned before records were kept, no change is known.
        (true, false) if found.service.delivered_change.is_some() => {
            Some("may hold a record, but what it was last given is not there".to_owned())
        }
        (false, true) => Some("holds nothing, but was last given a record".to_owned()),
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

//! Where a subject stands at the targets of its collaboration.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::Pipeline;
use crate::capabilities::contract::records::Subject;
use crate::provisioning::{JobKind, JobStatus, Mode, ProvisionedService, ServiceView, Target, Waiting};
use crate::registry::record::{RecordKind, SubjectKey};
use crate::store::{JobFilter, Store, StoreError};

/// Waiting jobs of one subject that are looked at; there is one for each target and action.
const JOBS: u32 = 1_000;

impl Pipeline {
    /// Where a subject stands at each target that is not disabled, in the order the targets are called; none when there is
    /// no trace of it.
    pub async fn services(
        &self,
        co: &str,
        subject: &SubjectKey,
    ) -> Result<Option<Vec<ServiceView>>, StoreError> {
        self.services_at(co, subject, |target| target.mode != Mode::Disabled).await
    }

    /// As [`services`](Self::services), at some targets.
    pub(super) async fn services_at(
        &self,
        co: &str,
        subject: &SubjectKey,
        chosen: impl Fn(&Target) -> bool,
    ) -> Result<Option<Vec<ServiceView>>, StoreError> {
        let store = &self.parts.store;
        if store.record(co, subject).await?.is_none() {
            return Ok(None);
        }
        let mut targets = store.targets(co).await?;
        targets.retain(chosen);
        targets.sort_by(|a, b| (a.order, &a.id).cmp(&(b.order, &b.id)));
        let known = store.provisioned_services(co, subject).await?;
        let mut known: HashMap<String, ProvisionedService> =
            known.into_iter().map(|service| (service.target.clone(), service)).collect();
        let mut waiting = waiting(store, co, subject, self.parts.clock.now()).await?;
        let oldest = known.values().filter_map(|service| service.delivered_change).min();
        let (changes, of_groups) = match oldest {
            Some(oldest) => (
                store.last_changes_by_actor(co, subject, oldest).await?,
                newest_of_groups(store, co, subject, known.keys(), oldest).await?,
            ),
            None => (Vec::new(), None),
        };
        let view = |id: String| {
            let own = format!("target:{id}");
            let by_others = changes.iter().filter(|(actor, _)| *actor != own).map(|(_, sequence)| *sequence);
            let newest = by_others.chain(of_groups).max();
            let service = known.remove(&id);
            let waiting = waiting.remove(&id);
            let service = service.unwrap_or_else(|| ProvisionedService::never(id, subject.clone()));
            ServiceView::of(service, waiting, newest)
        };
        Ok(Some(targets.into_iter().map(|target| target.id).map(view).collect()))
    }
}

/// The newest change behind `after` of what a person's record shows of groups: those that the person is in, and those in
/// the records that the targets were sent.
async fn newest_of_groups(
    store: &Store,
    co: &str,
    subject: &SubjectKey,
    targets: impl Iterator<Item = &String>,
    after: i64,
) -> Result<Option<i64>, StoreError> {
    if subject.kind != RecordKind::Person {
        return Ok(None);
    }
    let memberships = store.memberships_of_people(co, std::slice::from_ref(&subject.id)).await?;
    let mut groups: BTreeSet<String> = memberships.into_iter().map(|membership| membership.group).collect();
    let places: Vec<_> = targets.map(|target| (target.clone(), subject.clone())).collect();
    for (_, record) in store.provisioned_records_at(co, &places).await? {
        // One of an older form says nothing of groups.
        if let Ok(Subject::Person(person)) = serde_json::from_str(&record) {
            groups.extend(person.memberships.into_iter().map(|membership| membership.group.metadata.id));
        }
    }
    let groups: Vec<String> = groups.into_iter().collect();
    let changes = store.changes_of_groups(co, &groups, after).await?;
    Ok(changes.iter().filter(|change| change.reaches_members()).map(|change| change.sequence).max())
}

/// What is still to be done for a subject, by target: the first of it.
async fn waiting(
    store: &Store,
    co: &str,
    subject: &SubjectKey,
    now: Timestamp,
) -> Result<HashMap<String, Waiting>, StoreError> {
    let mut found = HashMap::new();
    for invocation in store.unfinished_invocations_of(co, subject).await? {
        let attempt = invocation.attempt + 1;
        let (job, invocation_id) = (invocation.job, Some(invocation.id));
        let waiting = Waiting { job, invocation: invocation_id, attempt, next: None };
        found.entry(invocation.target).or_insert(waiting);
    }
    let queued = JobFilter {
        subject: Some(subject.clone()),
        status: Some(JobStatus::Queued),
        kind: Some(JobKind::Provision),
        ..JobFilter::default()
    };
    let mut jobs = store.jobs(co, &queued, None, JOBS).await?;
    jobs.sort_by_key(|job| (job.start_after, job.id));
    for job in jobs {
        let next = (job.start_after > now).then_some(job.start_after);
        let waiting = Waiting { job: Some(job.id), invocation: None, attempt: job.retries + 1, next };
        found.entry(job.target).or_insert(waiting);
    }
    Ok(found)
}

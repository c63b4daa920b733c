//! The end of a run: outcome, provisioned service, state of the plugin and identifiers it gave, in one transaction.
//!
//! Runs that end at about the same time share a transaction. One that cannot be committed does not take the others with
//! it.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::dispatch::Work;
use super::job_ends;
use crate::capabilities::contract::state::Scope;
use crate::capabilities::contract::types::WrittenIdentifier;
use crate::capabilities::state::StateChange;
use crate::clock::Clock;
use crate::monitoring;
use crate::provisioning::{Delivery, Ended, InvocationOutcome, ProvisionedService, RecordKept, Usage};
use crate::registry::write_back::write_back;
use crate::sandbox::Json;
use crate::store::{
    self, FinishedInvocation, Place, RecordChange, Store, StoreError, Transaction, Withdrawal,
};

/// A run that ended.
#[derive(Clone)]
pub(super) struct Finished {
    pub(super) work: Work,
    pub(super) outcome: InvocationOutcome,
    pub(super) delivery: Delivery,
    /// The record that the provisioner got; none when it was not called, or to delete.
    pub(super) record: Option<Json>,
    /// Identifiers that the plugin wants stored with the subject, in place of those it stored before.
    pub(super) identifiers: Option<Vec<WrittenIdentifier>>,
    pub(super) state: Vec<StateChange>,
    /// Nothing was to do: the run goes away, and its job counts it.
    pub(super) untouched: bool,
    pub(super) usage: Usage,
    pub(super) transcript: Json,
    pub(super) at: Timestamp,
}

/// Commits the ends of runs.
#[derive(Clone)]
pub(super) struct Committer(mpsc::Sender<Waiting>);

struct Waiting {
    finished: Finished,
    committed: oneshot::Sender<Result<(), StoreError>>,
}

/// Ends of runs in one transaction, at most.
const GROUP: usize = 64;

impl Committer {
    /// Commits until all clones are dropped.
    pub(super) fn start(store: Store, clock: Clock) -> Self {
        let (sender, mut receiver) = mpsc::channel::<Waiting>(GROUP);
        tokio::spawn(async move {
            let mut group = Vec::new();
            while receiver.recv_many(&mut group, GROUP).await > 0 {
                commit_group(&store, &clock, std::mem::take(&mut group)).await;
            }
        });
        Self(sender)
    }

    /// Commits the end of a run, together with those that wait.
    pub(super) async fn commit(&self, finished: Finished) -> Result<(), StoreError> {
        let (committed, answer) = oneshot::channel();
        self.0.send(Waiting { finished, committed }).await.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

async fn commit_group(store: &Store, clock: &Clock, group: Vec<Waiting>) {
    let (ends, waiting): (Vec<Finished>, Vec<_>) =
        group.into_iter().map(|waiting| (waiting.finished, waiting.committed)).unzip();
    let ends = Arc::new(ends);
    let together = write(store, clock, Arc::clone(&ends)).await;
    for (end, committed) in ends.iter().zip(waiting) {
        let result = match &together {
            Ok(()) => Ok(()),
            Err(_) => write(store, clock, Arc::new(vec![end.clone()])).await,
        };
        // A receiver that is gone has been stopped, and looks into the store.
        let _ = committed.send(result);
    }
}

async fn write(store: &Store, clock: &Clock, ends: Arc<Vec<Finished>>) -> Result<(), StoreError> {
    let clock = clock.clone();
    store
        .write(move |transaction| Box::pin(async move { write_ends(transaction, &ends, clock.now()).await }))
        .await
}

pub(super) async fn write_ends(
    transaction: &mut Transaction<'_>,
    ends: &[Finished],
    now: Timestamp,
) -> Result<(), StoreError> {
    transaction.in_collaborations(ends.iter().map(|end| end.work.co.as_str()).collect()).await?;
    let (untouched, told): (Vec<&Finished>, Vec<&Finished>) = ends.iter().partition(|end| end.untouched);
    let invocations: Vec<FinishedInvocation> = told.iter().map(|end| end.invocation()).collect();
    let withdrawals: Vec<Withdrawal> = untouched.iter().map(|end| end.withdrawal()).collect();
    // Those whose target went away meanwhile, or that another worker took over, leave nothing behind.
    let mut finished: Vec<Uuid> = transaction.finish_invocations(&invocations).await?;
    finished.extend(transaction.withdraw_invocations(&withdrawals).await?);
    let mut by_collaboration: HashMap<&str, (Vec<&Finished>, Vec<&Finished>)> = HashMap::new();
    for end in ends.iter().filter(|end| finished.contains(&end.work.id)) {
        let (untouched, told) = by_collaboration.entry(&end.work.co).or_default();
        if end.untouched { untouched.push(end) } else { told.push(end) }
    }
    for (co, (untouched, ends)) in by_collaboration {
        confirm_services(transaction, co, &untouched).await?;
        job_ends::count(transaction, co, &untouched, now).await?;
        write_services(transaction, co, &ends).await?;
        monitoring::record(transaction, co, ends.iter().map(|end| end.ended()).collect()).await?;
        job_ends::write(transaction, co, &ends, now).await?;
        write_gifts(transaction, co, &ends).await?;
    }
    Ok(())
}

/// Where the subjects stand at the targets now.
async fn write_services(
    transaction: &mut Transaction<'_>,
    co: &str,
    ends: &[&Finished],
) -> Result<(), StoreError> {
    let places: Vec<Place> =
        ends.iter().map(|end| (end.work.target.clone(), end.work.subject.clone())).collect();
    let stored = transaction.provisioned_services_at(co, &places).await?;
    let mut services: HashMap<Place, ProvisionedService> = stored
        .into_iter()
        .map(|service| ((service.target.clone(), service.subject.clone()), service))
        .collect();
    let mut records = Vec::new();
    for (end, (target, subject)) in ends.iter().zip(places) {
        let before = services
            .remove(&(target.clone(), subject.clone()))
            .unwrap_or_else(|| ProvisionedService::never(target.clone(), subject.clone()));
        let record = end.record.as_ref().map(|record| record.text().to_owned());
        match before.record_after(&end.delivery, &end.outcome) {
            RecordKept::Unchanged => {}
            RecordKept::Replaced => {
                records.push(RecordChange { target: target.clone(), subject: subject.clone(), record });
            }
            RecordKept::Removed => {
                records.push(RecordChange { target: target.clone(), subject: subject.clone(), record: None });
            }
        }
        let after = before.after(end.work.id, &end.delivery, &end.outcome, end.at);
        services.insert((target, subject), after);
    }
    transaction.change_provisioned_records(co, &records).await?;
    let services: Vec<ProvisionedService> = services.into_values().collect();
    transaction.put_provisioned_services(co, &services).await
}

/// What was found as it is to be holds all changes up to now.
async fn confirm_services(
    transaction: &mut Transaction<'_>,
    co: &str,
    untouched: &[&Finished],
) -> Result<(), StoreError> {
    let held = untouched.iter().filter(|end| end.outcome == InvocationOutcome::Unchanged);
    let (places, as_of): (Vec<Place>, Vec<Option<i64>>) =
        held.map(|end| ((end.work.target.clone(), end.work.subject.clone()), end.delivery.as_of)).unzip();
    let as_of: HashMap<&Place, Option<i64>> = places.iter().zip(as_of).collect();
    let mut services = transaction.provisioned_services_at(co, &places).await?;
    for service in &mut services {
        let place = (service.target.clone(), service.subject.clone());
        service.delivered_change = service.delivered_change.max(as_of.get(&place).copied().flatten());
    }
    transaction.put_provisioned_services(co, &services).await
}

/// What plugins gave to be kept: their state, and identifiers of the subjects.
async fn write_gifts(
    transaction: &mut Transaction<'_>,
    co: &str,
    ends: &[&Finished],
) -> Result<(), StoreError> {
    let changes =
        ends.iter().flat_map(|end| end.state.iter().map(|change| stored(change.clone(), &end.work)));
    transaction.set_plugin_state(co, &changes.collect::<Vec<_>>()).await?;
    for end in ends {
        if let Some(identifiers) = &end.identifiers {
            let pair = |given: &WrittenIdentifier| (given.identifier.clone(), given.identifier_type.clone());
            let identifiers = identifiers.iter().map(pair).collect();
            let Work { target, subject, .. } = &end.work;
            write_back(transaction, co, target, subject, identifiers, end.at).await?;
        }
    }
    Ok(())
}

fn stored(change: StateChange, work: &Work) -> store::StateChange {
    let StateChange { scope, key, value } = change;
    let subject = match scope {
        Scope::Target => None,
        Scope::Subject => Some(work.subject.clone()),
    };
    store::StateChange { target: work.target.clone(), subject, key, value }
}

impl Finished {
    fn invocation(&self) -> FinishedInvocation {
        FinishedInvocation {
            co: self.work.co.clone(),
            id: self.work.id,
            worker: self.work.worker,
            outcome: self.outcome.clone(),
            delivery: self.delivery.clone(),
            usage: self.usage,
            finished: self.at,
            transcript: self.transcript.text().to_owned(),
        }
    }

    fn withdrawal(&self) -> Withdrawal {
        Withdrawal { co: self.work.co.clone(), id: self.work.id, worker: self.work.worker }
    }

    fn ended(&self) -> Ended<'_> {
        Ended {
            invocation: self.work.id,
            target: &self.work.target,
            subject: &self.work.subject,
            planned: self.work.action,
            action: self.delivery.sent.unwrap_or(self.work.action),
            change: self.work.change,
            outcome: &self.outcome,
            at: self.at,
        }
    }
}

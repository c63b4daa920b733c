//! Runs planned provisionings: visible record, then filters, then the provisioner, then its outcome committed.
//!
//! The only caller of plugins: automatic provisioning, requests, workers and previews all go through [`Pipeline`].

mod assessment;
mod commit;
pub mod contract;
mod difference;
mod dispatch;
mod effects;
mod explain;
mod job_ends;
mod lanes;
mod lease;
mod loader;
mod lookups;
#[cfg(test)]
mod model;
mod plugin_state;
mod preview;
mod re_evaluation;
mod recording;
mod replay;
mod run;
mod secrets;
mod services;
mod subject;
mod targets;
mod trial;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::administration::Administration;
use crate::capabilities::plugin::PluginHost;
use crate::clock::Clock;
use crate::plugins::Catalog;
use crate::provisioning::{Action, Invocation, InvocationState, Mode, PlannedInvocation};
use crate::registry::record::SubjectKey;
use crate::sandbox::Limits;
use crate::store::{Store, StoreError};
use crate::syslog::Syslog;
use dispatch::Dispatcher;

pub use difference::Difference;
pub use effects::{Happened, ShownEffect};
pub use explain::{ExplainError, ExplainedStep, Explanation, Question, Would};
pub use preview::Preview;
pub use re_evaluation::{ReEvaluation, ReEvaluationFailure};
pub use recording::{Input, RecordedStep, Recording, Role, Said};
pub use replay::{ReplayError, Replayed, ReplayedStep, Verdict};
pub use targets::{RuntimeCache, TargetProblem};
pub use trial::{Trial, TrialError};

/// What the pipeline works with.
pub struct Parts {
    pub store: Store,
    pub catalog: Catalog,
    pub administration: Administration,
    pub plugins: PluginHost,
    /// The host's limits, which a target may change.
    pub limits: Limits,
    pub syslog: Syslog,
    /// Calls that run at once.
    pub concurrency: usize,
    /// How long the work of this process stays its own without a sign of life.
    pub lease: Duration,
    /// Tells what is valid, and when retries are due.
    pub clock: Clock,
    /// Targets ready to be called; starts empty.
    pub runtimes: RuntimeCache,
}

/// Runs planned provisionings.
#[derive(Clone)]
pub struct Pipeline {
    parts: Arc<Parts>,
    /// Empty as long as other processes run what this one plans.
    dispatcher: Arc<OnceCell<Dispatcher>>,
}

/// Why a request to provision was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    #[error("there is no target `{0}`")]
    UnknownTarget(String),
    #[error("there is no {kind} `{id}` and never was")]
    UnknownSubject { kind: &'static str, id: String },
    #[error("target `{0}` is disabled; set another mode first")]
    Disabled(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ProvisionError {
    fn unknown(subject: &SubjectKey) -> Self {
        Self::UnknownSubject { kind: contract::subject_kind(subject.kind), id: subject.id.clone() }
    }
}

/// How often work that another process planned or finished is looked for.
const POLL: Duration = Duration::from_millis(250);

impl Pipeline {
    /// A pipeline that leaves what is planned to other processes, until [`execute`](Self::execute).
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), dispatcher: Arc::default() }
    }

    /// Makes this process a worker: it runs what it plans from now on, and takes up what dead workers left unfinished.
    /// Gives how many invocations that are.
    pub async fn execute(&self) -> Result<u64, StoreError> {
        let start = || Dispatcher::start(Arc::clone(&self.parts));
        self.dispatcher.get_or_try_init(start).await?.take_over().await
    }

    /// Whether this process is a worker and holds its lease.
    pub fn executes(&self) -> bool {
        self.dispatcher.get().is_some_and(Dispatcher::holds_lease)
    }

    /// Runs committed work: in order for each subject, subjects beside each other.
    pub fn submit(&self, co: &str, planned: &[PlannedInvocation]) {
        if let Some(dispatcher) = self.dispatcher.get() {
            dispatcher.submit(planned.iter().map(|planned| dispatch::Work::of_plan(co, planned)));
        }
    }

    /// Waits until all these invocations are finished, and gives them in the same order.
    pub async fn outcomes(&self, co: &str, ids: &[Uuid]) -> Result<Vec<Invocation>, StoreError> {
        if let Some(dispatcher) = self.dispatcher.get() {
            dispatcher.finished(ids).await;
        }
        let mut invocations = Vec::with_capacity(ids.len());
        for id in ids {
            loop {
                match self.parts.store.invocation(co, *id).await? {
                    Some(invocation) if invocation.state == InvocationState::Finished => {
                        invocations.push(invocation);
                        break;
                    }
                    // Its target was deleted meanwhile, and the work with it.
                    None => break,
                    Some(_) => tokio::time::sleep(POLL).await,
                }
            }
        }
        Ok(invocations)
    }

    /// Provisions one subject to one target on request, and waits for the outcome.
    pub async fn provision(
        &self,
        co: &str,
        target: &str,
        subject: &SubjectKey,
    ) -> Result<Invocation, ProvisionError> {
        self.provision_for(None, co, target, subject).await
    }

    /// As [`provision`](Self::provision); the subject's history says who asked for it.
    pub async fn provision_for(
        &self,
        requester: Option<&str>,
        co: &str,
        target: &str,
        subject: &SubjectKey,
    ) -> Result<Invocation, ProvisionError> {
        let store = &self.parts.store;
        let found = store.target(co, target).await?;
        let found = found.ok_or_else(|| ProvisionError::UnknownTarget(target.to_owned()))?;
        if found.mode == Mode::Disabled {
            return Err(ProvisionError::Disabled(target.to_owned()));
        }
        if store.record(co, subject).await?.is_none() {
            return Err(ProvisionError::unknown(subject));
        }
        let action = Action::ReprovisionRequested;
        let mut plan = vec![PlannedInvocation::new(Uuid::now_v7(), &found.id, subject.clone(), action)];
        let (owner, requester) = (co.to_owned(), requester.map(str::to_owned));
        let planned = store
            .write::<_, StoreError, _>(move |transaction| {
                Box::pin(async move {
                    transaction.plan_invocations(&owner, &mut plan, Timestamp::now()).await?;
                    if let (Some(requester), [planned]) = (requester, &plan[..]) {
                        transaction.set_requester(&owner, planned.id, &requester).await?;
                    }
                    Ok(plan)
                })
            })
            .await?;
        self.submit(co, &planned);
        let ids: Vec<Uuid> = planned.iter().map(|planned| planned.id).collect();
        let outcome = self.outcomes(co, &ids).await?.pop();
        outcome.ok_or_else(|| ProvisionError::UnknownTarget(target.to_owned()))
    }

    /// Waits until a run of a job ended since this was asked last.
    pub async fn job_ended(&self) {
        match self.dispatcher.get() {
            Some(dispatcher) => dispatcher.job_ended().await,
            None => std::future::pending().await,
        }
    }

    /// How many runs of jobs this process has under way.
    pub fn jobs_under_way(&self) -> usize {
        self.dispatcher.get().map_or(0, |dispatcher| dispatcher.jobs(&Default::default()).0)
    }

    /// How many of them are of single subjects at a target.
    pub fn jobs_of(&self, co: &str, target: &str) -> usize {
        let target = (co.to_owned(), target.to_owned());
        self.dispatcher.get().map_or(0, |dispatcher| dispatcher.jobs(&target).1)
    }

    /// How many runs of a job for all subjects this process has under way.
    pub fn bulk_under_way(&self, co: &str, target: &str, job: i64) -> usize {
        let target = (co.to_owned(), target.to_owned());
        self.dispatcher.get().map_or(0, |dispatcher| dispatcher.bulk(&target, job))
    }

    /// Waits until nothing that this process knows of is left to run.
    pub async fn idle(&self) {
        if let Some(dispatcher) = self.dispatcher.get() {
            dispatcher.idle().await;
        }
    }

    /// Stops taking up work, waits until what runs has ended, at most for `grace`, and leaves the rest to others.
    pub async fn stop(&self, grace: Duration) {
        if let Some(dispatcher) = self.dispatcher.get() {
            dispatcher.stop();
            if tokio::time::timeout(grace, dispatcher.leave()).await.is_err() {
                tracing::warn!(
                    grace_ms = grace.as_millis() as u64,
                    "stopping while calls run; they are taken up again"
                );
            }
        }
    }
}

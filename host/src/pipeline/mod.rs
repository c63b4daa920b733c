//! Runs planned provisionings: visible record, then filters, then the provisioner, then its outcome committed.
//!
//! The only caller of plugins: automatic provisioning, requests and, later, workers and previews all go through
//! [`Pipeline`].

mod assessment;
mod commit;
pub mod contract;
mod difference;
mod dispatch;
mod explain;
mod loader;
mod lookups;
mod plugin_state;
mod re_evaluation;
mod recording;
mod replay;
mod run;
mod services;
mod subject;
mod targets;
mod trial;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::administration::Administration;
use crate::capabilities::plugin::PluginHost;
use crate::plugins::Catalog;
use crate::provisioning::{Action, Invocation, InvocationState, Mode, PlannedInvocation};
use crate::registry::record::SubjectKey;
use crate::sandbox::Limits;
use crate::store::{Store, StoreError};
use crate::syslog::Syslog;
use dispatch::Dispatcher;

pub use difference::Difference;
pub use explain::{ExplainError, ExplainedStep, Explanation, Question, Would};
pub use re_evaluation::{ReEvaluation, ReEvaluationFailure};
pub use recording::{Input, RecordedStep, Recording, Role, Said};
pub use replay::{ReplayError, Replayed, ReplayedStep, Verdict};
pub use targets::{RuntimeCache, TargetProblem};
pub use trial::TrialError;

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
    /// Targets ready to be called; starts empty.
    pub runtimes: RuntimeCache,
}

/// Runs planned provisionings.
#[derive(Clone)]
pub struct Pipeline {
    parts: Arc<Parts>,
    /// Empty as long as another process runs what this one plans.
    dispatcher: Arc<OnceLock<Dispatcher>>,
}

/// Why a request to provision was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    #[error("there is no target `{0}`")]
    UnknownTarget(String),
    #[error("there is no {kind} `{id}` and never was")]
    UnknownSubject { kind: &'static str, id: String },
    #[error("target `{0}` is disabled; set its mode to automatic or manual first")]
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
    /// A pipeline that leaves what is planned to another process, until [`execute`](Self::execute).
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), dispatcher: Arc::default() }
    }

    /// Runs what is planned from now on, and takes up what a process before this one left unfinished. Gives how many
    /// invocations that are.
    pub async fn execute(&self) -> Result<u64, StoreError> {
        let dispatcher = self.dispatcher.get_or_init(|| Dispatcher::start(Arc::clone(&self.parts)));
        dispatcher.resume().await
    }

    /// Whether this process runs what is planned.
    pub fn executes(&self) -> bool {
        self.dispatcher.get().is_some()
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

    /// Provisions one subject to one target because somebody asked for it, and waits for the outcome.
    pub async fn provision(
        &self,
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
        let planned = PlannedInvocation {
            id: Uuid::now_v7(),
            target: found.id,
            subject: subject.clone(),
            action: Action::ReprovisionRequested,
            change: None,
            cause: None,
        };
        let (owner, plan) = (co.to_owned(), vec![planned.clone()]);
        store
            .write(move |transaction| {
                Box::pin(async move { transaction.plan_invocations(&owner, &plan, Timestamp::now()).await })
            })
            .await?;
        self.submit(co, std::slice::from_ref(&planned));
        let outcome = self.outcomes(co, &[planned.id]).await?.pop();
        outcome.ok_or_else(|| ProvisionError::UnknownTarget(target.to_owned()))
    }

    /// Waits until nothing that this process knows of is left to run.
    pub async fn idle(&self) {
        if let Some(dispatcher) = self.dispatcher.get() {
            dispatcher.idle().await;
        }
    }

    /// Stops taking up work, and waits until what runs has ended, at most for `grace`.
    pub async fn stop(&self, grace: Duration) {
        if let Some(dispatcher) = self.dispatcher.get() {
            dispatcher.stop();
            if tokio::time::timeout(grace, dispatcher.running_ended()).await.is_err() {
                tracing::warn!(
                    grace_ms = grace.as_millis() as u64,
                    "stopping while calls run; they are taken up again"
                );
            }
        }
    }
}

//! The calls of a target that are about no subject: testing its configuration, and setting its counterpart up.

use jiff::Timestamp;
use uuid::Uuid;

use super::contract::{failed_by_fault, failed_by_plugin, timestamp};
use super::run::seed;
use super::targets::{TargetProblem, TargetRuntime, runtime};
use super::{Parts, Pipeline};
use crate::capabilities::plugin::Said;
use crate::capabilities::state::StateChange;
use crate::capabilities::{CallState, Surroundings};
use crate::provisioning::{FailureClass, InvocationOutcome};
use crate::sandbox::Mode;
use crate::store::{self, StoreError};

/// Why a target could not be tested or set up.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// It cannot be called at all.
    #[error(transparent)]
    Target(#[from] TargetProblem),
    /// It was called, and failed.
    #[error("target `{target}`: {message}{}", location.as_ref().map_or_else(String::new, |at| format!(" (at {at})")))]
    Failed {
        target: String,
        class: FailureClass,
        message: String,
        /// JSON Pointer into the configuration.
        location: Option<String>,
    },
}

impl From<StoreError> for TrialError {
    fn from(error: StoreError) -> Self {
        Self::Target(error.into())
    }
}

impl Pipeline {
    /// Lets the plugin test the target's configuration and its counterparts. Gives its lines for the operator.
    pub async fn check_target(&self, co: &str, target: &str) -> Result<Vec<String>, TrialError> {
        let parts = &self.parts;
        let generation = parts.store.configuration_generation(co).await?;
        let runtime = runtime(parts, co, target, generation).await?;
        let at = Timestamp::now();
        let state = state_of_trial(parts, &runtime, at);
        let context = runtime.context(timestamp(at));
        let said = parts.plugins.check(&runtime.provisioner.loaded.plugin, state, &context).await;
        Ok(lines(target, said)?.0)
    }

    /// Lets the plugin set its counterpart up. Gives its lines for the operator.
    pub async fn prepare_target(&self, co: &str, target: &str) -> Result<Vec<String>, TrialError> {
        let parts = &self.parts;
        let generation = parts.store.configuration_generation(co).await?;
        let runtime = runtime(parts, co, target, generation).await?;
        let at = Timestamp::now();
        let state = state_of_trial(parts, &runtime, at);
        let context = runtime.context(timestamp(at));
        let said = parts.plugins.prepare(&runtime.provisioner.loaded.plugin, state, &context).await;
        let (lines, changes) = lines(target, said)?;
        if !changes.is_empty() {
            self.keep(co.to_owned(), target.to_owned(), changes).await?;
        }
        Ok(lines)
    }

    async fn keep(&self, co: String, target: String, changes: Vec<StateChange>) -> Result<(), StoreError> {
        let changes: Vec<_> = changes
            .into_iter()
            .map(|change| store::StateChange { subject: None, key: change.key, value: change.value })
            .collect();
        self.parts
            .store
            .write(move |transaction| {
                Box::pin(async move { transaction.set_plugin_state(&co, &target, &changes).await })
            })
            .await
    }
}

fn state_of_trial(parts: &Parts, runtime: &TargetRuntime, time: Timestamp) -> CallState {
    let surroundings = Surroundings {
        limits: runtime.limits.clone(),
        seed: seed(Uuid::now_v7(), &runtime.provisioner.id),
        time,
        mode: Mode::Live,
    };
    CallState::new(surroundings, runtime.grants(parts, None))
}

fn lines(target: &str, said: Said<Vec<String>>) -> Result<(Vec<String>, Vec<StateChange>), TrialError> {
    let outcome = match said.result {
        Ok(Ok(lines)) => return Ok((lines, said.state.into_state_changes())),
        Ok(Err(failure)) => failed_by_plugin(failure, None),
        Err(fault) => failed_by_fault(&fault, None),
    };
    let InvocationOutcome::Failed { class, message, location, .. } = outcome else {
        return Ok((Vec::new(), Vec::new()));
    };
    Err(TrialError::Failed { target: target.to_owned(), class, message, location })
}

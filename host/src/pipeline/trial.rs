//! The calls of a target that are about no subject: testing its configuration, and setting its counterpart up.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_with::skip_serializing_none;
use utoipa::ToSchema;
use uuid::Uuid;

use super::contract::{failed_by_fault, failed_by_plugin, timestamp};
use super::effects::ShownEffect;
use super::run::seed;
use super::targets::{TargetProblem, TargetRuntime, runtime};
use super::{Parts, Pipeline};
use crate::capabilities::contract::types::Context;
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
        /// What was done at counterparts until then.
        effects: Vec<ShownEffect>,
    },
}

/// What came of a test or a set-up.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Trial {
    /// Lines of the plugin for the operator.
    pub findings: Vec<String>,
    /// What was done at counterparts, or would be.
    pub effects: Vec<ShownEffect>,
    /// Why nobody can tell what would come next, where a preview ends before the plugin did.
    pub ends: Option<String>,
}

impl From<StoreError> for TrialError {
    fn from(error: StoreError) -> Self {
        Self::Target(error.into())
    }
}

impl Pipeline {
    /// Lets the plugin test the target's configuration and its counterparts.
    pub async fn check_target(&self, co: &str, target: &str) -> Result<Trial, TrialError> {
        let trial = Prepared::of(&self.parts, co, target, Mode::Live).await?;
        let plugin = &trial.runtime.provisioner.loaded.plugin;
        let said = self.parts.plugins.check(plugin, trial.state, &trial.context).await;
        Ok(ended(target, said)?.0)
    }

    /// Lets the plugin set its counterpart up.
    pub async fn prepare_target(&self, co: &str, target: &str) -> Result<Trial, TrialError> {
        let (trial, changes) = self.prepared(co, target, Mode::Live).await?;
        if !changes.is_empty() {
            self.keep(co.to_owned(), target.to_owned(), changes).await?;
        }
        Ok(trial)
    }

    /// What [`prepare_target`](Self::prepare_target) would do. Changes nothing, and stores nothing.
    pub async fn preview_preparation(&self, co: &str, target: &str) -> Result<Trial, TrialError> {
        Ok(self.prepared(co, target, Mode::Preview).await?.0)
    }

    async fn prepared(
        &self,
        co: &str,
        target: &str,
        mode: Mode,
    ) -> Result<(Trial, Vec<StateChange>), TrialError> {
        let trial = Prepared::of(&self.parts, co, target, mode).await?;
        let plugin = &trial.runtime.provisioner.loaded.plugin;
        let said = self.parts.plugins.prepare(plugin, trial.state, &trial.context).await;
        ended(target, said)
    }

    async fn keep(&self, co: String, target: String, changes: Vec<StateChange>) -> Result<(), StoreError> {
        let stored = |StateChange { key, value, .. }| store::StateChange {
            target: target.clone(),
            subject: None,
            key,
            value,
        };
        let changes: Vec<_> = changes.into_iter().map(stored).collect();
        self.parts
            .store
            .write(move |transaction| {
                Box::pin(async move { transaction.set_plugin_state(&co, &changes).await })
            })
            .await
    }
}

/// A call that is about no subject, ready to be made.
struct Prepared {
    runtime: Arc<TargetRuntime>,
    state: CallState,
    context: Context,
}

impl Prepared {
    async fn of(parts: &Parts, co: &str, target: &str, mode: Mode) -> Result<Self, TrialError> {
        let generation = parts.store.configuration_generation(co).await?;
        let runtime = runtime(parts, co, target, generation).await?;
        let time = Timestamp::now();
        let surroundings = Surroundings {
            limits: runtime.limits.clone(),
            seed: seed(Uuid::now_v7(), &runtime.provisioner.id),
            time,
            mode,
        };
        let state = CallState::new(surroundings, runtime.grants(parts, None));
        let context = runtime.context(timestamp(time));
        Ok(Self { runtime, state, context })
    }
}

fn ended(target: &str, said: Said<Vec<String>>) -> Result<(Trial, Vec<StateChange>), TrialError> {
    let effects = ShownEffect::of(&said.transcript);
    let outcome = match said.result {
        Ok(Ok(findings)) => {
            let trial = Trial { findings, effects, ends: None };
            return Ok((trial, said.state.into_state_changes()));
        }
        Ok(Err(failure)) => failed_by_plugin(failure, None),
        Err(fault) => failed_by_fault(&fault, None),
    };
    match outcome {
        InvocationOutcome::Failed { class: FailureClass::PreviewEnded, message, .. } => {
            Ok((Trial { findings: Vec::new(), effects, ends: Some(message) }, Vec::new()))
        }
        InvocationOutcome::Failed { class, message, location, .. } => {
            Err(TrialError::Failed { target: target.to_owned(), class, message, location, effects })
        }
        _ => Ok((Trial { findings: Vec::new(), effects, ends: None }, Vec::new())),
    }
}

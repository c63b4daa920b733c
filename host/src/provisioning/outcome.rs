//! How an invocation ended, and what a subject's page shows of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Action;
use crate::registry::record::SubjectKey;

/// Why an invocation failed: by blame, and by what helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The counterpart could not serve now.
    Transient,
    /// The counterpart asked to slow down.
    RateLimited,
    /// The counterpart refused the credential.
    Authentication,
    /// The target's configuration cannot work.
    Configuration,
    /// The record cannot be provisioned as it is.
    InvalidData,
    /// The counterpart holds something that is in the way.
    Conflict,
    /// Trying again will not help.
    Permanent,
    /// A failure that the plugin gave a name of its own.
    Other,
    /// The plugin crashed.
    Trap,
    /// The plugin used up its fuel.
    OutOfFuel,
    /// The plugin asked for more memory or tables than it may have.
    MemoryLimit,
    /// The call took longer than it may.
    Deadline,
    /// The plugin tried what it was not granted.
    EffectRefused,
    /// The plugin did more than it may: effects, bytes, record size.
    BudgetExceeded,
    /// The host could not do its part.
    HostFault,
}

impl FailureClass {
    /// The word in API, CLI and store.
    pub fn word(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::RateLimited => "rate_limited",
            Self::Authentication => "authentication",
            Self::Configuration => "configuration",
            Self::InvalidData => "invalid_data",
            Self::Conflict => "conflict",
            Self::Permanent => "permanent",
            Self::Other => "other",
            Self::Trap => "trap",
            Self::OutOfFuel => "out_of_fuel",
            Self::MemoryLimit => "memory_limit",
            Self::Deadline => "deadline",
            Self::EffectRefused => "effect_refused",
            Self::BudgetExceeded => "budget_exceeded",
            Self::HostFault => "host_fault",
        }
    }
}

/// How an invocation ended.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum InvocationOutcome {
    /// The counterpart was changed.
    Applied {
        /// Lines for the subject's history.
        history: Vec<String>,
    },
    /// The counterpart was up to date.
    Unchanged,
    /// Nothing was to do.
    Skipped { reason: String },
    /// It failed.
    Failed {
        class: FailureClass,
        message: String,
        /// JSON Pointer into the configuration, or a field of the record.
        location: Option<String>,
        /// When a new try is worth while, in seconds, if the counterpart told.
        retry_after_seconds: Option<u32>,
        /// The data filter that failed; none when the provisioner did.
        filter: Option<String>,
    },
}

/// Where a subject stands at a target. A subject without one was never provisioned there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceStatus {
    Never,
    Provisioned,
    Failed,
    Removed,
}

/// What a subject's page shows of one target.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProvisionedService {
    pub target: String,
    pub subject: SubjectKey,
    pub status: ServiceStatus,
    /// The last time the target held the subject's state of the moment.
    pub provisioned: Option<Timestamp>,
    /// The last time the subject was removed.
    pub removed: Option<Timestamp>,
    /// The last failure, if nothing succeeded since.
    pub failed: Option<Timestamp>,
    pub failure_class: Option<FailureClass>,
    pub message: Option<String>,
    /// The invocation that this state comes from.
    pub invocation: Option<Uuid>,
}

impl ProvisionedService {
    /// The state of a subject that the target was never called for.
    pub fn never(target: String, subject: SubjectKey) -> Self {
        Self {
            target,
            subject,
            status: ServiceStatus::Never,
            provisioned: None,
            removed: None,
            failed: None,
            failure_class: None,
            message: None,
            invocation: None,
        }
    }

    /// The state after one more invocation.
    pub fn after(
        mut self,
        invocation: Uuid,
        action: Action,
        outcome: &InvocationOutcome,
        at: Timestamp,
    ) -> Self {
        match outcome {
            // A subject that was left out is where it was before, but a reason is worth showing.
            InvocationOutcome::Skipped { reason } => self.message = Some(reason.clone()),
            InvocationOutcome::Failed { class, message, .. } => {
                self.status = ServiceStatus::Failed;
                self.failed = Some(at);
                self.failure_class = Some(*class);
                self.message = Some(message.clone());
            }
            InvocationOutcome::Applied { .. } | InvocationOutcome::Unchanged => {
                self.failed = None;
                self.failure_class = None;
                self.message = None;
                if action == Action::Deleted {
                    self.status = ServiceStatus::Removed;
                    self.removed = Some(at);
                } else {
                    self.status = ServiceStatus::Provisioned;
                    self.provisioned = Some(at);
                }
            }
        }
        self.invocation = Some(invocation);
        self
    }
}

#[cfg(test)]
mod tests;

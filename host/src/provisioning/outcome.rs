//! How an invocation ended.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

use super::{Action, NotEligible};

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
    /// In a preview: what would come next is not known.
    PreviewEnded,
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
            Self::PreviewEnded => "preview_ended",
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

/// What an invocation delivered.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// The action that the provisioner was called with; none when it was not called.
    pub sent: Option<Action>,
    /// Why the subject must not be at the target; none when it may.
    pub not_eligible: Option<NotEligible>,
    /// Number of the newest change of the collaboration when the record was read: it holds all up to there.
    pub as_of: Option<i64>,
    /// Stands for the plugin, the configuration and the servers that the provisioner was called with.
    pub settings: Option<String>,
}

#[cfg(test)]
mod tests;

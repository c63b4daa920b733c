//! A planned or finished run of one subject at one target.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Action, Delivery, InvocationOutcome};
use crate::registry::record::SubjectKey;

/// Work that follows from a change: written in the same transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedInvocation {
    /// Ascending in the order of planning (UUIDv7).
    pub id: Uuid,
    pub target: String,
    pub subject: SubjectKey,
    pub action: Action,
    /// The change it follows from; none for a request.
    pub change: Option<i64>,
    /// The person whose membership caused the provisioning of a group.
    pub cause: Option<String>,
    /// The job that it is a run of.
    pub job: Option<i64>,
    /// Whether other work goes first.
    pub bulk: bool,
    /// Who is to run it; known when it is written, and nil until then.
    pub worker: Uuid,
}

impl PlannedInvocation {
    /// Work that somebody asked for: it follows from no change.
    pub fn new(id: Uuid, target: &str, subject: SubjectKey, action: Action) -> Self {
        Self {
            id,
            target: target.to_owned(),
            subject,
            action,
            change: None,
            cause: None,
            job: None,
            bulk: false,
            worker: Uuid::nil(),
        }
    }
}

/// Where an invocation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvocationState {
    /// Committed, not finished.
    Planned,
    /// Its outcome is committed.
    Finished,
}

/// What a run used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Units of fuel of filters and provisioner together.
    pub fuel: u64,
    /// Largest linear memory, in bytes.
    pub memory_bytes: u64,
    /// Effects that passed the gate.
    pub effects: u64,
    /// Wall-clock time in microseconds.
    pub duration_us: u64,
}

/// One run of filters and provisioner for (target, subject, action).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Invocation {
    pub id: Uuid,
    pub target: String,
    pub subject: SubjectKey,
    pub action: Action,
    /// Number in the change history; none for a request.
    pub change: Option<i64>,
    /// The person whose membership caused the provisioning of a group.
    pub cause: Option<String>,
    pub state: InvocationState,
    /// Runs so far; more than one when the host stopped in the middle.
    pub attempt: u32,
    pub planned: Timestamp,
    pub finished: Option<Timestamp>,
    pub outcome: Option<InvocationOutcome>,
    #[serde(flatten)]
    pub delivery: Delivery,
    pub usage: Usage,
    /// The job that it is a run of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<i64>,
    /// Whether other work went first.
    #[serde(skip)]
    pub bulk: bool,
}

/// An invocation as API and CLI show it: with the two-letter code of its action in COmanage Registry.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CodedInvocation {
    #[serde(flatten)]
    pub invocation: Invocation,
    /// "PA", "GU", "LD", ...
    #[schema(value_type = String)]
    pub code: &'static str,
}

impl From<Invocation> for CodedInvocation {
    fn from(invocation: Invocation) -> Self {
        let code = invocation.action.code(invocation.subject.kind);
        Self { invocation, code }
    }
}

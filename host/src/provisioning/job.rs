//! Durable work that runs later, and again when it failed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

use super::Action;
use crate::registry::record::SubjectKey;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Provisions one subject.
    Provision,
    /// Provisions all subjects of the collaboration.
    ReprovisionAll,
    /// Provisions the subjects that are not at the target as they would be by now.
    Reevaluate,
}

impl JobKind {
    /// The word in API, CLI and store.
    pub fn word(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::ReprovisionAll => "reprovision_all",
            Self::Reevaluate => "reevaluate",
        }
    }
}

/// Where a job stands (COmanage: JobStatusEnum Q, GO, OK, X, CX).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Waits for its time and its turn.
    Queued,
    InProgress,
    Complete,
    /// Failed, or superseded by a job that waited already.
    Failed,
    Canceled,
}

impl JobStatus {
    /// The word in API, CLI and store.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

/// How far a job for all subjects is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct KindProgress {
    /// Kind of the records: `person`, `group`, ...
    pub kind: String,
    /// Records that were handled, whether they failed or not.
    pub done: u64,
    pub failed: u64,
    /// Those of a re-evaluation that are as they would be, so that nothing was sent.
    #[serde(default)]
    pub untouched: u64,
    /// Records when it began.
    pub total: u64,
}

/// Durable work for a target.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// 1, 2, 3 ... in each collaboration.
    pub id: i64,
    pub kind: JobKind,
    pub target: String,
    /// None for all subjects.
    pub subject: Option<SubjectKey>,
    pub action: Action,
    pub status: JobStatus,
    /// Number of the last change that it follows from; none for a request.
    pub change: Option<i64>,
    /// The person whose membership caused the provisioning of a group.
    pub cause: Option<String>,
    /// Who asked for it, or made the change.
    pub asked_by: String,
    pub registered: Timestamp,
    /// It does not run before.
    pub start_after: Timestamp,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    /// The waiting job that does what this one was to do. That is no error.
    pub superseded_by: Option<i64>,
    /// The job that this one tries again.
    pub retry_of: Option<i64>,
    /// Failures since the last change.
    pub retries: u32,
    /// Whether it failed, is not tried again, and nothing succeeded since for its subject at its target.
    pub gave_up: bool,
    /// Who canceled it.
    pub canceled_by: Option<String>,
    /// What came of it.
    pub message: Option<String>,
    /// From 0 to 100.
    pub percent: u8,
    /// Subjects that were handled, of a job for all subjects.
    pub done: u64,
    pub failed: u64,
    pub total: u64,
    /// By kind, of a job for all subjects.
    pub progress: Option<Vec<KindProgress>>,
}

/// A line of a job's history.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobLine {
    pub at: Timestamp,
    pub text: String,
    /// The record that it is about, in a job for all subjects.
    pub subject: Option<SubjectKey>,
}

/// A provisioning to be done by a job.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    pub target: String,
    pub subject: SubjectKey,
    pub action: Action,
    pub change: Option<i64>,
    pub cause: Option<String>,
    pub start_after: Timestamp,
    pub retry_of: Option<i64>,
    pub retries: u32,
}

/// A job that was registered.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisteredJob {
    pub id: i64,
    pub target: String,
    pub subject: SubjectKey,
    pub action: Action,
    /// The number of the change it follows from.
    pub change: Option<i64>,
    /// The job that waited already, and does it.
    pub superseded_by: Option<i64>,
}

impl Job {
    /// Subjects in a second, and the seconds left if it goes on so; none unless it runs for all subjects.
    pub fn pace(&self, now: Timestamp) -> Option<(f64, u64)> {
        if self.status != JobStatus::InProgress || self.done == 0 {
            return None;
        }
        let seconds = now.duration_since(self.started?).as_secs_f64().max(0.001);
        let rate = self.done as f64 / seconds;
        Some((rate, (self.total.saturating_sub(self.done) as f64 / rate).ceil() as u64))
    }

    /// Percent done; not over 100 even if there are more subjects by now than there were.
    pub fn percent_of(status: JobStatus, done: u64, total: u64) -> u8 {
        match status {
            JobStatus::Complete => 100,
            _ if total == 0 => 0,
            _ => u8::try_from((done.saturating_mul(100) / total).min(100)).unwrap_or(100),
        }
    }
}

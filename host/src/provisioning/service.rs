//! Where a subject stands at a target: what is stored of it, and what its page shows.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Action, Delivery, FailureClass, InvocationOutcome, NotEligible};
use crate::registry::record::SubjectKey;

/// How the last invocation that decided it left a subject at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceStatus {
    Never,
    Provisioned,
    Failed,
    Removed,
    /// It does not belong there, and nothing had to be removed.
    NotEligible,
}

/// Where a subject stands at a target. A subject without one was never looked at for it.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProvisionedService {
    pub target: String,
    pub subject: SubjectKey,
    pub status: ServiceStatus,
    /// Whether the target may hold the subject: something other than a deletion was sent, and no deletion succeeded since.
    #[serde(default)]
    pub held: bool,
    /// The last action that the provisioner was called with.
    pub last_action: Option<Action>,
    /// Number of the newest change of the collaboration that the record at the target contains; none when no record was
    /// delivered there, or it was removed since.
    pub delivered_change: Option<i64>,
    /// Stands for the plugin, the configuration and the servers that this record was delivered with.
    pub settings: Option<String>,
    /// The last time the target held the subject's state of the moment.
    pub provisioned: Option<Timestamp>,
    /// The last time the subject was removed.
    pub removed: Option<Timestamp>,
    /// The last failure, if nothing succeeded since.
    pub failed: Option<Timestamp>,
    pub failure_class: Option<FailureClass>,
    /// The data filter that failed; none when the provisioner did.
    pub filter: Option<String>,
    pub message: Option<String>,
    /// Why the subject must not be at the target; none when it may.
    pub not_eligible: Option<NotEligible>,
    /// The invocation that this state comes from.
    pub invocation: Option<Uuid>,
}

/// What becomes of the last provisioned record of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKept {
    /// The record of this invocation takes its place.
    Replaced,
    /// It stays as it is.
    Unchanged,
    /// There is nothing to be deleted any more.
    Removed,
}

impl ProvisionedService {
    /// The state of a subject that the target was never called for.
    pub fn never(target: String, subject: SubjectKey) -> Self {
        Self {
            target,
            subject,
            status: ServiceStatus::Never,
            held: false,
            last_action: None,
            delivered_change: None,
            settings: None,
            provisioned: None,
            removed: None,
            failed: None,
            failure_class: None,
            filter: None,
            message: None,
            not_eligible: None,
            invocation: None,
        }
    }

    /// Whether the last delivery succeeded, with these settings: the same record need not be sent once more.
    pub fn was_delivered_with(&self, settings: &str) -> bool {
        self.held && self.status == ServiceStatus::Provisioned && self.settings.as_deref() == Some(settings)
    }

    /// The state after one more invocation.
    pub fn after(
        mut self,
        invocation: Uuid,
        delivery: &Delivery,
        outcome: &InvocationOutcome,
        at: Timestamp,
    ) -> Self {
        self.invocation = Some(invocation);
        self.not_eligible.clone_from(&delivery.not_eligible);
        self.last_action = delivery.sent.or(self.last_action);
        let sent_record = delivery.sent.is_some_and(|action| action != Action::Deleted);
        match outcome {
            InvocationOutcome::Skipped { reason } => {
                // Where it is not and must not be, an earlier failure has nothing more to say.
                if delivery.sent.is_none() && delivery.not_eligible.is_some() && !self.held {
                    self.forget_failure();
                    if self.status != ServiceStatus::Removed {
                        self.status = ServiceStatus::NotEligible;
                    }
                }
                // A subject that was left out is where it was before, but a reason is worth showing.
                self.message = Some(reason.clone());
            }
            InvocationOutcome::Failed { class, message, filter, .. } => {
                self.status = ServiceStatus::Failed;
                self.held |= sent_record;
                self.failed = Some(at);
                self.failure_class = Some(*class);
                self.filter.clone_from(filter);
                self.message = Some(message.clone());
            }
            InvocationOutcome::Applied { .. } | InvocationOutcome::Unchanged => {
                self.forget_failure();
                self.message = None;
                self.held = sent_record;
                if sent_record {
                    self.status = ServiceStatus::Provisioned;
                    self.delivered_change = delivery.as_of;
                    self.settings.clone_from(&delivery.settings);
                    self.provisioned = Some(at);
                } else {
                    self.status = ServiceStatus::Removed;
                    self.delivered_change = None;
                    self.settings = None;
                    self.removed = Some(at);
                }
            }
        }
        self
    }

    fn forget_failure(&mut self) {
        self.failed = None;
        self.failure_class = None;
        self.filter = None;
    }

    /// What becomes of the last provisioned record after one more invocation. That of a call that failed counts only as
    /// long as none was delivered: it is what may have to be removed.
    pub fn record_after(&self, delivery: &Delivery, outcome: &InvocationOutcome) -> RecordKept {
        let sent_record = delivery.sent.is_some_and(|action| action != Action::Deleted);
        match outcome {
            InvocationOutcome::Applied { .. } | InvocationOutcome::Unchanged if sent_record => {
                RecordKept::Replaced
            }
            InvocationOutcome::Applied { .. } | InvocationOutcome::Unchanged => RecordKept::Removed,
            InvocationOutcome::Failed { .. } if sent_record && self.delivered_change.is_none() => {
                RecordKept::Replaced
            }
            InvocationOutcome::Failed { .. } | InvocationOutcome::Skipped { .. } => RecordKept::Unchanged,
        }
    }
}

/// Work that has not come to its end yet.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Waiting {
    /// The job; none for work that runs without one.
    pub job: Option<i64>,
    /// The invocation, once it is planned.
    pub invocation: Option<Uuid>,
    /// Which try comes next; more than 1 after failures.
    pub attempt: u32,
    /// When it is run; none: as soon as it can be.
    pub next: Option<Timestamp>,
}

/// What a subject's page says of a target in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// Nothing was ever sent.
    Never,
    /// Work is on its way.
    Queued,
    /// It failed, and is tried again.
    Retrying,
    /// The target holds what the registry does.
    Provisioned,
    /// The registry changed since the target was told.
    Stale,
    /// The last call failed, and is not tried again by itself.
    Failed,
    /// It was there, and was removed.
    Removed,
    /// It does not belong there.
    NotEligible,
}

/// What a subject's page shows of one target.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServiceView {
    pub target: String,
    pub subject: SubjectKey,
    pub status: ServiceState,
    /// What is on its way, if something is.
    pub waiting: Option<Waiting>,
    /// Whether the target may hold the subject.
    pub held: bool,
    /// The last action that the provisioner was called with.
    pub last_action: Option<Action>,
    /// Number of the newest change of the collaboration that the record at the target contains.
    pub delivered_change: Option<i64>,
    /// Number of the newest change of the record, or of what it shows of groups, if it is newer than what was delivered.
    pub newer_change: Option<i64>,
    /// The last time the target held the subject's state of the moment.
    pub provisioned: Option<Timestamp>,
    /// The last time the subject was removed.
    pub removed: Option<Timestamp>,
    /// The last failure, if nothing succeeded since.
    pub failed: Option<Timestamp>,
    pub failure_class: Option<FailureClass>,
    /// The data filter that failed; none when the provisioner did.
    pub filter: Option<String>,
    pub message: Option<String>,
    /// Why the subject must not be at the target; none when it may.
    pub not_eligible: Option<NotEligible>,
    /// The invocation that this state comes from.
    pub invocation: Option<Uuid>,
}

impl ServiceView {
    /// `newest_change`: number of the newest change of the record, or of what it shows of groups, that the target did not
    /// make itself.
    pub fn of(service: ProvisionedService, waiting: Option<Waiting>, newest_change: Option<i64>) -> Self {
        let newer_change = match (newest_change, service.delivered_change) {
            (Some(newest), Some(delivered)) => Some(newest).filter(|newest| *newest > delivered),
            _ => None,
        };
        let status = match (&waiting, service.status) {
            (Some(_), ServiceStatus::Failed) => ServiceState::Retrying,
            (Some(_), _) => ServiceState::Queued,
            (None, ServiceStatus::Never) => ServiceState::Never,
            (None, ServiceStatus::Failed) => ServiceState::Failed,
            (None, ServiceStatus::Removed) => ServiceState::Removed,
            (None, ServiceStatus::NotEligible) => ServiceState::NotEligible,
            (None, ServiceStatus::Provisioned) if newer_change.is_some() => ServiceState::Stale,
            (None, ServiceStatus::Provisioned) => ServiceState::Provisioned,
        };
        Self {
            status,
            waiting,
            newer_change,
            target: service.target,
            subject: service.subject,
            held: service.held,
            last_action: service.last_action,
            delivered_change: service.delivered_change,
            provisioned: service.provisioned,
            removed: service.removed,
            failed: service.failed,
            failure_class: service.failure_class,
            filter: service.filter,
            message: service.message,
            not_eligible: service.not_eligible,
            invocation: service.invocation,
        }
    }
}

#[cfg(test)]
mod tests;

//! Why a subject is provisioned.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::registry::record::{RecordKind, Status};

/// Why a subject is provisioned (COmanage: ProvisioningActionEnum).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The first time the subject is visible to provisioning.
    Added,
    /// Something changed.
    Updated,
    /// The subject is gone or must not be at the target.
    Deleted,
    /// Somebody asked for it.
    ReprovisionRequested,
    /// An enrollment came to its end.
    EnrollmentFinalized,
    /// A pipeline came to its end.
    Pipeline,
    /// The person's status became grace period.
    EnteredGracePeriod,
    /// The person's status became expired.
    Expired,
    /// The person's status is no longer expired.
    Unexpired,
    /// An authenticator changed.
    AuthenticatorUpdated,
}

impl Action {
    /// Of two reasons for which one request provisions a subject, the one that says more.
    pub(super) fn or_stronger(self, other: Self) -> Self {
        let strength = |action: Self| match action {
            Self::AuthenticatorUpdated => 0,
            Self::Pipeline => 2,
            Self::EnrollmentFinalized => 3,
            _ => 1,
        };
        if strength(other) > strength(self) { other } else { self }
    }

    /// Whether it is the end of something that went on for a while, which all groups of a person are told of too.
    pub(super) fn ends_a_flow(self) -> bool {
        matches!(self, Self::EnrollmentFinalized | Self::Pipeline)
    }

    /// The word in API, CLI and store.
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::ReprovisionRequested => "reprovision_requested",
            Self::EnrollmentFinalized => "enrollment_finalized",
            Self::Pipeline => "pipeline",
            Self::EnteredGracePeriod => "entered_grace_period",
            Self::Expired => "expired",
            Self::Unexpired => "unexpired",
            Self::AuthenticatorUpdated => "authenticator_updated",
        }
    }

    /// The two-letter code of COmanage Registry; it has none for some pairs, which then share that of an update. It has
    /// none for departments, whose codes follow the others.
    pub fn code(self, kind: RecordKind) -> &'static str {
        use RecordKind::{Department, EmailList, Group, Person, Service};
        match (kind, self) {
            (Person, Self::Added) => "PA",
            (Person, Self::Deleted) => "PD",
            (Person, Self::ReprovisionRequested) => "PR",
            (Person, Self::EnrollmentFinalized) => "PP",
            (Person, Self::Pipeline) => "PL",
            (Person, Self::EnteredGracePeriod) => "PG",
            (Person, Self::Expired) => "PX",
            (Person, Self::Unexpired) => "PY",
            (Person, Self::AuthenticatorUpdated) => "AU",
            (Person, Self::Updated) => "PU",
            (Group, Self::Added) => "GA",
            (Group, Self::Deleted) => "GD",
            (Group, Self::ReprovisionRequested) => "GR",
            (Group, _) => "GU",
            (EmailList, Self::Added) => "LA",
            (EmailList, Self::Deleted) => "LD",
            (EmailList, Self::ReprovisionRequested) => "LR",
            (EmailList, _) => "LU",
            (Service, Self::Added) => "SA",
            (Service, Self::Deleted) => "SD",
            (Service, Self::ReprovisionRequested) => "SR",
            (Service, _) => "SU",
            (Department, Self::Added) => "DA",
            (Department, Self::Deleted) => "DD",
            (Department, Self::ReprovisionRequested) => "DR",
            (Department, _) => "DU",
        }
    }
}

/// The action of a change, by the status before and after it; `None` stands for "no such record".
///
/// What becomes visible to provisioning is added. What stays has the action that the write asks for, its `intent`, but a
/// person's transitions into grace period and into or out of expired have actions of their own. What is not provisionable
/// afterwards is deleted, unless it was not provisionable before either.
pub fn action_for_change(
    kind: RecordKind,
    before: Option<Status>,
    after: Option<Status>,
    intent: Action,
) -> Option<Action> {
    let provisionable = |status: Status| kind != RecordKind::Person || status.is_provisionable();
    let held_before = before.is_some_and(provisionable);
    let Some(after) = after.filter(|status| provisionable(*status)) else {
        return held_before.then_some(Action::Deleted);
    };
    if !held_before {
        return Some(Action::Added);
    }
    if kind != RecordKind::Person || before == Some(after) {
        return Some(intent);
    }
    Some(match (before, after) {
        (_, Status::GracePeriod) => Action::EnteredGracePeriod,
        (_, Status::Expired) => Action::Expired,
        (Some(Status::Expired), _) => Action::Unexpired,
        _ => intent,
    })
}

#[cfg(test)]
mod tests;

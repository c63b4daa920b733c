//! Whether a subject belongs on a target, and what is sent there on account of it.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Action, Target};
use crate::registry::record::{RecordKind, Status, SubjectKey};
use crate::registry::visible::VisiblePerson;

/// Why a subject must not be at a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum NotEligible {
    /// The plugin does not handle records of this kind.
    Kind { kind: RecordKind },
    /// The record was deleted.
    Deleted,
    /// People of this status are not provisioned.
    Status { status: Status },
    /// An org identity in force comes from the source that the target leaves out.
    Source { source: String },
    /// A person who is no valid member of the target's provisioning group, or another group.
    Group { group: String },
    /// A data filter dropped the record.
    Filter { filter: String, message: String },
}

impl fmt::Display for NotEligible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind { kind } => write!(f, "the plugin does not handle records of kind {}", word(kind)),
            Self::Deleted => f.write_str("the record was deleted"),
            Self::Status { status } => write!(f, "status {} is not provisioned", word(status)),
            Self::Source { source } => write!(f, "has an org identity from source `{source}`"),
            Self::Group { group } => write!(f, "not in provisioning group `{group}`"),
            Self::Filter { filter, message } => write!(f, "filter `{filter}`: {message}"),
        }
    }
}

/// The word of an enumeration in messages.
fn word(value: &impl Serialize) -> String {
    let word = serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned));
    word.unwrap_or_default().replace('_', " ")
}

/// What of a subject decides whether it belongs on a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub subject: SubjectKey,
    /// Whether the record is gone.
    pub deleted: bool,
    /// Of a person only: the others are provisioned in any status.
    pub person_status: Option<Status>,
    /// Groups that a person is a member of, in force; those that it only owns are not among them.
    pub groups: Vec<String>,
    /// Sources of a person's org identities in force.
    pub sources: Vec<String>,
}

impl Candidate {
    /// A group, email list or service.
    pub fn other(subject: SubjectKey, deleted: bool) -> Self {
        Self { subject, deleted, person_status: None, groups: Vec::new(), sources: Vec::new() }
    }

    /// A person by what provisioning sees of it.
    pub fn person(subject: SubjectKey, deleted: bool, visible: &VisiblePerson) -> Self {
        let VisiblePerson { person, memberships } = visible;
        let of_member = memberships.iter().filter(|visible| visible.membership.member);
        Self {
            subject,
            deleted,
            person_status: Some(person.status),
            groups: of_member.map(|visible| visible.membership.group.clone()).collect(),
            sources: person
                .org_identities
                .iter()
                .filter_map(|identity| identity.identity_source.clone())
                .collect(),
        }
    }
}

/// Whether a subject belongs on a target as far as the host can tell; data filters may still drop it.
///
/// The source has the last word: it is named even where the group alone would keep the subject out.
pub fn eligible(candidate: &Candidate, target: &Target) -> Result<(), NotEligible> {
    let kind = candidate.subject.kind;
    if !target.handles(kind) {
        return Err(NotEligible::Kind { kind });
    }
    if candidate.deleted {
        return Err(NotEligible::Deleted);
    }
    if let Some(status) = candidate.person_status.filter(|status| !status.is_provisionable()) {
        return Err(NotEligible::Status { status });
    }
    if let Some(source) = &target.skip_source
        && candidate.sources.contains(source)
    {
        return Err(NotEligible::Source { source: source.clone() });
    }
    if let Some(group) = &target.provisioning_group {
        let inside = match kind {
            RecordKind::Person => candidate.groups.contains(group),
            RecordKind::Group => candidate.subject.id == *group,
            _ => true,
        };
        if !inside {
            return Err(NotEligible::Group { group: group.clone() });
        }
    }
    Ok(())
}

/// What is done for a subject at a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is to be there: the plugin is called with this action.
    Send(Action),
    /// It must not be there, and may be: the plugin is called to delete it.
    Remove(NotEligible),
    /// It must not be there, and is not.
    LeaveOut(NotEligible),
}

/// Decides by the state of the moment; the planned action says why. `may_be_held`: whether the target may hold the
/// subject.
pub fn decide(
    planned: Action,
    eligible: Result<(), NotEligible>,
    may_be_held: bool,
    target: &Target,
) -> Decision {
    match eligible {
        Ok(()) if planned == Action::Deleted => Decision::Send(Action::Updated),
        Ok(()) => Decision::Send(planned),
        // There is nothing that such a plugin could be asked.
        Err(why @ NotEligible::Kind { .. }) => Decision::LeaveOut(why),
        Err(why) if may_be_held || target.always_send_deletions => Decision::Remove(why),
        Err(why) => Decision::LeaveOut(why),
    }
}

#[cfg(test)]
mod tests;

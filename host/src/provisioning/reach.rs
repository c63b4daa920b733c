//! Whom a change of a record concerns beside the record itself.

use super::Action;
use crate::registry::record::{RecordKind, Status};

/// Whom a change of one field of a record concerns. Every field of every record says it, in the shape of the records.
///
/// An email list, a service and a department stand for themselves, also where groups and people show their name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The record alone.
    Itself,
    /// The record alone, by an action of its own.
    Authenticators,
    /// Also the other side of all its memberships: the groups of a person, the people of a group.
    Memberships,
    /// As [`Reach::Memberships`], when memberships begin or cease to count by it: a person of status active or grace
    /// period, an active group.
    MembershipsByStatus,
}

/// Whether a write to a record, by what it changed, concerns the other side of the record's memberships.
pub fn reaches_memberships(
    kind: RecordKind,
    before: Option<Status>,
    after: Option<Status>,
    changed: impl IntoIterator<Item = Reach>,
) -> bool {
    let counts = |status: Status| match kind {
        RecordKind::Person => status.is_in_force(),
        _ => status == Status::Active,
    };
    match (before, after) {
        // What did not exist has no memberships yet; what is deleted leaves them all.
        (None, _) => false,
        (Some(_), None) => matches!(kind, RecordKind::Person | RecordKind::Group),
        (Some(before), Some(after)) => changed.into_iter().any(|reach| match reach {
            Reach::Itself | Reach::Authenticators => false,
            Reach::Memberships => true,
            Reach::MembershipsByStatus => counts(before) || counts(after),
        }),
    }
}

/// The action of a write that changed these parts, as long as the status says nothing else.
pub fn intent(changed: impl IntoIterator<Item = Reach>) -> Action {
    let mut changed = changed.into_iter().peekable();
    match changed.peek().is_some() && changed.all(|reach| reach == Reach::Authenticators) {
        true => Action::AuthenticatorUpdated,
        false => Action::Updated,
    }
}

#[cfg(test)]
mod tests;

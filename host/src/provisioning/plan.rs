//! Which targets are called for a change, in which order.

use uuid::Uuid;

use super::{Action, Mode, PlannedInvocation, Target};
use crate::registry::record::SubjectKey;

/// A subject that a change reaches, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct SubjectChange {
    pub subject: SubjectKey,
    pub action: Action,
    /// Number in the change history.
    pub change: Option<i64>,
    /// The person whose membership changed, for a group.
    pub cause: Option<String>,
}

/// The work that follows from a change: subject by subject, each to every automatic target that handles it, in ascending
/// order.
///
/// `targets` are those of the CO in any order. `new_id` gives ascending identifiers.
pub fn plan(
    changes: &[SubjectChange],
    targets: &[Target],
    mut new_id: impl FnMut() -> Uuid,
) -> Vec<PlannedInvocation> {
    let mut automatic: Vec<&Target> =
        targets.iter().filter(|target| target.mode == Mode::Automatic).collect();
    automatic.sort_by(|a, b| (a.order, &a.id).cmp(&(b.order, &b.id)));
    let mut planned = Vec::with_capacity(changes.len() * automatic.len());
    for change in changes {
        for target in automatic.iter().filter(|target| target.handles(change.subject.kind)) {
            planned.push(PlannedInvocation {
                id: new_id(),
                target: target.id.clone(),
                subject: change.subject.clone(),
                action: change.action,
                change: change.change,
                cause: change.cause.clone(),
            });
        }
    }
    planned
}

#[cfg(test)]
mod tests;

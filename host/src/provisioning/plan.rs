//! Which targets are called for a change, in which order, now or by a job.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Action, Mode, NewJob, PlannedInvocation, Target};
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
    /// Whether the subject is not provisionable now, or a group that is not active: then targets are called in descending
    /// order, as for a deletion.
    pub inactive: bool,
}

/// How a target takes part in a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Participation {
    /// It is called right after the commit.
    Now,
    /// A job calls it.
    Queued,
    /// It is not called.
    None,
}

/// The work that follows from changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub now: Vec<PlannedInvocation>,
    pub queued: Vec<NewJob>,
}

/// How a target of a mode takes part in a change (COmanage Registry: modes A, Q, QE, E, M, X). What somebody asks for runs
/// at once in every mode but [`Mode::Disabled`].
pub fn participation(mode: Mode, action: Action) -> Participation {
    match (mode, action) {
        (Mode::Automatic | Mode::QueueOnError, _) => Participation::Now,
        (Mode::Queue, _) => Participation::Queued,
        // The last step of the enrollment waits for it.
        (Mode::Enrollment, Action::EnrollmentFinalized) => Participation::Now,
        (Mode::Enrollment | Mode::Manual | Mode::Disabled, _) => Participation::None,
    }
}

/// The work that follows from changes: subject by subject, each to every target that takes part and handles it, in
/// ascending order, or in descending order when the subject is to go.
///
/// `targets` are those of the CO in any order. `new_id` gives ascending identifiers.
pub fn plan(
    changes: &[SubjectChange],
    targets: &[Target],
    now: Timestamp,
    mut new_id: impl FnMut() -> Uuid,
) -> Plan {
    let mut targets: Vec<&Target> = targets.iter().collect();
    targets.sort_by(|a, b| (a.order, &a.id).cmp(&(b.order, &b.id)));
    let mut plan = Plan::default();
    for change in changes {
        let mut add = |target: &Target| match participation(target.mode, change.action) {
            Participation::Now => plan.now.push(PlannedInvocation {
                change: change.change,
                cause: change.cause.clone(),
                ..PlannedInvocation::new(new_id(), &target.id, change.subject.clone(), change.action)
            }),
            Participation::Queued => plan.queued.push(NewJob {
                target: target.id.clone(),
                subject: change.subject.clone(),
                action: change.action,
                change: change.change,
                cause: change.cause.clone(),
                start_after: now,
                retry_of: None,
                retries: 0,
            }),
            Participation::None => {}
        };
        let handling = targets.iter().filter(|target| target.handles(change.subject.kind));
        if change.action == Action::Deleted || change.inactive {
            handling.rev().for_each(|target| add(target));
        } else {
            handling.for_each(|target| add(target));
        }
    }
    plan
}

#[cfg(test)]
mod tests;

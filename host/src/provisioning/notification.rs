//! When administrators are to know that a target cannot be brought up to date with a subject, and when that is over.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Action, Ended, FailureClass, InvocationOutcome};
use crate::registry::record::SubjectKey;

/// Where a notification stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotificationState {
    /// Nobody has taken it up.
    Open,
    /// Somebody knows of it. It stays so while it goes on to fail: retries must not undo it.
    Acknowledged,
    /// It is over.
    Resolved,
}

/// Why a notification is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The target holds the subject's state of the moment.
    Provisioned,
    /// The target holds the subject no more.
    Removed,
    /// Nothing is to be done at the target any more: the subject is not eligible, or the plugin skips it.
    Skipped,
    TargetDeleted,
}

/// That a target cannot be brought up to date with a subject. There is one at a time for each target and subject.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Notification {
    pub id: Uuid,
    pub target: String,
    pub subject: SubjectKey,
    pub state: NotificationState,
    /// Failures in a row, so far.
    pub count: u64,
    /// The first of these failures.
    pub first: Timestamp,
    /// The last of these failures, its class, its message and its invocation.
    pub last: Timestamp,
    pub class: FailureClass,
    pub message: String,
    pub invocation: Uuid,
    pub acknowledged: Option<Timestamp>,
    pub acknowledged_by: Option<String>,
    pub resolved: Option<Timestamp>,
    pub resolution: Option<Resolution>,
    /// The last time that people were to be told of it.
    #[serde(skip)]
    pub announced: Timestamp,
}

/// What people are to be told of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotificationEvent {
    Opened,
    /// It is still open, and went on to fail.
    Reminder,
    Resolved,
}

/// How long an open notification that goes on to fail is not told again.
pub const REMINDER_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// What an end makes of the notification of its target and subject, if there is an unresolved one, and whether people are
/// to be told; none if it changes nothing.
///
/// The first failure opens one; later failures count in it. Who acknowledged it is not reminded, and is told when it is
/// over. Any other end resolves it.
pub fn notify(
    unresolved: Option<&Notification>,
    ended: &Ended<'_>,
    new_id: impl FnOnce() -> Uuid,
) -> Option<(Notification, Option<NotificationEvent>)> {
    match (ended.outcome, unresolved) {
        (InvocationOutcome::Failed { class, message, .. }, None) => {
            let opened = Notification {
                id: new_id(),
                target: ended.target.to_owned(),
                subject: ended.subject.clone(),
                state: NotificationState::Open,
                count: 1,
                first: ended.at,
                last: ended.at,
                class: *class,
                message: message.clone(),
                invocation: ended.invocation,
                acknowledged: None,
                acknowledged_by: None,
                resolved: None,
                resolution: None,
                announced: ended.at,
            };
            Some((opened, Some(NotificationEvent::Opened)))
        }
        (InvocationOutcome::Failed { class, message, .. }, Some(known)) => {
            let again = known.state == NotificationState::Open
                && ended.at.duration_since(known.announced) >= REMINDER_AFTER;
            let repeated = Notification {
                count: known.count.saturating_add(1),
                last: ended.at,
                class: *class,
                message: message.clone(),
                invocation: ended.invocation,
                announced: if again { ended.at } else { known.announced },
                ..known.clone()
            };
            Some((repeated, again.then_some(NotificationEvent::Reminder)))
        }
        (_, None) => None,
        (InvocationOutcome::Skipped { .. }, Some(known)) => {
            Some(resolved(known, Resolution::Skipped, ended.at))
        }
        (InvocationOutcome::Applied { .. } | InvocationOutcome::Unchanged, Some(known)) => {
            let resolution = match ended.action {
                Action::Deleted => Resolution::Removed,
                _ => Resolution::Provisioned,
            };
            Some(resolved(known, resolution, ended.at))
        }
    }
}

fn resolved(
    known: &Notification,
    resolution: Resolution,
    at: Timestamp,
) -> (Notification, Option<NotificationEvent>) {
    let resolved = Notification {
        state: NotificationState::Resolved,
        resolved: Some(at),
        resolution: Some(resolution),
        announced: at,
        ..known.clone()
    };
    (resolved, Some(NotificationEvent::Resolved))
}

impl Notification {
    /// The same, known to somebody. One that is acknowledged or resolved stays as it is.
    pub fn acknowledge(self, by: &str, at: Timestamp) -> Self {
        if self.state != NotificationState::Open {
            return self;
        }
        let (acknowledged, acknowledged_by) = (Some(at), Some(by.to_owned()));
        Self { state: NotificationState::Acknowledged, acknowledged, acknowledged_by, ..self }
    }
}

#[cfg(test)]
mod tests;

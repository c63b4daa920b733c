//! What happened to one subject: the changes of its record, and what became of them at the targets.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Action, FailureClass, InvocationOutcome};
use crate::registry::record::SubjectKey;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HistoryEvent {
    /// The record was created.
    Created,
    /// The record was changed.
    Updated,
    /// The record was deleted.
    Deleted,
    /// A target holds the subject's state of the moment.
    Provisioned,
    /// A target holds the subject's state of the moment, since somebody asked for it.
    ManuallyProvisioned,
    /// A target holds the subject no more.
    Removed,
    /// A target could not be brought up to date.
    Failed,
}

/// One entry of a subject's history. Of a change it has `change`, `parts` and `provision`; of what became of a subject at
/// a target, `target`, `action`, `code` and `invocation`.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct HistoryEntry {
    pub at: Timestamp,
    pub event: HistoryEvent,
    /// Who wrote the record, or asked for the provisioning; none where nobody did.
    pub actor: Option<String>,
    /// Number in the change history: the change itself, or the one that this follows from.
    pub change: Option<i64>,
    /// Which parts changed: "names", "roles", "memberships", ...
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub parts: Vec<String>,
    /// Whether the change was to be provisioned.
    pub provision: Option<bool>,
    pub target: Option<String>,
    /// Why the subject was provisioned.
    pub action: Option<Action>,
    /// The action as COmanage Registry writes it: "PU".
    #[schema(value_type = Option<String>)]
    pub code: Option<&'static str>,
    pub invocation: Option<Uuid>,
    /// Why it failed.
    pub class: Option<FailureClass>,
    pub message: Option<String>,
    /// What the plugin has to say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub lines: Vec<String>,
}

/// An invocation that ended, as far as those who look after subjects are concerned.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    pub invocation: Uuid,
    pub target: &'a str,
    pub subject: &'a SubjectKey,
    /// Why it was planned.
    pub planned: Action,
    /// The action that the plugin was called with.
    pub action: Action,
    /// The change it follows from; none for a request.
    pub change: Option<i64>,
    pub outcome: &'a InvocationOutcome,
    pub at: Timestamp,
}

/// What the subject's history says of an invocation; nothing of one that was skipped.
pub fn history_event(ended: &Ended<'_>) -> Option<HistoryEvent> {
    match ended.outcome {
        InvocationOutcome::Skipped { .. } => None,
        InvocationOutcome::Failed { .. } => Some(HistoryEvent::Failed),
        InvocationOutcome::Applied { .. } | InvocationOutcome::Unchanged => Some(match ended.action {
            Action::Deleted => HistoryEvent::Removed,
            _ if ended.planned == Action::ReprovisionRequested => HistoryEvent::ManuallyProvisioned,
            _ => HistoryEvent::Provisioned,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::record::RecordKind;

    #[test]
    fn an_end_is_in_the_history_by_its_outcome_and_by_why_the_plugin_was_called() {
        let applied = InvocationOutcome::Applied { history: Vec::new() };
        let skipped = InvocationOutcome::Skipped { reason: "no uid".to_owned() };
        let failed = InvocationOutcome::Failed {
            class: FailureClass::Conflict,
            message: "uid is taken".to_owned(),
            location: None,
            retry_after_seconds: None,
            filter: None,
        };
        let requested = Action::ReprovisionRequested;
        let subject = SubjectKey { kind: RecordKind::Person, id: "anna".to_owned() };
        for (planned, action, outcome, expected) in [
            (Action::Added, Action::Added, &applied, Some(HistoryEvent::Provisioned)),
            (
                Action::Updated,
                Action::Updated,
                &InvocationOutcome::Unchanged,
                Some(HistoryEvent::Provisioned),
            ),
            (requested, requested, &applied, Some(HistoryEvent::ManuallyProvisioned)),
            (requested, Action::Deleted, &applied, Some(HistoryEvent::Removed)),
            (Action::Deleted, Action::Deleted, &applied, Some(HistoryEvent::Removed)),
            // A record that is back by the time that its deletion runs.
            (Action::Deleted, Action::Updated, &applied, Some(HistoryEvent::Provisioned)),
            (Action::Updated, Action::Updated, &failed, Some(HistoryEvent::Failed)),
            (requested, Action::Deleted, &failed, Some(HistoryEvent::Failed)),
            (Action::Updated, Action::Updated, &skipped, None),
        ] {
            let invocation = Uuid::nil();
            let (change, at) = (None, Timestamp::UNIX_EPOCH);
            let ended =
                Ended { invocation, target: "t", subject: &subject, planned, action, change, outcome, at };
            assert_eq!(history_event(&ended), expected, "{planned:?} {action:?} {outcome:?}");
        }
    }
}

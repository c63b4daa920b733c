use super::*;
use crate::registry::record::RecordKind;

fn failed(class: FailureClass) -> InvocationOutcome {
    let message = format!("because of {class:?}");
    InvocationOutcome::Failed { class, message, location: None, retry_after_seconds: None, filter: None }
}

fn hours(hours: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
}

/// What one end at an hour makes of a notification.
fn after(
    unresolved: Option<&Notification>,
    action: Action,
    outcome: &InvocationOutcome,
    hour: i64,
) -> Option<(Notification, Option<NotificationEvent>)> {
    let subject = SubjectKey { kind: RecordKind::Person, id: "anna".to_owned() };
    let invocation = Uuid::from_u128(hour as u128);
    let at = hours(hour);
    let ended = Ended {
        invocation,
        target: "t",
        subject: &subject,
        planned: action,
        action,
        change: None,
        outcome,
        at,
    };
    notify(unresolved, &ended, || Uuid::from_u128(1_000 + hour as u128))
}

fn opened() -> Notification {
    after(None, Action::Updated, &failed(FailureClass::Transient), 0).unwrap().0
}

#[test]
fn the_first_failure_opens_a_notification_and_is_told() {
    let (notification, event) = after(None, Action::Updated, &failed(FailureClass::Conflict), 5).unwrap();
    assert_eq!(event, Some(NotificationEvent::Opened));
    assert_eq!((notification.state, notification.count), (NotificationState::Open, 1));
    assert_eq!(
        (notification.first, notification.last, notification.announced),
        (hours(5), hours(5), hours(5))
    );
    assert_eq!(
        (notification.class, notification.message.as_str()),
        (FailureClass::Conflict, "because of Conflict")
    );
    assert_eq!((notification.target.as_str(), notification.subject.id.as_str()), ("t", "anna"));
}

#[test]
fn a_failure_after_a_failure_counts_and_is_told_once_a_day_unless_somebody_knows() {
    let acknowledged = opened().acknowledge("key 1", hours(1));
    for (known, hour, told) in [
        (opened(), 1, None),
        (opened(), 23, None),
        (opened(), 24, Some(NotificationEvent::Reminder)),
        (acknowledged.clone(), 24, None),
        (acknowledged, 240, None),
    ] {
        let end = failed(FailureClass::Authentication);
        let (notification, event) = after(Some(&known), Action::Updated, &end, hour).unwrap();
        assert_eq!(event, told, "{known:?} at {hour}");
        assert_eq!((notification.id, notification.state, notification.count), (known.id, known.state, 2));
        assert_eq!((notification.first, notification.last), (hours(0), hours(hour)));
        assert_eq!(notification.class, FailureClass::Authentication);
        let announced = if told.is_some() { hours(hour) } else { hours(0) };
        assert_eq!(notification.announced, announced);
    }
}

#[test]
fn whatever_is_no_failure_resolves_it_and_is_told() {
    let skipped = InvocationOutcome::Skipped { reason: "no uid".to_owned() };
    let applied = InvocationOutcome::Applied { history: Vec::new() };
    for (action, outcome, resolution) in [
        (Action::Updated, &applied, Resolution::Provisioned),
        (Action::ReprovisionRequested, &InvocationOutcome::Unchanged, Resolution::Provisioned),
        (Action::Deleted, &applied, Resolution::Removed),
        (Action::Deleted, &InvocationOutcome::Unchanged, Resolution::Removed),
        (Action::Updated, &skipped, Resolution::Skipped),
        (Action::Deleted, &skipped, Resolution::Skipped),
    ] {
        for known in [opened(), opened().acknowledge("key 1", hours(1))] {
            let (notification, event) = after(Some(&known), action, outcome, 2).unwrap();
            assert_eq!(event, Some(NotificationEvent::Resolved));
            assert_eq!(
                (notification.state, notification.resolution),
                (NotificationState::Resolved, Some(resolution))
            );
            assert_eq!((notification.id, notification.resolved), (known.id, Some(hours(2))));
            assert_eq!(notification.acknowledged_by, known.acknowledged_by);
        }
        assert_eq!(after(None, action, outcome, 2), None, "nothing was open");
    }
}

#[test]
fn a_failure_after_the_resolution_opens_another_one() {
    let first = opened();
    let again = after(None, Action::Updated, &failed(FailureClass::Transient), 9).unwrap().0;
    assert_ne!(again.id, first.id);
    assert_eq!((again.count, again.first), (1, hours(9)));
}

#[test]
fn only_an_open_notification_is_acknowledged() {
    let acknowledged = opened().acknowledge("key 1", hours(1));
    assert_eq!(acknowledged.state, NotificationState::Acknowledged);
    assert_eq!(
        (acknowledged.acknowledged, acknowledged.acknowledged_by.as_deref()),
        (Some(hours(1)), Some("key 1"))
    );
    assert_eq!(acknowledged.clone().acknowledge("key 2", hours(2)), acknowledged);
    let applied = InvocationOutcome::Applied { history: Vec::new() };
    let resolved = after(Some(&opened()), Action::Updated, &applied, 3).unwrap().0;
    assert_eq!(resolved.clone().acknowledge("key 1", hours(4)), resolved);
}

use super::*;
use crate::registry::record::RecordKind;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_900_000_000 + second).unwrap()
}

fn never() -> ProvisionedService {
    let subject = SubjectKey { kind: RecordKind::Person, id: "p1".to_owned() };
    ProvisionedService::never("directory".to_owned(), subject)
}

fn applied() -> InvocationOutcome {
    InvocationOutcome::Applied { history: Vec::new() }
}

fn failed() -> InvocationOutcome {
    InvocationOutcome::Failed {
        class: FailureClass::Transient,
        message: "no answer".to_owned(),
        location: None,
        retry_after_seconds: None,
        filter: None,
    }
}

fn failed_in_a_filter() -> InvocationOutcome {
    InvocationOutcome::Failed {
        class: FailureClass::Permanent,
        message: "why".to_owned(),
        location: None,
        retry_after_seconds: None,
        filter: Some("f".to_owned()),
    }
}

fn skipped() -> InvocationOutcome {
    InvocationOutcome::Skipped { reason: "why".to_owned() }
}

fn out() -> NotEligible {
    NotEligible::Group { group: "staff".to_owned() }
}

/// The provisioner was called with this action; a deletion is because the subject is not eligible.
fn sent(second: i64, action: Action) -> Delivery {
    let not_eligible = (action == Action::Deleted).then(out);
    let settings = Some(format!("settings of {second}"));
    Delivery { sent: Some(action), not_eligible, as_of: Some(second), settings }
}

fn left_out() -> Delivery {
    Delivery { sent: None, not_eligible: Some(out()), as_of: Some(1), settings: None }
}

fn after(
    service: ProvisionedService,
    second: i64,
    delivery: Delivery,
    outcome: InvocationOutcome,
) -> ProvisionedService {
    service.after(Uuid::from_u128(second.unsigned_abs().into()), &delivery, &outcome, at(second))
}

#[test]
fn a_success_is_provisioned_and_forgets_the_failure_before_it() {
    for outcome in [applied(), InvocationOutcome::Unchanged] {
        let service = after(never(), 1, sent(1, Action::Added), failed());
        let service = after(service, 2, sent(2, Action::Updated), outcome);
        let expected = ProvisionedService {
            status: ServiceStatus::Provisioned,
            held: true,
            last_action: Some(Action::Updated),
            delivered_change: Some(2),
            settings: Some("settings of 2".to_owned()),
            provisioned: Some(at(2)),
            invocation: Some(Uuid::from_u128(2)),
            ..never()
        };
        assert_eq!(service, expected);
    }
}

#[test]
fn a_failure_is_shown_beside_the_last_success() {
    let service = after(never(), 1, sent(1, Action::Added), applied());
    let service = after(service, 2, sent(2, Action::Updated), failed());
    let expected = ProvisionedService {
        status: ServiceStatus::Failed,
        held: true,
        last_action: Some(Action::Updated),
        delivered_change: Some(1),
        settings: Some("settings of 1".to_owned()),
        provisioned: Some(at(1)),
        failed: Some(at(2)),
        failure_class: Some(FailureClass::Transient),
        message: Some("no answer".to_owned()),
        invocation: Some(Uuid::from_u128(2)),
        ..never()
    };
    assert_eq!(service, expected);
}

#[test]
fn what_a_target_may_hold_follows_from_what_was_sent() {
    let held = |steps: &[(Option<Action>, InvocationOutcome)]| {
        let mut service = never();
        for (second, (action, outcome)) in (1..).zip(steps) {
            let delivery = action.map_or_else(left_out, |action| sent(second, action));
            service = after(service, second, delivery, outcome.clone());
        }
        service.held
    };
    let (added, deleted) = (Some(Action::Added), Some(Action::Deleted));
    for (case, steps, expected) in [
        ("nothing", vec![], false),
        ("added", vec![(added, applied())], true),
        ("found there", vec![(added, InvocationOutcome::Unchanged)], true),
        ("failed half way, perhaps", vec![(added, failed())], true),
        ("skipped by the plugin", vec![(added, skipped())], false),
        ("failed in a filter", vec![(None, failed_in_a_filter())], false),
        ("deleted", vec![(added, applied()), (deleted, applied())], false),
        ("deleted after a failure", vec![(added, failed()), (deleted, InvocationOutcome::Unchanged)], false),
        ("not deleted", vec![(added, applied()), (deleted, failed())], true),
        ("the plugin deletes nothing", vec![(added, applied()), (deleted, skipped())], true),
        ("a deletion of nothing that fails", vec![(deleted, failed())], false),
        ("deleted and back", vec![(added, applied()), (deleted, applied()), (added, applied())], true),
    ] {
        assert_eq!(held(&steps), expected, "{case}");
    }
}

#[test]
fn a_deletion_delivers_what_was_delivered_last_or_else_what_was_tried_last() {
    let tried = after(never(), 1, sent(1, Action::Added), failed());
    let delivered = after(never(), 1, sent(1, Action::Added), applied());
    let removed = after(delivered.clone(), 2, sent(2, Action::Deleted), applied());
    let (update, deletion) = (sent(3, Action::Updated), sent(3, Action::Deleted));
    for (case, before, delivery, outcome, expected) in [
        ("a success", &delivered, &update, applied(), RecordKept::Replaced),
        ("a first failure", &never(), &update, failed(), RecordKept::Replaced),
        ("one more failure", &tried, &update, failed(), RecordKept::Replaced),
        ("a failure after a success", &delivered, &update, failed(), RecordKept::Unchanged),
        ("a failure after a removal", &removed, &update, failed(), RecordKept::Replaced),
        ("a failure of a filter", &tried, &left_out(), failed_in_a_filter(), RecordKept::Unchanged),
        ("a removal", &delivered, &deletion, applied(), RecordKept::Removed),
        ("a removal that fails", &delivered, &deletion, failed(), RecordKept::Unchanged),
        ("skipped", &delivered, &update, skipped(), RecordKept::Unchanged),
    ] {
        assert_eq!(before.record_after(delivery, &outcome), expected, "{case}");
    }
}

#[test]
fn the_same_record_is_worth_sending_unless_it_was_delivered_last_with_the_same_settings() {
    let (added, deleted) = (Some(Action::Added), Some(Action::Deleted));
    for (case, steps, settings_of, expected) in [
        ("nothing", vec![], 1, false),
        ("delivered", vec![(added, applied())], 1, true),
        ("found there", vec![(added, InvocationOutcome::Unchanged)], 1, true),
        ("delivered with others", vec![(added, applied())], 2, false),
        ("delivered with both", vec![(added, applied()), (added, applied())], 2, true),
        ("failed", vec![(added, failed())], 1, false),
        ("failed since", vec![(added, applied()), (added, failed())], 1, false),
        ("failed with these", vec![(added, applied()), (added, failed())], 2, false),
        ("failed in a filter since", vec![(added, applied()), (None, failed_in_a_filter())], 1, false),
        ("skipped since", vec![(added, applied()), (added, skipped())], 1, true),
        ("skipped with these", vec![(added, applied()), (added, skipped())], 2, false),
        ("removed", vec![(added, applied()), (deleted, applied())], 1, false),
        ("not removed", vec![(added, applied()), (deleted, failed())], 1, false),
    ] {
        let mut service = never();
        for (second, (action, outcome)) in (1..).zip(steps) {
            let delivery = action.map_or_else(left_out, |action| sent(second, action));
            service = after(service, second, delivery, outcome);
        }
        assert_eq!(service.was_delivered_with(&format!("settings of {settings_of}")), expected, "{case}");
    }
}

#[test]
fn a_deletion_is_removed_until_the_subject_comes_back() {
    let service = after(never(), 1, sent(1, Action::Added), applied());
    let service = after(service, 2, sent(2, Action::Deleted), applied());
    assert_eq!((service.status, service.removed), (ServiceStatus::Removed, Some(at(2))));
    assert_eq!(service.not_eligible, Some(out()));
    let service = after(service, 3, left_out(), skipped());
    assert_eq!((service.status, service.removed), (ServiceStatus::Removed, Some(at(2))));
    let service = after(service, 4, sent(4, Action::Added), InvocationOutcome::Unchanged);
    assert_eq!((service.status, service.provisioned), (ServiceStatus::Provisioned, Some(at(4))));
    assert_eq!(service.not_eligible, None);
}

#[test]
fn a_deletion_that_fails_is_not_removed() {
    let service = after(never(), 1, sent(1, Action::Added), applied());
    let service = after(service, 2, sent(2, Action::Deleted), failed());
    assert_eq!((service.status, service.removed), (ServiceStatus::Failed, None));
}

#[test]
fn a_subject_that_the_plugin_skips_stays_where_it_was() {
    assert_eq!(after(never(), 1, sent(1, Action::Added), skipped()).status, ServiceStatus::Never);
    let service = after(never(), 1, sent(1, Action::Added), failed());
    let service = after(service, 2, sent(2, Action::Updated), skipped());
    assert_eq!((service.status, service.failed), (ServiceStatus::Failed, Some(at(1))));
}

#[test]
fn a_subject_that_is_left_out_is_not_eligible_and_no_longer_failed() {
    for before in [never(), after(never(), 1, sent(1, Action::Added), skipped())] {
        let service = after(before, 2, left_out(), skipped());
        assert_eq!((service.status, service.not_eligible), (ServiceStatus::NotEligible, Some(out())));
    }
    let service = after(never(), 1, Delivery::default(), failed_in_a_filter());
    assert_eq!((service.status, service.filter.as_deref()), (ServiceStatus::Failed, Some("f")));
    let service = after(service, 2, left_out(), skipped());
    assert_eq!((service.status, service.failed), (ServiceStatus::NotEligible, None));
}

#[test]
fn a_page_shows_one_word_and_never_a_success_that_hides_something_newer() {
    let provisioned = after(never(), 5, sent(5, Action::Added), applied());
    let broken = after(provisioned.clone(), 6, sent(6, Action::Updated), failed());
    let removed = after(provisioned.clone(), 6, sent(6, Action::Deleted), applied());
    let out = after(never(), 1, left_out(), skipped());
    let waiting = Waiting { job: Some(7), invocation: None, attempt: 1, next: None };
    for (service, waiting, newest, expected) in [
        (never(), None, Some(9), ServiceState::Never),
        (never(), Some(waiting.clone()), Some(9), ServiceState::Queued),
        (provisioned.clone(), None, None, ServiceState::Provisioned),
        (provisioned.clone(), None, Some(5), ServiceState::Provisioned),
        (provisioned.clone(), None, Some(6), ServiceState::Stale),
        (provisioned, Some(waiting.clone()), Some(6), ServiceState::Queued),
        (broken.clone(), None, Some(6), ServiceState::Failed),
        (broken, Some(waiting), Some(6), ServiceState::Retrying),
        (removed, None, Some(9), ServiceState::Removed),
        (out, None, Some(9), ServiceState::NotEligible),
    ] {
        let view = ServiceView::of(service.clone(), waiting.clone(), newest);
        assert_eq!(view.status, expected, "{service:?} {waiting:?} {newest:?}");
        assert_eq!(view.newer_change.is_some(), newest == Some(6) && view.delivered_change.is_some());
    }
}

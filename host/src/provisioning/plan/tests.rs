use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Participation, SubjectChange, participation, plan};
use crate::provisioning::{Action, Mode, PluginReference, Target};
use crate::registry::record::{RecordKind, SubjectKey};

fn target(id: &str, mode: Mode, order: i64) -> Target {
    Target {
        id: id.to_owned(),
        description: String::new(),
        plugin: PluginReference { name: "changelog".to_owned(), digest: "0".repeat(64) },
        configuration: serde_json::Value::Null,
        mode,
        order,
        filters: Vec::new(),
        slots: BTreeMap::new(),
        limits: BTreeMap::new(),
        retry_interval_s: 900,
        max_retry: 3,
        backoff: None,
        concurrency: 4,
        automatic_after: None,
        ..Target::default()
    }
}

fn change(id: &str) -> SubjectChange {
    SubjectChange {
        subject: SubjectKey { kind: RecordKind::Group, id: id.to_owned() },
        action: Action::Updated,
        change: Some(7),
        cause: Some("p1".to_owned()),
        inactive: false,
    }
}

fn planned(changes: &[SubjectChange], targets: &[Target]) -> Vec<(u128, String, String)> {
    let mut last = 0;
    let new_id = || {
        last += 1;
        Uuid::from_u128(last)
    };
    plan(changes, targets, Timestamp::UNIX_EPOCH, new_id)
        .now
        .into_iter()
        .map(|invocation| (invocation.id.as_u128(), invocation.subject.id, invocation.target))
        .collect()
}

#[test]
fn every_subject_goes_to_all_targets_in_order_before_the_next() {
    let targets = [
        target("late", Mode::Automatic, 9),
        target("b", Mode::Automatic, 1),
        target("a", Mode::Automatic, 1),
    ];
    let expected = [
        (1, "one", "a"),
        (2, "one", "b"),
        (3, "one", "late"),
        (4, "two", "a"),
        (5, "two", "b"),
        (6, "two", "late"),
    ]
    .map(|(id, subject, target)| (id, subject.to_owned(), target.to_owned()));
    assert_eq!(planned(&[change("one"), change("two")], &targets), expected);
}

#[test]
fn a_subject_that_is_to_go_goes_from_the_targets_in_descending_order() {
    let targets = [target("a", Mode::Automatic, 1), target("b", Mode::QueueOnError, 2)];
    let order = |change| -> Vec<String> {
        planned(&[change], &targets).into_iter().map(|(_, _, target)| target).collect()
    };
    assert_eq!(order(change("one")), ["a", "b"]);
    assert_eq!(order(SubjectChange { inactive: true, ..change("one") }), ["b", "a"]);
    assert_eq!(order(SubjectChange { action: Action::Deleted, ..change("one") }), ["b", "a"]);
}

#[test]
fn the_mode_of_a_target_says_which_changes_it_follows_and_how() {
    use Participation::{None, Now, Queued};
    let of_every_kind = [
        Action::Added,
        Action::Updated,
        Action::Deleted,
        Action::EnteredGracePeriod,
        Action::Expired,
        Action::Unexpired,
        Action::AuthenticatorUpdated,
        Action::Pipeline,
        Action::ReprovisionRequested,
    ];
    for (mode, change, enrollment) in [
        (Mode::Automatic, Now, Now),
        (Mode::Queue, Queued, Queued),
        (Mode::QueueOnError, Now, Now),
        (Mode::Enrollment, None, Now),
        (Mode::Manual, None, None),
        (Mode::Disabled, None, None),
    ] {
        for action in of_every_kind {
            assert_eq!(participation(mode, action), change, "{mode:?} {action:?}");
        }
        assert_eq!(participation(mode, Action::EnrollmentFinalized), enrollment, "{mode:?}");
    }
}

#[test]
fn a_target_of_mode_queue_gets_a_job() {
    let targets = [target("now", Mode::Automatic, 1), target("later", Mode::Queue, 2)];
    let plan = plan(&[change("one")], &targets, Timestamp::UNIX_EPOCH, Uuid::now_v7);
    assert_eq!((plan.now.len(), plan.queued.len()), (1, 1));
    let job = &plan.queued[0];
    assert_eq!((job.target.as_str(), job.change, job.cause.as_deref()), ("later", Some(7), Some("p1")));
    assert_eq!((job.start_after, job.retries), (Timestamp::UNIX_EPOCH, 0));
}

#[test]
fn a_target_whose_plugin_does_not_handle_the_kind_is_left_out() {
    let of_people =
        Target { subject_kinds: Some(vec![RecordKind::Person]), ..target("people", Mode::Automatic, 1) };
    let of_groups =
        Target { subject_kinds: Some(vec![RecordKind::Group]), ..target("groups", Mode::Automatic, 2) };
    let found = planned(&[change("one")], &[of_people, of_groups, target("unknown", Mode::Automatic, 3)]);
    let targets: Vec<_> = found.iter().map(|(_, _, target)| target.as_str()).collect();
    assert_eq!(targets, ["groups", "unknown"]);
}

#[test]
fn an_invocation_carries_the_reason_it_was_planned_for() {
    let targets = [target("a", Mode::Automatic, 1)];
    let invocations = plan(&[change("one")], &targets, Timestamp::UNIX_EPOCH, Uuid::now_v7).now;
    assert_eq!(invocations.len(), 1);
    let invocation = &invocations[0];
    assert_eq!(
        (invocation.action, invocation.change, invocation.cause.as_deref()),
        (Action::Updated, Some(7), Some("p1"))
    );
}

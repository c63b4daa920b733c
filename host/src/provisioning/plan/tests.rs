use std::collections::BTreeMap;

use uuid::Uuid;

use super::{SubjectChange, plan};
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
    }
}

fn planned(changes: &[SubjectChange], targets: &[Target]) -> Vec<(u128, String, String)> {
    let mut last = 0;
    let new_id = || {
        last += 1;
        Uuid::from_u128(last)
    };
    plan(changes, targets, new_id)
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
fn a_target_that_is_not_automatic_is_left_out() {
    let targets = [target("manual", Mode::Manual, 1), target("disabled", Mode::Disabled, 2)];
    assert_eq!(planned(&[change("one")], &targets), []);
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
    let invocations = plan(&[change("one")], &[target("a", Mode::Automatic, 1)], Uuid::now_v7);
    assert_eq!(invocations.len(), 1);
    let invocation = &invocations[0];
    assert_eq!(
        (invocation.action, invocation.change, invocation.cause.as_deref()),
        (Action::Updated, Some(7), Some("p1"))
    );
}

use super::{WriteEffect, affected};
use crate::provisioning::Action::{
    self, Added, AuthenticatorUpdated, Deleted, EnrollmentFinalized, Pipeline, Updated,
};
use crate::registry::record::RecordKind::{EmailList, Group, Person, Service};
use crate::registry::record::{RecordKind, Status, SubjectKey};

const ACTIVE: Option<Status> = Some(Status::Active);
const PENDING: Option<Status> = Some(Status::Pending);

fn record(
    kind: RecordKind,
    id: &str,
    (before, after): (Option<Status>, Option<Status>),
    related: &[&str],
) -> WriteEffect {
    let related = related.iter().map(|id| (*id).to_owned()).collect();
    let subject = SubjectKey { kind, id: id.to_owned() };
    WriteEffect::Record { subject, before, after, intent: Updated, related }
}

fn membership(person: &str, group: &str) -> WriteEffect {
    let (person, group) = (person.to_owned(), group.to_owned());
    WriteEffect::Membership { person, person_status: Status::Active, group }
}

/// Numbers the writes from 1, and tells subject, action, change and cause of what follows.
fn follow(effects: Vec<WriteEffect>) -> Vec<(String, Action, i64, Option<String>)> {
    let effects: Vec<_> = (1..).map(Some).zip(effects).collect();
    affected(&effects)
        .into_iter()
        .map(|change| (change.subject.id, change.action, change.change.unwrap(), change.cause))
        .collect()
}

fn expected<const N: usize>(
    rows: [(&str, Action, i64, Option<&str>); N],
) -> Vec<(String, Action, i64, Option<String>)> {
    rows.map(|(id, action, change, cause)| (id.to_owned(), action, change, cause.map(str::to_owned))).to_vec()
}

#[test]
fn a_person_is_followed_by_the_groups_that_are_to_know() {
    let effects = vec![record(Person, "p", (ACTIVE, ACTIVE), &["g", "h"])];
    assert_eq!(
        follow(effects),
        expected([("p", Updated, 1, None), ("g", Updated, 1, Some("p")), ("h", Updated, 1, Some("p"))])
    );
}

#[test]
fn a_deleted_person_is_followed_by_the_groups_it_left() {
    let effects = vec![record(Person, "p", (ACTIVE, None), &["g"])];
    assert_eq!(follow(effects), expected([("p", Deleted, 1, None), ("g", Updated, 1, Some("p"))]));
}

#[test]
fn a_group_comes_before_its_people() {
    let effects = vec![record(Group, "g", (ACTIVE, ACTIVE), &["p", "q"])];
    assert_eq!(
        follow(effects),
        expected([("g", Updated, 1, None), ("p", Updated, 1, None), ("q", Updated, 1, None)])
    );
    let effects = vec![record(Group, "g", (ACTIVE, None), &["p"])];
    assert_eq!(follow(effects), expected([("g", Deleted, 1, None), ("p", Updated, 1, None)]));
}

#[test]
fn a_membership_is_told_to_the_person_and_then_to_the_group() {
    assert_eq!(
        follow(vec![membership("p", "g")]),
        expected([("p", Updated, 1, None), ("g", Updated, 1, Some("p"))])
    );
}

#[test]
fn a_membership_of_somebody_who_is_not_provisionable_is_told_to_the_group_alone() {
    let effect = WriteEffect::Membership {
        person: "p".to_owned(),
        person_status: Status::Pending,
        group: "g".to_owned(),
    };
    assert_eq!(follow(vec![effect]), expected([("g", Updated, 1, Some("p"))]));
}

#[test]
fn lists_and_services_stand_for_themselves() {
    let effects =
        vec![record(EmailList, "l", (None, ACTIVE), &[]), record(Service, "s", (ACTIVE, None), &[])];
    assert_eq!(follow(effects), expected([("l", Added, 1, None), ("s", Deleted, 2, None)]));
}

#[test]
fn each_subject_follows_once_and_people_before_the_groups_they_are_in() {
    let effects = vec![
        record(Group, "g", (None, ACTIVE), &[]),
        record(Person, "p", (None, ACTIVE), &[]),
        membership("p", "g"),
        membership("p", "h"),
    ];
    assert_eq!(
        follow(effects),
        expected([("p", Added, 4, None), ("g", Added, 3, None), ("h", Updated, 4, Some("p"))])
    );
}

#[test]
fn a_group_has_no_cause_when_several_people_are_it() {
    let effects = vec![membership("p", "g"), membership("q", "g")];
    assert_eq!(
        follow(effects),
        expected([("p", Updated, 1, None), ("q", Updated, 2, None), ("g", Updated, 2, None)])
    );
    let effects = vec![membership("p", "g"), membership("q", "g"), membership("p", "g")];
    assert_eq!(
        follow(effects),
        expected([("p", Updated, 3, None), ("q", Updated, 2, None), ("g", Updated, 3, None)])
    );
}

#[test]
fn a_group_keeps_its_cause_when_one_person_is_named_twice() {
    let effects = vec![record(Person, "p", (ACTIVE, ACTIVE), &["g"]), membership("p", "g")];
    assert_eq!(follow(effects), expected([("p", Updated, 2, None), ("g", Updated, 2, Some("p"))]));
}

#[test]
fn several_writes_to_one_record_count_as_one_step() {
    for (steps, action) in [
        (vec![(None, ACTIVE), (ACTIVE, ACTIVE)], Some(Added)),
        (vec![(None, ACTIVE), (ACTIVE, None)], None),
        (vec![(ACTIVE, PENDING), (PENDING, ACTIVE)], Some(Updated)),
        (vec![(ACTIVE, None), (None, ACTIVE)], Some(Updated)),
        (vec![(PENDING, ACTIVE), (ACTIVE, PENDING)], None),
        (vec![(ACTIVE, Some(Status::Suspended)), (Some(Status::Suspended), None)], Some(Deleted)),
    ] {
        let effects = steps.iter().map(|step| record(Person, "p", *step, &[])).collect();
        let actions: Vec<Action> = follow(effects).into_iter().map(|(_, action, ..)| action).collect();
        assert_eq!(actions, Vec::from_iter(action), "{steps:?}");
    }
}

fn with_intent(effect: WriteEffect, wanted: Action) -> WriteEffect {
    match effect {
        WriteEffect::Record { subject, before, after, related, .. } => {
            WriteEffect::Record { subject, before, after, intent: wanted, related }
        }
        membership => membership,
    }
}

#[test]
fn a_subject_follows_from_the_last_of_its_changes_whatever_was_noted_last() {
    let effects = vec![
        (Some(1), record(Person, "p", (None, ACTIVE), &[])),
        (Some(2), record(Group, "g", (ACTIVE, ACTIVE), &[])),
        (Some(1), membership("p", "g")),
    ];
    let changes: Vec<_> =
        affected(&effects).into_iter().map(|change| (change.subject.id, change.change)).collect();
    assert_eq!(changes, [("p".to_owned(), Some(1)), ("g".to_owned(), Some(2))]);
}

#[test]
fn of_several_reasons_the_one_that_says_most_is_told() {
    let unchanged = || record(Person, "p", (ACTIVE, ACTIVE), &[]);
    for (intents, told) in [
        (vec![AuthenticatorUpdated], AuthenticatorUpdated),
        (vec![AuthenticatorUpdated, Updated], Updated),
        (vec![Updated, AuthenticatorUpdated], Updated),
        (vec![AuthenticatorUpdated, Pipeline], Pipeline),
        (vec![Pipeline, Updated], Pipeline),
        (vec![EnrollmentFinalized, Pipeline, Updated], EnrollmentFinalized),
    ] {
        let effects = intents.iter().map(|intent| with_intent(unchanged(), *intent)).collect();
        assert_eq!(follow(effects)[0].1, told, "{intents:?}");
    }
    let effects = vec![with_intent(unchanged(), AuthenticatorUpdated), membership("p", "g")];
    assert_eq!(follow(effects)[0].1, Updated, "a membership changed too");
}

#[test]
fn the_end_of_a_flow_is_told_to_the_person_and_to_the_groups() {
    for intent in [Pipeline, EnrollmentFinalized] {
        let effects = vec![
            record(Person, "p", (ACTIVE, ACTIVE), &["g"]),
            with_intent(record(Person, "p", (ACTIVE, ACTIVE), &["g", "h"]), intent),
        ];
        assert_eq!(
            follow(effects),
            expected([("p", intent, 2, None), ("g", intent, 2, Some("p")), ("h", intent, 2, Some("p"))])
        );
    }
}

#[test]
fn what_changes_nothing_does_not_hide_the_change_it_comes_with() {
    let changed = record(Person, "p", (ACTIVE, ACTIVE), &[]);
    let flow = with_intent(record(Person, "p", (ACTIVE, ACTIVE), &[]), Pipeline);
    let followed = affected(&[(Some(1), changed), (None, flow)]);
    assert_eq!((followed[0].action, followed[0].change), (Pipeline, Some(1)));
}

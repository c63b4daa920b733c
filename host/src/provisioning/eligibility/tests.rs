use jiff::Timestamp;

use super::*;
use crate::registry::record::{Group, GroupType, Membership, Meta, OrgIdentity, Person};
use crate::registry::visible::visible_person;

fn target(group: Option<&str>, source: Option<&str>) -> Target {
    Target {
        provisioning_group: group.map(str::to_owned),
        skip_source: source.map(str::to_owned),
        ..Target::default()
    }
}

fn now() -> Timestamp {
    "2026-03-01T00:00:00Z".parse().unwrap()
}

fn at(text: &str) -> Option<Timestamp> {
    Some(format!("{text}T00:00:00Z").parse().unwrap())
}

fn membership(group: &str) -> Membership {
    Membership {
        meta: Meta::default(),
        group: group.to_owned(),
        person: "anna".to_owned(),
        member: true,
        owner: false,
        valid_from: None,
        valid_through: None,
        nested_from: None,
    }
}

fn group(id: &str) -> Group {
    Group { meta: Meta { id: id.to_owned(), ..Meta::default() }, ..Group::default() }
}

fn person(status: Status, identities: Vec<OrgIdentity>) -> Person {
    Person { status, org_identities: identities, ..Person::default() }
}

fn anna(person: Person, memberships: Vec<(Membership, Group)>) -> Candidate {
    let subject = SubjectKey { kind: RecordKind::Person, id: "anna".to_owned() };
    Candidate::person(subject, false, &visible_person(person, memberships, &[], now()))
}

fn from(source: &str) -> OrgIdentity {
    OrgIdentity { identity_source: Some(source.to_owned()), ..OrgIdentity::default() }
}

/// None where the person is provisioned to a target of group `staff`.
fn outside(status: Status, change: impl FnOnce(&mut Membership, &mut Group)) -> Option<NotEligible> {
    let (mut membership, mut group) = (membership("staff"), group("staff"));
    change(&mut membership, &mut group);
    let candidate = anna(person(status, Vec::new()), vec![(membership, group)]);
    eligible(&candidate, &target(Some("staff"), None)).err()
}

#[test]
fn only_valid_members_of_the_provisioning_group_are_provisioned() {
    let not_in_group = Some(NotEligible::Group { group: "staff".to_owned() });
    let active = Status::Active;
    for (case, found, expected) in [
        ("a member", outside(active, |_, _| {}), None),
        ("a member and owner", outside(active, |held, _| held.owner = true), None),
        (
            "an owner only",
            outside(active, |held, _| (held.owner, held.member) = (true, false)),
            not_in_group.clone(),
        ),
        ("of another group", outside(active, |held, _| held.group = "x".to_owned()), not_in_group.clone()),
        (
            "not yet a member",
            outside(active, |held, _| held.valid_from = at("2026-03-02")),
            not_in_group.clone(),
        ),
        (
            "no longer a member",
            outside(active, |held, _| held.valid_through = at("2026-02-28")),
            not_in_group.clone(),
        ),
        (
            "in its window",
            outside(active, |held, _| {
                (held.valid_from, held.valid_through) = (at("2026-02-28"), at("2026-03-01"));
            }),
            None,
        ),
        (
            "the group is suspended",
            outside(active, |_, group| group.status = Status::Suspended),
            not_in_group.clone(),
        ),
        ("in grace period", outside(Status::GracePeriod, |_, _| {}), None),
        ("suspended", outside(Status::Suspended, |_, _| {}), not_in_group.clone()),
        (
            "suspended, in a group of all members",
            outside(Status::Suspended, |_, group| group.group_type = GroupType::AllMembers),
            None,
        ),
        (
            "pending",
            outside(Status::Pending, |_, _| {}),
            Some(NotEligible::Status { status: Status::Pending }),
        ),
    ] {
        assert_eq!(found, expected, "{case}");
    }
}

#[test]
fn of_the_groups_only_the_provisioning_group_is_provisioned_and_other_kinds_do_not_care() {
    let of_staff = target(Some("staff"), Some("hr"));
    let check = |kind, id: &str| {
        eligible(&Candidate::other(SubjectKey { kind, id: id.to_owned() }, false), &of_staff).err()
    };
    assert_eq!(check(RecordKind::Group, "staff"), None);
    let other = Some(NotEligible::Group { group: "staff".to_owned() });
    assert_eq!(check(RecordKind::Group, "guests"), other);
    assert_eq!(check(RecordKind::EmailList, "all"), None);
    assert_eq!(check(RecordKind::Service, "wiki"), None);
}

#[test]
fn an_org_identity_in_force_from_the_skipped_source_has_the_last_word() {
    let skipped = Some(NotEligible::Source { source: "hr".to_owned() });
    let past = OrgIdentity { valid_through: at("2026-02-01"), ..from("hr") };
    let later = OrgIdentity { valid_from: at("2026-04-01"), ..from("hr") };
    let member = || vec![(membership("staff"), group("staff"))];
    for (case, identities, memberships, expected) in [
        ("from it, in the group", vec![from("hr")], member(), skipped.clone()),
        ("from it among others, in no group", vec![from("lab"), from("hr")], Vec::new(), skipped),
        ("from another", vec![from("lab")], member(), None),
        ("from it, no longer in force", vec![past], member(), None),
        ("from it, not yet in force", vec![later], member(), None),
        ("from none", vec![OrgIdentity::default()], member(), None),
    ] {
        let candidate = anna(person(Status::Active, identities), memberships);
        assert_eq!(eligible(&candidate, &target(Some("staff"), Some("hr"))).err(), expected, "{case}");
    }
}

#[test]
fn people_are_provisioned_in_five_statuses() {
    for (status, expected) in [
        (Status::Active, true),
        (Status::GracePeriod, true),
        (Status::Expired, true),
        (Status::Locked, true),
        (Status::Suspended, true),
        (Status::Approved, false),
        (Status::Confirmed, false),
        (Status::Declined, false),
        (Status::Deleted, false),
        (Status::Denied, false),
        (Status::Duplicate, false),
        (Status::Invited, false),
        (Status::Pending, false),
        (Status::PendingApproval, false),
        (Status::PendingConfirmation, false),
        (Status::PendingVetting, false),
    ] {
        let found = eligible(&anna(person(status, Vec::new()), Vec::new()), &target(None, None));
        assert_eq!(found.is_ok(), expected, "{status:?}");
        if !expected {
            assert_eq!(found, Err(NotEligible::Status { status }));
        }
    }
}

#[test]
fn a_kind_that_the_plugin_does_not_handle_comes_before_everything() {
    let target = Target { subject_kinds: Some(vec![RecordKind::Group]), ..Target::default() };
    let mut candidate = anna(person(Status::Pending, Vec::new()), Vec::new());
    candidate.deleted = true;
    let kind = NotEligible::Kind { kind: RecordKind::Person };
    assert_eq!(eligible(&candidate, &target), Err(kind.clone()));
    assert_eq!(decide(Action::Deleted, Err(kind.clone()), true, &target), Decision::LeaveOut(kind));
}

#[test]
fn a_subject_is_removed_where_it_may_be_and_left_out_elsewhere() {
    let usual = Target::default();
    let always = Target { always_send_deletions: true, ..Target::default() };
    let gone = || Err(NotEligible::Deleted);
    for planned in [Action::Added, Action::Updated, Action::ReprovisionRequested, Action::Deleted] {
        assert_eq!(decide(planned, gone(), true, &usual), Decision::Remove(NotEligible::Deleted));
        assert_eq!(decide(planned, gone(), false, &usual), Decision::LeaveOut(NotEligible::Deleted));
        assert_eq!(decide(planned, gone(), false, &always), Decision::Remove(NotEligible::Deleted));
    }
}

#[test]
fn a_planned_deletion_of_a_subject_that_is_back_brings_it_up_to_date() {
    for held in [false, true] {
        let decided = |planned| decide(planned, Ok(()), held, &Target::default());
        assert_eq!(decided(Action::Deleted), Decision::Send(Action::Updated));
        assert_eq!(decided(Action::Added), Decision::Send(Action::Added));
        assert_eq!(decided(Action::EnteredGracePeriod), Decision::Send(Action::EnteredGracePeriod));
    }
}

#[test]
fn a_reason_is_told_in_words() {
    for (reason, text) in [
        (
            NotEligible::Kind { kind: RecordKind::EmailList },
            "the plugin does not handle records of kind email list",
        ),
        (NotEligible::Status { status: Status::PendingVetting }, "status pending vetting is not provisioned"),
        (NotEligible::Group { group: "staff".to_owned() }, "not in provisioning group `staff`"),
    ] {
        assert_eq!(reason.to_string(), text);
    }
}

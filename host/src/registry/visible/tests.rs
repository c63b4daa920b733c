use jiff::{SignedDuration, Timestamp};

use super::{
    EmailListUse, MembershipCause, VisiblePerson, group_member, is_valid_at, visible_group, visible_person,
};
use crate::registry::record::{
    Authenticator, Credential, EmailList, Group, GroupType, Identifier, Membership, Meta, Person, Role,
    Status,
};
use crate::registry::samples;

const STATUSES: [Status; 16] = [
    Status::Active,
    Status::Approved,
    Status::Confirmed,
    Status::Declined,
    Status::Deleted,
    Status::Denied,
    Status::Duplicate,
    Status::Expired,
    Status::GracePeriod,
    Status::Invited,
    Status::Locked,
    Status::Pending,
    Status::PendingApproval,
    Status::PendingConfirmation,
    Status::PendingVetting,
    Status::Suspended,
];

fn now() -> Timestamp {
    "2030-06-01T12:00:00Z".parse().unwrap()
}

fn seconds(offset: i64) -> Option<Timestamp> {
    Some(now() + SignedDuration::from_secs(offset))
}

/// Windows of validity and whether they are open now.
fn windows() -> [(Option<Timestamp>, Option<Timestamp>, bool); 8] {
    [
        (None, None, true),
        (seconds(-1), None, true),
        (seconds(0), None, false),
        (seconds(1), None, false),
        (None, seconds(1), true),
        (None, seconds(0), true),
        (None, seconds(-1), false),
        (seconds(-1), seconds(0), true),
    ]
}

fn see(person: Person, memberships: Vec<(Membership, Group)>) -> VisiblePerson {
    visible_person(person, memberships, &[], now())
}

fn membership(group: &str, group_type: GroupType, status: Status) -> (Membership, Group) {
    let meta = Meta { id: group.to_owned(), ..Meta::default() };
    let group = Group { meta, name: group.to_owned(), group_type, status, ..Group::default() };
    let membership = Membership {
        member: true,
        owner: false,
        valid_from: None,
        valid_through: None,
        group: group.meta.id.clone(),
        ..samples::membership()
    };
    (membership, group)
}

fn with_status(status: Status) -> Person {
    Person { status, ..samples::person() }
}

fn seen_groups(seen: &VisiblePerson) -> Vec<&str> {
    seen.memberships.iter().map(|membership| membership.group.name.as_str()).collect()
}

#[test]
fn a_window_opens_after_its_first_instant_and_closes_after_its_last() {
    for (from, through, open) in windows() {
        assert_eq!(is_valid_at(from, through, now()), open, "{from:?} to {through:?}");
    }
}

#[test]
fn a_person_who_is_not_provisionable_is_a_skeleton() {
    for status in STATUSES {
        let person = with_status(status);
        let seen = see(person.clone(), vec![membership("all", GroupType::AllMembers, Status::Active)]);
        if matches!(
            status,
            Status::Active | Status::Expired | Status::GracePeriod | Status::Locked | Status::Suspended
        ) {
            assert_eq!(seen.person.names, person.names, "{status:?}");
        } else {
            let skeleton = Person { meta: person.meta, status, ..Person::default() };
            assert_eq!(seen, VisiblePerson { person: skeleton, memberships: Vec::new() }, "{status:?}");
        }
    }
}

/// What a target receives of a person of each status, memberships in an ordinary group and in one of all members: row by
/// row as the guide has it.
#[test]
fn each_status_shows_what_the_guide_says() {
    const ALL: &[&str] = &["all", "ordinary"];
    const ALL_MEMBERS: &[&str] = &["all"];
    const NONE: &[&str] = &[];
    let row = |status| match status {
        // Everything that is in force.
        Status::Active | Status::GracePeriod => (true, 1, ALL),
        // The person, and the groups of all members.
        Status::Expired | Status::Suspended | Status::Locked => (true, 0, ALL_MEMBERS),
        // Its id and status.
        _ => (false, 0, NONE),
    };
    for status in STATUSES {
        let role = Role { status: Status::Active, ..Role::default() };
        let person = Person { roles: vec![role], ..with_status(status) };
        let memberships = vec![
            membership("ordinary", GroupType::Standard, Status::Active),
            membership("all", GroupType::AllMembers, Status::Active),
        ];
        let seen = see(person, memberships);
        let shown = (!seen.person.names.is_empty(), seen.person.roles.len(), &seen_groups(&seen)[..]);
        assert_eq!(shown, row(status), "{status:?}");
    }
}

#[test]
fn names_addresses_urls_agreements_and_extensions_are_shown_as_they_are() {
    for status in STATUSES.into_iter().filter(|status| status.is_provisionable()) {
        let person = with_status(status);
        let seen = see(person.clone(), Vec::new()).person;
        assert_eq!(
            (&seen.names, &seen.email_addresses, &seen.urls, &seen.agreements, &seen.extensions),
            (&person.names, &person.email_addresses, &person.urls, &person.agreements, &person.extensions)
        );
        assert_eq!(
            (&seen.meta, seen.date_of_birth, &seen.timezone),
            (&person.meta, person.date_of_birth, &person.timezone)
        );
    }
}

#[test]
fn only_active_identifiers_of_a_person_are_shown() {
    let identifiers = STATUSES.map(|status| Identifier { status, ..samples::identifier("i") }).to_vec();
    let seen = see(Person { identifiers, ..with_status(Status::Active) }, Vec::new()).person;
    assert_eq!(seen.identifiers.len(), 1);
    assert_eq!(seen.identifiers[0].status, Status::Active);
}

#[test]
fn a_role_is_shown_when_it_is_in_force_inside_its_window() {
    for status in STATUSES {
        for (valid_from, valid_through, open) in windows() {
            let role = Role { status, valid_from, valid_through, ..Role::default() };
            let seen = see(Person { roles: vec![role], ..with_status(Status::Active) }, Vec::new()).person;
            let expected = open && matches!(status, Status::Active | Status::GracePeriod);
            assert_eq!(!seen.roles.is_empty(), expected, "{status:?} {valid_from:?} {valid_through:?}");
        }
    }
}

#[test]
fn an_inactive_person_has_no_roles() {
    for status in STATUSES {
        let seen = see(Person { roles: vec![Role::default()], ..with_status(status) }, Vec::new()).person;
        let expected = matches!(status, Status::Active | Status::GracePeriod);
        assert_eq!(!seen.roles.is_empty(), expected, "{status:?}");
    }
}

#[test]
fn roles_come_by_rank_and_those_without_one_last() {
    let role = |id: &str, rank: Option<i64>| Role {
        meta: Meta { id: id.to_owned(), ..Meta::default() },
        rank,
        ..Role::default()
    };
    let roles = vec![role("none", None), role("two", Some(2)), role("zero", Some(0)), role("also", None)];
    let seen = see(Person { roles, ..with_status(Status::Active) }, Vec::new()).person;
    let order: Vec<&str> = seen.roles.iter().map(|role| role.meta.id.as_str()).collect();
    assert_eq!(order, ["zero", "two", "none", "also"]);
}

#[test]
fn a_membership_is_shown_to_the_active_in_an_active_group_inside_its_window() {
    for person in STATUSES {
        for group in STATUSES {
            for (valid_from, valid_through, open) in windows() {
                let (mut row, group) = membership("g", GroupType::Standard, group);
                (row.valid_from, row.valid_through) = (valid_from, valid_through);
                let active = matches!(person, Status::Active | Status::GracePeriod);
                let expected = active && group.status == Status::Active && open;
                let seen = see(with_status(person), vec![(row, group.clone())]);
                assert_eq!(
                    !seen.memberships.is_empty(),
                    expected,
                    "{person:?} in {:?} {valid_from:?} {valid_through:?}",
                    group.status
                );
            }
        }
    }
}

#[test]
fn a_group_of_all_members_keeps_everybody_who_is_provisionable() {
    for person in STATUSES {
        for group in STATUSES {
            for (valid_from, valid_through, _) in windows() {
                let (mut row, group) = membership("all", GroupType::AllMembers, group);
                (row.valid_from, row.valid_through) = (valid_from, valid_through);
                let seen = see(with_status(person), vec![(row, group)]);
                assert_eq!(!seen.memberships.is_empty(), person.is_provisionable(), "{person:?}");
            }
        }
    }
}

#[test]
fn other_kinds_of_groups_are_treated_as_standard_ones() {
    use GroupType::{ActiveMembers, Admins, Approvers, Clusters, Standard};
    for group_type in [Standard, ActiveMembers, Admins, Approvers, Clusters] {
        let rows = || vec![membership("g", group_type, Status::Active)];
        assert_eq!(see(with_status(Status::Active), rows()).memberships.len(), 1, "{group_type:?}");
        assert_eq!(see(with_status(Status::Locked), rows()).memberships.len(), 0, "{group_type:?}");
    }
}

#[test]
fn memberships_come_by_group_and_those_of_owners_are_among_them() {
    let (mut owner, group) = membership("a", GroupType::Standard, Status::Active);
    (owner.member, owner.owner) = (false, true);
    let rows = vec![membership("b", GroupType::Standard, Status::Active), (owner, group)];
    let seen = see(with_status(Status::Active), rows);
    assert_eq!(seen_groups(&seen), ["a", "b"]);
    assert!(!seen.memberships[0].membership.member);
}

fn list(id: &str, admins: Option<&str>, members: Option<&str>, moderators: Option<&str>) -> EmailList {
    EmailList {
        meta: Meta { id: id.to_owned(), ..Meta::default() },
        name: id.to_uppercase(),
        admins_group: admins.map(str::to_owned),
        members_group: members.map(str::to_owned),
        moderators_group: moderators.map(str::to_owned),
        ..EmailList::default()
    }
}

#[test]
fn a_membership_tells_the_lists_of_its_group_unless_the_person_only_owns_it() {
    let lists = [list("l1", None, Some("a"), Some("b")), list("l2", Some("a"), Some("a"), None)];
    let (mut owner, group) = membership("b", GroupType::Standard, Status::Active);
    (owner.member, owner.owner) = (false, true);
    let rows = vec![membership("a", GroupType::Standard, Status::Active), (owner, group)];
    let seen = visible_person(with_status(Status::Active), rows, &lists, now());
    let told: Vec<_> = seen.memberships[0]
        .email_lists
        .iter()
        .map(|list| (list.id.as_str(), list.name.as_str(), list.list_use))
        .collect();
    assert_eq!(
        told,
        [
            ("l1", "L1", EmailListUse::Members),
            ("l2", "L2", EmailListUse::Admins),
            ("l2", "L2", EmailListUse::Members)
        ]
    );
    assert!(seen.memberships[1].email_lists.is_empty());
}

#[test]
fn an_org_identity_is_shown_inside_its_window_whatever_its_status() {
    for status in STATUSES {
        for (valid_from, valid_through, open) in windows() {
            let mut identity = samples::org_identity();
            identity.status = status;
            (identity.valid_from, identity.valid_through) = (valid_from, valid_through);
            let person = Person { org_identities: vec![identity.clone()], ..with_status(Status::Suspended) };
            let expected = if open { vec![identity] } else { Vec::new() };
            assert_eq!(see(person, Vec::new()).person.org_identities, expected, "{status:?}");
        }
    }
}

#[test]
fn an_authenticator_is_shown_when_it_is_active_and_not_locked() {
    for status in STATUSES {
        for locked in [false, true] {
            let authenticator = Authenticator {
                meta: Meta::default(),
                authenticator: "login".to_owned(),
                status,
                locked,
                credential: Credential::Password { scheme: "crypt".to_owned(), hash: "x".to_owned() },
            };
            let person = Person { authenticators: vec![authenticator], ..with_status(Status::Locked) };
            let shown = !see(person, Vec::new()).person.authenticators.is_empty();
            assert_eq!(shown, status == Status::Active && !locked, "{status:?}, locked: {locked}");
        }
    }
}

#[test]
fn a_cluster_account_is_shown_when_it_is_in_force_inside_its_window() {
    for status in STATUSES {
        for (valid_from, valid_through, open) in windows() {
            let mut account = samples::cluster_account();
            account.status = status;
            (account.valid_from, account.valid_through) = (valid_from, valid_through);
            let person = Person { cluster_accounts: vec![account], ..with_status(Status::Suspended) };
            let shown = !see(person, Vec::new()).person.cluster_accounts.is_empty();
            assert_eq!(shown, open && matches!(status, Status::Active | Status::GracePeriod), "{status:?}");
        }
    }
}

#[test]
fn a_group_is_shown_whatever_its_status_with_its_lists_and_all_identifiers() {
    for status in STATUSES {
        let group = Group { status, ..samples::group() };
        let lists = [list("l1", None, Some("g1"), None), list("l2", None, Some("g2"), None)];
        let seen = visible_group(group.clone(), &lists, None);
        assert_eq!(seen.group, group);
        assert_eq!(seen.email_lists.len(), 1);
        assert_eq!(seen.cause, None);
    }
}

#[test]
fn the_cause_of_a_group_is_shown_whatever_its_dates_and_the_status_of_the_person() {
    let membership = samples::membership();
    let member = group_member(membership.clone(), &with_status(Status::Pending), None);
    assert_eq!((&member.membership, member.person_status), (&membership, Status::Pending));
    let cause = MembershipCause { person: "p1".to_owned(), member: Some(member) };
    assert_eq!(visible_group(samples::group(), &[], Some(cause.clone())).cause, Some(cause));
}

#[test]
fn a_member_shows_active_identifiers_of_the_type_asked_for() {
    let of_type = |id: &str, identifier_type: &str, status| Identifier {
        identifier_type: identifier_type.to_owned(),
        status,
        ..samples::identifier(id)
    };
    let identifiers = vec![
        of_type("1", "uid", Status::Active),
        of_type("2", "eppn", Status::Active),
        of_type("3", "uid", Status::Suspended),
    ];
    let person = Person { identifiers, ..Person::default() };
    let ids = |wanted: Option<&str>| -> Vec<String> {
        let member = group_member(samples::membership(), &person, wanted);
        member.identifiers.into_iter().map(|identifier| identifier.meta.id).collect()
    };
    assert_eq!(ids(None), ["1", "2"]);
    assert_eq!(ids(Some("uid")), ["1"]);
    assert_eq!(ids(Some("orcid")), [""; 0]);
}

//! Status of roles by their dates, and of a person by its roles (COmanage: CoPersonRole, CoPerson).

use jiff::Timestamp;

use super::record::{Person, Role, Status};

/// How much a role counts for its person: the highest one gives the person its status.
///
/// Registry has no place for pending vetting and locked. Vetting comes before approval, so it counts a little less; a
/// locked role is worth what a suspended one is, but for the word.
fn rank(status: Status) -> u8 {
    match status {
        Status::Active => 16,
        Status::GracePeriod => 15,
        Status::Suspended => 14,
        Status::Locked => 13,
        Status::Expired => 12,
        Status::Approved => 11,
        Status::PendingApproval => 10,
        Status::PendingVetting => 9,
        Status::Confirmed => 8,
        Status::PendingConfirmation => 7,
        Status::Invited => 6,
        Status::Pending => 5,
        Status::Denied => 4,
        Status::Declined => 3,
        Status::Deleted => 2,
        Status::Duplicate => 1,
    }
}

/// The status that roles give their person; none without roles.
pub fn status_by_roles(roles: &[Role]) -> Option<Status> {
    // Locking is a decision about a person, and never follows from anything.
    let status = roles.iter().map(|role| role.status).max_by_key(|status| rank(*status))?;
    Some(if status == Status::Locked { Status::Suspended } else { status })
}

/// The status of a role at an instant, by what it was and its dates.
fn status_by_dates(role: &Role, now: Timestamp) -> Status {
    let begun = role.valid_from.is_none_or(|from| from < now);
    let over = role.valid_through.is_some_and(|through| through < now);
    match role.status {
        Status::Active | Status::Pending if role.valid_from.is_some() && begun && over => Status::Expired,
        Status::Active if over => Status::Expired,
        Status::Active if !begun => Status::Pending,
        Status::Pending if role.valid_from.is_some() && begun => Status::Active,
        Status::Expired if role.valid_through.is_some() && !over => {
            if begun {
                Status::Active
            } else {
                Status::Pending
            }
        }
        status => status,
    }
}

/// Brings the status of a person who is about to be stored, and that of each role, in line with dates and roles.
///
/// What is written about the person itself is heeded: another status than active stands as long as it is not written
/// anew, and active hands the person back to its roles. A locked person, and one without roles, keeps its status.
pub fn recalculate(stored: Option<&Person>, written: &mut Person, now: Timestamp) {
    for role in &mut written.roles {
        role.status = status_by_dates(role, now);
    }
    let Some(by_roles) = status_by_roles(&written.roles) else { return };
    let follows_roles = match stored.filter(|stored| stored.status == written.status) {
        // It follows if it did so before.
        Some(stored) => status_by_roles(&stored.roles).is_none_or(|status| status == stored.status),
        None => written.status == Status::Active,
    };
    if follows_roles && written.status != Status::Locked {
        written.status = by_roles;
    }
}

#[cfg(test)]
mod tests {
    use Status::{
        Active, Approved, Confirmed, Declined, Deleted, Denied, Duplicate, Expired, GracePeriod, Invited,
        Locked, Pending, PendingApproval, PendingConfirmation, PendingVetting, Suspended,
    };

    use super::*;

    fn role(status: Status) -> Role {
        Role { status, ..Role::default() }
    }

    fn person(status: Status, roles: &[Status]) -> Person {
        Person { status, roles: roles.iter().copied().map(role).collect(), ..Person::default() }
    }

    #[test]
    fn the_highest_role_gives_a_person_its_status() {
        let descending = [
            Active,
            GracePeriod,
            Suspended,
            Expired,
            Approved,
            PendingApproval,
            PendingVetting,
            Confirmed,
            PendingConfirmation,
            Invited,
            Pending,
            Denied,
            Declined,
            Deleted,
            Duplicate,
        ];
        for (place, status) in descending.iter().enumerate() {
            let roles: Vec<Role> = descending[place..].iter().rev().copied().map(role).collect();
            assert_eq!(status_by_roles(&roles), Some(*status));
        }
        assert_eq!(status_by_roles(&[role(Locked), role(Expired)]), Some(Suspended));
        assert_eq!(status_by_roles(&[role(Locked), role(GracePeriod)]), Some(GracePeriod));
        assert_eq!(status_by_roles(&[]), None);
    }

    #[test]
    fn dates_move_a_role_between_pending_active_and_expired() {
        let past = Some("2020-01-01T00:00:00Z".parse().unwrap());
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let future = Some("2030-01-01T00:00:00Z".parse().unwrap());
        #[rustfmt::skip]
        let table = [
            (Active, None, None, Active),
            (Active, future, None, Pending),
            (Active, past, None, Active),
            (Active, None, past, Expired),
            (Active, past, past, Expired),
            (Active, Some(now), None, Pending),
            (Active, None, Some(now), Active),
            (Pending, None, None, Pending),
            (Pending, None, future, Pending),
            (Pending, past, None, Active),
            (Pending, past, future, Active),
            (Pending, past, past, Expired),
            (Pending, future, None, Pending),
            (Expired, None, None, Expired),
            (Expired, None, past, Expired),
            (Expired, None, future, Active),
            (Expired, None, Some(now), Active),
            (Expired, future, future, Pending),
            (Suspended, past, past, Suspended),
            (GracePeriod, None, past, GracePeriod),
            (Invited, past, None, Invited),
        ];
        for (status, valid_from, valid_through, expected) in table {
            let role = Role { status, valid_from, valid_through, ..Role::default() };
            assert_eq!(status_by_dates(&role, now), expected, "{status:?} {valid_from:?} {valid_through:?}");
        }
    }

    #[test]
    fn a_person_follows_its_roles_unless_something_else_was_written_of_it() {
        type Stored = Option<(Status, &'static [Status])>;
        #[rustfmt::skip]
        let table: [(Stored, Status, &[Status], Status); 20] = [
            // New people.
            (None, Active, &[], Active),
            (None, Pending, &[], Pending),
            (None, Active, &[Active, Expired], Active),
            (None, Active, &[Expired], Expired),
            (None, Suspended, &[Active], Suspended),
            (None, Locked, &[Active], Locked),
            // The status is left as it is, and followed the roles before.
            (Some((Active, &[Active])), Active, &[Suspended], Suspended),
            (Some((Suspended, &[Suspended])), Suspended, &[Active], Active),
            (Some((Active, &[Active])), Active, &[], Active),
            (Some((Pending, &[])), Pending, &[Active], Active),
            (Some((Expired, &[Expired])), Expired, &[Expired, GracePeriod], GracePeriod),
            // It said something else before, and still does.
            (Some((Suspended, &[Active])), Suspended, &[Active, Active], Suspended),
            (Some((Active, &[Expired])), Active, &[Expired], Active),
            (Some((Locked, &[Active])), Locked, &[Expired], Locked),
            // Another status is written.
            (Some((Active, &[Active])), Suspended, &[Active], Suspended),
            (Some((Active, &[Active])), Locked, &[Active], Locked),
            (Some((Suspended, &[Active])), Active, &[Active], Active),
            (Some((Locked, &[Active])), Active, &[GracePeriod], GracePeriod),
            // The same document again and again comes to the same.
            (Some((Suspended, &[Suspended])), Active, &[Suspended], Suspended),
            (Some((Suspended, &[])), Active, &[], Active),
        ];
        let now = Timestamp::UNIX_EPOCH;
        for (stored, status, roles, expected) in table {
            let before = stored.map(|(status, roles)| person(status, roles));
            let mut written = person(status, roles);
            recalculate(before.as_ref(), &mut written, now);
            assert_eq!(written.status, expected, "{stored:?}, then {status:?} {roles:?}");
            // Who writes whole documents, and leaves the status to the roles, may repeat them.
            if status == Active || status == expected {
                let mut again = person(status, roles);
                recalculate(Some(&written), &mut again, now);
                assert_eq!(again.status, expected, "again: {stored:?}, then {status:?} {roles:?}");
            }
        }
    }
}

//! When the passing of time changes what is valid: the instants at which validity windows open and close.
//!
//! A window is open from an instant after `valid_from` up to and including `valid_through`
//! ([`super::visible::is_valid_at`]). Clock and store know microseconds, so both edges act at the first whole microsecond
//! after them.

use jiff::{SignedDuration, Timestamp};

use super::record::{Membership, Person, Record};

/// `valid_from` and `valid_through`.
type Window = (Option<Timestamp>, Option<Timestamp>);

/// The first instant at which an edge of a window is passed; none for one at the end of time.
fn acts_at(edge: Timestamp) -> Option<Timestamp> {
    let floor = Timestamp::from_microsecond(edge.as_nanosecond().div_euclid(1_000).try_into().ok()?).ok()?;
    floor.checked_add(SignedDuration::from_micros(1)).ok()
}

fn instants(window: Window) -> impl Iterator<Item = Timestamp> {
    [window.0, window.1].into_iter().flatten().filter_map(acts_at)
}

/// The windows of a person's parts, each with the name of the list it is in.
fn windows(person: &Person) -> impl Iterator<Item = (&'static str, Window)> {
    let roles = person.roles.iter().map(|role| ("roles", (role.valid_from, role.valid_through)));
    let identities = person
        .org_identities
        .iter()
        .map(|identity| ("org_identities", (identity.valid_from, identity.valid_through)));
    let accounts = person
        .cluster_accounts
        .iter()
        .map(|account| ("cluster_accounts", (account.valid_from, account.valid_through)));
    roles.chain(identities).chain(accounts)
}

/// The next instant after `now` at which a part of a record becomes valid or ceases to be so.
pub fn next_of_record(record: &Record, now: Timestamp) -> Option<Timestamp> {
    let Record::Person(person) = record else { return None };
    windows(person).flat_map(|(_, window)| instants(window)).filter(|instant| *instant > now).min()
}

/// The next instant after `now` at which a membership becomes valid or ceases to be so.
pub fn next_of_membership(membership: &Membership, now: Timestamp) -> Option<Timestamp> {
    let window = (membership.valid_from, membership.valid_through);
    instants(window).filter(|instant| *instant > now).min()
}

/// Names of a person's lists with a part that became valid, or ceased to be so, after `since` and up to `now`.
pub fn turned_parts(person: &Person, since: Timestamp, now: Timestamp) -> Vec<&'static str> {
    let mut parts: Vec<&'static str> = windows(person)
        .filter(|(_, window)| instants(*window).any(|instant| since < instant && instant <= now))
        .map(|(part, _)| part)
        .collect();
    parts.dedup();
    parts
}

/// Whether a membership became valid, or ceased to be so, after `since` and up to `now`.
pub fn membership_turned(membership: &Membership, since: Timestamp, now: Timestamp) -> bool {
    instants((membership.valid_from, membership.valid_through))
        .any(|instant| since < instant && instant <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::record::{OrgIdentity, Role};
    use crate::registry::visible::is_valid_at;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_edge_acts_at_the_first_microsecond_at_which_the_window_is_another() {
        for (edge, acts) in [
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000001Z"),
            ("2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:00.000002Z"),
            ("2026-01-01T00:00:00.0000015Z", "2026-01-01T00:00:00.000002Z"),
            ("1969-12-31T23:59:59.9999995Z", "1970-01-01T00:00:00Z"),
        ] {
            let (edge, acts) = (at(edge), at(acts));
            assert_eq!(acts_at(edge), Some(acts), "{edge}");
            let before = acts - SignedDuration::from_micros(1);
            for (window, valid_before) in [((Some(edge), None), false), ((None, Some(edge)), true)] {
                assert_eq!(is_valid_at(window.0, window.1, before), valid_before, "{edge}");
                assert_eq!(is_valid_at(window.0, window.1, acts), !valid_before, "{edge}");
            }
        }
        assert_eq!(acts_at(Timestamp::MAX), None);
    }

    #[test]
    fn the_next_instant_of_a_person_is_the_first_of_all_its_parts() {
        let role = |from: Option<&str>, through: Option<&str>| Role {
            valid_from: from.map(at),
            valid_through: through.map(at),
            ..Role::default()
        };
        let identity =
            OrgIdentity { valid_through: Some(at("2027-01-01T00:00:00Z")), ..OrgIdentity::default() };
        let person = Person {
            roles: vec![
                role(Some("2025-01-01T00:00:00Z"), Some("2026-01-01T00:00:00Z")),
                role(None, Some("2028-01-01T00:00:00Z")),
            ],
            org_identities: vec![identity],
            ..Person::default()
        };
        let record = Record::Person(Box::new(person.clone()));
        for (now, next) in [
            ("2024-01-01T00:00:00Z", Some("2025-01-01T00:00:00.000001Z")),
            ("2025-01-01T00:00:00Z", Some("2025-01-01T00:00:00.000001Z")),
            ("2025-01-01T00:00:00.000001Z", Some("2026-01-01T00:00:00.000001Z")),
            ("2026-06-01T00:00:00Z", Some("2027-01-01T00:00:00.000001Z")),
            ("2027-06-01T00:00:00Z", Some("2028-01-01T00:00:00.000001Z")),
            ("2029-01-01T00:00:00Z", None),
        ] {
            assert_eq!(next_of_record(&record, at(now)), next.map(at), "{now}");
        }
        let turned = |since, now| turned_parts(&person, at(since), at(now));
        assert_eq!(turned("2024-01-01T00:00:00Z", "2026-06-01T00:00:00Z"), ["roles"]);
        assert_eq!(turned("2026-06-01T00:00:00Z", "2029-01-01T00:00:00Z"), ["roles", "org_identities"]);
        assert_eq!(turned("2025-06-01T00:00:00Z", "2026-01-01T00:00:00Z"), [""; 0]);
    }
}

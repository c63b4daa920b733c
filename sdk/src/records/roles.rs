//! Roles in force, and their affiliations in the words of eduPerson.

use super::validity::valid_at;
use super::{Person, Role, Status};
use crate::registry::Affiliation;

/// Values of eduPersonAffiliation (eduPerson 2022-04, section 2.2.1).
const EDU_PERSON_AFFILIATIONS: [&str; 8] =
    ["affiliate", "alum", "employee", "faculty", "library-walk-in", "member", "staff", "student"];

impl Role {
    /// Whether the role is in force: active or in its grace period, and `time` inside its validity.
    ///
    /// The host takes roles that are not in force out of a person, so this matters only to a plugin that looks at
    /// another time than that of its call.
    pub fn is_active_at(&self, time: &str) -> bool {
        matches!(self.status, Status::Active | Status::GracePeriod)
            && valid_at(self.valid_from.as_deref(), self.valid_through.as_deref(), time)
    }
}

impl Person {
    /// Roles that are in force at a time, in their order.
    pub fn active_roles_at(&self, time: &str) -> impl Iterator<Item = &Role> {
        self.roles.iter().filter(move |role| role.is_active_at(time))
    }

    /// Values of eduPersonAffiliation for all roles, each once, in the order of the roles. `defined` is what
    /// [`crate::registry::affiliations`] gives.
    pub fn edu_person_affiliations<'a>(&'a self, defined: &'a [Affiliation]) -> Vec<&'a str> {
        let mut values = Vec::new();
        for affiliation in self.roles.iter().filter_map(|role| role.affiliation.as_deref()) {
            match edu_person_affiliation(affiliation, defined) {
                Some(value) if !values.contains(&value) => values.push(value),
                _ => {}
            }
        }
        values
    }
}

/// The value of eduPersonAffiliation for an affiliation: what the operator configured for the word, or the word itself
/// where eduPerson defines it. None for a word that has no such value.
///
/// ```
/// use provender_sdk::records::edu_person_affiliation;
/// use provender_sdk::registry::Affiliation;
///
/// let defined = [Affiliation {
///     affiliation: "postdoc".to_owned(),
///     edu_person_affiliation: Some("employee".to_owned()),
/// }];
/// assert_eq!(edu_person_affiliation("postdoc", &defined), Some("employee"));
/// assert_eq!(edu_person_affiliation("staff", &defined), Some("staff"));
/// assert_eq!(edu_person_affiliation("visitor", &defined), None);
/// ```
pub fn edu_person_affiliation<'a>(affiliation: &'a str, defined: &'a [Affiliation]) -> Option<&'a str> {
    let configured = defined
        .iter()
        .find(|candidate| candidate.affiliation == affiliation)
        .and_then(|found| found.edu_person_affiliation.as_deref());
    match (configured, affiliation) {
        (Some(value), _) => Some(value),
        // How COmanage spells it.
        (None, "librarywalkin") => Some("library-walk-in"),
        (None, word) if EDU_PERSON_AFFILIATIONS.contains(&word) => Some(word),
        (None, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(affiliation: &str) -> Role {
        Role { affiliation: Some(affiliation.to_owned()), ..Role::default() }
    }

    #[test]
    fn a_role_is_active_within_its_validity_and_status() {
        let now = "2026-03-01T00:00:00Z";
        let mut role = Role { valid_through: Some("2026-03-01T00:00:00Z".to_owned()), ..Role::default() };
        assert!(role.is_active_at(now));
        role.status = Status::GracePeriod;
        assert!(role.is_active_at(now));
        role.status = Status::Suspended;
        assert!(!role.is_active_at(now));
        role.status = Status::Active;
        role.valid_from = Some("2026-03-01T00:00:01Z".to_owned());
        role.valid_through = None;
        assert!(!role.is_active_at(now));
        let person = Person { roles: vec![role, Role::default()], ..Person::default() };
        assert_eq!(person.active_roles_at(now).count(), 1);
    }

    #[test]
    fn affiliations_are_mapped_once_each_in_the_order_of_the_roles() {
        let defined = [
            Affiliation {
                affiliation: "postdoc".to_owned(),
                edu_person_affiliation: Some("employee".to_owned()),
            },
            Affiliation { affiliation: "friend".to_owned(), edu_person_affiliation: None },
        ];
        let roles = ["staff", "postdoc", "friend", "employee", "librarywalkin"].map(role);
        let person = Person { roles: roles.into(), ..Person::default() };
        assert_eq!(person.edu_person_affiliations(&defined), ["staff", "employee", "library-walk-in"]);
    }

    #[test]
    fn a_configured_value_wins_over_the_word_itself() {
        let defined = [Affiliation {
            affiliation: "student".to_owned(),
            edu_person_affiliation: Some("member".to_owned()),
        }];
        assert_eq!(edu_person_affiliation("student", &defined), Some("member"));
    }
}

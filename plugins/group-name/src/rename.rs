//! Which groups of a subject get which name.

use provender_sdk::records::{Identifier, Subject, identifier_of_type};

/// Renames the groups of a subject: the group itself, or those a person is a member of.
pub(crate) fn groups(subject: &mut Subject, identifier_type: &str) {
    match subject {
        Subject::Group(group) => rename(&mut group.name, &group.identifiers, identifier_type),
        Subject::Person(person) => {
            for group in person.memberships.iter_mut().map(|membership| &mut membership.group) {
                rename(&mut group.name, &group.identifiers, identifier_type);
            }
        }
        Subject::EmailList(_) | Subject::Service(_) | Subject::Other(_) => {}
    }
}

fn rename(name: &mut String, identifiers: &[Identifier], identifier_type: &str) {
    if let Some(identifier) = identifier_of_type(identifiers, identifier_type) {
        *name = identifier.to_owned();
    }
}

#[cfg(test)]
mod tests {
    use provender_sdk::records::{EmailList, Group, GroupSummary, Membership, Person, Status};

    use super::*;

    fn identifier(value: &str, identifier_type: &str, status: Status) -> Identifier {
        Identifier {
            identifier: value.to_owned(),
            identifier_type: identifier_type.to_owned(),
            status,
            ..Identifier::default()
        }
    }

    fn short_names() -> Vec<Identifier> {
        vec![
            identifier("1042", "gid", Status::Active),
            identifier("phys-old", "short", Status::Suspended),
            identifier("phys", "short", Status::Active),
            identifier("phys2", "short", Status::Active),
        ]
    }

    fn named(identifiers: Vec<Identifier>) -> Group {
        Group { name: "Physics".to_owned(), identifiers, ..Group::default() }
    }

    fn name_after(group: Group) -> String {
        let mut subject = Subject::Group(group);
        groups(&mut subject, "short");
        let Subject::Group(group) = subject else { panic!("a group stays a group") };
        group.name
    }

    #[test]
    fn a_group_gets_its_first_active_identifier_of_the_type_as_name() {
        assert_eq!(name_after(named(short_names())), "phys");
    }

    #[test]
    fn a_group_without_such_an_identifier_keeps_its_name() {
        assert_eq!(name_after(named(vec![])), "Physics");
        assert_eq!(name_after(named(vec![identifier("1", "gid", Status::Active)])), "Physics");
        assert_eq!(name_after(named(vec![identifier("x", "short", Status::Suspended)])), "Physics");
    }

    #[test]
    fn every_membership_of_a_person_is_looked_at() {
        let membership = |name: &str, identifiers| Membership {
            group: GroupSummary { name: name.to_owned(), identifiers, ..GroupSummary::default() },
            ..Membership::default()
        };
        let memberships = vec![
            membership("Staff", vec![]),
            membership("Physics", short_names()),
            membership("Guests", vec![identifier("guests", "short", Status::Active)]),
        ];
        let mut subject = Subject::Person(Person { memberships, ..Person::default() });

        groups(&mut subject, "short");

        let Subject::Person(person) = subject else { panic!("a person stays a person") };
        let names: Vec<_> = person.memberships.iter().map(|held| held.group.name.as_str()).collect();
        assert_eq!(names, ["Staff", "phys", "guests"]);
    }

    #[test]
    fn other_subjects_stay_as_they_are() {
        let mut subject = Subject::EmailList(EmailList {
            name: "list".to_owned(),
            identifiers: short_names(),
            ..EmailList::default()
        });
        let before = subject.clone();
        groups(&mut subject, "short");
        assert_eq!(subject, before);
    }
}

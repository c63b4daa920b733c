//! Identifiers by type and status.

use super::{EmailList, Group, Identifier, Person, Status, Subject};

/// The first active identifier of a type. Works on the list of any record.
///
/// ```
/// use provender_sdk::records::{Identifier, identifier_of_type};
///
/// let identifiers = [Identifier {
///     identifier: "anna".to_owned(),
///     identifier_type: "uid".to_owned(),
///     ..Identifier::default()
/// }];
/// assert_eq!(identifier_of_type(&identifiers, "uid"), Some("anna"));
/// assert_eq!(identifier_of_type(&identifiers, "eppn"), None);
/// ```
pub fn identifier_of_type<'a>(identifiers: &'a [Identifier], identifier_type: &str) -> Option<&'a str> {
    identifiers_of_type(identifiers, identifier_type, &Status::Active)
        .next()
        .map(|identifier| identifier.identifier.as_str())
}

/// All identifiers of a type that have a status, in their order.
pub fn identifiers_of_type<'a>(
    identifiers: &'a [Identifier],
    identifier_type: &str,
    status: &Status,
) -> impl Iterator<Item = &'a Identifier> {
    identifiers.iter().filter(move |identifier| {
        identifier.identifier_type == identifier_type && identifier.status == *status
    })
}

impl Person {
    /// The person's first active identifier of a type.
    pub fn identifier(&self, identifier_type: &str) -> Option<&str> {
        identifier_of_type(&self.identifiers, identifier_type)
    }
}

impl Group {
    /// The group's first active identifier of a type.
    pub fn identifier(&self, identifier_type: &str) -> Option<&str> {
        identifier_of_type(&self.identifiers, identifier_type)
    }
}

impl EmailList {
    /// The list's first active identifier of a type.
    pub fn identifier(&self, identifier_type: &str) -> Option<&str> {
        identifier_of_type(&self.identifiers, identifier_type)
    }
}

impl Subject {
    /// Identifiers of the subject; kinds that have none give an empty list.
    pub fn identifiers(&self) -> &[Identifier] {
        match self {
            Subject::Person(person) => &person.identifiers,
            Subject::Group(group) => &group.identifiers,
            Subject::EmailList(list) => &list.identifiers,
            Subject::Service(_) | Subject::Other(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifier(value: &str, identifier_type: &str, status: Status) -> Identifier {
        Identifier {
            identifier: value.to_owned(),
            identifier_type: identifier_type.to_owned(),
            status,
            ..Identifier::default()
        }
    }

    #[test]
    fn the_first_active_identifier_of_the_type_is_found() {
        let person = Person {
            identifiers: vec![
                identifier("old", "uid", Status::Suspended),
                identifier("anna@x.org", "eppn", Status::Active),
                identifier("anna", "uid", Status::Active),
                identifier("anna2", "uid", Status::Active),
            ],
            ..Person::default()
        };
        assert_eq!(person.identifier("uid"), Some("anna"));
        assert_eq!(person.identifier("orcid"), None);
        let suspended = identifiers_of_type(&person.identifiers, "uid", &Status::Suspended);
        assert_eq!(suspended.map(|found| found.identifier.as_str()).collect::<Vec<_>>(), ["old"]);
    }

    #[test]
    fn types_are_compared_byte_by_byte() {
        assert_eq!(identifier_of_type(&[identifier("anna", "UID", Status::Active)], "uid"), None);
    }

    #[test]
    fn a_subject_of_any_kind_gives_its_identifiers() {
        let group = Group { identifiers: vec![identifier("100", "gid", Status::Active)], ..Group::default() };
        assert_eq!(group.identifier("gid"), Some("100"));
        assert_eq!(Subject::Group(group).identifiers().len(), 1);
        assert_eq!(Subject::Service(Default::default()).identifiers(), []);
    }
}

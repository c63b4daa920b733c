//! What the endpoint is to be told of a person.

use provender_sdk::records::{Person, Status};
use provender_sdk::{Action, Failure};

/// What to do at the endpoint.
#[derive(Debug, PartialEq)]
pub(crate) enum Plan<'a> {
    /// Send the person as it is now, and remove what was sent under an identifier that the person no longer has.
    Send { identifier: &'a str, obsolete: Option<&'a str> },
    /// Remove the person.
    Remove { identifier: &'a str },
    /// Nothing; says why.
    Skip(String),
}

/// `sent` is the identifier that the endpoint knows the person by, if it was ever told. It is needed to remove people
/// who arrive without identifiers, as those do who are no longer in force.
pub(crate) fn plan<'a>(
    person: &'a Person,
    action: &Action,
    identifier_type: &str,
    sent: Option<&'a str>,
) -> Result<Plan<'a>, Failure> {
    let identifier = person.identifier(identifier_type);
    if *action == Action::Deleted || person.status == Status::Deleted {
        return Ok(match sent.or(identifier) {
            Some(identifier) => Plan::Remove { identifier },
            None => Plan::Skip(format!(
                "nothing to remove: the person has no identifier of type {identifier_type:?} and was never sent"
            )),
        });
    }
    let identifier = identifier.ok_or_else(|| {
        Failure::invalid_data(format!("the person has no active identifier of type {identifier_type:?}"))
            .at("identifiers")
    })?;
    Ok(Plan::Send { identifier, obsolete: sent.filter(|sent| *sent != identifier) })
}

#[cfg(test)]
mod tests {
    use provender_sdk::records::Identifier;

    use super::*;

    fn person(uid: Option<&str>, status: Status) -> Person {
        let identifier = |uid: &str| Identifier {
            identifier: uid.to_owned(),
            identifier_type: "uid".to_owned(),
            ..Identifier::default()
        };
        Person { status, identifiers: uid.map(identifier).into_iter().collect(), ..Person::default() }
    }

    #[test]
    fn a_person_is_sent_under_its_identifier_whatever_the_action() {
        let anna = person(Some("anna"), Status::Expired);
        let send = Ok(Plan::Send { identifier: "anna", obsolete: None });
        for action in [Action::Added, Action::Updated, Action::Expired, Action::Other("paused".to_owned())] {
            assert_eq!(plan(&anna, &action, "uid", None), send);
            assert_eq!(plan(&anna, &action, "uid", Some("anna")), send);
        }
    }

    #[test]
    fn a_person_with_a_new_identifier_is_removed_under_the_old_one() {
        let anna = person(Some("anna2"), Status::Active);
        assert_eq!(
            plan(&anna, &Action::Updated, "uid", Some("anna")),
            Ok(Plan::Send { identifier: "anna2", obsolete: Some("anna") })
        );
    }

    #[test]
    fn a_person_without_an_identifier_of_the_type_cannot_be_sent() {
        let failure =
            plan(&person(Some("anna"), Status::Active), &Action::Updated, "eppn", None).unwrap_err();
        assert_eq!(
            failure,
            Failure::invalid_data("the person has no active identifier of type \"eppn\"").at("identifiers")
        );
    }

    #[test]
    fn a_person_who_is_gone_or_has_status_deleted_is_removed() {
        let remove = Ok(Plan::Remove { identifier: "anna" });
        assert_eq!(plan(&person(Some("anna"), Status::Active), &Action::Deleted, "uid", None), remove);
        assert_eq!(plan(&person(Some("anna"), Status::Deleted), &Action::Updated, "uid", None), remove);
    }

    #[test]
    fn a_skeleton_is_removed_under_the_identifier_that_was_sent() {
        let skeleton = person(None, Status::Pending);
        assert_eq!(
            plan(&skeleton, &Action::Deleted, "uid", Some("anna")),
            Ok(Plan::Remove { identifier: "anna" })
        );
        let Ok(Plan::Skip(reason)) = plan(&skeleton, &Action::Deleted, "uid", None) else {
            panic!("skipped")
        };
        assert!(reason.contains("\"uid\""), "{reason}");
    }
}

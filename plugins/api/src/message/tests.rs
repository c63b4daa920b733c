use provender_sdk::records::{
    Address, CollaborationUnit, EmailAddress, GroupSummary, Identifier, Membership, Metadata, Name, Person,
    Role, Status, TelephoneNumber, Url,
};
use serde_json::{Value, json};

/// The messages as the endpoint reads them.
fn of_person(person: &Person, identifier: &str) -> Value {
    serde_json::to_value(super::of_person(person, identifier)).unwrap()
}

fn of_removal(identifier: &str) -> Value {
    serde_json::to_value(super::of_removal(identifier)).unwrap()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn part(id: &str) -> Metadata {
    Metadata {
        id: id.to_owned(),
        created: "2026-01-01T00:00:00Z".to_owned(),
        modified: "2026-02-01T00:00:00Z".to_owned(),
        ..Metadata::default()
    }
}

fn membership(group: &str, member: bool) -> Membership {
    Membership {
        group: GroupSummary { name: group.to_owned(), ..GroupSummary::default() },
        member,
        owner: !member,
        ..Membership::default()
    }
}

/// A person with everything that a message tells.
fn whole_person() -> Person {
    Person {
        metadata: part("p1"),
        status: Status::GracePeriod,
        date_of_birth: some("1990-12-24"),
        names: vec![Name {
            metadata: part("n1"),
            honorific: some("Dr"),
            given: some("Anna"),
            middle: some("Mária"),
            family: some("Kovács"),
            suffix: some("Jr."),
            name_type: "official".to_owned(),
            language: some("hu"),
            primary: true,
        }],
        identifiers: vec![Identifier {
            metadata: part("i1"),
            identifier: "anna".to_owned(),
            identifier_type: "uid".to_owned(),
            ..Identifier::default()
        }],
        email_addresses: vec![EmailAddress {
            metadata: part("e1"),
            mail: "anna@example.org".to_owned(),
            email_type: "official".to_owned(),
            ..EmailAddress::default()
        }],
        urls: vec![Url {
            metadata: part("u1"),
            url: "https://example.org/anna".to_owned(),
            url_type: "official".to_owned(),
            ..Url::default()
        }],
        roles: vec![whole_role()],
        memberships: vec![membership("staff", true), membership("board", false), membership("staff", true)],
        ..Person::default()
    }
}

fn whole_role() -> Role {
    Role {
        metadata: part("r1"),
        cou: Some(CollaborationUnit { id: "physics".to_owned(), ..CollaborationUnit::default() }),
        affiliation: some("staff"),
        title: some("Professor"),
        organization: some("Example University"),
        department: some("Physics"),
        valid_from: some("2026-01-01T00:00:00Z"),
        valid_through: some("2026-12-31T23:59:59Z"),
        rank: Some(0),
        status: Status::Active,
        addresses: vec![Address {
            metadata: part("a1"),
            street: some("1 Main Street"),
            room: some("B12"),
            locality: some("Budapest"),
            state: some("Pest"),
            postal_code: some("1111"),
            country: some("HU"),
            address_type: "office".to_owned(),
            language: some("en"),
            ..Address::default()
        }],
        telephone_numbers: vec![TelephoneNumber {
            metadata: part("t1"),
            country_code: some("36"),
            number: "2345678".to_owned(),
            telephone_type: "office".to_owned(),
            ..TelephoneNumber::default()
        }],
        ..Role::default()
    }
}

#[test]
fn a_person_is_told_whole() {
    let meta = |id: &str| {
        json!({
            "id": id,
            "created": "2026-01-01T00:00:00Z",
            "lastModified": "2026-02-01T00:00:00Z",
            "revision": 0,
        })
    };
    assert_eq!(
        of_person(&whole_person(), "anna"),
        json!({
            "meta": { "version": "1.0.0", "objectType": "person" },
            "person": {
                "meta": {
                    "id": "anna",
                    "created": "2026-01-01T00:00:00Z",
                    "lastModified": "2026-02-01T00:00:00Z",
                },
                "status": "grace period",
                "names": [{
                    "meta": meta("n1"), "prefix": "Dr", "given": "Anna", "middle": "Mária", "family": "Kovács",
                    "suffix": "Jr.", "language": "hu", "formatted": "Kovács Anna", "type": "official",
                }],
                "identifiers": [{ "meta": meta("i1"), "identifier": "anna", "type": "uid" }],
                "emailAddresses": [{
                    "meta": meta("e1"), "address": "anna@example.org", "verified": false, "type": "official",
                }],
                "urls": [{ "meta": meta("u1"), "url": "https://example.org/anna", "type": "official" }],
                "roles": [{
                    "meta": meta("r1"), "couId": "physics", "title": "Professor",
                    "organization": "Example University", "department": "Physics",
                    "validFrom": "2026-01-01T00:00:00Z", "validThrough": "2026-12-31T23:59:59Z",
                    "affiliation": "staff", "rank": 0,
                    "addresses": [{
                        "meta": meta("a1"), "streetAddress": "1 Main Street", "room": "B12",
                        "locality": "Budapest", "region": "Pest", "postalCode": "1111", "country": "HU",
                        "language": "en", "formatted": "1 Main Street, B12, Budapest, Pest, 1111, HU",
                        "type": "office",
                    }],
                    "telephoneNumbers": [{ "meta": meta("t1"), "number": "+36 2345678", "type": "office" }],
                    "status": "active",
                }],
                "dateOfBirth": "1990-12-24",
                "members": ["staff"],
            },
        })
    );
}

#[test]
fn what_the_registry_does_not_hold_is_left_out_but_lists_stay() {
    let message = of_person(&Person { metadata: part("p1"), ..Person::default() }, "anna");
    let person = message["person"].as_object().unwrap();
    assert!(!person.contains_key("dateOfBirth"));
    assert_eq!(person["roles"], json!([]));
    assert_eq!(person["members"], json!([]));
}

#[test]
fn a_role_has_a_status_of_its_own() {
    let message = of_person(&whole_person(), "anna");
    assert_eq!(message["person"]["status"], "grace period");
    assert_eq!(message["person"]["roles"][0]["status"], "active");
}

#[test]
fn a_removal_tells_the_identifier_alone() {
    assert_eq!(
        of_removal("anna"),
        json!({
            "meta": { "version": "1.0.0", "objectType": "person" },
            "person": { "meta": { "id": "anna", "deleted": true } },
        })
    );
}

fn schema() -> Value {
    serde_json::from_str(include_str!("../../message.schema.json")).unwrap()
}

#[test]
fn every_message_is_valid_by_the_schema() {
    let validator = jsonschema::draft202012::options().build(&schema()).unwrap();
    let bare = Person { metadata: part("p1"), ..Person::default() };
    for message in [of_person(&whole_person(), "anna"), of_person(&bare, "anna"), of_removal("anna")] {
        let errors: Vec<String> = validator
            .iter_errors(&message)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}\n{message:#}");
    }
}

#[test]
fn the_schema_refuses_what_is_never_sent() {
    let validator = jsonschema::draft202012::options().build(&schema()).unwrap();
    let mut message = of_person(&whole_person(), "anna");
    message["person"]["nickname"] = json!("Panni");
    assert!(!validator.is_valid(&message));
    let mut message = of_person(&whole_person(), "anna");
    message["person"]["emailAddresses"][0]["verified"] = json!("no");
    assert!(!validator.is_valid(&message));
}

/// Names of all members of all objects in a value.
fn member_names(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                names.push(name.clone());
                member_names(value, names);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| member_names(item, names)),
        _ => {}
    }
}

#[test]
fn the_schema_describes_nothing_that_is_never_sent() {
    let mut sent = Vec::new();
    member_names(&of_person(&whole_person(), "anna"), &mut sent);
    member_names(&of_removal("anna"), &mut sent);
    let schema = schema();
    let definitions = schema["$defs"].as_object().unwrap().values();
    for definition in definitions.chain([&schema]) {
        for name in definition["properties"].as_object().into_iter().flatten().map(|(name, _)| name) {
            assert!(sent.contains(name), "{name:?} is described but never sent");
        }
    }
}

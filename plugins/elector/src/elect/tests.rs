use provender_sdk::records::{Group, Person, Role};

use super::*;

fn election(json: &str) -> Configuration {
    serde_json::from_str(json).unwrap()
}

fn metadata(id: &str, created: &str, source: Option<&str>) -> Metadata {
    Metadata {
        id: id.to_owned(),
        created: format!("{created}T00:00:00Z"),
        source: source.map(str::to_owned),
        ..Metadata::default()
    }
}

fn mail(id: &str, email_type: &str, created: &str, source: Option<&str>) -> EmailAddress {
    EmailAddress {
        metadata: metadata(id, created, source),
        mail: format!("{id}@example.org"),
        email_type: email_type.to_owned(),
        ..EmailAddress::default()
    }
}

/// Out of the order of their age.
fn addresses() -> Vec<EmailAddress> {
    vec![
        mail("1", "personal", "2026-02-01", Some("lab")),
        mail("2", "official", "2026-03-01", Some("hr")),
        mail("3", "official", "2026-01-01", Some("lab")),
        mail("4", "official", "2026-02-01", None),
    ]
}

/// `id` and type of each entry afterwards.
fn elected(json: &str) -> Vec<(String, String)> {
    let mut person = Subject::Person(Person { email_addresses: addresses(), ..Person::default() });
    subject(&mut person, &election(json));
    let Subject::Person(person) = person else { panic!("a person stays a person") };
    person.email_addresses.into_iter().map(|address| (address.metadata.id, address.email_type)).collect()
}

fn mode(tie_break: &str, replacement: &str, precedences: &str) -> String {
    format!(
        r#"{{"attribute": "email_address", "outbound_type": "Mail", "tie_break": "{tie_break}",
             "replacement": "{replacement}", "precedences": {precedences}}}"#
    )
}

const OFFICIAL: &str = r#"[{"type": "official"}, {"type": "personal"}]"#;

fn pair(id: &str, email_type: &str) -> (String, String) {
    (id.to_owned(), email_type.to_owned())
}

#[test]
fn the_oldest_or_the_newest_takes_the_place_of_all() {
    assert_eq!(elected(&mode("oldest", "replace", OFFICIAL)), [pair("3", "mail")]);
    assert_eq!(elected(&mode("newest", "replace", OFFICIAL)), [pair("2", "mail")]);
}

#[test]
fn the_oldest_or_the_newest_is_put_behind_the_others_as_a_copy() {
    for (tie_break, copy) in [("oldest", "3-elected"), ("newest", "2-elected")] {
        let found = elected(&mode(tie_break, "insert", OFFICIAL));
        assert_eq!(found.len(), 5);
        assert_eq!(found[4], pair(copy, "mail"));
        assert_eq!(found[2], pair("3", "official"), "the others stay");
    }
}

#[test]
fn of_entries_of_the_same_second_the_numbers_of_their_rows_tell() {
    let elected = |tie_break: &str, ids: [&str; 3]| {
        let addresses = ids.map(|id| mail(id, "official", "2026-01-01", None)).to_vec();
        let mut person = Subject::Person(Person { email_addresses: addresses, ..Person::default() });
        subject(&mut person, &election(&mode(tie_break, "replace", OFFICIAL)));
        let Subject::Person(person) = person else { panic!("a person stays a person") };
        person.email_addresses[0].metadata.id.clone()
    };
    for (ids, oldest, newest) in
        [(["100", "9", "11"], "9", "100"), (["0198c5a2", "0198c5a1", "0198c5b0"], "0198c5a1", "0198c5b0")]
    {
        assert_eq!(elected("oldest", ids), oldest);
        assert_eq!(elected("newest", ids), newest);
    }
}

#[test]
fn the_first_precedence_that_an_entry_fits_decides() {
    let personal_first = r#"[{"type": "list"}, {"type": "personal"}, {"type": "official"}]"#;
    assert_eq!(elected(&mode("oldest", "replace", personal_first)), [pair("1", "mail")]);
}

#[test]
fn a_source_restricts_a_precedence_to_the_entries_that_it_manages() {
    for (precedences, expected) in [
        (r#"[{"type": "official", "source": "hr"}]"#, "2"),
        (r#"[{"type": "official", "source": "lab"}]"#, "3"),
        (r#"[{"type": "personal", "source": "hr"}, {"type": "official", "source": "hr"}]"#, "2"),
        (r#"[{"type": "personal", "source": "hr"}, {"type": "official"}]"#, "3"),
    ] {
        assert_eq!(
            elected(&mode("oldest", "replace", precedences)),
            [pair(expected, "mail")],
            "{precedences}"
        );
    }
}

#[test]
fn where_nothing_fits_all_stays_as_it_is() {
    let before: Vec<_> =
        addresses().into_iter().map(|address| (address.metadata.id, address.email_type)).collect();
    for precedences in ["[]", r#"[{"type": "list"}]"#, r#"[{"type": "personal", "source": "hr"}]"#] {
        assert_eq!(elected(&mode("oldest", "replace", precedences)), before, "{precedences}");
    }
}

#[test]
fn an_entry_that_has_the_type_already_is_not_put_in_twice() {
    let same = r#"{"attribute": "email_address", "outbound_type": "personal", "precedences": [{"type": "personal"}]}"#;
    assert_eq!(elected(same).len(), 4);
}

#[test]
fn entries_of_the_same_second_are_told_apart_by_their_id() {
    let mut entries =
        vec![mail("b", "official", "2026-01-01", None), mail("a", "official", "2026-01-01", None)];
    elect(&mut entries, &election(&mode("oldest", "replace", OFFICIAL)));
    assert_eq!(entries[0].metadata.id, "a");
}

#[test]
fn each_role_has_an_election_of_its_own() {
    let number = |id: &str, created: &str| TelephoneNumber {
        metadata: metadata(id, created, None),
        telephone_type: "office".to_owned(),
        ..TelephoneNumber::default()
    };
    let role = |numbers| Role { telephone_numbers: numbers, ..Role::default() };
    let roles = vec![
        role(vec![number("1", "2026-02-01"), number("2", "2026-01-01")]),
        role(vec![]),
        role(vec![number("3", "2026-03-01")]),
    ];
    let mut person = Subject::Person(Person { roles, ..Person::default() });
    let of_roles = r#"{"attribute": "telephone_number", "outbound_type": "main", "replacement": "replace",
                       "precedences": [{"type": "office"}]}"#;
    subject(&mut person, &election(of_roles));
    let Subject::Person(person) = person else { panic!("a person stays a person") };
    let ids: Vec<Vec<_>> = person
        .roles
        .iter()
        .map(|role| role.telephone_numbers.iter().map(|number| number.metadata.id.as_str()).collect())
        .collect();
    assert_eq!(ids, [vec!["2"], vec![], vec!["3"]]);
}

#[test]
fn exactly_one_name_is_primary_afterwards() {
    let name = |id: &str, name_type: &str, primary| Name {
        metadata: metadata(id, "2026-01-01", None),
        name_type: name_type.to_owned(),
        primary,
        ..Name::default()
    };
    for (replacement, expected) in [("insert", vec![true, false, false]), ("replace", vec![true])] {
        let mut names = vec![name("1", "official", true), name("2", "preferred", false)];
        let of_names = format!(
            r#"{{"attribute": "name", "outbound_type": "display", "replacement": "{replacement}",
                 "precedences": [{{"type": "preferred"}}]}}"#
        );
        elect(&mut names, &election(&of_names));
        let primary: Vec<bool> = names.iter().map(|name| name.primary).collect();
        assert_eq!(primary, expected, "{replacement}");
    }
}

#[test]
fn identifiers_of_groups_are_elected_too() {
    let identifier = Identifier {
        metadata: metadata("1", "2026-01-01", None),
        identifier_type: "gid".to_owned(),
        ..Identifier::default()
    };
    let mut group = Subject::Group(Group { identifiers: vec![identifier], ..Group::default() });
    let of_groups = r#"{"attribute": "identifier", "outbound_type": "number", "replacement": "replace",
                        "precedences": [{"type": "gid"}]}"#;
    subject(&mut group, &election(of_groups));
    assert_eq!(group.identifiers()[0].identifier_type, "number");
}

use super::*;

fn mail(mail: &str, email_type: &str) -> EmailAddress {
    EmailAddress { mail: mail.to_owned(), email_type: email_type.to_owned(), ..EmailAddress::default() }
}

fn name(given: &str, name_type: &str, primary: bool) -> Name {
    Name { given: Some(given.to_owned()), name_type: name_type.to_owned(), primary, ..Name::default() }
}

fn anna() -> Person {
    Person {
        date_of_birth: Some("1990-12-24".to_owned()),
        names: vec![name("Anna", "official", true), name("Panni", "preferred", false)],
        email_addresses: vec![mail("a@x", "official"), mail("a@home", "personal")],
        roles: vec![Role { title: Some("Dr".to_owned()), ..Role::default() }],
        org_identities: vec![OrgIdentity {
            title: Some("Docent".to_owned()),
            date_of_birth: Some("1990-12-24".to_owned()),
            email_addresses: vec![mail("a@uni", "official"), mail("b@home", "personal")],
            names: vec![name("Anna", "official", true)],
            ..OrgIdentity::default()
        }],
        ..Person::default()
    }
}

fn rules(json: &str) -> Vec<Rule> {
    serde_json::from_str(json).unwrap()
}

fn scrubbed(json: &str) -> Person {
    let mut scrubbed = anna();
    person(&mut scrubbed, &rules(json)).unwrap();
    scrubbed
}

fn mails(addresses: &[EmailAddress]) -> Vec<&str> {
    addresses.iter().map(|address| address.mail.as_str()).collect()
}

#[test]
fn entries_of_a_type_are_taken_out_everywhere() {
    let person = scrubbed(r#"[{"attribute": "email_address", "type": "personal"}]"#);
    assert_eq!(mails(&person.email_addresses), ["a@x"]);
    assert_eq!(mails(&person.org_identities[0].email_addresses), ["a@uni"]);
}

#[test]
fn without_a_type_all_entries_are_taken_out() {
    let person = scrubbed(r#"[{"attribute": "email_address", "presence": "not_permitted"}]"#);
    assert!(person.email_addresses.is_empty() && person.org_identities[0].email_addresses.is_empty());
}

#[test]
fn a_rule_for_org_identities_leaves_the_person_alone() {
    let person = scrubbed(
        r#"[{"attribute": "date_of_birth", "places": ["org_identities"]},
            {"attribute": "title", "places": ["org_identities"]}]"#,
    );
    assert_eq!(person.org_identities[0].date_of_birth, None);
    assert_eq!(person.org_identities[0].title, None);
    assert!(person.date_of_birth.is_some() && person.roles[0].title.is_some());
}

#[test]
fn an_optional_attribute_stays() {
    assert_eq!(scrubbed(r#"[{"attribute": "email_address", "presence": "optional"}]"#), anna());
}

#[test]
fn whoever_lacks_a_required_attribute_is_kept_back() {
    for (rule, missing) in [
        (r#"[{"attribute": "title", "presence": "required"}]"#, None),
        (r#"[{"attribute": "title", "presence": "required", "places": ["person"]}]"#, Some("has no title")),
        (r#"[{"attribute": "identifier", "presence": "required"}]"#, Some("has no identifier")),
        (
            r#"[{"attribute": "email_address", "type": "list", "presence": "required"}]"#,
            Some("has no email address of type `list`"),
        ),
    ] {
        let found = person(&mut anna(), &rules(rule)).err();
        assert_eq!(found.as_deref(), missing, "{rule}");
    }
}

#[test]
fn what_an_earlier_rule_took_out_is_missing_for_a_later_one() {
    let both = r#"[{"attribute": "title"}, {"attribute": "title", "presence": "required"}]"#;
    assert!(person(&mut anna(), &rules(both)).is_err());
}

#[test]
fn one_of_the_names_that_stay_is_primary() {
    let person = scrubbed(r#"[{"attribute": "name", "type": "official"}]"#);
    let names: Vec<_> = person.names.iter().map(|name| (name.given.as_deref(), name.primary)).collect();
    assert_eq!(names, [(Some("Panni"), true)]);
    assert!(person.org_identities[0].names.is_empty());
}

use serde_json::{Value, json};

use super::*;
use crate::registry::record::RecordKind;
use crate::registry::samples;

/// Pointers and messages of what is wrong with a person.
fn problems_of(person: Value) -> Vec<(String, String)> {
    problems(RecordKind::Person, person)
}

fn problems(kind: RecordKind, record: Value) -> Vec<(String, String)> {
    match parse_record(kind, record.to_string().as_bytes()) {
        Ok(_) => Vec::new(),
        Err(InvalidRecord { problems }) => {
            problems.into_iter().map(|problem| (problem.pointer, problem.message)).collect()
        }
    }
}

/// A person with one name and these members.
fn person(members: Value) -> Value {
    let mut person = json!({"names": [{"given": "Ann", "primary": true}]});
    person.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    person
}

#[test]
fn records_with_every_field_filled_are_accepted() {
    for record in samples::records() {
        assert_eq!(validate(record.clone()), Ok(record));
    }
    assert_eq!(validate_membership(&samples::membership()), Ok(()));
    assert_eq!(validate_collaboration(&samples::collaboration()), Ok(()));
}

#[test]
fn the_only_name_is_the_primary_one() {
    let Ok(Record::Person(person)) = parse_record(RecordKind::Person, br#"{"names": [{"given": "Ann"}]}"#)
    else {
        panic!("refused")
    };
    assert!(person.names[0].primary);
}

#[test]
fn an_empty_text_is_no_value() {
    let json = person(json!({"timezone": "", "roles": [{"title": "", "addresses": [{"room": ""}]}]}));
    let Ok(Record::Person(person)) = parse_record(RecordKind::Person, json.to_string().as_bytes()) else {
        panic!("refused")
    };
    assert_eq!(
        (&person.timezone, &person.roles[0].title, &person.roles[0].addresses[0].room),
        (&None, &None, &None)
    );
}

/// What is refused, where, and what the message says.
fn refusals() -> Vec<(Value, &'static str, &'static str)> {
    let window = json!({"valid_from": "2030-01-02T00:00:00Z", "valid_through": "2030-01-02T00:00:00Z"});
    let credential = |credential: Value| {
        person(json!({"authenticators": [{"authenticator": "a", "credential": credential}]}))
    };
    vec![
        (json!({}), "/names", "at least one name"),
        (json!({"names": [{"given": "A"}, {"given": "B"}]}), "/names", "none of the names is primary"),
        (
            json!({"names": [{"given": "A", "primary": true}, {"given": "B", "primary": true}]}),
            "/names",
            "2 names are primary",
        ),
        (json!({"names": [{"middle": "Q", "given": " "}]}), "/names/0", "\"given\" or \"family\""),
        (json!({"names": [{"given": "A", "language": "e"}]}), "/names/0/language", "not a language tag"),
        (json!({"names": [{"given": "A", "language": "pt_BR"}]}), "/names/0/language", "\"pt-BR\""),
        (json!({"names": [{"given": "A", "type": ""}]}), "/names/0/type", "must not be empty"),
        (json!({"names": [{"given": "A\u{7}"}]}), "/names/0/given", "control character U+0007"),
        (json!({"names": [{"given": "A\u{85}"}]}), "/names/0/given", "control character U+0085"),
        (
            json!({"names": [{"given": "x".repeat(65_537)}]}),
            "/names/0/given",
            "at most 65536 bytes, this one has 65537",
        ),
        (
            json!({"names": [{"given": "A", "meta": {"id": "a/b"}}]}),
            "/names/0/meta/id",
            "'/' cannot be in an id",
        ),
        (person(json!({"email_addresses": [{"mail": "ann"}]})), "/email_addresses/0/mail", "local@domain"),
        (person(json!({"email_addresses": [{"mail": "@x"}]})), "/email_addresses/0/mail", "local@domain"),
        (person(json!({"email_addresses": [{"mail": "a@"}]})), "/email_addresses/0/mail", "local@domain"),
        (person(json!({"email_addresses": [{"mail": "a b@x"}]})), "/email_addresses/0/mail", "local@domain"),
        (
            person(json!({"identifiers": [{"identifier": "", "type": "uid"}]})),
            "/identifiers/0/identifier",
            "empty",
        ),
        (person(json!({"identifiers": [{"identifier": "a", "type": ""}]})), "/identifiers/0/type", "empty"),
        (
            person(json!({"roles": [{"valid_from": "-000001-01-01T00:00:00Z"}]})),
            "/roles/0/valid_from",
            "the year -1 cannot be written by RFC 3339",
        ),
        (person(json!({"date_of_birth": "-000001-01-01"})), "/date_of_birth", "the year -1"),
        (person(json!({"urls": [{"url": "example.org"}]})), "/urls/0/url", "not an absolute URL"),
        (person(json!({"roles": [window]})), "/roles/0/valid_through", "must be after valid_from"),
        (person(json!({"roles": [{"cou": "a b"}]})), "/roles/0/cou", "' ' cannot be in an id"),
        (
            person(json!({"roles": [{"telephone_numbers": [{"number": " "}]}]})),
            "/roles/0/telephone_numbers/0/number",
            "must not be empty",
        ),
        (
            person(json!({"roles": [{"ad_hoc_attributes": [{"tag": ""}]}]})),
            "/roles/0/ad_hoc_attributes/0/tag",
            "must not be empty",
        ),
        (
            person(json!({"org_identities": [{"names": [{}]}]})),
            "/org_identities/0/names/0",
            "\"given\" or \"family\"",
        ),
        (
            person(json!({"cluster_accounts": [{"cluster": "c", "username": ""}]})),
            "/cluster_accounts/0/username",
            "empty",
        ),
        (
            credential(json!({"kind": "ssh_key", "key_type": "ssh-rsa", "key": "AA AA"})),
            "/authenticators/0/credential/key",
            "white space",
        ),
        (
            credential(json!({"kind": "password", "scheme": "", "hash": "x"})),
            "/authenticators/0/credential/scheme",
            "empty",
        ),
        (
            credential(json!({"kind": "other", "name": "totp", "value": {"a/b": ["\u{0}"]}})),
            "/authenticators/0/credential/value/a~1b/0",
            "U+0000",
        ),
        (
            person(json!({"extensions": [{"name": "x", "value": 1}, {"name": "x", "value": 2}]})),
            "/extensions/1",
            "the same name \"x\"",
        ),
        (
            person(json!({"urls": [
                {"url": "https://a.example", "meta": {"id": "1"}},
                {"url": "https://b.example", "meta": {"id": "1"}}
            ]})),
            "/urls/1",
            "the same id \"1\"",
        ),
        (
            person(json!({"urls": vec![json!({"url": "https://a.example"}); 1_001]})),
            "/urls",
            "at most 1000 elements, this one has 1001",
        ),
    ]
}

#[test]
fn what_cannot_be_stored_is_refused_with_its_place() {
    for (record, pointer, message) in refusals() {
        let problems = problems_of(record);
        let [(at, told)] = problems.as_slice() else { panic!("{pointer}: {problems:?}") };
        assert_eq!(at, pointer);
        assert!(told.contains(message), "{pointer}: {told}");
    }
}

#[test]
fn a_record_that_nests_too_deep_to_be_read_again_is_refused() {
    let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let extended = |value: Value| person(json!({"extensions": [{"name": "deep", "value": value}]}));
    assert_eq!(problems_of(extended(nested(96))), []);
    let [(pointer, message)] = problems_of(extended(nested(97))).try_into().unwrap();
    assert!(pointer.starts_with("/extensions/0/value/0/0/"), "{pointer}");
    assert_eq!(message, "nests more than 100 levels deep");
}

#[test]
fn a_pointer_is_short_and_leads_around_what_is_wrong() {
    let key = "k".repeat(2_000);
    let extension = json!({"name": "long", "value": {"a": {key: "\u{7}"}}});
    let [(pointer, _), (within, _)] =
        problems_of(person(json!({"extensions": [extension, {"name": "", "value": 1}]}))).try_into().unwrap();
    assert_eq!((pointer.as_str(), within.as_str()), ("/extensions/0/value/a", "/extensions/1/name"));
}

#[test]
fn groups_lists_and_services_need_a_name() {
    for kind in [RecordKind::Group, RecordKind::EmailList, RecordKind::Service] {
        let problems = problems(kind, json!({"name": " "}));
        assert_eq!(problems, [("/name".to_owned(), "must not be empty".to_owned())], "{kind:?}");
    }
}

#[test]
fn references_are_ids() {
    let bad = |kind, field: &str| {
        let problems = problems(kind, json!({"name": "x", field: "a/b"}));
        assert_eq!(problems.len(), 1, "{field}");
        assert_eq!(problems[0].0, format!("/{field}"));
    };
    bad(RecordKind::Group, "cou");
    bad(RecordKind::EmailList, "admins_group");
    bad(RecordKind::EmailList, "members_group");
    bad(RecordKind::EmailList, "moderators_group");
    bad(RecordKind::Service, "cou");
    bad(RecordKind::Service, "group");
}

#[test]
fn what_cannot_be_read_is_refused_with_its_place() {
    for (record, pointer, message) in [
        (json!([]), "", "an object is expected"),
        (json!(7), "", "expected struct Person"),
        (json!({"nmes": []}), "/nmes", "unknown field `nmes`"),
        (json!({"names": [{"given": 7}]}), "/names/0/given", "expected a string"),
        (json!({"names": {}}), "/names", "expected a sequence"),
        (person(json!({"status": "actve"})), "/status", "unknown variant `actve`"),
        (person(json!({"email_addresses": [{}]})), "/email_addresses/0", "missing field `mail`"),
        (
            person(json!({"roles": [{"valid_from": "soon"}]})),
            "/roles/0/valid_from",
            "a time is written as 2026-",
        ),
        (person(json!({"date_of_birth": "1990-13-01"})), "/date_of_birth", "a date as 2026-"),
    ] {
        let problems = problems_of(record);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].0, pointer, "{problems:?}");
        assert!(problems[0].1.contains(message), "{problems:?}");
        assert!(!problems[0].1.contains("line 1"), "{problems:?}");
    }
    let refused = parse_record(RecordKind::Person, b"{\"names\": [").unwrap_err();
    assert!(refused.to_string().contains("line 1 column"), "{refused}");
    let refused = parse_record(RecordKind::Person, b"{} {}").unwrap_err();
    assert!(refused.to_string().contains("trailing characters"), "{refused}");
}

#[test]
fn no_message_tells_what_a_credential_holds() {
    let secret = "correct horse battery staple";
    for credential in [
        json!(secret),
        json!({"kind": secret}),
        json!({"kind": "password", "scheme": {"is": secret}, "hash": secret}),
        json!({"kind": "password", "scheme": "crypt", "hash": [secret]}),
        json!({"kind": "password", "scheme": secret, "hash": format!("{secret}\u{0}")}),
        json!({"kind": "ssh_key", "key_type": secret, "key": secret}),
    ] {
        let authenticator = json!({"authenticator": "a", "credential": credential});
        let problems = problems_of(person(json!({"authenticators": [authenticator]})));
        assert!(!problems.is_empty(), "{credential}");
        for (pointer, message) in problems {
            assert!(pointer.starts_with("/authenticators/0"), "{pointer}");
            assert!(!message.contains("horse"), "{message}");
        }
    }
}

#[test]
fn many_problems_are_told_at_once_but_not_all() {
    let addresses = vec![json!({"mail": "no"}); 30];
    assert_eq!(problems_of(person(json!({"email_addresses": addresses}))).len(), MAX_PROBLEMS);
}

#[test]
fn a_message_that_quotes_the_input_is_short() {
    let problems = problems_of(person(json!({"status": "x".repeat(50_000)})));
    assert!(problems[0].1.len() < 1_000);
}

#[test]
fn a_record_that_is_too_large_is_refused() {
    let attribute = json!({"tag": "t", "value": "x".repeat(60_000)});
    let large = person(json!({"roles": [{"ad_hoc_attributes": vec![attribute; 18]}]}));
    let problems = problems_of(large.clone());
    assert!(problems[0].1.contains("at most 1048576 bytes as JSON"), "{problems:?}");

    let person: crate::registry::record::Person = serde_json::from_value(large).unwrap();
    let refused = validate(Record::Person(Box::new(person))).unwrap_err();
    assert!(refused.to_string().contains("at most 1048576 bytes as JSON"), "{refused}");
}

#[test]
fn every_text_of_every_record_is_looked_at() {
    let mut looked_at = 0;
    for record in samples::records() {
        let (kind, json) = match &record {
            Record::Person(person) => (RecordKind::Person, serde_json::to_value(person)),
            Record::Group(group) => (RecordKind::Group, serde_json::to_value(group)),
            Record::EmailList(list) => (RecordKind::EmailList, serde_json::to_value(list)),
            Record::Service(service) => (RecordKind::Service, serde_json::to_value(service)),
            Record::Department(department) => (RecordKind::Department, serde_json::to_value(department)),
        };
        let json = json.unwrap();
        let mut texts = Vec::new();
        find_texts("", &json, &mut texts);
        for pointer in texts {
            let mut spoiled = json.clone();
            let text = spoiled.pointer_mut(&pointer).unwrap();
            *text = json!(format!("{}\u{1}", text.as_str().unwrap()));
            let problems = problems(kind, spoiled);
            assert!(problems.iter().any(|(at, _)| *at == pointer), "{pointer} is not among {problems:?}");
            looked_at += 1;
        }
    }
    assert!(looked_at > 150, "only {looked_at} texts");
}

/// Pointers to all texts but those that a type gives a meaning, which are refused for other reasons.
fn find_texts(at: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let is_time =
                text.parse::<jiff::Timestamp>().is_ok() || text.parse::<jiff::civil::Date>().is_ok();
            let is_tag = at.ends_with("/credential/kind");
            if !is_time && !is_tag {
                found.push(at.to_owned());
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                find_texts(&format!("{at}/{index}"), value, found);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                find_texts(&format!("{at}/{name}"), value, found);
            }
        }
        _ => {}
    }
}

#[test]
fn the_units_of_a_collaboration_form_trees() {
    let problems = |cous: Value| -> Vec<(String, String)> {
        let json = json!({"id": "co", "name": "CO", "cous": cous});
        let collaboration: Collaboration = serde_json::from_value(json).unwrap();
        let refused = validate_collaboration(&collaboration);
        let problems = refused.err().map(|refused| refused.problems).unwrap_or_default();
        problems.into_iter().map(|problem| (problem.pointer, problem.message)).collect()
    };
    let cou = |id: &str, parent: Option<&str>| json!({"id": id, "name": id, "parent": parent});
    assert_eq!(problems(json!([cou("a", None), cou("b", Some("a")), cou("c", Some("b"))])), []);
    let missing = problems(json!([cou("a", Some("x"))]));
    assert_eq!(
        missing,
        [("/cous/0/parent".to_owned(), "there is no unit \"x\" in this collaboration".to_owned())]
    );
    let own = problems(json!([cou("a", Some("a"))]));
    assert_eq!(own[0].1, "the units above \"a\" lead back to it");
    let circle =
        problems(json!([cou("a", Some("c")), cou("b", Some("a")), cou("c", Some("b")), cou("d", Some("a"))]));
    let places: Vec<&str> = circle.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(places, ["/cous/0/parent", "/cous/1/parent", "/cous/2/parent"]);
    let twice = problems(json!([cou("a", None), cou("a", None)]));
    assert_eq!(twice[0].0, "/cous/1");
    let nameless = problems(json!([{"id": "", "name": ""}]));
    assert_eq!(nameless.len(), 2);
}

#[test]
fn a_membership_has_a_person_a_group_and_a_meaning() {
    let mut membership = samples::membership();
    membership.group = String::new();
    membership.person = "a/b".to_owned();
    membership.owner = false;
    membership.valid_through = membership.valid_from;
    let refused = validate_membership(&membership).unwrap_err();
    let places: Vec<&str> = refused.problems.iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(places, ["/group", "/person", "", "/valid_through"]);
}

#[test]
fn problems_read_as_one_line() {
    let refused = InvalidRecord::new("/a", "one").below("/record");
    assert_eq!(refused.to_string(), "/record/a: one");
    let both =
        InvalidRecord { problems: [refused.problems, InvalidRecord::new("", "two").problems].concat() };
    assert_eq!(both.to_string(), "/record/a: one; two");
}

use serde_json::{Value, json};

use super::{Content, Delivery, Ledger, group_id, parse_delivery};
use crate::registry::record::{Agreement, Person, Status};

fn row(id: u64, revision: u64, minute: u64) -> Value {
    let mut meta = json!({"id": id.to_string(), "created": "2026-11-22T15:00:00Z",
        "lastModified": format!("2026-11-22T15:{minute:02}:00Z")});
    // A zero is never sent.
    if revision > 0 {
        meta["revision"] = json!(revision);
    }
    meta
}

fn message(person: Value) -> Value {
    json!({"meta": {"version": "1.0.0", "objectType": "person"}, "person": person})
}

fn read(person: Value) -> Delivery {
    parse_delivery(message(person).to_string().as_bytes()).unwrap()
}

fn content(person: Value) -> Content {
    read(person).content.unwrap()
}

/// A person with a name and, by their ids, email addresses.
fn person(name: Value, emails: &[(u64, u64)]) -> Value {
    let emails: Vec<Value> = emails
        .iter()
        .map(|(id, minute)| json!({"meta": row(*id, 0, *minute), "address": format!("e{id}@example.org")}))
        .collect();
    json!({
        "meta": {"id": "bob", "created": "2026-11-22T15:00:00Z", "lastModified": "2026-11-22T15:00:00Z"},
        "status": "active",
        "names": [{"meta": name, "given": "Bob", "family": "Example", "type": "official"}],
        "emailAddresses": emails,
    })
}

#[test]
fn every_key_of_the_document_becomes_a_field() {
    let delivery = read(json!({
        "meta": {"id": "bob80", "created": "2026-11-22T15:59:13Z", "lastModified": "2026-11-22T15:59:13Z"},
        "status": "grace period",
        "names": [{"meta": row(87, 1, 1), "prefix": "Dr", "given": "Bob", "middle": "M", "family": "T",
            "suffix": "Jr", "language": "en", "formatted": "Bob M T Jr", "type": "official"}],
        "identifiers": [{"meta": row(18, 0, 2), "identifier": "bob80", "type": "uid"}],
        "emailAddresses": [{"meta": row(8, 0, 3), "address": "b@example.org", "verified": true, "type": "official"}],
        "urls": [{"meta": row(9, 0, 4), "url": "https://example.org/~b", "type": "official"}],
        "roles": {"1": {"meta": row(15, 2, 5), "couId": 4, "title": "Dr", "organization": "Org",
            "department": "Unit", "validFrom": "2026-01-01T00:00:00Z", "validThrough": "2031-01-01 00:00:00",
            "affiliation": "member", "rank": "3",
            "addresses": [{"meta": row(1, 0, 6), "streetAddress": "1 Main", "room": "2", "locality": "Town",
                "region": "State", "postalCode": "12345", "country": "XX", "language": "en",
                "formatted": "1 Main, Town", "type": "office"}],
            "telephoneNumbers": [{"meta": row(2, 0, 7), "number": "+1 555 0100 x7", "type": "office"}],
            "status": "grace period"}},
        "dateOfBirth": "1990-12-24",
        "members": ["g1", "CO:members:all", "CO:COU:Lab:members:active", "CO:admins", "g1"],
    }));
    assert_eq!(delivery.id, "bob80");
    let content = delivery.content.unwrap();
    let (person, role) = (&content.person, &content.person.roles[0]);
    assert_eq!(person.status, Status::GracePeriod);
    assert_eq!(person.date_of_birth.unwrap().to_string(), "1990-12-24");
    let name = &person.names[0];
    let said = [&name.honorific, &name.given, &name.middle, &name.family, &name.suffix, &name.language];
    assert_eq!(said.map(|part| part.as_deref().unwrap()), ["Dr", "Bob", "M", "T", "Jr", "en"]);
    assert_eq!((&*name.meta.id, &*name.name_type), ("87", "official"));
    let identifier = &person.identifiers[0];
    assert_eq!((&*identifier.identifier, &*identifier.identifier_type), ("bob80", "uid"));
    let email = &person.email_addresses[0];
    assert_eq!((&*email.mail, email.verified, &*email.email_type), ("b@example.org", true, "official"));
    assert_eq!((&*person.urls[0].url, &*person.urls[0].url_type), ("https://example.org/~b", "official"));
    let said = [&role.cou, &role.title, &role.organization, &role.department, &role.affiliation];
    assert_eq!(said.map(|part| part.as_deref().unwrap()), ["4", "Dr", "Org", "Unit", "member"]);
    assert_eq!((role.rank, role.status), (Some(3), Status::Active));
    assert_eq!(role.valid_from.unwrap().to_string(), "2026-01-01T00:00:00Z");
    assert_eq!(role.valid_through.unwrap().to_string(), "2031-01-01T00:00:00Z");
    let address = &role.addresses[0];
    let said = [&address.street, &address.room, &address.locality, &address.state, &address.postal_code];
    assert_eq!(said.map(|part| part.as_deref().unwrap()), ["1 Main", "2", "Town", "State", "12345"]);
    assert_eq!(role.telephone_numbers[0].number, "+1 555 0100 x7");
    assert_eq!(content.groups, ["CO:admins", "g1"]);
    assert_eq!(content.versions.len(), 8, "{:?}", content.versions);
    assert_eq!(content.versions["role/15"].revision, 2);
}

#[test]
fn a_removal_is_a_document_too() {
    let removed = Delivery { id: "bob".to_owned(), content: None };
    assert_eq!(read(json!({"meta": {"id": "bob", "deleted": true}})), removed);
    assert_eq!(read(json!({"meta": {"id": "bob"}, "status": "deleted", "names": []})), removed);
}

#[test]
fn what_cannot_be_taken_is_told_with_its_place() {
    for (person, pointer) in [
        (json!({"meta": {}}), "/person/meta/id"),
        (json!({"meta": {"id": "a b"}}), "/person/meta/id"),
        (json!({"meta": {"id": "bob"}, "status": "asleep"}), "/person/status"),
        (json!({"meta": {"id": "bob"}, "names": "Bob"}), "/person/names"),
    ] {
        let refused = parse_delivery(message(person).to_string().as_bytes()).unwrap_err();
        assert_eq!(refused.problems[0].pointer, pointer, "{refused}");
    }
    assert!(parse_delivery(b"{}").is_err());
}

#[test]
fn what_a_document_cannot_hold_stays() {
    let stored = Person {
        timezone: Some("Europe/Budapest".to_owned()),
        agreements: vec![Agreement { terms: "use".to_owned(), ..Agreement::default() }],
        ..Person::default()
    };
    let merged = content(person(row(1, 0, 1), &[(8, 1)])).merged_into(Some(stored.clone()));
    assert_eq!((merged.timezone, merged.agreements), (stored.timezone, stored.agreements));
    assert_eq!(merged.email_addresses.len(), 1);
    assert!(merged.names[0].primary);
}

#[test]
fn the_primary_name_is_the_one_that_is_so_here_then_the_official_one() {
    let named = json!({"meta": {"id": "bob"}, "names": [
        {"meta": row(1, 0, 1), "given": "B", "type": "alternate"},
        {"meta": row(2, 0, 1), "given": "Bob", "type": "official"}]});
    let mut merged = content(named.clone()).merged_into(None);
    assert_eq!(merged.names.iter().map(|name| name.primary).collect::<Vec<_>>(), [false, true]);
    merged.names.iter_mut().for_each(|name| name.primary = !name.primary);
    let again = content(named).merged_into(Some(merged));
    assert_eq!(again.names.iter().map(|name| name.primary).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn an_older_document_is_known_by_its_rows() {
    let first = content(person(row(1, 0, 1), &[(8, 1)]));
    let renamed = content(person(row(1, 1, 2), &[(8, 1)]));
    let touched = content(person(row(1, 1, 3), &[(8, 1)]));
    let without_email = content(person(row(1, 1, 3), &[]));
    let other_email = content(person(row(1, 1, 3), &[(9, 4)]));
    let mut ledger = Ledger::default();
    for (accepted, older) in [
        (&first, vec![]),
        (&first, vec![]),
        (&renamed, vec![(&first, "name/1")]),
        (&touched, vec![(&renamed, "name/1"), (&first, "name/1")]),
        (&without_email, vec![(&touched, "email_address/8"), (&first, "email_address/8")]),
        (&other_email, vec![(&touched, "email_address/8")]),
    ] {
        assert_eq!(ledger.evidence_of_age(accepted), None);
        ledger.note(accepted);
        for (older, row) in older {
            assert_eq!(ledger.evidence_of_age(older), Some(row), "{older:?}");
        }
    }
}

#[test]
fn whoever_was_removed_comes_back_as_they_were_but_not_older() {
    let first = content(person(row(1, 0, 1), &[(8, 1)]));
    let last = content(person(row(1, 1, 2), &[]));
    let mut ledger = Ledger::default();
    ledger.note(&first);
    ledger.note(&last);
    ledger.note_removal();
    assert_eq!(ledger.evidence_of_age(&last), None);
    assert_eq!(ledger.evidence_of_age(&first), Some("name/1"));
    assert!(ledger.groups().is_empty());
}

#[test]
fn every_group_name_has_an_id() {
    for (name, id) in [
        ("g1", "g1"),
        ("CO:COU:Lab:admins", "CO:COU:Lab:admins"),
        ("Front desk/Ä", "Front=20desk=2F=C3=84"),
        ("a=b", "a=3Db"),
        ("v1.2", "v1.2"),
    ] {
        assert_eq!(group_id(name), id);
    }
    assert_eq!(group_id(&"é".repeat(100)).len(), 64);
    assert_eq!(group_id("..").len(), 64, "that would be a folder");
}

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{ChangedPart, Reconciled, Stamp, reconcile, reconcile_membership};
use crate::registry::record::{Identifier, Meta, Name, Person, Record, RecordKind, Role};
use crate::registry::samples;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// Reconciles at a second, with ids "new-1", "new-2", ...
fn put(second: i64, old: Option<&Record>, new: Record) -> Reconciled {
    let mut count = 0;
    let mut new_id = || {
        count += 1;
        format!("new-{second}-{count}")
    };
    reconcile("x1", old, new, &mut Stamp { at: at(second), new_id: &mut new_id })
}

fn put_person(second: i64, old: Option<&Person>, new: Person) -> (Person, Vec<String>) {
    let old = old.map(|old| Record::Person(Box::new(old.clone())));
    let Reconciled { record: Record::Person(person), parts } =
        put(second, old.as_ref(), Record::Person(Box::new(new)))
    else {
        panic!("the kind changed");
    };
    (*person, names_of(&parts))
}

fn name(id: &str, given: &str, name_type: &str) -> Name {
    Name {
        meta: Meta { id: id.to_owned(), ..Meta::default() },
        given: Some(given.to_owned()),
        name_type: name_type.to_owned(),
        ..Name::default()
    }
}

fn identifier(value: &str, identifier_type: &str, target: Option<&str>) -> Identifier {
    Identifier {
        identifier: value.to_owned(),
        identifier_type: identifier_type.to_owned(),
        provisioning_target: target.map(str::to_owned),
        ..Identifier::default()
    }
}

fn people_named(names: Vec<Name>) -> Person {
    Person { names, ..Person::default() }
}

fn ids(names: &[Name]) -> Vec<&str> {
    names.iter().map(|name| name.meta.id.as_str()).collect()
}

fn names_of(parts: &[ChangedPart]) -> Vec<String> {
    parts.iter().map(|part| part.name.to_owned()).collect()
}

fn json_of(record: &Record) -> Value {
    match record {
        Record::Person(person) => serde_json::to_value(person),
        Record::Group(group) => serde_json::to_value(group),
        Record::EmailList(list) => serde_json::to_value(list),
        Record::Service(service) => serde_json::to_value(service),
        Record::Department(department) => serde_json::to_value(department),
    }
    .unwrap()
}

fn from_json(like: &Record, json: Value) -> Option<Record> {
    Some(match like {
        Record::Person(_) => Record::Person(serde_json::from_value(json).ok()?),
        Record::Group(_) => Record::Group(serde_json::from_value(json).ok()?),
        Record::EmailList(_) => Record::EmailList(serde_json::from_value(json).ok()?),
        Record::Service(_) => Record::Service(serde_json::from_value(json).ok()?),
        Record::Department(_) => Record::Department(serde_json::from_value(json).ok()?),
    })
}

/// Calls `visit` with every value and its pointer.
fn walk(at: &str, value: &Value, visit: &mut dyn FnMut(&str, &Value)) {
    visit(at, value);
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                walk(&format!("{at}/{}", name.replace('/', "~1")), value, visit);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                walk(&format!("{at}/{index}"), value, visit);
            }
        }
        _ => {}
    }
}

/// Metadata by the pointer of what it belongs to.
fn all_metadata(record: &Record) -> Vec<(String, Meta)> {
    let mut found = Vec::new();
    walk("", &json_of(record), &mut |pointer, value| {
        if let Some(owner) = pointer.strip_suffix("/meta") {
            found.push((owner.to_owned(), serde_json::from_value(value.clone()).unwrap()));
        }
    });
    found
}

#[test]
fn a_new_record_and_all_its_parts_begin_their_history() {
    for record in samples::records() {
        let stored = put(1, None, record.clone());
        for (pointer, meta) in all_metadata(&stored.record) {
            assert_eq!((meta.created, meta.modified, meta.revision), (at(1), at(1), 0), "{pointer}");
            assert!(!meta.id.is_empty(), "{pointer}");
            assert_eq!(meta.source.as_deref(), Some("hr"), "{pointer}");
        }
        let filled: Vec<String> = json_of(&record).as_object().unwrap().keys().cloned().collect();
        for part in filled.iter().filter(|part| *part != "meta") {
            assert!(names_of(&stored.parts).contains(part), "{part} is not among {:?}", stored.parts);
        }
    }
}

#[test]
fn storing_a_record_as_it_was_returned_changes_nothing() {
    for record in samples::records() {
        let first = put(1, None, record);
        let second = put(2, Some(&first.record), first.record.clone());
        assert_eq!(second, Reconciled { record: first.record, parts: Vec::new() });
    }
}

#[test]
fn storing_the_same_input_again_changes_nothing_though_it_has_no_ids() {
    for record in samples::records() {
        let mut json = json_of(&record);
        strip_metadata(&mut json);
        let input = from_json(&record, json).unwrap();
        let first = put(1, None, input.clone());
        let second = put(2, Some(&first.record), input);
        assert_eq!(second, Reconciled { record: first.record, parts: Vec::new() });
    }
}

fn strip_metadata(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("meta");
            members.values_mut().for_each(strip_metadata);
        }
        Value::Array(values) => values.iter_mut().for_each(strip_metadata),
        _ => {}
    }
}

#[test]
fn any_change_raises_the_revisions_on_its_way_and_no_other() {
    let mut changes = 0;
    for record in samples::records() {
        let first = put(1, None, record).record;
        let json = json_of(&first);
        let mut leaves = Vec::new();
        walk("", &json, &mut |pointer, value| {
            // Another kind of credential has other fields.
            let can_change = !pointer.contains("/meta") && !pointer.ends_with("/credential/kind");
            if can_change && (value.is_string() || value.is_boolean() || value.is_number()) {
                leaves.push(pointer.to_owned());
            }
        });
        for leaf in leaves {
            let mut changed = json.clone();
            let value = changed.pointer_mut(&leaf).unwrap();
            *value = match value.take() {
                Value::Bool(flag) => json!(!flag),
                Value::Number(number) => json!(number.as_i64().unwrap() + 1),
                Value::String(text) => json!(other_text(&text)),
                _ => unreachable!(),
            };
            let Some(input) = from_json(&first, changed) else { panic!("{leaf} cannot be changed") };
            let second = put(2, Some(&first), input);
            changes += 1;
            assert_eq!(names_of(&second.parts), [leaf.split('/').nth(1).unwrap()], "{leaf}");
            for ((pointer, before), (_, after)) in
                all_metadata(&first).into_iter().zip(all_metadata(&second.record))
            {
                let on_the_way = leaf.starts_with(&format!("{pointer}/"));
                let expected =
                    if on_the_way { Meta { modified: at(2), revision: 1, ..before } } else { before };
                assert_eq!(after, expected, "{leaf}: metadata of {pointer:?}");
            }
        }
    }
    assert!(changes > 150, "only {changes} fields were tried");
}

/// Another value that the same field takes.
fn other_text(text: &str) -> String {
    match text {
        "grace_period" | "suspended" | "approved" => "active".to_owned(),
        "all_members" => "standard".to_owned(),
        "all" => "any".to_owned(),
        "co_group_members" => "co_admins".to_owned(),
        _ if text.parse::<Timestamp>().is_ok() => "2031-01-01T00:00:00Z".to_owned(),
        _ if text.parse::<jiff::civil::Date>().is_ok() => "1991-01-01".to_owned(),
        _ => format!("{text}!"),
    }
}

#[test]
fn what_the_input_says_of_the_past_counts_for_nothing() {
    let (first, _) = put_person(1, None, people_named(vec![name("n1", "Ann", "official")]));
    let mut forged = first.clone();
    forged.meta = Meta { id: "x1".to_owned(), created: at(-9), modified: at(-9), revision: 77, source: None };
    forged.names[0].meta = Meta { id: "n1".to_owned(), created: at(-9), ..Meta::default() };
    assert_eq!(put_person(2, Some(&first), forged), (first, Vec::new()));
}

#[test]
fn a_new_source_is_a_change() {
    let (first, _) = put_person(1, None, people_named(vec![name("n1", "Ann", "official")]));
    let mut moved = first.clone();
    moved.meta.source = Some("hr".to_owned());
    let (second, parts) = put_person(2, Some(&first), moved);
    assert_eq!(parts, ["source"]);
    assert_eq!((second.meta.source.as_deref(), second.meta.revision), (Some("hr"), 1));
    assert_eq!(second.names, first.names);
}

#[test]
fn a_part_with_an_id_of_its_own_is_new_and_keeps_it() {
    let (first, _) = put_person(1, None, people_named(vec![name("n1", "Ann", "official")]));
    let (second, parts) = put_person(2, Some(&first), people_named(vec![name("n7", "Ann", "official")]));
    assert_eq!(parts, ["names"]);
    assert_eq!(ids(&second.names), ["n7"]);
    assert_eq!((second.names[0].meta.created, second.names[0].meta.revision), (at(2), 0));
}

#[test]
fn a_part_without_an_id_continues_the_only_one_of_its_type() {
    let old = people_named(vec![name("n1", "Ann", "official"), name("n2", "Annie", "preferred")]);
    let (first, _) = put_person(1, None, old);
    let new = people_named(vec![name("", "Anna", "official"), name("", "Annie", "preferred")]);
    let (second, _) = put_person(2, Some(&first), new);
    assert_eq!(ids(&second.names), ["n1", "n2"]);
    assert_eq!([second.names[0].meta.revision, second.names[1].meta.revision], [1, 0]);
    assert_eq!(second.names[0].meta.created, at(1));
}

#[test]
fn a_part_without_an_id_is_new_where_its_type_is_ambiguous() {
    let old = people_named(vec![name("n1", "Ann", "official"), name("n2", "Bea", "official")]);
    let (first, _) = put_person(1, None, old);
    let (second, _) = put_person(2, Some(&first), people_named(vec![name("", "Cleo", "official")]));
    assert_eq!(ids(&second.names), ["new-2-1"]);
}

#[test]
fn an_equal_part_is_found_at_another_place() {
    let old = people_named(vec![name("n1", "Ann", "official"), name("n2", "Bea", "official")]);
    let (first, _) = put_person(1, None, old);
    let new = people_named(vec![name("", "Bea", "official"), name("", "Ann", "official")]);
    let (second, parts) = put_person(2, Some(&first), new);
    assert_eq!(ids(&second.names), ["n2", "n1"]);
    assert_eq!(parts, ["names"], "the order is part of the record");
    assert!(second.names.iter().all(|name| name.meta.revision == 0), "the names themselves are the same");
}

#[test]
fn two_equal_parts_stay_two() {
    let old = people_named(vec![name("", "Ann", "official"), name("", "Ann", "official")]);
    let (first, _) = put_person(1, None, old.clone());
    assert_eq!(ids(&first.names), ["new-1-1", "new-1-2"]);
    assert_eq!(put_person(2, Some(&first), old), (first, Vec::new()));
}

#[test]
fn an_identifier_that_a_plugin_wrote_back_outlives_a_put_without_it() {
    let written_back = identifier("cn=zoe", "dn", Some("directory"));
    let old = Person { identifiers: vec![written_back, identifier("zoe", "uid", None)], ..Person::default() };
    let (first, _) = put_person(1, None, old);
    let new = Person { identifiers: vec![identifier("zoe", "dn", None)], ..Person::default() };
    let (second, parts) = put_person(2, Some(&first), new.clone());
    let values: Vec<&str> = second.identifiers.iter().map(|found| found.identifier.as_str()).collect();
    assert_eq!(values, ["zoe", "cn=zoe"], "the type alone does not make it the plugin's");
    assert_eq!(second.identifiers[1].meta, first.identifiers[0].meta);
    assert_eq!(parts, ["identifiers"]);
    assert_eq!(put_person(3, Some(&second), new), (second, Vec::new()));
}

#[test]
fn an_identifier_that_a_plugin_wrote_back_can_be_changed_by_its_id() {
    let old =
        Person { identifiers: vec![identifier("cn=zoe", "dn", Some("directory"))], ..Person::default() };
    let (first, _) = put_person(1, None, old);
    let mut new = first.clone();
    new.identifiers[0].identifier = "cn=zoë".to_owned();
    let (second, _) = put_person(2, Some(&first), new);
    assert_eq!(second.identifiers.len(), 1);
    assert_eq!(second.identifiers[0].meta.revision, 1);
}

#[test]
fn parts_of_an_org_identity_are_kept_as_those_of_the_person_are() {
    let mut identity = samples::org_identity();
    identity.identifiers[0].provisioning_target = Some("directory".to_owned());
    let old = Person { org_identities: vec![identity], ..Person::default() };
    let (first, _) = put_person(1, None, old);
    let mut new = first.clone();
    new.org_identities[0].identifiers.clear();
    assert_eq!(put_person(2, Some(&first), new), (first.clone(), Vec::new()));

    let mut new = first.clone();
    new.org_identities[0].meta = Meta { source: Some("hr".to_owned()), ..Meta::default() };
    new.org_identities[0].names[0].meta = Meta { source: Some("hr".to_owned()), ..Meta::default() };
    assert_eq!(put_person(2, Some(&first), new), (first, Vec::new()));
}

#[test]
fn removing_a_nested_part_changes_the_role_that_held_it() {
    let (first, _) = put_person(1, None, Person { roles: vec![samples::role("r1")], ..Person::default() });
    let mut new = first.clone();
    new.roles[0].addresses.clear();
    let (second, parts) = put_person(2, Some(&first), new);
    assert_eq!(parts, ["roles"]);
    assert_eq!(second.roles[0].meta.revision, 1);
    assert_eq!(second.roles[0].telephone_numbers, first.roles[0].telephone_numbers);
}

#[test]
fn roles_without_ids_continue_by_unit_and_affiliation() {
    let role = |cou: &str, title: &str| Role {
        cou: Some(cou.to_owned()),
        affiliation: Some("staff".to_owned()),
        title: Some(title.to_owned()),
        ..Role::default()
    };
    let old = Person { roles: vec![role("physics", "a"), role("maths", "b")], ..Person::default() };
    let (first, _) = put_person(1, None, old);
    let new = Person { roles: vec![role("maths", "c")], ..Person::default() };
    let (second, _) = put_person(2, Some(&first), new);
    assert_eq!(second.roles[0].meta.id, first.roles[1].meta.id);
    assert_eq!(second.roles[0].meta.revision, 1);
}

#[test]
fn a_stored_record_of_another_kind_is_no_predecessor() {
    let group = Record::Group(Box::new(samples::group()));
    let stored = put(1, Some(&group), Record::Service(Box::new(samples::service())));
    assert!(names_of(&stored.parts).contains(&"name".to_owned()));
    let kind = matches!(stored.record, Record::Service(_));
    assert!(kind, "{:?} became something else", RecordKind::Service);
}

#[test]
fn a_membership_keeps_its_history() {
    let mut new_id = || "m-new".to_owned();
    let mut stamp = Stamp { at: at(1), new_id: &mut new_id };
    let mut input = samples::membership();
    input.meta = Meta::default();
    let (first, changed) = reconcile_membership(None, input.clone(), &mut stamp);
    assert!(changed);
    assert_eq!((first.meta.id.as_str(), first.meta.revision), ("m-new", 0));

    stamp.at = at(2);
    let (second, changed) = reconcile_membership(Some(&first), input.clone(), &mut stamp);
    assert!(!changed);
    assert_eq!(second, first);

    input.member = true;
    let (third, changed) = reconcile_membership(Some(&second), input, &mut stamp);
    assert!(changed);
    assert_eq!(third.meta, Meta { modified: at(2), revision: 1, ..first.meta });
}

#[test]
fn the_same_input_gives_the_same_result() {
    for record in samples::records() {
        let first = put(1, None, record.clone());
        assert_eq!(put(1, None, record.clone()), first);
        assert_eq!(put(2, Some(&first.record), record.clone()), put(2, Some(&first.record), record));
    }
}

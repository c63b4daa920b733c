//! Whom each field of each record reaches, told by changing every leaf of every record.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::provisioning::Action::{self, AuthenticatorUpdated, Updated};
use crate::provisioning::Reach::{self, Authenticators, Itself, Memberships, MembershipsByStatus};
use crate::provisioning::intent;
use crate::registry::reconcile::{ChangedPart, Stamp, reconcile};
use crate::registry::record::{Record, RecordKind};
use crate::registry::samples;
use crate::registry::validate::read_record;

/// Field, whom it reaches, the action of a change of it alone.
type Row = (&'static str, Reach, Action);

const PERSON: [Row; 13] = [
    ("status", MembershipsByStatus, Updated),
    ("date_of_birth", Itself, Updated),
    ("timezone", Itself, Updated),
    ("names", Itself, Updated),
    ("email_addresses", Itself, Updated),
    ("identifiers", Memberships, Updated),
    ("urls", Itself, Updated),
    // With their addresses, telephone numbers and ad hoc attributes.
    ("roles", Itself, Updated),
    ("org_identities", Itself, Updated),
    ("agreements", Itself, Updated),
    // Locked, unlocked, reset, managed.
    ("authenticators", Authenticators, AuthenticatorUpdated),
    ("cluster_accounts", Itself, Updated),
    ("extensions", Itself, Updated),
];
const GROUP: [Row; 10] = [
    ("name", Memberships, Updated),
    ("description", Itself, Updated),
    ("introduction", Itself, Updated),
    ("status", MembershipsByStatus, Updated),
    ("type", Memberships, Updated),
    ("open", Itself, Updated),
    // Members follow from it, and are told by their memberships.
    ("nesting_mode", Itself, Updated),
    ("cou", Itself, Updated),
    ("identifiers", Itself, Updated),
    ("extensions", Itself, Updated),
];

/// What a field of a record of this kind is to reach. Lists, services and departments stand for themselves.
fn expected(kind: RecordKind, field: &str) -> (Reach, Action) {
    let table: &[Row] = match kind {
        RecordKind::Person => &PERSON,
        RecordKind::Group => &GROUP,
        RecordKind::EmailList | RecordKind::Service | RecordKind::Department => {
            return (Itself, Updated);
        }
    };
    let row = table.iter().find(|(name, ..)| *name == field);
    let (_, reach, action) = row.unwrap_or_else(|| panic!("{kind:?}: {field} is not in the table"));
    (*reach, *action)
}

fn json_of(record: &Record) -> Value {
    // The kind is beside the record.
    let mut both = serde_json::to_value(record).unwrap();
    both["record"].take()
}

/// Pointers to all values that are no object and no list, metadata left out.
fn leaves(at: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members.iter().filter(|(name, _)| *name != "meta") {
                leaves(&format!("{at}/{}", name.replace('/', "~1")), value, found);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                leaves(&format!("{at}/{index}"), value, found);
            }
        }
        _ => found.push(at.to_owned()),
    }
}

/// Another value that may stand there.
fn altered(old: &Value, pointer: &str) -> Value {
    match old {
        Value::Bool(flag) => json!(!flag),
        Value::Number(number) => json!(number.as_i64().unwrap() + 1),
        Value::String(text) if text.parse::<Timestamp>().is_ok() => json!("2031-01-01T00:00:00Z"),
        Value::String(text) if text.parse::<jiff::civil::Date>().is_ok() => json!("1991-01-01"),
        Value::String(_) if pointer.ends_with("/status") => json!("pending"),
        Value::String(_) if pointer.ends_with("/visibility") => json!("unauthenticated"),
        Value::String(_) if pointer == "/nesting_mode" => json!("any"),
        Value::String(_) if pointer == "/type" => json!("admins"),
        Value::String(text) => json!(format!("{text}x")),
        other => panic!("{pointer}: {other}"),
    }
}

fn changed_parts(old: &Record, new: Record) -> Vec<ChangedPart> {
    let mut new_id = || "new".to_owned();
    let mut stamp = Stamp { at: Timestamp::UNIX_EPOCH, new_id: &mut new_id };
    reconcile(&old.meta().id, Some(old), new, &mut stamp).parts
}

#[test]
fn every_field_of_every_record_reaches_whom_the_table_says() {
    let mut walked = BTreeSet::new();
    for record in samples::records() {
        let (kind, json) = (record.kind(), json_of(&record));
        let mut pointers = Vec::new();
        leaves("", &json, &mut pointers);
        for pointer in pointers.iter().filter(|pointer| !pointer.ends_with("/credential/kind")) {
            let mut changed = json.clone();
            let value = changed.pointer_mut(pointer).unwrap();
            *value = altered(value, pointer);
            let new = read_record(kind, changed.to_string().as_bytes()).unwrap();
            let parts = changed_parts(&record, new);
            let field = pointer.split('/').nth(1).unwrap();
            assert_eq!(parts.iter().map(|part| part.name).collect::<Vec<_>>(), [field], "{kind:?}{pointer}");
            let told = (parts[0].reach, intent(parts.iter().map(|part| part.reach)));
            assert_eq!(told, expected(kind, field), "{kind:?}{pointer}");
            walked.insert((kind, field.to_owned()));
        }
    }
    for (kind, table) in [(RecordKind::Person, &PERSON[..]), (RecordKind::Group, &GROUP)] {
        for (field, ..) in table {
            assert!(walked.contains(&(kind, (*field).to_owned())), "{kind:?} has no field {field}");
        }
    }
    assert!(RecordKind::ALL.iter().all(|kind| walked.iter().any(|(walked, _)| walked == kind)));
}

#[test]
fn the_source_of_a_record_reaches_the_record_alone() {
    for record in samples::records() {
        let mut json = json_of(&record);
        json["meta"]["source"] = json!("another");
        let new = read_record(record.kind(), json.to_string().as_bytes()).unwrap();
        let part = ChangedPart { name: "source", reach: Itself };
        assert_eq!(changed_parts(&record, new), [part], "{:?}", record.kind());
    }
}

//! What a guest gives back. Input: a byte that chooses what, then the value.

use arbitrary::Unstructured;
use provender::capabilities::contract::Filtered;
use provender::capabilities::contract::records::{Extension, Subject};
use provender::capabilities::contract::types::{Description, WrittenIdentifier};
use provender::pipeline::contract::{Passed, failed_by_plugin, filtered_by_plugin, finished_by_plugin};
use provender::plugins::{Manifest, manifest};
use provender::provisioning::InvocationOutcome;
use provender::registry::record::RecordKind;
use provender::registry::validate::{check_id, parse_record};
use provender::sandbox::{Inspection, World};
use serde_json::{Value, json};

use crate::values::value;

/// Most bytes of an outcome as it is stored, and of a message about a description.
const MAX_OUTCOME_BYTES: usize = 64 * 1024;
/// Most bytes of a manifest beside the schema.
const MAX_MANIFEST_BYTES: usize = 512 * 1024;

/// Whatever a guest gives back becomes an outcome or a manifest of bounded size without control characters, which can be
/// stored and read again; identifiers that are to be stored can be; a filtered subject is of the same record.
pub fn check(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let u = &mut Unstructured::new(bytes);
    let _ = match choice % 4 {
        0 => value(u).map(|outcome| {
            let (outcome, identifiers) = finished_by_plugin(outcome);
            check_outcome(&outcome);
            check_identifiers(&identifiers.unwrap_or_default());
        }),
        1 => value(u).map(|failure| check_outcome(&failed_by_plugin(failure, Some("filter")))),
        2 => check_filtered(u),
        _ => value(u).map(check_description),
    };
}

fn check_outcome(outcome: &InvocationOutcome) {
    let stored = serde_json::to_value(outcome).expect("an outcome as JSON");
    let length = stored.to_string().len();
    assert!(length <= MAX_OUTCOME_BYTES, "an outcome of {length} bytes");
    assert!(!has_control_characters(&stored), "{stored}");
    assert_eq!(*outcome, serde_json::from_value(stored).expect("an outcome"));
}

fn has_control_characters(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(char::is_control),
        Value::Array(items) => items.iter().any(has_control_characters),
        Value::Object(members) => members.values().any(has_control_characters),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn check_identifiers(identifiers: &[WrittenIdentifier]) {
    let part =
        |given: &WrittenIdentifier| json!({"identifier": given.identifier, "type": given.identifier_type});
    let person = json!({
        "meta": {"id": "anna"},
        "names": [{"given": "Anna", "primary": true}],
        "identifiers": identifiers.iter().map(part).collect::<Vec<_>>(),
    });
    parse_record(RecordKind::Person, person.to_string().as_bytes()).expect("a person with these identifiers");
}

fn check_filtered(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let filtered: Filtered = value(u)?;
    // A subject that was not there before, or the same one.
    let was = match (&filtered, u.arbitrary()?) {
        (Filtered::Pass(subject), true) => subject.clone(),
        _ => value(u)?,
    };
    // The subject that was there is the host's own, whose ids are checked.
    if check_id(&key(&was).1).is_err() || matches!(&was, Subject::Other(_)) {
        return Ok(());
    }
    match filtered_by_plugin(filtered, &was, "filter") {
        Ok(Passed::Subject(subject)) => assert_eq!(key(&subject), key(&was)),
        Ok(Passed::Dropped(reason)) => check_outcome(&InvocationOutcome::Skipped { reason }),
        Err(outcome) => check_outcome(&outcome),
    }
    Ok(())
}

fn key(subject: &Subject) -> (std::mem::Discriminant<Subject>, String) {
    let id = match subject {
        Subject::Person(person) => &person.metadata.id,
        Subject::Group(group) => &group.metadata.id,
        Subject::EmailList(list) => &list.metadata.id,
        Subject::Service(service) => &service.metadata.id,
        Subject::Other(other) => &other.metadata.id,
    };
    (std::mem::discriminant(subject), id.clone())
}

fn check_description(mut description: Description) {
    // Names that are taken are rare otherwise; extensions are not looked at.
    for (text, plain) in [
        (&mut description.name, "accounts"),
        (&mut description.version, "1.0.0"),
        (&mut description.summary, "Keeps accounts"),
        (&mut description.configuration_schema, r#"{"type": "object"}"#),
    ] {
        if text.is_empty() {
            plain.clone_into(text);
        }
    }
    description.extensions.push(Extension { name: "example.org/x".to_owned(), json: "{}".to_owned() });
    for world in [World::Provisioner, World::DataFilter] {
        let inspection = Inspection { world, contract: "0.1.0".to_owned(), imports: Vec::new() };
        match manifest(description.clone(), inspection, "0".repeat(64), 8) {
            Ok(manifest) => check_manifest(&manifest),
            Err(problem) => {
                let text = problem.to_string();
                assert!(text.len() <= MAX_OUTCOME_BYTES, "a text of {} bytes", text.len());
                assert!(!text.contains(char::is_control), "{text:?}");
            }
        }
    }
}

fn check_manifest(manifest: &Manifest) {
    let stored = serde_json::to_string(manifest).expect("a manifest as JSON");
    let schema = manifest.configuration_schema.to_string();
    assert!(stored.len() <= schema.len() + MAX_MANIFEST_BYTES, "a manifest of {} bytes", stored.len());
    assert_eq!(*manifest, serde_json::from_str(&stored).expect("a manifest"));
}

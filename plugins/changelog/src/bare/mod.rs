//! The record alone, in the shape of COmanage Registry's changelog: its names of tables and columns, its status codes,
//! its timestamps. Columns that the contract has no data for are left out.
//!
//! It differs from what the registry writes in two ways: lists are always arrays, and identifiers of rows are text.

mod group;
mod person;

use provender_sdk::records::{Identifier, Metadata, Subject};
use serde_json::{Map, Value, json};

/// The line for a subject. Secrets of authenticators are in it only with `include_authenticators`.
pub(crate) fn document(subject: &Subject, include_authenticators: bool) -> Value {
    match subject {
        Subject::Person(person) => self::person::document(person, include_authenticators),
        Subject::Group(group) => self::group::document(group),
        Subject::EmailList(list) => json!({ "CoEmailList": self::group::email_list(list) }),
        Subject::Service(service) => json!({ "CoService": self::group::service(service) }),
        Subject::Other(record) => json!({ &record.kind: subject.to_json() }),
    }
}

/// The columns of a row: those that all tables have, and its own.
fn row(metadata: &Metadata, columns: Value) -> Value {
    let mut row = Map::new();
    row.insert("id".to_owned(), json!(metadata.id));
    row.insert("created".to_owned(), json!(timestamp(&metadata.created)));
    row.insert("modified".to_owned(), json!(timestamp(&metadata.modified)));
    row.insert("revision".to_owned(), json!(metadata.revision));
    row.insert("deleted".to_owned(), json!(false));
    if let Value::Object(columns) = columns {
        row.extend(columns);
    }
    Value::Object(row)
}

/// "2026-03-01T08:30:00Z" as "2026-03-01 08:30:00".
fn timestamp(timestamp: &str) -> String {
    timestamp.trim_end_matches('Z').replacen('T', " ", 1)
}

fn optional_timestamp(optional: &Option<String>) -> Option<String> {
    optional.as_deref().map(timestamp)
}

/// Identifiers of a record; `owner` is the column that names it.
fn identifiers(identifiers: &[Identifier], owner: &str, owner_id: &str) -> Vec<Value> {
    identifiers
        .iter()
        .map(|identifier| {
            row(
                &identifier.metadata,
                json!({
                    "identifier": identifier.identifier,
                    "type": identifier.identifier_type,
                    "login": identifier.login,
                    "status": identifier.status.code(),
                    "language": identifier.language,
                    "co_provisioning_target_id": identifier.provisioning_target,
                    owner: owner_id,
                }),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use provender_sdk::records::OtherRecord;

    use super::*;

    #[test]
    fn a_timestamp_has_no_zone() {
        assert_eq!(timestamp("2026-03-01T08:30:00Z"), "2026-03-01 08:30:00");
        assert_eq!(optional_timestamp(&None), None);
    }

    #[test]
    fn a_record_of_another_kind_stands_under_its_kind() {
        let record = OtherRecord {
            kind: "department".to_owned(),
            json: r#"{"name": "Physics"}"#.to_owned(),
            ..OtherRecord::default()
        };
        let document = document(&Subject::Other(record), false);
        assert_eq!(document["department"]["value"]["name"], "Physics");
    }
}

//! Reads records from JSON, with the place of what does not fit.

use std::fmt::Write as _;

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use super::report::escape;
use super::{InvalidRecord, MAX_RECORD_BYTES, validate};
use crate::registry::record::{Record, RecordKind};

/// Reads and checks a record.
pub fn parse_record(kind: RecordKind, json: &[u8]) -> Result<Record, InvalidRecord> {
    validate(read_record(kind, json)?)
}

/// Reads a record without checking what it says.
pub(crate) fn read_record(kind: RecordKind, json: &[u8]) -> Result<Record, InvalidRecord> {
    if json.len() > MAX_RECORD_BYTES {
        return Err(InvalidRecord::new(
            "",
            format!("a record has at most {MAX_RECORD_BYTES} bytes as JSON, this one has {}", json.len()),
        ));
    }
    // The reader would take a list for an object, field by field.
    if json.trim_ascii_start().first() == Some(&b'[') {
        return Err(InvalidRecord::new("", "an object is expected"));
    }
    Ok(match kind {
        RecordKind::Person => Record::Person(read_json(json)?),
        RecordKind::Group => Record::Group(read_json(json)?),
        RecordKind::EmailList => Record::EmailList(read_json(json)?),
        RecordKind::Service => Record::Service(read_json(json)?),
        RecordKind::Department => Record::Department(read_json(json)?),
    })
}

/// Reads a JSON text; a failure tells where.
pub(crate) fn read_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, InvalidRecord> {
    // Keeping track of the place takes time, so it is done only for what cannot be read.
    serde_json::from_slice(json).or_else(|_| {
        let mut reader = serde_json::Deserializer::from_slice(json);
        let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            InvalidRecord::new(pointer(error.path()), message(error.inner(), error.path()))
        })?;
        reader.end().map_err(|error| InvalidRecord::new("", error.to_string()))?;
        Ok(value)
    })
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    path.iter().fold(String::new(), |mut pointer, segment| {
        // Variants are no level of their own in the JSON of records. Writing to a string cannot fail.
        let _ = match segment {
            Segment::Seq { index } => write!(pointer, "/{index}"),
            Segment::Map { key } => write!(pointer, "/{}", escape(key)),
            Segment::Enum { .. } | Segment::Unknown => Ok(()),
        };
        pointer
    })
}

fn message(error: &serde_json::Error, path: &serde_path_to_error::Path) -> String {
    let message = error.to_string();
    if !error.is_data() {
        return message;
    }
    // With a pointer, line and column say nothing new.
    let position = format!(" at line {} column {}", error.line(), error.column());
    let message = message.strip_suffix(&position).unwrap_or(&message);
    if message.starts_with("failed to parse") {
        return "not readable: a time is written as 2026-03-01T08:30:00Z, a date as 2026-03-01".to_owned();
    }
    let secret =
        path.iter().any(|segment| matches!(segment, Segment::Map { key } if key == "authenticators"));
    let told = if secret { without_what_was_found(message) } else { message };
    told.to_owned()
}

/// A message about a credential: what was found may be a password, what was expected is not.
fn without_what_was_found(message: &str) -> &str {
    let names_a_field = ["missing field", "unknown field", "duplicate field"];
    if names_a_field.iter().any(|start| message.starts_with(start)) {
        return message;
    }
    message.find("expected ").and_then(|at| message.get(at..)).unwrap_or("not what is expected here")
}

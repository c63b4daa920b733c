//! The readable record of what a call did.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::gate::Access;

/// One effect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// Ascending from 1 within the run; 0 when it was refused.
    pub sequence: u64,
    /// "http", "files", "state", "registry".
    pub capability: String,
    /// "PUT", "append", ...
    pub operation: String,
    pub access: Access,
    /// What was asked for, in a readable form. Secrets are not part of it: they are added behind the gate.
    pub request: Value,
    /// What came back; an object with `error` when it failed.
    pub result: Value,
    pub bytes_out: u64,
    pub bytes_in: u64,
    /// From the request to the result, in microseconds.
    pub duration_us: u64,
}

/// A line of the plugin's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    pub level: String,
    pub message: String,
    /// Pairs of name and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<(String, String)>,
}

/// What one run of one plugin did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Transcript {
    pub effects: Vec<Entry>,
    /// Effects that no longer fitted into the bound.
    pub effects_left_out: u64,
    pub log: Vec<LogLine>,
    /// Log lines that no longer fitted into the bound.
    pub log_lines_left_out: u64,
    /// The end of what the plugin wrote to standard output and standard error.
    pub stderr: String,
}

/// Shortens every text in `value` to what fits into `room` bytes together, and says how much is missing.
pub(super) fn shortened(value: Value, room: &mut usize) -> Value {
    match value {
        Value::String(text) => {
            let kept = text.floor_char_boundary(text.len().min(*room));
            *room = room.saturating_sub(text.len()).saturating_sub(2);
            match text.get(..kept) {
                Some(head) if kept < text.len() => {
                    Value::String(format!("{head}... ({} bytes more)", text.len() - kept))
                }
                _ => Value::String(text),
            }
        }
        Value::Array(items) => Value::Array(items.into_iter().map(|item| shortened(item, room)).collect()),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, field)| {
                    *room = room.saturating_sub(name.len() + 4);
                    (name, shortened(field, room))
                })
                .collect(),
        ),
        other => {
            *room = room.saturating_sub(8);
            other
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_beyond_the_room_is_cut_at_a_character_and_says_how_much_is_missing() {
        let mut room = 6;
        assert_eq!(shortened(json!("ábcdéf"), &mut room), json!("ábcd... (3 bytes more)"));
        assert_eq!(room, 0);
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let mut room = 100;
        let value = json!({"path": "/x", "list": [1, "two", null]});
        assert_eq!(shortened(value.clone(), &mut room), value);
        assert!(room < 100);
    }
}

//! The record of what a call did: readable, and exact enough to run the call again from it.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::gate::Access;

/// JSON text: written once, then kept and sent on as it is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
pub struct Json(Box<RawValue>);

impl Json {
    /// The JSON text of a value; of null where a value cannot be written, which the types of effects always can.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        Self(serde_json::value::to_raw_value(value).unwrap_or_default())
    }

    /// JSON text as it is; null where it is none.
    pub fn from_text(text: &str) -> Self {
        Self(RawValue::from_string(text.to_owned()).unwrap_or_default())
    }

    /// The text.
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// The value that was written.
    pub fn parse<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.text())
    }

    /// As a tree, for readers that look for a part of it.
    pub fn value(&self) -> Value {
        self.parse().unwrap_or_default()
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

/// One effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// Ascending from 1 within the call; 0 when it was refused.
    pub sequence: u64,
    /// "http", "files", "state", "registry".
    pub capability: Cow<'static, str>,
    /// "PUT", "append", ...
    pub operation: Cow<'static, str>,
    pub access: Access,
    /// What was asked for. Secrets are not part of it: they are added behind the gate.
    pub request: Json,
    /// What came back, if it went well. An effect with neither this nor `error` nor `refused` was under way when the call
    /// ended: it may have happened.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub result: Option<Json>,
    /// What the plugin was told when it went wrong.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub error: Option<Json>,
    /// Why it was not granted; it did not happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Whether it belongs to a preview and would happen: then `result` is what the plugin expects.
    #[serde(default, skip_serializing_if = "is_false")]
    pub foreseen: bool,
    /// Whether texts were cut so that it fitted; such a call cannot be replayed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shortened: bool,
    pub bytes_out: u64,
    pub bytes_in: u64,
    /// From the request to the answer, in microseconds.
    pub duration_us: u64,
}

/// A line of the plugin's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    pub level: Cow<'static, str>,
    pub message: String,
    /// Pairs of name and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<(String, String)>,
}

/// What one call of one plugin did.
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

impl Transcript {
    /// Whether every effect is there as it was.
    pub fn is_complete(&self) -> bool {
        self.effects_left_out == 0 && self.effects.iter().all(|effect| !effect.shortened)
    }
}

/// A null that was written is an answer, and not the lack of one.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

fn is_false(value: &bool) -> bool {
    !value
}

/// What an entry takes beside its request and answer, about.
const ENTRY_BYTES: usize = 128;

impl Entry {
    /// Whether the call ended before the effect did: it may have happened, and what came of it is not known.
    pub fn is_unanswered(&self) -> bool {
        self.result.is_none() && self.error.is_none() && self.refused.is_none() && !self.foreseen
    }

    /// Takes the room that the entry needs, after cutting its texts to what is left.
    pub(super) fn fit(&mut self, room: &mut usize) {
        let parts = [Some(&mut self.request), self.result.as_mut(), self.error.as_mut()];
        let mut parts: Vec<&mut Json> = parts.into_iter().flatten().collect();
        let size = ENTRY_BYTES + parts.iter().map(|part| part.text().len()).sum::<usize>();
        if size <= *room {
            *room -= size;
            return;
        }
        self.shortened = true;
        *room = room.saturating_sub(ENTRY_BYTES);
        for part in &mut parts {
            **part = Json::of(&shortened(part.value(), room));
        }
    }
}

/// Shortens every text in `value` to what fits into `room` bytes together, and says how much is missing.
fn shortened(value: Value, room: &mut usize) -> Value {
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

    #[test]
    fn a_transcript_is_read_as_it_was_written() {
        let entry = Entry {
            sequence: 1,
            capability: "state".into(),
            operation: "get".into(),
            access: Access::Read,
            request: Json::of(&json!({"key": "k"})),
            result: Some(Json::of(&json!(null))),
            error: None,
            refused: None,
            foreseen: false,
            shortened: false,
            bytes_out: 0,
            bytes_in: 0,
            duration_us: 3,
        };
        let transcript = Transcript { effects: vec![entry], ..Transcript::default() };
        let text = serde_json::to_string(&transcript).unwrap();
        let read: Transcript = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}

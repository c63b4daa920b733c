//! Values as PHP writes them: numbers as text, flags as numbers, lists with holes as objects.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A list; one with holes is an object by index.
pub(super) fn list<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let values: Vec<Value> = match Value::deserialize(deserializer)? {
        Value::Null => Vec::new(),
        Value::Array(values) => values,
        Value::Object(members) => by_index(members).ok_or_else(|| D::Error::custom("a list is expected"))?,
        _ => return Err(D::Error::custom("a list is expected")),
    };
    values.into_iter().map(|value| T::deserialize(value).map_err(D::Error::custom)).collect()
}

fn by_index(members: Map<String, Value>) -> Option<Vec<Value>> {
    let mut values = Vec::with_capacity(members.len());
    for (key, value) in members {
        values.push((key.parse::<u64>().ok()?, value));
    }
    values.sort_by_key(|(index, _)| *index);
    Some(values.into_iter().map(|(_, value)| value).collect())
}

/// A text, or a number as text; empty is none.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Value::Number(number) => Ok(Some(number.to_string())),
        _ => Err(D::Error::custom("a text is expected")),
    }
}

/// A whole number, also as text.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    match text(deserializer)? {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| D::Error::custom("a whole number is expected")),
    }
}

/// A flag; also 0, 1 and these as text.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(false),
        Value::Bool(flag) => Ok(flag),
        Value::Number(number) => Ok(number.as_i64() != Some(0)),
        Value::String(text) => Ok(!matches!(text.as_str(), "" | "0" | "false")),
        _ => Err(D::Error::custom("true or false is expected")),
    }
}

/// RFC 3339, or "2026-03-01 08:30:00" in UTC.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = text(deserializer)? else { return Ok(None) };
    let unreadable = || D::Error::custom("a time is written as 2026-03-01T08:30:00Z");
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(Some(time));
    }
    let local: DateTime = text.parse().map_err(|_| unreadable())?;
    local.to_zoned(TimeZone::UTC).map(|zoned| Some(zoned.timestamp())).map_err(|_| unreadable())
}

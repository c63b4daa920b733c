//! One object of a Core API document: its columns are taken out one by one, and what remains is told at the end.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::codes;
use crate::registry::record::{Extension, Status};
use crate::registry::validate::{InvalidRecord, MAX_PROBLEMS, Problem, escape};

/// An object of the document.
pub(super) struct Row {
    /// JSON Pointer to it.
    at: String,
    columns: Map<String, Value>,
    meta: Map<String, Value>,
    problems: Vec<Problem>,
    leftovers: Vec<Extension>,
}

impl Row {
    /// The whole document.
    pub(super) fn document(columns: Map<String, Value>) -> Self {
        Self::new(String::new(), columns)
    }

    fn new(at: String, mut columns: Map<String, Value>) -> Self {
        let meta = match columns.remove("meta") {
            Some(Value::Object(meta)) => meta,
            _ => Map::new(),
        };
        Self { at, columns, meta, problems: Vec::new(), leftovers: Vec::new() }
    }

    /// The object below `key`; an empty one if there is none.
    pub(super) fn object<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Self) -> T) -> T {
        let columns = match self.columns.remove(key) {
            Some(Value::Object(columns)) => columns,
            // An absent object may come as an empty list.
            None | Some(Value::Null) => Map::new(),
            Some(Value::Array(none)) if none.is_empty() => Map::new(),
            Some(_) => {
                self.problem(&format!("/{key}"), "an object is expected");
                Map::new()
            }
        };
        self.inner(format!("{}/{key}", self.at), columns, read)
    }

    /// The objects below `key`, without those marked as deleted; none if there is no such key.
    pub(super) fn rows<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Self) -> T,
    ) -> Option<Vec<T>> {
        let rows: Vec<(String, Value)> = match self.columns.remove(key)? {
            Value::Null => Vec::new(),
            Value::Array(rows) => (0..).map(|index: usize| index.to_string()).zip(rows).collect(),
            // A list with holes is written as an object by its indexes.
            Value::Object(rows) if rows.keys().all(|key| key.parse::<usize>().is_ok()) => {
                rows.into_iter().collect()
            }
            _ => {
                self.problem(&format!("/{key}"), "a list of objects is expected");
                Vec::new()
            }
        };
        let mut read_rows = Vec::with_capacity(rows.len());
        for (index, row) in rows {
            match row {
                Value::Object(columns) if is_deleted(&columns) => {}
                Value::Object(columns) => {
                    read_rows.push(self.inner(format!("{}/{key}/{index}", self.at), columns, &mut read));
                }
                _ => self.problem(&format!("/{key}/{index}"), "an object is expected"),
            }
        }
        Some(read_rows)
    }

    fn inner<T>(&mut self, at: String, columns: Map<String, Value>, read: impl FnOnce(&mut Self) -> T) -> T {
        let mut row = Self::new(at, columns);
        let read = read(&mut row);
        row.keep_leftovers();
        self.problems.append(&mut row.problems);
        self.leftovers.append(&mut row.leftovers);
        read
    }

    /// What is wrong at a pointer below this object.
    pub(super) fn problem(&mut self, below: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(format!("{}{below}", self.at), message));
    }

    /// A column that is there and not null, from the object or its `meta`.
    fn take(&mut self, column: &str) -> Option<Value> {
        let value = self.columns.remove(column).filter(|value| !value.is_null());
        value.or_else(|| self.meta.remove(column).filter(|value| !value.is_null()))
    }

    /// A text; none when empty. Numbers are texts here, since keys are.
    pub(super) fn text(&mut self, column: &str) -> Option<String> {
        match self.take(column)? {
            Value::String(text) => Some(text).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            _ => {
                self.problem(&format!("/{column}"), "a text is expected");
                None
            }
        }
    }

    /// A text that must be there.
    pub(super) fn required(&mut self, column: &str) -> String {
        let problems = self.problems.len();
        self.text(column).unwrap_or_else(|| {
            if self.problems.len() == problems {
                self.problem(&format!("/{column}"), "a value is needed");
            }
            String::new()
        })
    }

    /// A text with a word for "not given".
    pub(super) fn text_or(&mut self, column: &str, otherwise: &str) -> String {
        self.text(column).unwrap_or_else(|| otherwise.to_owned())
    }

    /// A truth value; false when not given.
    pub(super) fn flag(&mut self, column: &str) -> bool {
        match self.take(column) {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(Value::Number(number)) if number.as_u64().is_some_and(|number| number <= 1) => {
                number.as_u64() == Some(1)
            }
            Some(_) => {
                self.problem(&format!("/{column}"), "true or false is expected");
                false
            }
        }
    }

    /// A column whose text means something else.
    fn parsed<T>(&mut self, column: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(column)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(message) => {
                self.problem(&format!("/{column}"), message);
                None
            }
        }
    }

    /// A whole number.
    pub(super) fn number<T: std::str::FromStr>(&mut self, column: &str) -> Option<T> {
        self.parsed(column, |text| text.parse().map_err(|_| "a whole number is expected".to_owned()))
    }

    /// A status by its code; active when not given.
    pub(super) fn status(&mut self, column: &str) -> Status {
        self.parsed(column, codes::status).unwrap_or_default()
    }

    /// The scheme of a password.
    pub(super) fn password_scheme(&mut self, column: &str) -> String {
        self.parsed(column, codes::password_scheme).unwrap_or_default()
    }

    /// An instant.
    pub(super) fn time(&mut self, column: &str) -> Option<Timestamp> {
        self.parsed(column, |text| {
            let in_utc = |time: DateTime| time.to_zoned(TimeZone::UTC).map(|time| time.timestamp());
            text.parse::<Timestamp>()
                .or_else(|_| text.parse::<DateTime>().and_then(in_utc))
                .map_err(|_| "a time such as \"2026-03-01 08:30:00\" is expected (UTC)".to_owned())
        })
    }

    /// A calendar date; a time of day is cut off.
    pub(super) fn date(&mut self, column: &str) -> Option<Date> {
        self.parsed(column, |text| {
            text.parse::<Date>().map_err(|_| "a date such as \"1990-12-24\" is expected".to_owned())
        })
    }

    /// A column that refers to what is not known here stays as it is.
    pub(super) fn leave(&mut self, column: &str, value: &str) {
        let name = format!("core_api{}/{column}", self.at);
        self.leftovers.push(Extension { name, value: Value::from(value) });
    }

    /// All columns that were not taken.
    pub(super) fn rest(&mut self) -> Value {
        let mut rest = std::mem::take(&mut self.columns);
        rest.retain(|_, value| !value.is_null());
        Value::Object(rest)
    }

    fn keep_leftovers(&mut self) {
        for (column, value) in std::mem::take(&mut self.columns) {
            let empty = match &value {
                Value::Null => true,
                Value::Array(values) => values.is_empty(),
                Value::Object(members) => members.is_empty(),
                Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
            };
            if !empty {
                let name = format!("core_api{}/{}", self.at, escape(&column));
                self.leftovers.push(Extension { name, value });
            }
        }
    }

    /// What had no field, or everything that is wrong.
    pub(super) fn finish(mut self) -> Result<Vec<Extension>, InvalidRecord> {
        self.keep_leftovers();
        self.problems.truncate(MAX_PROBLEMS);
        if self.problems.is_empty() {
            Ok(self.leftovers)
        } else {
            Err(InvalidRecord { problems: self.problems })
        }
    }
}

fn is_deleted(columns: &Map<String, Value>) -> bool {
    columns.get("meta").and_then(|meta| meta.get("deleted")) == Some(&Value::Bool(true))
}

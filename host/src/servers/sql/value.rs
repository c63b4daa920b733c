//! Values of parameters and rows, whatever the database.

use std::borrow::Cow;

use sqlx::{ColumnIndex, Database, Row};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// By RFC 3339.
    Timestamp(String),
    /// Decimal digits.
    Decimal(String),
    /// JSON text.
    Json(String),
    /// Of a type that has no case here, as the database writes it.
    Other(String),
}

/// What a query gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
}

/// The values of a row, each as `decode` reads it.
pub(super) fn of_row<R: Row>(
    row: &R,
    decode: impl for<'r> Fn(<R::Database as Database>::ValueRef<'r>) -> Result<Value, String>,
) -> Result<Vec<Value>, String>
where
    usize: ColumnIndex<R>,
{
    (0..row.len())
        .map(|index| {
            let value = row.try_get_raw(index).map_err(|error| error.to_string())?;
            decode(value).map_err(|problem| format!("column {}: {problem}", index + 1))
        })
        .collect()
}

/// What a value takes beside its text, about.
const VALUE_BYTES: usize = 16;

impl Value {
    /// What it takes in memory, about.
    pub fn size(&self) -> usize {
        VALUE_BYTES
            + match self {
                Self::Null | Self::Boolean(_) | Self::Integer(_) | Self::Real(_) => 0,
                Self::Bytes(bytes) => bytes.len(),
                Self::Text(text)
                | Self::Timestamp(text)
                | Self::Decimal(text)
                | Self::Json(text)
                | Self::Other(text) => text.len(),
            }
    }

    /// As text; none for null and for bytes, which have none.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null | Self::Bytes(_) => None,
            Self::Boolean(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
            Self::Integer(value) => Some(Cow::Owned(value.to_string())),
            Self::Real(value) => Some(Cow::Owned(value.to_string())),
            Self::Text(text)
            | Self::Timestamp(text)
            | Self::Decimal(text)
            | Self::Json(text)
            | Self::Other(text) => Some(Cow::Borrowed(text)),
        }
    }

    /// Its case, for texts.
    pub(super) fn case(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "boolean",
            Self::Integer(_) => "integer",
            Self::Real(_) => "real",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Timestamp(_) => "timestamp",
            Self::Decimal(_) => "decimal",
            Self::Json(_) => "json",
            Self::Other(_) => "other",
        }
    }
}

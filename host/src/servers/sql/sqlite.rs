//! Values as SQLite stores them: it has five types, and columns that take any of them.

use sqlx::sqlite::{SqliteArguments, SqliteRow, SqliteValueRef};
use sqlx::{Arguments, Decode, Row, Sqlite, TypeInfo, ValueRef};

use super::value::Value;

/// The values as parameters.
pub(super) fn arguments(values: &[Value]) -> Result<SqliteArguments, String> {
    let mut arguments = SqliteArguments::default();
    for (number, value) in (1..).zip(values) {
        let added = match value {
            Value::Null => arguments.add(None::<String>),
            Value::Boolean(value) => arguments.add(*value),
            Value::Integer(value) => arguments.add(*value),
            Value::Real(value) => arguments.add(*value),
            Value::Bytes(bytes) => arguments.add(bytes.clone()),
            Value::Text(text)
            | Value::Timestamp(text)
            | Value::Decimal(text)
            | Value::Json(text)
            | Value::Other(text) => arguments.add(text.clone()),
        };
        added.map_err(|error| format!("parameter {number}, {}: {error}", value.case()))?;
    }
    Ok(arguments)
}

/// A row's values.
pub(super) fn values(row: &SqliteRow) -> Result<Vec<Value>, String> {
    (0..row.len())
        .map(|index| {
            let value = row.try_get_raw(index).map_err(|error| error.to_string())?;
            decode(value).map_err(|problem| format!("column {}: {problem}", index + 1))
        })
        .collect()
}

fn decode(value: SqliteValueRef<'_>) -> Result<Value, String> {
    fn of<'r, T: Decode<'r, Sqlite>>(value: SqliteValueRef<'r>) -> Result<T, String> {
        T::decode(value).map_err(|error| error.to_string())
    }
    if value.is_null() {
        return Ok(Value::Null);
    }
    let name = value.type_info().name().to_owned();
    Ok(match name.as_str() {
        "INTEGER" | "BOOLEAN" | "INT4" | "INT8" => Value::Integer(of(value)?),
        "REAL" => Value::Real(of(value)?),
        "BLOB" => Value::Bytes(of(value)?),
        _ => Value::Text(of(value)?),
    })
}

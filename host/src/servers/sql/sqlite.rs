//! Values as SQLite stores them: it has five types, and columns that take any of them.

use sqlx::sqlite::{SqliteArguments, SqliteValueRef};
use sqlx::{Arguments, Decode, Sqlite, TypeInfo, ValueRef};

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

/// A value of a row.
pub(super) fn decode(value: SqliteValueRef<'_>) -> Result<Value, String> {
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

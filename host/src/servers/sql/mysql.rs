//! Values as MariaDB and MySQL send and take them, in the protocol of prepared statements.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sqlx::mysql::{MySqlArguments, MySqlValueRef};
use sqlx::{Arguments, Decode, MySql, Type, TypeInfo, ValueRef};

use super::value::Value;

/// The values as parameters: the server turns text into the type it needs.
pub(super) fn arguments(values: &[Value]) -> Result<MySqlArguments, String> {
    let mut arguments = MySqlArguments::default();
    for (number, value) in (1..).zip(values) {
        let added = match value {
            Value::Null => arguments.add(None::<String>),
            Value::Boolean(value) => arguments.add(*value),
            Value::Integer(value) => arguments.add(*value),
            Value::Real(value) => arguments.add(*value),
            Value::Bytes(bytes) => arguments.add(bytes.clone()),
            Value::Timestamp(text) => match text.parse::<Timestamp>() {
                Ok(time) => arguments.add(written(time)),
                Err(error) => Err(error.into()),
            },
            Value::Text(text) | Value::Decimal(text) | Value::Json(text) | Value::Other(text) => {
                arguments.add(text.clone())
            }
        };
        added.map_err(|error| format!("parameter {number}, {}: {error}", value.case()))?;
    }
    Ok(arguments)
}

/// A time as a literal, of the time zone that every session has: UTC.
fn written(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

/// A value of a row.
pub(super) fn decode(value: MySqlValueRef<'_>) -> Result<Value, String> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    let type_info = value.type_info().into_owned();
    let bytes = <&[u8] as Decode<MySql>>::decode(value).map_err(|error| error.to_string())?;
    let text = || String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string());
    let name = type_info.name();
    Ok(match name {
        "BOOLEAN" => Value::Boolean(bytes.iter().any(|byte| *byte != 0)),
        _ if name.contains("INT") || name == "YEAR" => {
            let unsigned = name.ends_with("UNSIGNED") || name == "YEAR";
            match i64::try_from(integer(bytes, unsigned)) {
                Ok(value) => Value::Integer(value),
                Err(_) => Value::Decimal(integer(bytes, unsigned).to_string()),
            }
        }
        "FLOAT" => Value::Real(f32::from_le_bytes(fixed(bytes)?).into()),
        "DOUBLE" => Value::Real(f64::from_le_bytes(fixed(bytes)?)),
        "DECIMAL" => Value::Decimal(text()?),
        "DATETIME" | "TIMESTAMP" => Value::Timestamp(format!("{}T{}Z", date(bytes)?, time_of_day(bytes))),
        "DATE" => Value::Other(date(bytes)?),
        "JSON" => Value::Json(text()?),
        "ENUM" | "SET" => Value::Other(text()?),
        _ if name.ends_with("CHAR") || name.ends_with("TEXT") => Value::Text(text()?),
        // The flag that the name follows is also set where text is ordered by its bytes.
        _ if name.ends_with("BINARY") || name.ends_with("BLOB") || name == "BIT" => {
            if <str as Type<MySql>>::compatible(&type_info) {
                Value::Text(text()?)
            } else {
                Value::Bytes(bytes.to_vec())
            }
        }
        "NULL" => Value::Null,
        _ => return Err(format!("type {} cannot be read: cast it to char", name.to_lowercase())),
    })
}

/// An integer of any length, little-endian.
fn integer(bytes: &[u8], unsigned: bool) -> i128 {
    let value = bytes.iter().rev().fold(0_i128, |value, byte| value << 8 | i128::from(*byte));
    let negative = !unsigned && bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    if negative { value - (1_i128 << (8 * bytes.len())) } else { value }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], String> {
    bytes.try_into().map_err(|_| format!("{} bytes, of {N}", bytes.len()))
}

/// Year, month and day, which come behind the length.
fn date(bytes: &[u8]) -> Result<String, String> {
    match bytes {
        [_, low, high, month, day, ..] => {
            Ok(format!("{:04}-{month:02}-{day:02}", u16::from_le_bytes([*low, *high])))
        }
        _ => Err("a date that ends too early".to_owned()),
    }
}

/// Hour, minute, second and microseconds behind them, each as far as it is not zero.
fn time_of_day(bytes: &[u8]) -> String {
    match bytes {
        [_, _, _, _, _, hour, minute, second, a, b, c, d, ..] => {
            let micros = u32::from_le_bytes([*a, *b, *c, *d]);
            let fraction = format!(".{micros:06}");
            format!(
                "{hour:02}:{minute:02}:{second:02}{}",
                fraction.trim_end_matches('0').trim_end_matches('.')
            )
        }
        [_, _, _, _, _, hour, minute, second, ..] => format!("{hour:02}:{minute:02}:{second:02}"),
        _ => "00:00:00".to_owned(),
    }
}

//! Values as PostgreSQL sends and takes them: in its binary formats.
//!
//! The server says which type each parameter has, and the value is written as that type: so a null needs no type of its
//! own, and text fits wherever its content does.

use std::borrow::Cow;

use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo, PgTypeKind, PgValueRef};
use sqlx::{Arguments, Encode, Postgres, Type, TypeInfo, ValueRef};

use super::value::Value;

/// A value in the binary format of a type.
struct Encoded(Option<Vec<u8>>, PgTypeInfo);

impl Type<Postgres> for Encoded {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("unknown")
    }
}

impl Encode<'_, Postgres> for Encoded {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match &self.0 {
            None => Ok(IsNull::Yes),
            Some(bytes) => {
                buffer.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
        }
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.1.clone())
    }
}

/// The values as parameters of these types.
pub(super) fn arguments(values: &[Value], types: &[PgTypeInfo]) -> Result<PgArguments, String> {
    if values.len() != types.len() {
        return Err(format!(
            "the statement has {} parameters, and {} values are given",
            types.len(),
            values.len()
        ));
    }
    let mut arguments = PgArguments::default();
    for (number, (value, type_info)) in (1..).zip(values.iter().zip(types)) {
        let encoded = encode(value, type_info).map_err(|problem| {
            let (case, name) = (value.case(), type_info.name());
            format!("parameter {number}, {case}, cannot be sent as {name}: {problem}")
        })?;
        arguments.add(Encoded(encoded, type_info.clone())).map_err(|error| error.to_string())?;
    }
    Ok(arguments)
}

fn encode(value: &Value, type_info: &PgTypeInfo) -> Result<Option<Vec<u8>>, String> {
    if *value == Value::Null {
        return Ok(None);
    }
    let name = type_name(type_info);
    if let Value::Bytes(bytes) = value {
        return if name == "BYTEA" { Ok(Some(bytes.clone())) } else { Err("bytes are for bytea".to_owned()) };
    }
    let text = value.text().unwrap_or(Cow::Borrowed(""));
    let text = text.as_ref();
    Ok(Some(match name.as_ref() {
        "BOOL" => match text {
            "true" | "t" | "1" => vec![1],
            "false" | "f" | "0" => vec![0],
            _ => return Err("it is neither true nor false".to_owned()),
        },
        "INT2" => number::<i16>(text)?.to_be_bytes().to_vec(),
        "INT4" => number::<i32>(text)?.to_be_bytes().to_vec(),
        "INT8" => number::<i64>(text)?.to_be_bytes().to_vec(),
        "OID" => number::<u32>(text)?.to_be_bytes().to_vec(),
        "FLOAT4" => number::<f32>(text)?.to_be_bytes().to_vec(),
        "FLOAT8" => number::<f64>(text)?.to_be_bytes().to_vec(),
        "NUMERIC" => numeric::encode(text)?,
        "TIMESTAMPTZ" => microseconds(instant(text)?)?.to_be_bytes().to_vec(),
        "TIMESTAMP" => microseconds(wall_clock(text)?)?.to_be_bytes().to_vec(),
        "DATE" => days(text)?.to_be_bytes().to_vec(),
        "TIME" => {
            let time: Time = text.parse().map_err(|error: jiff::Error| error.to_string())?;
            let since = time.duration_since(Time::midnight()).as_micros();
            i64::try_from(since).map_err(|error| error.to_string())?.to_be_bytes().to_vec()
        }
        "UUID" => uuid::Uuid::parse_str(text).map_err(|error| error.to_string())?.as_bytes().to_vec(),
        "JSONB" => std::iter::once(1).chain(text.bytes()).collect(),
        "JSON" | "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "UNKNOWN" | "citext" | "XML" => {
            text.as_bytes().to_vec()
        }
        _ if matches!(type_info.kind(), PgTypeKind::Enum(_)) => text.as_bytes().to_vec(),
        name => {
            return Err(format!("write a cast in the statement, as in $1::text::{}", name.to_lowercase()));
        }
    }))
}

/// A value of a row.
pub(super) fn decode(value: PgValueRef<'_>) -> Result<Value, String> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    let bytes = value.as_bytes().map_err(|error| error.to_string())?;
    let text = || String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string());
    let type_info = value.type_info();
    Ok(match type_name(&type_info).as_ref() {
        "BOOL" => Value::Boolean(bytes != [0]),
        "INT2" => Value::Integer(i16::from_be_bytes(fixed(bytes)?).into()),
        "INT4" => Value::Integer(i32::from_be_bytes(fixed(bytes)?).into()),
        "INT8" => Value::Integer(i64::from_be_bytes(fixed(bytes)?)),
        "OID" => Value::Integer(u32::from_be_bytes(fixed(bytes)?).into()),
        "FLOAT4" => Value::Real(f32::from_be_bytes(fixed(bytes)?).into()),
        "FLOAT8" => Value::Real(f64::from_be_bytes(fixed(bytes)?)),
        "NUMERIC" => Value::Decimal(numeric::decode(bytes)?),
        "TIMESTAMPTZ" | "TIMESTAMP" => Value::Timestamp(
            epoch()
                .checked_add(SignedDuration::from_micros(i64::from_be_bytes(fixed(bytes)?)))
                .map_err(|error| error.to_string())?
                .to_zoned(TimeZone::UTC)
                .timestamp()
                .to_string(),
        ),
        "DATE" => {
            let hours = i64::from(i32::from_be_bytes(fixed(bytes)?)) * 24;
            let date =
                epoch().checked_add(SignedDuration::from_hours(hours)).map_err(|error| error.to_string())?;
            Value::Other(date.to_zoned(TimeZone::UTC).date().to_string())
        }
        "TIME" => {
            let since = SignedDuration::from_micros(i64::from_be_bytes(fixed(bytes)?));
            let time = Time::midnight().checked_add(since).map_err(|error| error.to_string())?;
            Value::Other(time.to_string())
        }
        "UUID" => Value::Other(uuid::Uuid::from_bytes(fixed(bytes)?).to_string()),
        "BYTEA" => Value::Bytes(bytes.to_vec()),
        "JSON" => Value::Json(text()?),
        "JSONB" => Value::Json(text()?.trim_start_matches('\u{1}').to_owned()),
        "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "UNKNOWN" | "citext" => Value::Text(text()?),
        "VOID" => Value::Null,
        _ if matches!(type_info.kind(), PgTypeKind::Enum(_)) => Value::Other(text()?),
        name => return Err(format!("type {} cannot be read: cast it to text", name.to_lowercase())),
    })
}

/// The name of a type, of a domain that of what it stands for.
fn type_name(type_info: &PgTypeInfo) -> Cow<'_, str> {
    match type_info.kind() {
        PgTypeKind::Domain(base) => Cow::Owned(type_name(base).into_owned()),
        _ => Cow::Borrowed(type_info.name()),
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], String> {
    bytes.try_into().map_err(|_| format!("{} bytes, of {N}", bytes.len()))
}

fn number<N: std::str::FromStr<Err: ToString>>(text: &str) -> Result<N, String> {
    text.parse().map_err(|error: N::Err| error.to_string())
}

/// What PostgreSQL counts time from.
fn epoch() -> Timestamp {
    const SECONDS: i64 = 946_684_800;
    Timestamp::from_second(SECONDS).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn microseconds(time: Timestamp) -> Result<i64, String> {
    i64::try_from(time.duration_since(epoch()).as_micros()).map_err(|error| error.to_string())
}

fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse().or_else(|_| wall_clock(text))
}

/// The time that a clock in UTC shows.
fn wall_clock(text: &str) -> Result<Timestamp, String> {
    if let Ok(instant) = text.parse() {
        return Ok(instant);
    }
    let time: DateTime = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    Ok(time.to_zoned(TimeZone::UTC).map_err(|error| error.to_string())?.timestamp())
}

fn days(text: &str) -> Result<i32, String> {
    let date: Date = match text.parse::<Timestamp>() {
        Ok(instant) => instant.to_zoned(TimeZone::UTC).date(),
        Err(_) => text.parse().map_err(|error: jiff::Error| error.to_string())?,
    };
    let since = date.duration_since(epoch().to_zoned(TimeZone::UTC).date());
    i32::try_from(since.as_hours() / 24).map_err(|error| error.to_string())
}

/// The type numeric: groups of four decimal digits.
mod numeric {
    const NEGATIVE: u16 = 0x4000;
    const MAX_DIGITS: usize = 16_000;

    pub(super) fn encode(text: &str) -> Result<Vec<u8>, String> {
        let wrong = || format!("{text:?} is no decimal number");
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (NEGATIVE, digits),
            None => (0, text.strip_prefix('+').unwrap_or(text)),
        };
        let (digits, exponent) = match digits.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, exponent.parse::<i32>().map_err(|_| wrong())?),
            None => (digits, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all = format!("{whole}{fraction}");
        let point = i32::try_from(whole.len()).unwrap_or(i32::MAX).saturating_add(exponent);
        if all.is_empty()
            || !all.bytes().all(|digit| digit.is_ascii_digit())
            || all.len() > MAX_DIGITS
            || point.unsigned_abs() as usize > MAX_DIGITS
        {
            return Err(wrong());
        }
        let whole_digits = usize::try_from(point).unwrap_or(0);
        let scale = all.len().saturating_sub(whole_digits) + usize::try_from(-point).unwrap_or(0);
        // Digits around the point, filled up to whole groups.
        let (whole, fraction) = if point < 0 {
            (String::new(), "0".repeat(usize::try_from(-point).unwrap_or(0)) + &all)
        } else if all.len() <= whole_digits {
            (all.clone() + &"0".repeat(whole_digits - all.len()), String::new())
        } else {
            let (whole, fraction) = all.split_at(whole_digits);
            (whole.to_owned(), fraction.to_owned())
        };
        let whole = "0".repeat((4 - whole.len() % 4) % 4) + &whole;
        let scale = scale.min(fraction.len());
        let fraction = fraction.clone() + &"0".repeat((4 - fraction.len() % 4) % 4);
        let group =
            |digits: &[u8]| digits.iter().fold(0_u16, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        let groups: Vec<u16> =
            whole.as_bytes().chunks(4).chain(fraction.as_bytes().chunks(4)).map(group).collect();
        let weight = i16::try_from(whole.len() / 4).unwrap_or(i16::MAX) - 1;
        let header = [
            u16::try_from(groups.len()).unwrap_or(u16::MAX).to_be_bytes(),
            weight.to_be_bytes(),
            sign.to_be_bytes(),
            u16::try_from(scale).unwrap_or(u16::MAX).to_be_bytes(),
        ];
        Ok(header.into_iter().chain(groups.into_iter().map(u16::to_be_bytes)).flatten().collect())
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<String, String> {
        let mut words = bytes.as_chunks::<2>().0.iter().map(|word| u16::from_be_bytes(*word));
        let mut next = || words.next().ok_or("a numeric that ends too early");
        let (count, weight, sign, scale) = (next()?, next()?.cast_signed(), next()?, next()?);
        let groups: Vec<u16> = words.take(count.into()).collect();
        match sign {
            0xC000 => return Ok("NaN".to_owned()),
            0xD000 => return Ok("Infinity".to_owned()),
            0xF000 => return Ok("-Infinity".to_owned()),
            _ => {}
        }
        let group =
            |place: i32| usize::try_from(place).ok().and_then(|place| groups.get(place)).unwrap_or(&0);
        let mut text = String::new();
        for place in 0..=i32::from(weight) {
            text.push_str(&format!("{:04}", group(place)));
        }
        let mut text = match text.trim_start_matches('0') {
            "" => "0".to_owned(),
            digits => digits.to_owned(),
        };
        if scale > 0 {
            let first = i32::from(weight) + 1;
            let fraction: String = (0..=i32::from(scale) / 4)
                // Before the first group, which has the weight, there are only zeros.
                .map(|offset| format!("{:04}", group(first + offset)))
                .collect();
            text.push('.');
            text.push_str(fraction.get(..usize::from(scale)).unwrap_or(&fraction));
        }
        Ok(if sign == NEGATIVE { format!("-{text}") } else { text })
    }

    #[cfg(test)]
    mod tests {
        use super::{decode, encode};

        #[test]
        fn decimals_come_back_digit_by_digit() {
            for text in [
                "0",
                "1",
                "-1",
                "10000",
                "12345678901234567890123456789012345678.000000000000000001",
                "0.1",
                "0.00001",
                "-0.000000012300",
                "9999.9999",
                "100000000",
                "1.50",
                "-98765.4321",
            ] {
                assert_eq!(decode(&encode(text).unwrap()).unwrap(), text);
            }
            assert_eq!(decode(&encode("1.5e3").unwrap()).unwrap(), "1500");
            assert_eq!(decode(&encode("1.5e-3").unwrap()).unwrap(), "0.0015");
            for text in ["", "-", "1,5", "1.2.3", "x", "1e", "1e999999"] {
                assert!(encode(text).is_err(), "{text}");
            }
        }
    }
}

//! Bytes and headers as a transcript holds them: readable where they are text, and exact in any case.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes: a JSON string where they are UTF-8, `{"base64": ...}` where not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Readable<B>(pub(super) B);

#[derive(Serialize)]
struct Encoded {
    base64: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Encoded { base64: String },
}

impl<B: AsRef<[u8]>> Serialize for Readable<B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.0.as_ref();
        match std::str::from_utf8(bytes) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => Encoded { base64: STANDARD.encode(bytes) }.serialize(serializer),
        }
    }
}

impl<'de, B: From<Vec<u8>>> Deserialize<'de> for Readable<B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = match Form::deserialize(deserializer)? {
            Form::Text(text) => text.into_bytes(),
            Form::Encoded { base64 } => STANDARD.decode(base64).map_err(D::Error::custom)?,
        };
        Ok(Self(bytes.into()))
    }
}

/// Headers in their order: name to value, or to a list of values. Cookies are credentials of the counterpart's making, so
/// only their length is told: what a plugin does with a value often depends on that.
#[derive(Clone, Debug)]
pub(super) struct ReadableHeaders(pub(super) HeaderMap);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Values {
    One(Readable<Vec<u8>>),
    Many(Vec<Readable<Vec<u8>>>),
}

impl Serialize for ReadableHeaders {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.keys_len()))?;
        for name in self.0.keys() {
            let secret = matches!(*name, header::SET_COOKIE | header::COOKIE | header::AUTHORIZATION);
            let shown = |value: &HeaderValue| {
                Readable(if secret { vec![b'*'; value.len()] } else { value.as_bytes().to_vec() })
            };
            let mut values: Vec<_> = self.0.get_all(name).iter().map(shown).collect();
            let values = match (values.len(), values.pop()) {
                (1, Some(only)) => Values::One(only),
                (_, last) => Values::Many(values.into_iter().chain(last).collect()),
            };
            map.serialize_entry(name.as_str(), &values)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for ReadableHeaders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = HeaderMap;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("headers by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HeaderMap, A::Error> {
                let mut headers = HeaderMap::new();
                while let Some((name, values)) = map.next_entry::<String, Values>()? {
                    let name = HeaderName::try_from(name).map_err(A::Error::custom)?;
                    let values = match values {
                        Values::One(value) => vec![value],
                        Values::Many(values) => values,
                    };
                    for Readable(value) in values {
                        let value = HeaderValue::try_from(value).map_err(A::Error::custom)?;
                        headers.try_append(name.clone(), value).map_err(A::Error::custom)?;
                    }
                }
                Ok(headers)
            }
        }
        deserializer.deserialize_map(InOrder).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_as_text_and_other_bytes_come_back_as_they_were() {
        for (bytes, written) in [
            (&b"caf\xc3\xa9"[..], r#""café""#),
            (b"", r#""""#),
            (b"{\"base64\":\"eA==\"}", r#""{\"base64\":\"eA==\"}""#),
            (b"\xff\x00", r#"{"base64":"/wA="}"#),
        ] {
            let text = serde_json::to_string(&Readable(bytes)).unwrap();
            assert_eq!(text, written);
            let Readable(read): Readable<Vec<u8>> = serde_json::from_str(&text).unwrap();
            assert_eq!(read, bytes);
        }
    }

    #[test]
    fn headers_keep_their_order_and_their_values_and_hide_cookies() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("x-b", &b"1"[..]), ("x-a", b"2"), ("x-b", b"3"), ("x-raw", b"\xe9"), ("set-cookie", b"s=1")]
        {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        }
        let text = serde_json::to_string(&ReadableHeaders(headers.clone())).unwrap();
        assert_eq!(text, r#"{"x-b":["1","3"],"x-a":"2","x-raw":{"base64":"6Q=="},"set-cookie":"***"}"#);
        let ReadableHeaders(read) = serde_json::from_str(&text).unwrap();
        headers.insert("set-cookie", HeaderValue::from_static("***"));
        assert_eq!(read.iter().collect::<Vec<_>>(), headers.iter().collect::<Vec<_>>());
    }
}

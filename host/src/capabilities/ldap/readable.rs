//! What a transcript tells of operations on a directory: as LDIF would, in JSON, without passwords.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::capabilities::readable::Readable;
use crate::servers::ldap::{Attribute, Entry, Modification};

/// What an operation asks for.
#[derive(Serialize)]
pub(super) struct Request<'a> {
    pub(super) slot: &'a str,
    #[serde(flatten)]
    pub(super) asked: Asked<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Asked<'a> {
    Search {
        base: String,
        scope: &'static str,
        filter: &'a str,
        attributes: &'a [String],
        page_size: u32,
        /// Whether pages were asked for before.
        continued: bool,
    },
    Compare {
        dn: String,
        attribute: &'a str,
        value: Readable<Vec<u8>>,
    },
    Add {
        dn: String,
        attributes: Attributes<'a>,
    },
    Modify {
        dn: String,
        modifications: Vec<Modified<'a>>,
    },
    ModifyDn {
        dn: String,
        new_rdn: String,
        delete_old_rdn: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        new_superior: Option<String>,
    },
    Delete {
        dn: String,
    },
}

/// Attributes by name, each with its values.
pub(super) struct Attributes<'a>(pub(super) &'a [Attribute]);

/// `{"replace": {"mail": ["..."]}}`.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Modified<'a> {
    Add(Attributes<'a>),
    Delete(Attributes<'a>),
    Replace(Attributes<'a>),
}

impl<'a> From<&'a Modification> for Modified<'a> {
    fn from(modification: &'a Modification) -> Self {
        let attributes = |attribute| Attributes(std::slice::from_ref(attribute));
        match modification {
            Modification::Add(attribute) => Self::Add(attributes(attribute)),
            Modification::Delete(attribute) => Self::Delete(attributes(attribute)),
            Modification::Replace(attribute) => Self::Replace(attributes(attribute)),
        }
    }
}

/// A page of a search.
#[derive(Serialize, Deserialize)]
pub(super) struct ReadablePage {
    pub(super) entries: Vec<ReadableEntry>,
    /// Whether pages follow.
    pub(super) more: bool,
    /// What the server knows the next one by: for nobody but the server.
    #[serde(skip)]
    pub(super) cookie: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ReadableEntry {
    dn: String,
    attributes: OwnAttributes,
}

struct OwnAttributes(Vec<Attribute>);

impl From<Entry> for ReadableEntry {
    fn from(Entry { dn, attributes }: Entry) -> Self {
        Self { dn, attributes: OwnAttributes(attributes) }
    }
}

impl From<ReadableEntry> for Entry {
    fn from(ReadableEntry { dn, attributes }: ReadableEntry) -> Self {
        Self { dn, attributes: attributes.0 }
    }
}

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for Attribute { name, values } in self.0 {
            let values: Vec<_> = values.iter().map(|value| shown(name, value)).collect();
            map.serialize_entry(name, &values)?;
        }
        map.end()
    }
}

impl Serialize for OwnAttributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Attributes(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for OwnAttributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = OwnAttributes;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("attributes by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OwnAttributes, A::Error> {
                let mut attributes = Vec::new();
                while let Some((name, values)) = map.next_entry::<String, Vec<Readable<Vec<u8>>>>()? {
                    let values = values.into_iter().map(|Readable(value)| value).collect();
                    attributes.push(Attribute { name, values });
                }
                Ok(OwnAttributes(attributes))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// Attributes whose values are passwords, hashed or not: secrets of the record. As with cookies, only their length and
/// scheme are told.
const SECRETS: [&str; 10] = [
    "userpassword",
    "2.5.4.35",
    "authpassword",
    "unicodepwd",
    "pwdhistory",
    "sambantpassword",
    "sambalmpassword",
    "ipanthash",
    "krbprincipalkey",
    "vopersonapplicationpassword",
];

/// A value as it is shown.
pub(super) fn shown(attribute: &str, value: &[u8]) -> Readable<Vec<u8>> {
    let base = attribute.split(';').next().unwrap_or_default();
    if !SECRETS.iter().any(|secret| base.eq_ignore_ascii_case(secret)) {
        return Readable(value.to_vec());
    }
    let scheme = match value.iter().position(|byte| *byte == b'}') {
        Some(end) if value.first() == Some(&b'{') => end + 1,
        _ => 0,
    };
    let blanks = std::iter::repeat_n(b'*', value.len() - scheme);
    Readable(value.iter().take(scheme).copied().chain(blanks).collect())
}

/// A filter as it is shown: not at all where it asks for a password.
pub(super) fn shown_filter(filter: &str) -> &str {
    let lower = filter.to_ascii_lowercase();
    if SECRETS.iter().any(|secret| lower.contains(secret)) { "***" } else { filter }
}

impl Request<'_> {
    /// What is sent, about.
    pub(super) fn bytes(&self) -> u64 {
        let of = |attributes: &Attributes<'_>| attributes.0.iter().map(attribute_bytes).sum::<usize>();
        let bytes = match &self.asked {
            Asked::Search { base, filter, attributes, .. } => {
                base.len() + filter.len() + attributes.iter().map(String::len).sum::<usize>()
            }
            Asked::Compare { dn, attribute, value } => dn.len() + attribute.len() + value.0.len(),
            Asked::Add { dn, attributes } => dn.len() + of(attributes),
            Asked::Modify { dn, modifications } => {
                let modified = modifications.iter().map(|modified| match modified {
                    Modified::Add(attributes)
                    | Modified::Delete(attributes)
                    | Modified::Replace(attributes) => of(attributes),
                });
                dn.len() + modified.sum::<usize>()
            }
            Asked::ModifyDn { dn, new_rdn, new_superior, .. } => {
                dn.len() + new_rdn.len() + new_superior.as_ref().map_or(0, String::len)
            }
            Asked::Delete { dn } => dn.len(),
        };
        bytes as u64
    }
}

fn attribute_bytes(attribute: &Attribute) -> usize {
    attribute.name.len() + attribute.values.iter().map(|value| value.len() + 4).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_shown_by_scheme_and_length_only() {
        for (attribute, value, written) in [
            ("userPassword", "{SSHA}secret", "{SSHA}******"),
            ("USERPASSWORD;x-1", "plain", "*****"),
            ("voPersonApplicationPassword;app-wiki", "{CRYPT}x", "{CRYPT}*"),
            ("mail", "{SSHA}secret", "{SSHA}secret"),
        ] {
            assert_eq!(shown(attribute, value.as_bytes()).0, written.as_bytes());
        }
        assert_eq!(shown_filter("(userPassword=x)"), "***");
        assert_eq!(shown_filter("(uid=x)"), "(uid=x)");
    }

    #[test]
    fn a_page_comes_back_from_the_record_as_it_was() {
        let entry = Entry {
            dn: "cn=x".to_owned(),
            attributes: vec![Attribute {
                name: "b".to_owned(),
                values: vec![b"1".to_vec(), b"\xff".to_vec()],
            }],
        };
        let page = ReadablePage { entries: vec![entry.clone().into()], more: true, cookie: vec![1] };
        let text = serde_json::to_string(&page).unwrap();
        assert_eq!(
            text,
            r#"{"entries":[{"dn":"cn=x","attributes":{"b":["1",{"base64":"/w=="}]}}],"more":true}"#
        );
        let read: ReadablePage = serde_json::from_str(&text).unwrap();
        assert_eq!(read.entries.into_iter().map(Entry::from).collect::<Vec<_>>(), [entry]);
    }
}

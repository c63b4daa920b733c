//! What one line of an import says.

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::{ImportFormat, ImportOptions};
use crate::registry::core_api::{self, CoreApiDocument};
use crate::registry::record::{Membership, Record, RecordKind, SubjectKey};
use crate::registry::validate::{InvalidRecord, escape, read_json, read_record};
use crate::registry::write::ImportItem;

/// The word of a line's "kind".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LineKind {
    Person,
    Group,
    EmailList,
    Service,
    Department,
    Membership,
}

/// What is removed.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Removed {
    Record(String),
    Membership { group: String, person: String },
}

/// A native line, read but not checked for what goes together.
#[derive(Debug, Default)]
struct Line {
    kind: Option<LineKind>,
    record: Option<Body>,
    memberships: Option<Vec<Membership>>,
    delete: Option<Removed>,
}

#[derive(Debug)]
enum Body {
    Record(Record),
    Membership(Membership),
}

/// How a line was written, and so where its record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineForm {
    /// Below "/record".
    NativeRecord,
    /// There is none.
    NativeDeletion,
    /// The whole line.
    CoreApi,
}

type Parsed = Result<(ImportItem, LineForm), InvalidRecord>;

/// Reads a line. Pointers of problems lead into the line.
pub(super) fn parse_line(line: &str, options: &ImportOptions) -> Parsed {
    match options.format {
        ImportFormat::CoreApi => {
            let read = core_api::parse_document(line.as_bytes(), &options.person_id)?;
            Ok(core_api_item(read, options))
        }
        // What the quick way cannot read is read again, slowly, to tell where and why.
        ImportFormat::Native => match serde_json::from_str::<Line>(line) {
            Ok(line) => line.into_item(options),
            Err(_) => native_item(read_json(line.as_bytes())?, options),
        },
        ImportFormat::Auto => match serde_json::from_str::<Line>(line) {
            Ok(line) => line.into_item(options),
            Err(_) => match read_json(line.as_bytes())? {
                Value::Object(document) if core_api::is_document(&document) => {
                    Ok(core_api_item(core_api::read_document(document, &options.person_id)?, options))
                }
                other => native_item(other, options),
            },
        },
    }
}

fn core_api_item(read: CoreApiDocument, options: &ImportOptions) -> (ImportItem, LineForm) {
    let (record, memberships) = match read {
        CoreApiDocument::Person(read) => (Record::Person(Box::new(read.person)), read.memberships),
        CoreApiDocument::Department(department) => (Record::Department(department), None),
    };
    let unknown_groups = options.unknown_groups;
    (ImportItem::Put { record, memberships, unknown_groups }, LineForm::CoreApi)
}

/// Reads a line member by member.
fn native_item(line: Value, options: &ImportOptions) -> Parsed {
    let Value::Object(mut members) = line else {
        return Err(InvalidRecord::new("", "an object is expected in every line"));
    };
    let mut line = Line { kind: member(&mut members, "kind")?, ..Line::default() };
    line.memberships = member(&mut members, "memberships")?;
    line.delete = member(&mut members, "delete")?;
    if let (Some(kind), Some(record)) = (line.kind, members.remove("record")) {
        let json = record.to_string();
        let body = match kind.record_kind() {
            Some(kind) => read_record(kind, json.as_bytes()).map(Body::Record),
            None => read_json(json.as_bytes()).map(Body::Membership),
        };
        line.record = Some(body.map_err(|error| error.below("/record"))?);
    }
    match members.keys().find(|key| line.kind.is_some() || key.as_str() != "record") {
        Some(unknown) => Err(InvalidRecord::new(
            format!("/{}", escape(unknown)),
            "not known in a line: \"kind\", \"record\", \"memberships\" and \"delete\" are",
        )),
        None => line.into_item(options),
    }
}

fn member<T: serde::de::DeserializeOwned>(
    members: &mut Map<String, Value>,
    name: &str,
) -> Result<Option<T>, InvalidRecord> {
    let Some(value) = members.remove(name) else { return Ok(None) };
    read_json(value.to_string().as_bytes()).map(Some).map_err(|error| error.below(&format!("/{name}")))
}

impl LineKind {
    fn record_kind(self) -> Option<RecordKind> {
        match self {
            Self::Person => Some(RecordKind::Person),
            Self::Group => Some(RecordKind::Group),
            Self::EmailList => Some(RecordKind::EmailList),
            Self::Service => Some(RecordKind::Service),
            Self::Department => Some(RecordKind::Department),
            Self::Membership => None,
        }
    }
}

impl Line {
    fn into_item(self, options: &ImportOptions) -> Parsed {
        let Some(kind) = self.kind else {
            return Err(InvalidRecord::new(
                "/kind",
                "person, group, email_list, service, department or membership is expected",
            ));
        };
        if self.memberships.is_some() && (kind != LineKind::Person || self.record.is_none()) {
            return Err(InvalidRecord::new(
                "/memberships",
                "only the record of a person comes with memberships",
            ));
        }
        match (self.record, self.delete) {
            (Some(Body::Record(record)), None) => {
                let (memberships, unknown_groups) = (self.memberships, options.unknown_groups);
                Ok((ImportItem::Put { record, memberships, unknown_groups }, LineForm::NativeRecord))
            }
            (Some(Body::Membership(membership)), None) => {
                Ok((ImportItem::PutMembership(membership), LineForm::NativeRecord))
            }
            (None, Some(removed)) => Ok((deletion(kind, removed)?, LineForm::NativeDeletion)),
            (None, None) => Err(InvalidRecord::new("", "a line needs \"record\" or \"delete\"")),
            (Some(_), Some(_)) => Err(InvalidRecord::new("", "a line has either \"record\" or \"delete\"")),
        }
    }
}

fn deletion(kind: LineKind, removed: Removed) -> Result<ImportItem, InvalidRecord> {
    match (kind.record_kind(), removed) {
        (Some(kind), Removed::Record(id)) => Ok(ImportItem::Delete(SubjectKey { kind, id })),
        (None, Removed::Membership { group, person }) => Ok(ImportItem::DeleteMembership { group, person }),
        (Some(_), Removed::Membership { .. }) => Err(InvalidRecord::new("/delete", "an id is expected")),
        (None, Removed::Record(_)) => {
            Err(InvalidRecord::new("/delete", "{\"group\": id, \"person\": id} is expected"))
        }
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LineVisitor)
    }
}

/// Reads the record right into its type, if the kind comes first. A derived reader would read it twice.
struct LineVisitor;

impl<'de> Visitor<'de> for LineVisitor {
    type Value = Line;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
        let mut line = Line::default();
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match (&*key, line.kind) {
                ("kind", None) => line.kind = Some(map.next_value()?),
                ("record", Some(kind)) if line.record.is_none() => {
                    line.record = Some(map.next_value_seed(BodyOf(kind))?);
                }
                ("memberships", _) if line.memberships.is_none() => {
                    line.memberships = Some(map.next_value()?)
                }
                ("delete", _) if line.delete.is_none() => line.delete = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    return Err(A::Error::custom("not in the usual order"));
                }
            }
        }
        Ok(line)
    }
}

/// Reads the record of a kind.
struct BodyOf(LineKind);

impl<'de> DeserializeSeed<'de> for BodyOf {
    type Value = Body;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Body, D::Error> {
        Ok(match self.0 {
            LineKind::Person => Body::Record(Record::Person(Box::deserialize(deserializer)?)),
            LineKind::Group => Body::Record(Record::Group(Box::deserialize(deserializer)?)),
            LineKind::EmailList => Body::Record(Record::EmailList(Box::deserialize(deserializer)?)),
            LineKind::Service => Body::Record(Record::Service(Box::deserialize(deserializer)?)),
            LineKind::Department => Body::Record(Record::Department(Box::deserialize(deserializer)?)),
            LineKind::Membership => Body::Membership(Membership::deserialize(deserializer)?),
        })
    }
}

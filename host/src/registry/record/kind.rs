//! Kinds of records, and what all of them have.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Department, EmailList, Group, Meta, Person, Service, Status};

/// The kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    Person,
    Group,
    EmailList,
    Service,
    Department,
}

/// A stored record of any kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "record", rename_all = "snake_case")]
pub enum Record {
    Person(Box<Person>),
    Group(Box<Group>),
    EmailList(Box<EmailList>),
    Service(Box<Service>),
    Department(Box<Department>),
}

/// Names a record: what a work item, an outcome and a transcript are about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectKey {
    pub kind: RecordKind,
    pub id: String,
}

/// Each variant of a record with its own type.
macro_rules! of_any_kind {
    ($record:expr, $document:ident => $value:expr) => {
        match $record {
            Record::Person($document) => $value,
            Record::Group($document) => $value,
            Record::EmailList($document) => $value,
            Record::Service($document) => $value,
            Record::Department($document) => $value,
        }
    };
}

impl Record {
    /// Its kind.
    pub fn kind(&self) -> RecordKind {
        match self {
            Self::Person(_) => RecordKind::Person,
            Self::Group(_) => RecordKind::Group,
            Self::EmailList(_) => RecordKind::EmailList,
            Self::Service(_) => RecordKind::Service,
            Self::Department(_) => RecordKind::Department,
        }
    }

    /// Its id, history and source.
    pub fn meta(&self) -> &Meta {
        of_any_kind!(self, document => &document.meta)
    }

    /// Its status; a department, which has none, counts as active as long as it is there.
    pub fn status(&self) -> Status {
        match self {
            Self::Person(person) => person.status,
            Self::Group(group) => group.status,
            Self::EmailList(list) => list.status,
            Self::Service(service) => service.status,
            Self::Department(_) => Status::Active,
        }
    }

    /// What people call it: of a person the primary name.
    pub fn display_name(&self) -> String {
        match self {
            Self::Person(person) => {
                let primary = person.names.iter().find(|name| name.primary);
                let parts = primary.map(|name| [&name.given, &name.middle, &name.family, &name.suffix]);
                let said: Vec<&str> = parts.into_iter().flatten().flatten().map(String::as_str).collect();
                said.join(" ")
            }
            Self::Group(group) => group.name.clone(),
            Self::EmailList(list) => list.name.clone(),
            Self::Service(service) => service.name.clone(),
            Self::Department(department) => department.name.clone(),
        }
    }

    /// What names it.
    pub fn key(&self) -> SubjectKey {
        SubjectKey { kind: self.kind(), id: self.meta().id.clone() }
    }
}

impl RecordKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Person, Self::Group, Self::EmailList, Self::Service, Self::Department];

    /// The word in JSON, in the store and in the contract with plugins.
    pub fn word(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Group => "group",
            Self::EmailList => "email_list",
            Self::Service => "service",
            Self::Department => "department",
        }
    }
}

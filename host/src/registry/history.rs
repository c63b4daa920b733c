//! The change history: what was written to which record, by whom, when.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::record::{Group, RecordKind, SubjectKey};
use super::shape::Document;
use crate::provisioning::Reach;

/// What a write did to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    Created,
    Updated,
    Deleted,
}

/// One committed write to a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// Ascending in the order of commits.
    pub sequence: i64,
    pub subject: SubjectKey,
    pub operation: Operation,
    /// Which parts changed: "names", "roles", "memberships", ...
    pub parts: Vec<String>,
    /// Who did it: the API key, the import, the plugin that wrote back.
    pub actor: String,
    pub at: Timestamp,
    /// Whether it was to be provisioned.
    pub provision: bool,
}

impl Change {
    /// Whether it may have changed what the people in a group show of it.
    pub fn reaches_members(&self) -> bool {
        let reaches = |part: &String| {
            let mut fields = Group::FIELDS.iter().filter(|field| field.reach != Reach::Itself);
            fields.any(|field| field.name == *part)
        };
        self.subject.kind == RecordKind::Group
            && (self.operation == Operation::Deleted || self.parts.iter().any(reaches))
    }
}

/// A write about to be committed.
#[derive(Clone, Debug, PartialEq)]
pub struct NewChange {
    pub subject: SubjectKey,
    pub operation: Operation,
    pub parts: Vec<String>,
    pub actor: String,
    pub provision: bool,
}

//! What the catalog knows of a plugin: from its binary and from its own description.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

use crate::registry::record::RecordKind;
use crate::sandbox::{Import, World};

/// A plugin as the catalog knows it.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Manifest {
    pub name: String,
    /// By Semantic Versioning.
    pub version: String,
    /// SHA-256 of the component, 64 hexadecimal digits.
    pub digest: String,
    pub world: World,
    /// Version of the contract that it was built for.
    pub contract: String,
    /// One line for the operator.
    pub summary: String,
    /// Size of the component.
    pub size_bytes: u64,
    /// None for one that was only examined.
    pub installed: Option<Timestamp>,
    pub imports: Vec<Import>,
    /// What it handles: "person", "group", "email_list", "service", or a word newer than this host.
    pub subject_kinds: Vec<String>,
    /// The servers it needs.
    pub slots: Vec<Slot>,
    /// Requests that change nothing although their method may.
    pub safe_requests: Vec<SafeRequest>,
    /// What it expects to be answered to requests that change something: what a preview answers.
    #[serde(default)]
    pub expected_answers: Vec<ExpectedAnswer>,
    /// JSON Schema (2020-12).
    pub configuration_schema: serde_json::Value,
}

/// A server that a plugin needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Slot {
    pub name: String,
    /// "http", "files", "ldap", "sql", "messaging", or a word newer than this host.
    pub kind: String,
    /// Whether a target cannot work without it.
    pub required: bool,
    /// One line for the operator.
    pub summary: String,
    /// What the plugin does there; empty stands for everything.
    pub operations: Vec<String>,
}

/// A request that changes nothing although its method may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SafeRequest {
    pub slot: String,
    pub method: String,
    /// Below the server's base URL, exact or up to a final `*`.
    pub path: String,
}

/// What a plugin expects to be answered to a request that changes something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExpectedAnswer {
    pub slot: String,
    pub method: String,
    /// Below the server's base URL, exact or up to a final `*`.
    pub path: String,
    pub status: u16,
    /// JSON text, or nothing.
    pub body: String,
}

impl Manifest {
    /// The kinds of records that it handles and this host knows.
    pub fn record_kinds(&self) -> Vec<RecordKind> {
        let known = |word: &String| serde_json::from_value(serde_json::Value::from(word.as_str())).ok();
        self.subject_kinds.iter().filter_map(known).collect()
    }

    /// Name, version and the first digits of the digest, for messages.
    pub fn label(&self) -> String {
        format!("{}@{} ({})", self.name, self.version, self.digest.get(..12).unwrap_or(&self.digest))
    }
}

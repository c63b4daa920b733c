//! Provisioning targets and data filters as an operator configures them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// When a target is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// At every change, right after its commit.
    #[default]
    Automatic,
    /// Only when somebody asks for it.
    Manual,
    /// Never.
    Disabled,
}

/// A plugin of the catalog, by its name and the SHA-256 digest of its component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginReference {
    pub name: String,
    /// 64 hexadecimal digits.
    pub digest: String,
}

/// A provisioner and what it needs to serve one counterpart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Target {
    pub id: String,
    pub description: String,
    pub plugin: PluginReference,
    /// Valid by the plugin's schema.
    pub configuration: serde_json::Value,
    pub mode: Mode,
    /// Targets are called in ascending order.
    pub order: i64,
    /// `id` of data filters, in the order they run.
    pub filters: Vec<String>,
    /// `id` of the server bound to each slot.
    pub slots: BTreeMap<String, String>,
    /// Limits of a call that differ from the host's, by name.
    pub limits: BTreeMap<String, u64>,
    /// Number of the last change before the target became automatic: it is called for every later one. None while it is
    /// not automatic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatic_after: Option<i64>,
}

/// A data filter and its configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Filter {
    pub id: String,
    pub description: String,
    pub plugin: PluginReference,
    /// Valid by the plugin's schema.
    pub configuration: serde_json::Value,
}

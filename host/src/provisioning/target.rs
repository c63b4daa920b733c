//! Provisioning targets and data filters as an operator configures them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::registry::record::RecordKind;

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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginReference {
    pub name: String,
    /// 64 hexadecimal digits.
    pub digest: String,
}

/// A provisioner and what it needs to serve one counterpart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
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
    /// `id` of the group whose valid members alone are provisioned, beside the group itself; none: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioning_group: Option<String>,
    /// The org identity source whose people are not provisioned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_source: Option<String>,
    /// Whether a deletion is sent although the target cannot hold the subject, each time.
    #[serde(default)]
    pub always_send_deletions: bool,
    /// The kinds of records that its plugin handles, as far as this host knows them. None: not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_kinds: Option<Vec<RecordKind>>,
}

impl Target {
    /// Whether another target with the same `id` would get other records, or make something else of them.
    pub fn selects_otherwise_than(&self, other: &Self) -> bool {
        let selection = |target: &'_ Self| {
            let Self { plugin, configuration, mode, filters, provisioning_group, skip_source, .. } =
                target.clone();
            (plugin.digest, configuration, mode, filters, provisioning_group, skip_source)
        };
        selection(self) != selection(other)
    }

    /// Whether its plugin handles records of this kind.
    pub fn handles(&self, kind: RecordKind) -> bool {
        self.subject_kinds.as_ref().is_none_or(|handled| handled.contains(&kind))
    }
}

/// A data filter and its configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Filter {
    pub id: String,
    pub description: String,
    pub plugin: PluginReference,
    /// Valid by the plugin's schema.
    pub configuration: serde_json::Value,
    /// Whether targets pass it over.
    #[serde(default)]
    pub suspended: bool,
}

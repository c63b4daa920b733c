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
    /// At every change, by a job.
    Queue,
    /// At every change, right after its commit; again by a job when that failed.
    QueueOnError,
    /// When an enrollment is finalized, and when somebody asks for it.
    Enrollment,
    /// Only when somebody asks for it.
    Manual,
    /// Never.
    Disabled,
}

impl Mode {
    /// Whether every change is followed.
    pub fn follows_changes(self) -> bool {
        matches!(self, Self::Automatic | Self::Queue | Self::QueueOnError)
    }
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
    /// Seconds until a failed queued provisioning is tried again; 0: it is not.
    #[serde(default = "retry_interval_s")]
    pub retry_interval_s: u64,
    /// How often it is tried again after the first failure; 0: without end.
    #[serde(default = "max_retry")]
    pub max_retry: u32,
    /// Longer and longer intervals; none: always the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// Calls that run at once.
    #[serde(default = "concurrency")]
    pub concurrency: u32,
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

/// Retry intervals that grow: each is `factor` times the one before, up to a longest one, and varied at random by up to a
/// fifth, so that what failed together is not tried again together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Backoff {
    /// At least 1.
    #[serde(default = "factor")]
    #[schema(minimum = 1)]
    pub factor: f64,
    /// The longest interval, in seconds.
    #[serde(default = "longest_s")]
    pub longest_s: u64,
}

fn factor() -> f64 {
    2.0
}

fn longest_s() -> u64 {
    86_400
}

/// The retry interval of a target that names none, in seconds.
pub fn retry_interval_s() -> u64 {
    900
}

/// The number of retries of a target that names none.
pub fn max_retry() -> u32 {
    3
}

/// The calls at once of a target that names no number.
pub fn concurrency() -> u32 {
    4
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

//! Provisioning targets and data filters as an operator configures them.

use std::collections::BTreeMap;

use ring::digest;
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
            let Self { mode, filters, provisioning_group, skip_source, .. } = target.clone();
            (target.settings(), mode, filters, provisioning_group, skip_source)
        };
        selection(self) != selection(other)
    }

    /// Stands for what its counterpart is given a record by: plugin, configuration and servers.
    pub fn settings(&self) -> String {
        let Self { plugin, configuration, slots, .. } = self;
        let settings = serde_json::json!([plugin.digest, configuration, slots]).to_string();
        let hash = digest::digest(&digest::SHA256, settings.as_bytes());
        hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_plugin_configuration_and_servers_and_a_change_of_them_is_worth_a_look_at_the_records() {
        let target = Target {
            id: "t".to_owned(),
            plugin: PluginReference { name: "ldap".to_owned(), digest: "0".repeat(64) },
            configuration: serde_json::json!({"base": "o=a"}),
            slots: BTreeMap::from([("directory".to_owned(), "one".to_owned())]),
            ..Target::default()
        };
        type Change = fn(&mut Target);
        let changes: [(&str, Change, bool, bool); 11] = [
            ("nothing", |_| {}, false, false),
            ("plugin", |target| target.plugin.digest = "1".repeat(64), true, true),
            ("configuration", |target| target.configuration = serde_json::json!({"base": "o=b"}), true, true),
            (
                "servers",
                |target| _ = target.slots.insert("directory".to_owned(), "two".to_owned()),
                true,
                true,
            ),
            ("mode", |target| target.mode = Mode::Manual, false, true),
            ("filters", |target| target.filters.push("f".to_owned()), false, true),
            ("group", |target| target.provisioning_group = Some("staff".to_owned()), false, true),
            ("source", |target| target.skip_source = Some("hr".to_owned()), false, true),
            ("id", |target| target.id = "other".to_owned(), false, false),
            ("order", |target| target.order = 9, false, false),
            ("concurrency", |target| target.concurrency = 9, false, false),
        ];
        for (case, change, settings, look) in changes {
            let mut changed = target.clone();
            change(&mut changed);
            assert_eq!(target.settings() != changed.settings(), settings, "{case}");
            assert_eq!(target.selects_otherwise_than(&changed), look, "{case}");
        }
    }
}

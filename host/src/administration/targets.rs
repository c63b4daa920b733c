//! Provisioning targets of a collaboration: a provisioner with its configuration, filters, servers and limits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::error::{AdministrationError, Kind, Problems, step};
use super::plugin_choice::PluginChoice;
use super::{Administration, check_ids, known_collaboration};
use crate::monitoring;
use crate::plugins::Manifest;
use crate::provisioning::{Backoff, Mode, PluginReference, Target, concurrency, max_retry, retry_interval_s};
use crate::registry::record::{RecordKind, Reference, SubjectKey};
use crate::sandbox::{Limits, World};
use crate::store::{StoreError, Transaction};

/// A provisioning target as an operator writes it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetInput {
    /// May be left out; otherwise that of the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default)]
    pub description: String,
    /// A provisioner.
    pub plugin: PluginChoice,
    /// Valid by the plugin's schema.
    #[serde(default = "super::empty_object")]
    #[schema(value_type = Object)]
    pub configuration: Value,
    #[serde(default)]
    pub mode: Mode,
    /// Targets are called in ascending order. Left out: where it is; behind all others when it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<i64>,
    /// `id` of data filters, in the order they run.
    #[serde(default)]
    pub filters: Vec<String>,
    /// `id` of the server bound to each slot.
    #[serde(default)]
    pub slots: BTreeMap<String, String>,
    /// Limits of a call that differ from the host's, by name.
    #[serde(default)]
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
    /// Calls that run at once; at least 1.
    #[serde(default = "concurrency")]
    #[schema(minimum = 1)]
    pub concurrency: u32,
    /// As shown. The host knows it and looks at no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatic_after: Option<i64>,
    /// `id` of the group whose valid members alone are provisioned, beside the group itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioning_group: Option<String>,
    /// `id` of the org identity source whose people are not provisioned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_source: Option<String>,
    /// Whether a deletion is sent although the target cannot hold the subject, each time.
    #[serde(default)]
    pub always_send_deletions: bool,
    /// As shown. The plugin tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_kinds: Option<Vec<RecordKind>>,
    /// As answered to a write. Nobody looks at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re_evaluation_advisable: Option<bool>,
}

/// A target that was written.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct StoredTarget {
    #[serde(flatten)]
    pub target: Target,
    /// Whether records that are there, or are not, may belong otherwise by now: no change will tell the target.
    pub re_evaluation_advisable: bool,
}

impl Administration {
    /// Stores a target; tells whether it is new.
    pub async fn put_target(
        &self,
        co: &str,
        id: &str,
        input: TargetInput,
    ) -> Result<(StoredTarget, bool), AdministrationError> {
        let mut problems = Problems::default();
        check_ids(id, input.id.as_deref(), &mut problems);
        check_limits(&self.limits, &input.limits, &mut problems);
        check_retries(&input, &mut problems);
        let manifest = input
            .plugin
            .resolve(&self.catalog, World::Provisioner, &input.configuration, &mut problems)
            .await?;
        let Some(manifest) = manifest else {
            return Err(problems.refusal(Kind::Target, id));
        };
        let (co, id) = (co.to_owned(), id.to_owned());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    known_collaboration(transaction, &co).await?;
                    check_filters(transaction, &co, &input.filters, &mut problems).await?;
                    check_selection(transaction, &co, &input, &mut problems).await?;
                    check_slots(transaction, &co, &manifest, &input.slots, &mut problems).await?;
                    if !problems.is_empty() {
                        return Err(problems.refusal(Kind::Target, &id));
                    }
                    let previous = transaction.target(&co, &id).await?;
                    let created = previous.is_none();
                    let automatic_after = match &previous {
                        _ if !input.mode.follows_changes() => None,
                        Some(Target { automatic_after: Some(after), .. }) => Some(*after),
                        _ => Some(transaction.last_change(&co).await?),
                    };
                    let order = match (input.order, &previous) {
                        (Some(order), _) => order,
                        (None, Some(previous)) => previous.order,
                        (None, None) => last_order(transaction, &co).await?.saturating_add(1),
                    };
                    let subject_kinds = Some(manifest.record_kinds());
                    let target = Target {
                        id,
                        description: input.description,
                        plugin: PluginReference { name: manifest.name, digest: manifest.digest },
                        configuration: input.configuration,
                        mode: input.mode,
                        order,
                        filters: input.filters,
                        slots: input.slots,
                        limits: input.limits,
                        retry_interval_s: input.retry_interval_s,
                        max_retry: input.max_retry,
                        backoff: input.backoff,
                        concurrency: input.concurrency,
                        automatic_after,
                        provisioning_group: input.provisioning_group,
                        skip_source: input.skip_source,
                        always_send_deletions: input.always_send_deletions,
                        subject_kinds,
                    };
                    transaction.put_target(&co, &target).await?;
                    let re_evaluation_advisable = match &previous {
                        Some(previous) => previous.selects_otherwise_than(&target),
                        // What was there before the target is told to it by no change.
                        None => transaction.last_change(&co).await? > 0,
                    };
                    Ok((StoredTarget { target, re_evaluation_advisable }, created))
                })
            })
            .await
    }

    /// The targets of a collaboration, in the order they are called.
    pub async fn targets(&self, co: &str) -> Result<Vec<Target>, AdministrationError> {
        let mut targets = self.store.targets(co).await?;
        targets.sort_by(|a, b| (a.order, &a.id).cmp(&(b.order, &b.id)));
        Ok(targets)
    }

    /// One target.
    pub async fn target(&self, co: &str, id: &str) -> Result<Target, AdministrationError> {
        let unknown = || AdministrationError::Unknown { kind: Kind::Target, id: id.to_owned() };
        self.store.target(co, id).await?.ok_or_else(unknown)
    }

    /// Removes a target with its plugin's state, its provisioned services and what is planned for it.
    pub async fn delete_target(&self, co: &str, id: &str) -> Result<(), AdministrationError> {
        let (co, id) = (co.to_owned(), id.to_owned());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    match transaction.delete_target(&co, &id).await? {
                        true => Ok(monitoring::target_deleted(transaction, &co, &id).await?),
                        false => Err(AdministrationError::Unknown { kind: Kind::Target, id }),
                    }
                })
            })
            .await
    }
}

fn check_retries(input: &TargetInput, problems: &mut Problems) {
    if input.concurrency == 0 {
        problems.add("/concurrency", "must be at least 1".to_owned());
    }
    if input.backoff.is_some_and(|backoff| !(1.0..=100.0).contains(&backoff.factor)) {
        problems.add("/backoff/factor", "must be from 1 to 100".to_owned());
    }
}

fn check_limits(host: &Limits, overrides: &BTreeMap<String, u64>, problems: &mut Problems) {
    for (word, value) in overrides {
        let one = BTreeMap::from([(word.clone(), *value)]);
        if let Err(error) = host.overridden(&one) {
            problems.add(format!("/limits{}", step(word)), error.to_string());
        }
    }
}

async fn check_filters(
    transaction: &mut Transaction<'_>,
    co: &str,
    filters: &[String],
    problems: &mut Problems,
) -> Result<(), StoreError> {
    for (index, id) in filters.iter().enumerate() {
        if transaction.filter(co, id).await?.is_none() {
            problems.add(format!("/filters/{index}"), format!("there is no filter `{id}`; create it first"));
        }
    }
    Ok(())
}

async fn check_selection(
    transaction: &mut Transaction<'_>,
    co: &str,
    input: &TargetInput,
    problems: &mut Problems,
) -> Result<(), StoreError> {
    if let Some(id) = &input.provisioning_group {
        let group = SubjectKey { kind: RecordKind::Group, id: id.clone() };
        let stored = transaction.record(co, &group).await?;
        if stored.is_none_or(|stored| stored.deleted.is_some()) {
            problems.add("/provisioning_group", format!("there is no group `{id}`; create it first"));
        }
    }
    if let Some(id) = &input.skip_source {
        let collaboration = transaction.collaboration(co).await?;
        if !collaboration.is_some_and(|co| Reference::OrgIdentitySource.is_there(&co, id)) {
            problems.add("/skip_source", Reference::OrgIdentitySource.missing(id));
        }
    }
    Ok(())
}

async fn check_slots(
    transaction: &mut Transaction<'_>,
    co: &str,
    manifest: &Manifest,
    bound: &BTreeMap<String, String>,
    problems: &mut Problems,
) -> Result<(), StoreError> {
    let plugin = &manifest.name;
    for slot in manifest.slots.iter().filter(|slot| slot.required && !bound.contains_key(&slot.name)) {
        let (name, kind) = (&slot.name, &slot.kind);
        problems.add(
            "/slots",
            format!("plugin `{plugin}` needs a server of kind `{kind}` in slot `{name}`; bind one"),
        );
    }
    for (name, id) in bound {
        let pointer = format!("/slots{}", step(name));
        let Some(slot) = manifest.slots.iter().find(|slot| slot.name == *name) else {
            let known: Vec<_> = manifest.slots.iter().map(|slot| slot.name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            problems.add(pointer, format!("plugin `{plugin}` has no slot `{name}`; it has {known}"));
            continue;
        };
        match transaction.server(co, id).await? {
            None => problems.add(pointer, format!("there is no server `{id}`; create it first")),
            Some(server) => {
                let kind = server.configuration.get("kind").and_then(Value::as_str).unwrap_or_default();
                if kind != slot.kind {
                    let wanted = &slot.kind;
                    problems.add(
                        pointer,
                        format!("server `{id}` is of kind `{kind}`, but slot `{name}` needs one of kind `{wanted}`"),
                    );
                }
            }
        }
    }
    Ok(())
}

async fn last_order(transaction: &mut Transaction<'_>, co: &str) -> Result<i64, StoreError> {
    Ok(transaction.targets(co).await?.iter().map(|target| target.order).max().unwrap_or(0))
}

//! What a plugin asks for and what the operator granted, side by side: nothing else can be reached.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

use super::error::AdministrationError;
use super::{Administration, Server};
use crate::plugins::{ExpectedAnswer, Manifest, SafeRequest, Slot};
use crate::sandbox::{Import, LIMITS};

/// What a plugin may do for a target.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TargetGrants {
    pub target: String,
    /// Name of the plugin.
    pub plugin: String,
    pub version: String,
    /// SHA-256 of the component.
    pub digest: String,
    /// What it is offered.
    pub subject_kinds: Vec<String>,
    /// All that the binary can call, and what each is worth here.
    pub imports: Vec<Import>,
    pub slots: Vec<GrantedSlot>,
    /// Of each call.
    pub limits: Vec<GrantedLimit>,
}

/// A slot: what the plugin asks for there, and the server that the operator bound to it.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct GrantedSlot {
    pub name: String,
    /// "http", "files", "ldap", "sql", "messaging".
    pub kind: String,
    pub required: bool,
    /// What the plugin does there, in its own words.
    pub summary: String,
    /// All that it may do there; empty stands for everything of the kind.
    pub operations: Vec<String>,
    /// Requests that a preview performs, since the plugin says that they change nothing.
    pub safe_requests: Vec<SafeRequest>,
    /// What a preview answers to requests that would change something.
    pub expected_answers: Vec<ExpectedAnswer>,
    /// None where nothing is bound: then the plugin can do nothing there.
    pub server: Option<GrantedServer>,
}

/// What a server lets a plugin reach.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct GrantedServer {
    pub id: String,
    /// Where the plugin may act: there and below.
    pub reach: Vec<String>,
    /// The host's secrets for it, by name, and where they are. The plugin sees none of them.
    pub secrets: BTreeMap<String, String>,
    /// Whether it may be at a loopback or private address.
    pub private_addresses: Option<bool>,
}

/// A limit in force.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct GrantedLimit {
    pub name: String,
    pub value: u64,
    pub unit: String,
    pub covers: String,
    /// Whether the target sets it, and not the host.
    pub of_target: bool,
}

impl Administration {
    /// What the plugin of a target asks for and what it is granted.
    pub async fn target_grants(&self, co: &str, id: &str) -> Result<TargetGrants, AdministrationError> {
        let target = self.target(co, id).await?;
        let unusable = |problem: String| AdministrationError::UnusableTarget { id: id.to_owned(), problem };
        let manifest = self.catalog.find(&target.plugin.digest).await;
        let manifest = manifest.map_err(|error| unusable(error.to_string()))?;
        let limits = self.limits.overridden(&target.limits).map_err(|error| unusable(error.to_string()))?;
        let mut slots = Vec::with_capacity(manifest.slots.len());
        for slot in &manifest.slots {
            let server = match target.slots.get(&slot.name) {
                Some(server) => Some(self.server(co, server).await?),
                None => None,
            };
            slots.push(granted(&manifest, slot, server));
        }
        let limit = |limit: crate::sandbox::Limit| GrantedLimit {
            name: limit.word.to_owned(),
            value: limits.get(limit.name),
            unit: limit.unit.to_owned(),
            covers: limit.covers.to_owned(),
            of_target: target.limits.contains_key(limit.word),
        };
        Ok(TargetGrants {
            limits: LIMITS.map(limit).to_vec(),
            target: target.id,
            plugin: manifest.name,
            version: manifest.version,
            digest: manifest.digest,
            subject_kinds: manifest.subject_kinds,
            imports: manifest.imports,
            slots,
        })
    }
}

fn granted(manifest: &Manifest, slot: &Slot, server: Option<Server>) -> GrantedSlot {
    let Slot { name, kind, required, summary, operations } = slot.clone();
    let safe = manifest.safe_requests.iter().filter(|request| request.slot == name);
    let expected = manifest.expected_answers.iter().filter(|answer| answer.slot == name);
    GrantedSlot {
        safe_requests: safe.cloned().collect(),
        expected_answers: expected.cloned().collect(),
        server: server.map(|Server { id, configuration, .. }| GrantedServer {
            id,
            reach: configuration.reach(),
            secrets: configuration
                .secrets()
                .into_iter()
                .map(|(name, place)| (name.to_owned(), place.to_string()))
                .collect(),
            private_addresses: configuration.private_addresses(),
        }),
        name,
        kind,
        required,
        summary,
        operations,
    }
}

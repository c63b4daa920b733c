//! The servers that are bound to the slots of a target, by kind, and what the plugin is told of each.

use std::sync::Arc;
use std::time::Duration;

use super::contract::types::{ServerKind, SlotBinding};
use super::{files, http, ldap, messaging, sql};
use crate::sandbox::Refusal;

/// What a call may reach by its slots.
#[derive(Clone, Default)]
pub struct Slots {
    pub files: files::Grant,
    pub http: http::Grant,
    pub ldap: ldap::Grant,
    pub messaging: messaging::Grant,
    pub sql: sql::Grant,
}

impl Slots {
    /// What the plugin is told of the slots that are bound.
    pub fn bindings(&self) -> Vec<SlotBinding> {
        let files = self.files.0.iter().map(|slot| binding(&slot.name, ServerKind::Files));
        let http = self.http.0.iter().map(|slot| SlotBinding {
            base_url: Some(slot.server.base_url().to_string()),
            ..binding(&slot.name, ServerKind::Http)
        });
        let ldap = self.ldap.0.iter().map(|slot| SlotBinding {
            reach: slot.server.iter().flat_map(|server| server.base_dns()).map(str::to_owned).collect(),
            ..binding(&slot.name, ServerKind::Ldap)
        });
        let messaging = self.messaging.0.iter().map(|slot| SlotBinding {
            reach: slot.server.iter().flat_map(|server| server.topics()).cloned().collect(),
            dialect: slot.server.as_ref().map(|server| server.dialect().to_owned()),
            ..binding(&slot.name, ServerKind::Messaging)
        });
        let sql = self.sql.0.iter().map(|slot| SlotBinding {
            reach: slot.schemas.clone(),
            dialect: Some(slot.dialect.word().to_owned()),
            ..binding(&slot.name, ServerKind::Sql)
        });
        files.chain(http).chain(ldap).chain(messaging).chain(sql).collect()
    }

    /// How long the servers are left alone from now on: the longest time, where one of them asked for it or is down.
    pub fn rest(&self) -> Option<Duration> {
        let http = self.http.0.iter().filter_map(|slot| slot.server.rest());
        let ldap = self.ldap.0.iter().filter_map(|slot| slot.server.as_ref()?.rest());
        let messaging = self.messaging.0.iter().filter_map(|slot| slot.server.as_ref()?.rest());
        let sql = self.sql.0.iter().filter_map(|slot| slot.rest());
        http.chain(ldap).chain(messaging).chain(sql).max()
    }

    /// The slots of a recorded call, in which nothing happens: what is opened by name can be opened again.
    pub fn recorded(bindings: &[SlotBinding]) -> Self {
        let mut slots = Self::default();
        for SlotBinding { slot, kind, reach, dialect, .. } in bindings {
            let name = slot.clone();
            match kind {
                ServerKind::Files => {
                    slots.files.0.push(Arc::new(files::Slot { name, root: None, operations: Vec::new() }));
                }
                ServerKind::Ldap => {
                    slots.ldap.0.push(Arc::new(ldap::Slot { name, server: None, operations: Vec::new() }));
                }
                ServerKind::Messaging => {
                    let slot = messaging::Slot { name, server: None, operations: Vec::new() };
                    slots.messaging.0.push(Arc::new(slot));
                }
                ServerKind::Sql => slots.sql.0.extend(sql::Slot::recorded(name, reach, dialect.as_deref())),
                ServerKind::Http | ServerKind::Other(_) => {}
            }
        }
        slots
    }
}

/// Longest text of a refusal: what a plugin asks for may be long.
const MAX_REFUSAL_CHARACTERS: usize = 1_024;

/// The slot that a plugin opens by its name, where it is bound. `what` is said of those that are not.
pub(super) fn opened<S>(
    bound: &[Arc<S>],
    name_of: fn(&S) -> &str,
    (what, name): (&str, &str),
) -> Result<Arc<S>, String> {
    if let Some(found) = bound.iter().find(|slot| name_of(slot) == name) {
        return Ok(Arc::clone(found));
    }
    let known: Vec<&str> = bound.iter().map(|slot| name_of(slot)).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(format!("no {what} is bound to slot `{name}`; bound are: {known}"))
}

/// Whether a slot asks for an operation; one that names none asks for all.
pub(super) fn asks_for(operations: &[String], operation: &str) -> bool {
    operations.is_empty() || operations.iter().any(|asked| asked == operation)
}

/// An operation that a slot does not ask for.
pub(super) fn not_asked_for(slot: &str, operations: &[String], operation: &str) -> Refusal {
    let asked = operations.join(", ");
    Refusal(format!("slot `{slot}` asks only for {asked}; name `{operation}` in its operations"))
}

/// What is not granted at a slot.
pub(super) fn refusal(slot: &str, reason: &str) -> Refusal {
    Refusal(format!("slot `{slot}`: {reason}").chars().take(MAX_REFUSAL_CHARACTERS).collect())
}

fn binding(slot: &str, kind: ServerKind) -> SlotBinding {
    SlotBinding {
        slot: slot.to_owned(),
        kind,
        base_url: None,
        reach: Vec::new(),
        dialect: None,
        extensions: Vec::new(),
    }
}

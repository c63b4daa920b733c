//! Servers, filters and targets of a collaboration as operators configure them: checked against the catalog and against
//! each other, stored, and given to the pipeline as live connections.

mod error;
mod filters;
mod grants;
mod notifications;
mod plugin_choice;
mod servers;
mod targets;

use std::sync::Arc;

use serde_json::Value;

use crate::plugins::Catalog;
use crate::registry::validate::check_id;
use crate::sandbox::Limits;
use crate::servers::Servers;
use crate::servers::secret::SecretKey;
use crate::store::{Store, Transaction};
use error::Problems;

pub use error::{AdministrationError, InvalidField, Kind};
pub use filters::{FilterInput, StoredFilter};
pub use grants::{GrantedLimit, GrantedServer, GrantedSlot, TargetGrants};
pub use notifications::{ChannelReport, NotificationDelivery, NotificationSettingsInput, WebhookInput};
pub(crate) use notifications::{open_webhook_secret, signing_key};
pub use plugin_choice::PluginChoice;
pub(crate) use servers::stored as stored_server;
pub use servers::{Server, ServerInput};
pub use targets::{StoredTarget, TargetInput};

/// What operators configure. Cheap to clone.
#[derive(Clone)]
pub struct Administration {
    store: Store,
    catalog: Catalog,
    /// The host's limits, which a target may change.
    limits: Limits,
    servers: Arc<Servers>,
}

impl Administration {
    /// `key` seals the secrets of servers before they are stored.
    pub fn new(store: Store, catalog: Catalog, limits: Limits, key: Arc<SecretKey>) -> Self {
        Self { store, catalog, limits, servers: Arc::new(Servers::new(key)) }
    }
}

/// The collaboration must be there to take what belongs to it.
async fn known_collaboration(transaction: &mut Transaction<'_>, co: &str) -> Result<(), AdministrationError> {
    match transaction.collaboration(co).await? {
        Some(_) => Ok(()),
        None => Err(AdministrationError::UnknownCollaboration(co.to_owned())),
    }
}

/// The `id` of the path must be one, and that of the body, if there is one, the same.
fn check_ids(path: &str, body: Option<&str>, problems: &mut Problems) {
    if let Err(problem) = check_id(path) {
        problems.add("/id", problem);
    }
    if let Some(body) = body.filter(|body| *body != path) {
        problems.add("/id", format!("is {body:?}, but this is {path:?}; leave it out or give the same"));
    }
}

fn empty_object() -> Value {
    Value::Object(serde_json::Map::new())
}

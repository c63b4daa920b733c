//! Servers, filters and targets of a collaboration as operators configure them: checked against the catalog and against
//! each other, stored, and given to the pipeline as live connections.

mod error;
mod filters;
mod plugin_choice;
mod servers;
mod targets;

use std::sync::Arc;

use crate::plugins::Catalog;
use crate::sandbox::Limits;
use crate::servers::Servers;
use crate::servers::secret::SecretKey;
use crate::store::Store;

pub use error::{AdministrationError, InvalidField, Kind};
pub use filters::FilterInput;
pub use plugin_choice::PluginChoice;
pub use servers::{LiveServer, Server, ServerInput};
pub use targets::TargetInput;

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

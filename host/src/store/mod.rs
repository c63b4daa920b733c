//! All SQL of the project, for SQLite and PostgreSQL alike: reads are methods of [`Store`], writes of [`Transaction`].
//!
//! One file per family of tables; `dialect` holds what differs between the two databases. Documents are JSON text,
//! points in time microseconds since 1970. Nothing here knows why something is written.

mod api_keys;
mod bulk_jobs;
mod changes;
mod collaborations;
mod deliveries;
mod dialect;
mod due;
mod error;
mod history;
mod invocations;
mod job_lists;
mod jobs;
mod memberships;
mod migrations;
mod nestings;
mod notification_outbox;
mod notification_settings;
mod notifications;
mod plugin_state;
mod plugins;
mod provisioned_records;
mod provisioned_services;
#[cfg(test)]
mod query_plans;
mod records;
mod rows;
mod servers;
mod snapshot;
mod subjects;
mod targets;
mod transaction;
mod workers;
mod writer;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use futures::future::BoxFuture;
use sqlx::any::Any;
use sqlx::pool::PoolConnection;
use sqlx::{AnyPool, Connection};
use uuid::Uuid;

pub use api_keys::ApiKeyRow;
pub use bulk_jobs::{BulkEnds, BulkStanding, BulkStep, KindEnds, LedJob, Progress};
pub use due::Due;
pub use error::StoreError;
pub use history::HistoryPosition;
pub use invocations::{FinishedInvocation, InvocationFilter, PendingInvocation, Withdrawal};
pub use job_lists::JobFilter;
pub use jobs::{EndedJob, NewJobLine, Place};
pub use memberships::MembershipInGroup;
pub use notification_outbox::{ChannelState, DueChannel, UnderWay, WaitingEvent};
pub use notification_settings::NotificationSettingsRow;
pub use notifications::NotificationFilter;
pub use plugin_state::StateChange;
pub use plugins::PluginRow;
pub use provisioned_records::RecordChange;
pub use records::StoredRecord;
pub use servers::ServerRow;
pub use snapshot::{
    CheckedInvocation, CheckedMembership, CheckedPerson, CheckedPlugin, CheckedRecord, CheckedService,
    CheckedTarget, Defect, Defects, Page, PageKey, Snapshot, Table, UnplannedChange,
};
pub use subjects::SubjectsRead;
pub use transaction::Transaction;

use dialect::Location;
use writer::WriteQueue;

/// The database. Cheap to clone; all clones share its connections.
#[derive(Clone)]
pub struct Store {
    location: Arc<Location>,
    readers: AnyPool,
    /// Apart from the readers, so that writes that wait for each other hold up no read.
    writers: AnyPool,
    /// SQLite: the way to the one writer.
    queue: Option<WriteQueue>,
    /// Whose work is what is planned; nobody's until this process is a worker.
    worker: Arc<RwLock<Uuid>>,
}

impl Store {
    /// Opens `sqlite:PATH` (created when it is not there) or `postgres://USER:PASSWORD@HOST/DATABASE` and brings its
    /// schema up to date. A database that a newer version wrote is refused.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let location: Location = url.parse()?;
        location.create_file()?;
        let mut connection = location.connect().await?;
        let migrated = location.migrate(&mut connection).await;
        // Even after a failure: a closed session holds no lock of the migrator.
        connection.close().await?;
        migrated?;
        let (readers, writers) = (location.readers()?, location.writers()?);
        let worker = Arc::default();
        let queue = match &location {
            Location::Sqlite(_) => Some(WriteQueue::start(writers.clone(), Arc::clone(&worker))),
            Location::Postgres(_) => None,
        };
        Ok(Self { location: Arc::new(location), readers, writers, queue, worker })
    }

    /// Runs `operation` in one transaction and commits it. An error, of the operation or of the commit, leaves nothing
    /// of it behind. After an error of the store the operation must fail: PostgreSQL ends the transaction.
    ///
    /// SQLite: operations that wait share a commit, each in a savepoint of its own; one whose caller has gone away is
    /// carried out all the same. An operation must not itself call `write`: it would wait for itself.
    pub async fn write<T, E, F>(&self, operation: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Transaction<'_>) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    {
        if let Some(queue) = &self.queue {
            return queue.write(operation).await;
        }
        let mut transaction = self.writers.begin().await.map_err(StoreError::from)?;
        let dialect = self.location.dialect();
        let value = operation(&mut Transaction::new(&mut transaction, dialect, self.worker())).await?;
        transaction.commit().await.map_err(StoreError::from)?;
        Ok(value)
    }

    /// Ends all connections; what is called afterwards fails with [`StoreError::Closed`].
    pub async fn close(&self) {
        self.writers.close().await;
        self.readers.close().await;
    }

    /// The worker that this process is; nil as long as it is none.
    pub fn worker(&self) -> Uuid {
        *self.worker.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_worker(&self, worker: Uuid) {
        *self.worker.write().unwrap_or_else(PoisonError::into_inner) = worker;
    }

    async fn reader(&self) -> Result<PoolConnection<Any>, StoreError> {
        Ok(self.readers.acquire().await?)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Store").field(&self.location.name()).finish()
    }
}

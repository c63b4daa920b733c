//! The right of this process to run its work: a lease that it renews in time. Without one it begins nothing, because its
//! work may belong to another process by now.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::store::{Store, StoreError};

/// The lease of a worker.
pub(super) struct Lease {
    length: Duration,
    current: Mutex<Current>,
}

#[derive(Clone, Copy)]
struct Current {
    worker: Uuid,
    /// Before the request that renewed it, so that it ends here no later than in the store.
    renewed: Instant,
}

/// What became of a lease that was to be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    NotDue,
    Renewed,
    /// It had ended. This process is another worker now.
    Lost,
}

impl Lease {
    /// Registers this process as a worker.
    pub(super) async fn acquire(store: &Store, length: Duration) -> Result<Self, StoreError> {
        let current = Mutex::new(register(store, length).await?);
        Ok(Self { length, current })
    }

    /// The worker, as long as it holds the lease.
    pub(super) fn holder(&self) -> Option<Uuid> {
        let Current { worker, renewed } = *self.current();
        (renewed.elapsed() < self.length).then_some(worker)
    }

    /// Renews it when a third of its time is over.
    pub(super) async fn renew(&self, store: &Store) -> Result<Renewal, StoreError> {
        let Current { worker, renewed } = *self.current();
        if renewed.elapsed() < self.length / 3 {
            return Ok(Renewal::NotDue);
        }
        let at = Instant::now();
        if store.renew_lease(worker, self.length).await? {
            self.current().renewed = at;
            return Ok(Renewal::Renewed);
        }
        let new = register(store, self.length).await?;
        *self.current() = new;
        Ok(Renewal::Lost)
    }

    /// Ends it, so that others take over at once.
    pub(super) async fn end(&self, store: &Store) -> Result<(), StoreError> {
        let worker = self.current().worker;
        store.retire_worker(worker).await
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn register(store: &Store, length: Duration) -> Result<Current, StoreError> {
    let renewed = Instant::now();
    let worker = store.register_worker(&this_process(), length).await?;
    Ok(Current { worker, renewed })
}

/// Machine and process.
fn this_process() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{name}/{}", std::process::id())
}

//! The schedule of a running host: brings about what is due at an instant, and fills automatic groups. What it does is
//! committed with the note that it is done, so it may stop at any time, and several hosts may run one.

use std::time::Duration;

use crate::clock::Clock;
use crate::jobs::Runner;
use crate::pipeline::Pipeline;
use crate::registry::write::{Passed, Registry, WriteError};
use crate::store::{Store, StoreError};

/// Longest time between two looks: others may write what is due sooner than what is known here.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What the schedule works with.
pub(crate) struct Schedule {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) pipeline: Pipeline,
    pub(crate) jobs: Runner,
    pub(crate) clock: Clock,
}

impl Schedule {
    /// Goes on until the store is closed, as long as this process runs what it plans.
    pub(crate) async fn run(self) {
        loop {
            if self.pipeline.executes() {
                match self.look().await {
                    Ok(()) => {}
                    Err(WriteError::Store(StoreError::Closed)) => return,
                    Err(error) => tracing::error!(%error, "what is due was not done"),
                }
            }
            match self.store.next_due().await {
                Err(StoreError::Closed) => return,
                next => tokio::time::sleep(self.until(next.ok().flatten())).await,
            }
        }
    }

    /// Does all that is due.
    async fn look(&self) -> Result<(), WriteError> {
        for co in self.store.unsettled_collaborations().await? {
            while self.submit(&co, self.registry.settle_collaboration(&co).await?) {}
        }
        for co in self.store.due_collaborations(self.clock.now()).await? {
            while self.submit(&co, self.registry.pass_time(&co).await?) {}
        }
        Ok(())
    }

    /// Hands over what was planned, and tells whether there is more to do.
    fn submit(&self, co: &str, passed: Passed) -> bool {
        self.pipeline.submit(co, &passed.planned);
        self.jobs.wake();
        passed.more
    }

    fn until(&self, next: Option<jiff::Timestamp>) -> Duration {
        let left = next.map(|next| next.duration_since(self.clock.now()));
        // What is due already was looked at; a failure must not be repeated at once.
        match left.map(Duration::try_from) {
            Some(Ok(left)) if !left.is_zero() => left.min(LOOK_INTERVAL),
            _ => LOOK_INTERVAL,
        }
    }
}

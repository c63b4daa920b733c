//! Claims jobs that are due and hands them to the pipeline.
//!
//! Each target gets its share of this process's places, so that one with many jobs, or slow ones, leaves room for others.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::bulk;
use crate::clock::Clock;
use crate::pipeline::Pipeline;
use crate::provisioning::{Job, Mode};
use crate::store::{Store, StoreError};

/// How often jobs are looked for that other processes registered, or whose time has come.
const POLL: Duration = Duration::from_millis(250);
/// How often the way to the end is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Jobs of one target claimed at once, at most.
const CLAIM: usize = 64;

/// Runs jobs.
#[derive(Clone)]
pub struct Runner {
    store: Store,
    pipeline: Pipeline,
    clock: Clock,
    /// Jobs under way at once in this process.
    places: usize,
    wake: Arc<Notify>,
}

impl Runner {
    /// A runner with so many places.
    pub fn new(store: Store, pipeline: Pipeline, clock: Clock, places: usize) -> Self {
        Self { store, pipeline, clock, places, wake: Arc::default() }
    }

    /// Looks for jobs at once.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Runs jobs until the store is closed.
    pub async fn run(self) {
        loop {
            for looked in [self.claim(None, self.places).await.map(|_| ()), self.lead().await] {
                match looked {
                    Ok(()) => {}
                    Err(StoreError::Closed) => return,
                    Err(error) => tracing::error!(%error, "jobs cannot be run"),
                }
            }
            let woken = async {
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = self.pipeline.job_ended() => {}
                }
            };
            // Nothing came: look all the same, since time passes and others register jobs too.
            let _ = tokio::time::timeout(POLL, woken).await;
        }
    }

    /// Runs jobs that are due until none is left, or as many as asked for; of one collaboration if one is named. Gives how
    /// many.
    pub async fn run_due(&self, co: Option<&str>, max: Option<u64>) -> Result<u64, StoreError> {
        let mut run = 0;
        loop {
            let left = max.map_or(u64::MAX, |max| max - run);
            let room = self.places.max(CLAIM).min(usize::try_from(left).unwrap_or(usize::MAX));
            let claimed = self.claim(co, room).await?;
            run += claimed as u64;
            self.pipeline.idle().await;
            if claimed == 0 || max.is_some_and(|max| run >= max) {
                return Ok(run);
            }
        }
    }

    /// Leads a job for all subjects to its end; tells how far it is.
    pub async fn lead_to_the_end(
        &self,
        co: &str,
        id: i64,
        mut on_progress: impl FnMut(&Job),
    ) -> Result<Option<Job>, StoreError> {
        loop {
            self.lead().await?;
            let Some(job) = self.store.job(co, id).await? else { return Ok(None) };
            on_progress(&job);
            if job.ended.is_some() {
                return Ok(Some(job));
            }
            let _ = tokio::time::timeout(LOOK, self.pipeline.job_ended()).await;
        }
    }

    /// Goes on with the jobs for all subjects that this process leads.
    async fn lead(&self) -> Result<(), StoreError> {
        if self.pipeline.executes() {
            for job in self.store.led_jobs(self.store.worker()).await? {
                bulk::lead(&self.store, &self.pipeline, job, self.clock.now()).await?;
            }
        }
        Ok(())
    }

    /// Claims what there is room for, and gives how many jobs that are.
    async fn claim(&self, co: Option<&str>, room: usize) -> Result<usize, StoreError> {
        if !self.pipeline.executes() || self.pipeline.jobs_under_way() >= room.max(1) {
            return Ok(0);
        }
        let mut claimed = 0;
        for (lane, target) in self.store.due_lanes(self.clock.now()).await? {
            if co.is_some_and(|co| co != lane) || claimed >= room {
                continue;
            }
            claimed += self.claim_lane(lane, target, room - claimed).await?;
        }
        Ok(claimed)
    }

    async fn claim_lane(&self, co: String, target: String, room: usize) -> Result<usize, StoreError> {
        let here = self.pipeline.jobs_of(&co, &target);
        let free = room.saturating_sub(self.pipeline.jobs_under_way());
        // Half of what is free leaves something for every other target, however many there are.
        let share = (free / 2).clamp(1, CLAIM);
        if here > share / 2 {
            return Ok(0);
        }
        let now = self.clock.now();
        let limit = u32::try_from(share.min(room)).unwrap_or(u32::MAX);
        let lane = co.clone();
        let planned = self
            .store
            .write::<_, StoreError, _>(move |transaction| {
                Box::pin(async move {
                    let found = transaction.target(&co, &target).await?;
                    match found.is_some_and(|target| target.mode != Mode::Disabled) {
                        true => transaction.claim_jobs(&co, &target, limit, now).await,
                        // They wait until it is enabled again.
                        false => Ok(Vec::new()),
                    }
                })
            })
            .await?;
        self.pipeline.submit(&lane, &planned);
        Ok(planned.len())
    }
}

//! Which work runs when: in order for each subject, subjects beside each other, bounded in number.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;

use super::commit::Committer;
use super::loader::Loader;
use super::{POLL, Parts, run};
use crate::provisioning::{Action, Invocation, PlannedInvocation};
use crate::registry::record::SubjectKey;
use crate::store::{PendingInvocation, StoreError};

/// An invocation to be run.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) co: String,
    pub(super) id: Uuid,
    pub(super) target: String,
    pub(super) subject: SubjectKey,
    pub(super) action: Action,
    pub(super) change: Option<i64>,
    pub(super) cause: Option<String>,
    /// 1 for the first run.
    pub(super) attempt: u32,
}

impl Work {
    pub(super) fn of_plan(co: &str, planned: &PlannedInvocation) -> Self {
        Self {
            co: co.to_owned(),
            id: planned.id,
            target: planned.target.clone(),
            subject: planned.subject.clone(),
            action: planned.action,
            change: planned.change,
            cause: planned.cause.clone(),
            attempt: 1,
        }
    }

    fn of_store(PendingInvocation { co, invocation }: PendingInvocation) -> Self {
        let Invocation { id, target, subject, action, change, cause, attempt, .. } = invocation;
        Self { co, id, target, subject, action, change, cause, attempt: attempt + 1 }
    }

    /// Work that a process before this one may have begun.
    fn of_interrupted(pending: PendingInvocation) -> Self {
        let work = Self::of_store(pending);
        Self { attempt: work.attempt + 1, ..work }
    }
}

/// The work of one subject, in order; a lane has a task while it is not empty.
type Lane = (String, SubjectKey);

#[derive(Default)]
struct Lanes {
    waiting: HashMap<Lane, VecDeque<Work>>,
    /// Known here and not finished.
    unfinished: HashSet<Uuid>,
    /// Ran a short while ago: a submission that comes late, or a page of the store that was read before, may still
    /// name them.
    ended: HashMap<Uuid, Instant>,
    running: usize,
    stopped: bool,
}

struct Inner {
    parts: Arc<Parts>,
    loader: Loader,
    committer: Committer,
    lanes: Mutex<Lanes>,
    slots: Semaphore,
    progress: Notify,
}

/// Runs work.
#[derive(Clone)]
pub(super) struct Dispatcher(Arc<Inner>);

/// How many unfinished invocations are read from the store at once.
const PAGE: u32 = 1_000;

/// How long work that ended is remembered; work whose outcome could not be committed is taken up again after it.
const REMEMBERED: Duration = Duration::from_secs(20);

impl Dispatcher {
    /// A dispatcher that also looks for work that other processes planned.
    pub(super) fn start(parts: Arc<Parts>) -> Self {
        let slots = Semaphore::new(parts.concurrency);
        let loader = Loader::start(parts.store.clone());
        let committer = Committer::start(parts.store.clone());
        let progress = Notify::new();
        let dispatcher =
            Self(Arc::new(Inner { parts, loader, committer, lanes: Mutex::default(), slots, progress }));
        tokio::spawn(dispatcher.clone().look_for_work());
        dispatcher
    }

    /// Takes up what is unfinished in the store, as one more attempt.
    pub(super) async fn resume(&self) -> Result<u64, StoreError> {
        let mut resumed = 0;
        let mut after = None;
        loop {
            let page = self.0.parts.store.unfinished_invocations(PAGE, after).await?;
            let Some(last) = page.last() else { return Ok(resumed) };
            after = Some(last.invocation.id);
            resumed += page.len() as u64;
            let ids: Vec<Uuid> = page.iter().map(|pending| pending.invocation.id).collect();
            self.0
                .parts
                .store
                .write(move |transaction| Box::pin(async move { transaction.begin_attempt(&ids).await }))
                .await?;
            self.submit(page.into_iter().map(Work::of_interrupted));
        }
    }

    /// Queues work behind the work of the same subject.
    pub(super) fn submit(&self, work: impl Iterator<Item = Work>) {
        let mut idle_lanes = Vec::new();
        let mut lanes = self.lanes();
        if lanes.stopped {
            return;
        }
        for work in work {
            if lanes.ended.contains_key(&work.id) || !lanes.unfinished.insert(work.id) {
                continue;
            }
            let lane = (work.co.clone(), work.subject.clone());
            let waiting = lanes.waiting.entry(lane.clone()).or_default();
            if waiting.is_empty() {
                idle_lanes.push(lane);
            }
            waiting.push_back(work);
        }
        // A lane with a task keeps the work it runs at its head, so an empty one has none.
        for lane in idle_lanes {
            tokio::spawn(self.clone().run_lane(lane));
        }
    }

    async fn run_lane(self, lane: Lane) {
        while let Some(work) = self.head(&lane) {
            {
                // Never closed.
                let _slot = self.0.slots.acquire().await;
                if !self.begin() {
                    return;
                }
                run::run(&self.0.parts, &self.0.loader, &self.0.committer, &work).await;
            }
            let more = self.finish(&lane, work.id);
            self.0.progress.notify_waiters();
            if !more {
                return;
            }
        }
    }

    fn head(&self, lane: &Lane) -> Option<Work> {
        self.lanes().waiting.get(lane)?.front().cloned()
    }

    fn begin(&self) -> bool {
        let mut lanes = self.lanes();
        if lanes.stopped {
            return false;
        }
        lanes.running += 1;
        true
    }

    /// Takes the finished work off its lane; tells whether there is more.
    fn finish(&self, lane: &Lane, id: Uuid) -> bool {
        let mut lanes = self.lanes();
        lanes.running -= 1;
        lanes.unfinished.remove(&id);
        lanes.ended.insert(id, Instant::now());
        let more = lanes.waiting.get_mut(lane).is_some_and(|waiting| {
            waiting.pop_front();
            !waiting.is_empty()
        });
        if !more {
            lanes.waiting.remove(lane);
        }
        more
    }

    /// Waits until none of these is unfinished here.
    pub(super) async fn finished(&self, ids: &[Uuid]) {
        self.wait_until(|lanes| lanes.stopped || !ids.iter().any(|id| lanes.unfinished.contains(id))).await;
    }

    /// Waits until nothing is unfinished here.
    pub(super) async fn idle(&self) {
        self.wait_until(|lanes| lanes.stopped || lanes.unfinished.is_empty()).await;
    }

    /// Waits until nothing runs.
    pub(super) async fn running_ended(&self) {
        self.wait_until(|lanes| lanes.running == 0).await;
    }

    /// Starts no more work; what waits stays in the store.
    pub(super) fn stop(&self) {
        self.lanes().stopped = true;
        self.0.progress.notify_waiters();
    }

    async fn wait_until(&self, condition: impl Fn(&Lanes) -> bool) {
        loop {
            let progress = self.0.progress.notified();
            tokio::pin!(progress);
            // Registered before the condition is looked at, so that no progress between the two is missed.
            progress.as_mut().enable();
            if condition(&self.lanes()) {
                return;
            }
            progress.await;
        }
    }

    /// Looks for work that other processes planned, until the dispatcher stops.
    async fn look_for_work(self) {
        loop {
            tokio::time::sleep(POLL).await;
            if self.lanes().stopped {
                return;
            }
            let now = Instant::now();
            self.lanes().ended.retain(|_, ended| now.duration_since(*ended) < REMEMBERED);
            match self.0.parts.store.unfinished_invocations(PAGE, None).await {
                // What is known here already is left where it is.
                Ok(pending) => self.submit(pending.into_iter().map(Work::of_store)),
                Err(StoreError::Closed) => return,
                Err(error) => tracing::error!(%error, "work in the store cannot be read"),
            }
        }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        // The lanes stay consistent between statements, so a panic elsewhere does not spoil them.
        self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

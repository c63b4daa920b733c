//! Runs the work of this process: what it planned, what others handed over, and what dead workers left behind.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use uuid::Uuid;

use super::commit::Committer;
use super::lanes::{Lanes, SubjectOf, TargetOf, WorkId};
use super::lease::{Lease, Renewal};
use super::loader::Loader;
use super::{POLL, Parts, run};
use crate::provisioning::{Action, Invocation, PlannedInvocation};
use crate::registry::record::SubjectKey;
use crate::store::{BulkStanding, PendingInvocation, StoreError, Withdrawal};

/// An invocation to be run.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) co: String,
    pub(super) id: Uuid,
    /// Whose it was when it came here; its end counts only while it still is.
    pub(super) worker: Uuid,
    pub(super) target: String,
    pub(super) subject: SubjectKey,
    pub(super) action: Action,
    pub(super) change: Option<i64>,
    pub(super) cause: Option<String>,
    pub(super) job: Option<i64>,
    pub(super) bulk: bool,
    /// 1 for the first run.
    pub(super) attempt: u32,
    /// Whether nothing is sent that is at the target already. Its job tells when it begins.
    pub(super) only_differing: bool,
}

impl Work {
    pub(super) fn of_plan(co: &str, planned: &PlannedInvocation) -> Self {
        let PlannedInvocation { id, target, subject, action, change, cause, job, bulk, worker } =
            planned.clone();
        let (co, attempt, only_differing) = (co.to_owned(), 1, false);
        Self { co, id, worker, target, subject, action, change, cause, job, bulk, attempt, only_differing }
    }

    pub(super) fn of_store(PendingInvocation { co, invocation }: PendingInvocation, worker: Uuid) -> Self {
        let Invocation { id, target, subject, action, change, cause, attempt, job, bulk, .. } = invocation;
        let (attempt, only_differing) = (attempt + 1, false);
        Self { co, id, worker, target, subject, action, change, cause, job, bulk, attempt, only_differing }
    }

    pub(super) fn key(&self) -> WorkId {
        (self.id, self.worker)
    }

    pub(super) fn subject_of(&self) -> SubjectOf {
        (self.co.clone(), self.subject.clone())
    }

    pub(super) fn target_of(&self) -> TargetOf {
        (self.co.clone(), self.target.clone())
    }
}

struct Inner {
    parts: Arc<Parts>,
    loader: Loader,
    committer: Committer,
    lease: Lease,
    state: Mutex<State>,
    progress: Notify,
    job_ended: Notify,
}

struct State {
    lanes: Lanes,
    stopped: bool,
}

/// Runs work.
#[derive(Clone)]
pub(super) struct Dispatcher(Arc<Inner>);

/// How many invocations are read from the store at once.
const PAGE: u32 = 1_000;

/// How long work rests whose end could not be committed, before it is done again.
const REST: Duration = Duration::from_secs(20);

impl Dispatcher {
    /// Makes this process a worker.
    pub(super) async fn start(parts: Arc<Parts>) -> Result<Self, StoreError> {
        let lease = Lease::acquire(&parts.store, parts.lease).await?;
        let loader = Loader::start(parts.store.clone());
        let committer = Committer::start(parts.store.clone(), parts.clock.clone());
        let state = Mutex::new(State { lanes: Lanes::new(parts.concurrency), stopped: false });
        let (progress, job_ended) = (Notify::new(), Notify::new());
        let dispatcher =
            Self(Arc::new(Inner { parts, loader, committer, lease, state, progress, job_ended }));
        tokio::spawn(dispatcher.clone().watch());
        Ok(dispatcher)
    }

    /// Takes up what dead workers left, as one more attempt; tells how many invocations that are.
    pub(super) async fn take_over(&self) -> Result<u64, StoreError> {
        let store = &self.0.parts.store;
        let mut taken = 0;
        for (dead, co) in store.dead_workers().await? {
            let Some(worker) = self.0.lease.holder() else { break };
            let pending = store.take_over(dead, &co, worker).await?;
            if !dead.is_nil() && !pending.is_empty() {
                tracing::info!(co, worker = %dead, invocations = pending.len(), "work of a dead worker taken over");
            }
            taken += pending.len() as u64;
            self.submit(pending.into_iter().map(|pending| Work::of_store(pending, worker)));
        }
        Ok(taken)
    }

    async fn take_what_is_handed_over(&self) -> Result<(), StoreError> {
        while let Some(worker) = self.0.lease.holder() {
            let handed = self.0.parts.store.handed_over(worker, PAGE).await?;
            if handed.is_empty() {
                break;
            }
            self.submit(handed.into_iter().map(|pending| Work::of_store(pending, worker)));
        }
        Ok(())
    }

    /// Queues what is this worker's own.
    pub(super) fn submit(&self, work: impl Iterator<Item = Work>) {
        let Some(worker) = self.0.lease.holder() else { return };
        let new = {
            let mut state = self.state();
            if state.stopped {
                return;
            }
            state.lanes.submit(work.filter(|work| work.worker == worker), Instant::now())
        };
        for target in new {
            tokio::spawn(self.clone().open_lane(target));
        }
        self.begin();
    }

    /// Learns how many calls of a target may run at once.
    async fn open_lane(self, target: TargetOf) {
        let (co, id) = &target;
        let limit = match self.0.parts.store.target(co, id).await {
            Ok(found) => found.map_or(1, |target| target.concurrency as usize),
            // Whoever cannot read it now says so when it is called.
            Err(_) => 1,
        };
        self.state().lanes.limit(&target, limit);
        self.begin();
    }

    /// Begins as much as may run now.
    fn begin(&self) {
        loop {
            if self.0.lease.holder().is_none() {
                return;
            }
            let work = {
                let mut state = self.state();
                if state.stopped {
                    return;
                }
                state.lanes.begin(Instant::now())
            };
            let Some(work) = work else { return };
            tokio::spawn(self.clone().run(work));
        }
    }

    async fn run(self, mut work: Work) {
        let Inner { parts, loader, committer, .. } = &*self.0;
        let standing = standing(parts, &work).await;
        work.only_differing = standing.only_differing;
        let called = match standing.canceled && withdrawn(parts, &work).await {
            true => run::Called { finished: None, concurrency: None },
            false => run::run(parts, loader, &work).await,
        };
        let target = work.target_of();
        {
            let mut state = self.state();
            state.lanes.call_ended(&target);
            if let Some(limit) = called.concurrency {
                state.lanes.limit(&target, limit as usize);
            }
        }
        self.begin();
        let committed = match called.finished {
            Some(finished) => committer.commit(finished).await,
            None => Ok(()),
        };
        match committed {
            Ok(()) => self.state().lanes.finish(&work, Instant::now()),
            Err(error) => {
                tracing::error!(invocation = %work.id, target = work.target, %error, "outcome not committed");
                self.state().lanes.rest(&work, Instant::now());
                tokio::spawn(self.clone().again(work.clone()));
            }
        }
        self.begin();
        self.0.progress.notify_waiters();
        if work.job.is_some() {
            self.0.job_ended.notify_one();
        }
    }

    async fn again(self, work: Work) {
        tokio::time::sleep(REST).await;
        self.state().lanes.again(&work, Instant::now());
        self.begin();
    }

    /// Waits until none of these is unfinished here, or this stops.
    pub(super) async fn finished(&self, ids: &[Uuid]) {
        for id in ids {
            let end = {
                let mut state = self.state();
                if state.stopped {
                    return;
                }
                state.lanes.end_of(id)
            };
            if let Some(end) = end {
                // Nothing is ever said but that it is over.
                let _ = end.await;
            }
        }
    }

    /// Waits until nothing is unfinished here.
    pub(super) async fn idle(&self) {
        self.wait_until(|state| state.stopped || state.lanes.is_empty()).await;
    }

    /// Starts no more work; what waits stays in the store.
    pub(super) fn stop(&self) {
        {
            let mut state = self.state();
            state.stopped = true;
            state.lanes.let_go();
        }
        self.0.progress.notify_waiters();
    }

    /// Waits until nothing runs, and leaves the work to others at once.
    pub(super) async fn leave(&self) {
        self.wait_until(|state| state.lanes.running() == 0).await;
        if let Err(error) = self.0.lease.end(&self.0.parts.store).await {
            tracing::warn!(%error, "lease not given back; others take over when it ends");
        }
    }

    /// Whether this process holds its lease.
    pub(super) fn holds_lease(&self) -> bool {
        self.0.lease.holder().is_some()
    }

    /// Waits until a run of a job ended since this was asked last.
    pub(super) async fn job_ended(&self) {
        self.0.job_ended.notified().await;
    }

    /// How many runs of jobs are here, and how many of them are of single subjects at a target.
    pub(super) fn jobs(&self, target: &TargetOf) -> (usize, usize) {
        let state = self.state();
        (state.lanes.all_jobs(), state.lanes.jobs(target, None))
    }

    /// How many runs of a job for all subjects are here.
    pub(super) fn bulk(&self, target: &TargetOf, job: i64) -> usize {
        self.state().lanes.jobs(target, Some(job))
    }

    async fn wait_until(&self, condition: impl Fn(&State) -> bool) {
        loop {
            let progress = self.0.progress.notified();
            tokio::pin!(progress);
            // Registered before the condition is looked at, so that no progress between the two is missed.
            progress.as_mut().enable();
            if condition(&self.state()) {
                return;
            }
            progress.await;
        }
    }

    /// Keeps the lease, and looks for work that came from elsewhere, until the dispatcher stops.
    async fn watch(self) {
        loop {
            tokio::time::sleep(POLL).await;
            if self.state().stopped {
                // The lease is kept for what still runs.
                if self.state().lanes.running() == 0 {
                    return;
                }
                let _ = self.0.lease.renew(&self.0.parts.store).await;
                continue;
            }
            self.state().lanes.look(Instant::now());
            match self.look_for_work().await {
                Ok(()) => {}
                Err(StoreError::Closed) => return,
                Err(error) => tracing::error!(%error, "work in the store cannot be read"),
            }
            self.begin();
        }
    }

    async fn look_for_work(&self) -> Result<(), StoreError> {
        if self.0.lease.renew(&self.0.parts.store).await? == Renewal::Lost {
            tracing::warn!("lease lost; the work goes to whoever takes it over first, maybe to this process");
            self.state().lanes.drop_waiting();
            self.0.progress.notify_waiters();
        }
        self.take_over().await?;
        self.take_what_is_handed_over().await?;
        self.take_what_was_lost().await
    }

    /// Work whose planner went away before it could submit it. Looked for when there is nothing else to do.
    async fn take_what_was_lost(&self) -> Result<(), StoreError> {
        let Some(worker) = self.0.lease.holder().filter(|_| self.state().lanes.is_empty()) else {
            return Ok(());
        };
        let lost = self.0.parts.store.unfinished_of_worker(worker, PAGE).await?;
        self.submit(lost.into_iter().map(|pending| Work::of_store(pending, worker)));
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Consistent between statements, so a panic elsewhere does not spoil it.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the job for all subjects says that the work is of. Where that cannot be read, the work is done.
async fn standing(parts: &Parts, work: &Work) -> BulkStanding {
    match work.job.filter(|_| work.bulk) {
        Some(job) => parts.store.bulk_standing(&work.co, job).await.unwrap_or_default(),
        None => BulkStanding::default(),
    }
}

/// Takes work back whose job was canceled. A failure leaves it as it is.
async fn withdrawn(parts: &Parts, work: &Work) -> bool {
    let withdrawal = Withdrawal { co: work.co.clone(), id: work.id, worker: work.worker };
    let withdrawn: Result<Vec<Uuid>, StoreError> = parts
        .store
        .write(move |transaction| {
            Box::pin(async move { transaction.withdraw_invocations(&[withdrawal]).await })
        })
        .await;
    withdrawn.is_ok()
}

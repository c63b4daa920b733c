//! The queue against a simple oracle: whatever happens in which order, the target ends in the state of the registry.
//!
//! The real store and the real rules; only the target and the passing of time are made up.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;
use uuid::Uuid;

use super::commit::{Finished, write_ends};
use super::dispatch::Work;
use super::recording::Recording;
use crate::provisioning::{
    Action, Delivery, FailureClass, InvocationOutcome, JobStatus, Mode, PlannedInvocation, PluginReference,
    Target, Usage,
};
use crate::registry::record::{Collaboration, Meta, Name, Person, Record, RecordKind, Status, SubjectKey};
use crate::registry::write::{Registry, WriteOptions};
use crate::sandbox::Json;
use crate::store::{JobFilter, PluginRow, Store, StoreError};

const CO: &str = "co";
const TARGET: &str = "t";
const SUBJECTS: usize = 4;
const PHASES: usize = 10;
const STEPS: usize = 25;
const MAX_RETRY: u32 = 2;
const LEASE: Duration = Duration::from_secs(3_600);

/// A call that is under way: what it took from the registry when it began.
struct Call {
    work: Work,
    state: Option<u64>,
    host: usize,
}

struct Model {
    hosts: Vec<Store>,
    workers: Vec<Uuid>,
    now: Timestamp,
    random: StdRng,
    calls: Vec<Call>,
    /// Calls of workers that were taken for dead: they had their effect, and still want to say how they ended.
    late: Vec<Call>,
    /// What each worker has in memory, and has not begun.
    waiting: Vec<Vec<Work>>,
    /// What the target holds: the revision of each subject.
    held: HashMap<String, u64>,
    /// What the registry holds.
    registry: BTreeMap<String, Option<u64>>,
    /// Subjects of which a job was canceled since they changed last, or a call without a job failed for good: they may stay as
    /// they are.
    excused: BTreeSet<String>,
    revision: u64,
    _folder: TempDir,
}

fn target(mode: Mode) -> Target {
    Target {
        id: TARGET.to_owned(),
        description: String::new(),
        plugin: PluginReference { name: "changelog".to_owned(), digest: "0".repeat(64) },
        configuration: serde_json::json!({}),
        mode,
        order: 1,
        filters: Vec::new(),
        slots: BTreeMap::new(),
        limits: BTreeMap::new(),
        retry_interval_s: 900,
        max_retry: MAX_RETRY,
        backoff: None,
        concurrency: 4,
        provisioning_group: None,
        skip_source: None,
        always_send_deletions: false,
        subject_kinds: None,
        automatic_after: None,
    }
}

fn key(id: &str) -> SubjectKey {
    SubjectKey { kind: RecordKind::Person, id: id.to_owned() }
}

impl Model {
    async fn new(seed: u64, mode: Mode) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/store.db", folder.path().display());
        let mut hosts = Vec::new();
        let mut workers = Vec::new();
        for _ in 0..2 {
            let host = Store::open(&url).await.unwrap();
            workers.push(host.register_worker("model", LEASE).await.unwrap());
            hosts.push(host);
        }
        let collaboration =
            Collaboration { id: CO.to_owned(), name: "Model".to_owned(), ..Collaboration::default() };
        Registry::new(hosts[0].clone()).put_collaboration(collaboration).await.unwrap();
        let plugin = PluginRow {
            digest: "0".repeat(64),
            name: "changelog".to_owned(),
            version: "0.1.0".to_owned(),
            world: "provisioner".to_owned(),
            size_bytes: 1,
            installed: Timestamp::UNIX_EPOCH,
            manifest: serde_json::json!({}),
        };
        hosts[0]
            .write(move |transaction| {
                Box::pin(async move {
                    transaction.put_plugin(&plugin, b"\0").await?;
                    transaction.put_target(CO, &target(mode)).await?;
                    Ok::<_, StoreError>(())
                })
            })
            .await
            .unwrap();
        Self {
            hosts,
            workers,
            now: Timestamp::now(),
            random: StdRng::seed_from_u64(seed),
            calls: Vec::new(),
            late: Vec::new(),
            waiting: vec![Vec::new(), Vec::new()],
            held: HashMap::new(),
            registry: BTreeMap::new(),
            excused: BTreeSet::new(),
            revision: 0,
            _folder: folder,
        }
    }

    fn host(&mut self) -> usize {
        self.random.random_range(0..self.hosts.len())
    }

    /// Writes, deletes or suspends a subject.
    async fn change(&mut self) {
        let id = format!("p{}", self.random.random_range(0..SUBJECTS));
        let host = self.host();
        let registry = Registry::new(self.hosts[host].clone());
        let options = WriteOptions::by("model");
        self.revision += 1;
        let (revision, what) = (self.revision, self.random.random_range(0..4));
        let living = self.registry.get(&id).copied().flatten().is_some();
        let written = if what == 0 && living {
            self.registry.insert(id.clone(), None);
            registry.delete(CO, &key(&id), &options).await.unwrap()
        } else {
            let status = if what == 1 { Status::Pending } else { Status::Active };
            let name = Name {
                given: Some(revision.to_string()),
                name_type: "official".to_owned(),
                primary: true,
                ..Name::default()
            };
            let meta = Meta { id: id.clone(), ..Meta::default() };
            let person = Person { meta, status, names: vec![name], ..Person::default() };
            self.registry.insert(id.clone(), (status == Status::Active).then_some(revision));
            registry.put(CO, key(&id), Record::Person(Box::new(person)), &options).await.unwrap()
        };
        self.excused.remove(&id);
        for planned in &written.planned {
            // Work of another worker is handed over to it.
            if planned.worker == self.workers[host] {
                self.waiting[host].push(Work::of_plan(CO, planned));
            }
        }
    }

    /// What the registry says of a subject now.
    async fn state(&self, subject: &SubjectKey) -> Option<u64> {
        let stored = self.hosts[0].record(CO, subject).await.unwrap()?;
        match stored.record {
            Record::Person(person) if stored.deleted.is_none() && person.status.is_provisionable() => {
                person.names[0].given.as_ref()?.parse().ok()
            }
            _ => None,
        }
    }

    async fn claim(&mut self) {
        let (host, limit, now) = (self.host(), self.random.random_range(1..4), self.now);
        let under_way = self.hosts[host].unfinished_invocations(1_000, None).await.unwrap();
        let planned = self.hosts[host]
            .write::<_, StoreError, _>(move |transaction| {
                Box::pin(async move { transaction.claim_jobs(CO, TARGET, limit, now).await })
            })
            .await
            .unwrap();
        let busy = under_way.into_iter().map(|pending| pending.invocation.subject.id).collect();
        self.check_claimed(busy, &planned).await;
        self.waiting[host].extend(planned.iter().map(|planned| Work::of_plan(CO, planned)));
    }

    /// What is claimed is due, the longest due first, and one of a subject at a time.
    async fn check_claimed(&self, mut busy: BTreeSet<String>, planned: &[PlannedInvocation]) {
        let mut before = (Timestamp::MIN, 0);
        for planned in planned {
            assert!(busy.insert(planned.subject.id.clone()), "beside another: {planned:?}");
            let job = self.hosts[0].job(CO, planned.job.unwrap()).await.unwrap().unwrap();
            assert!(
                job.status == JobStatus::InProgress && job.start_after <= self.now,
                "{}: {job:?}",
                self.now
            );
            assert!((job.start_after, job.id) > before, "too late: {job:?}");
            before = (job.start_after, job.id);
        }
    }

    /// Begins the first work of a host whose subject has no other under way there. No other host may have one, either.
    async fn begin(&mut self) {
        let host = self.host();
        let handed = self.hosts[host].handed_over(self.workers[host], 100).await.unwrap();
        self.take(host, handed.into_iter().map(|pending| pending.invocation).collect());
        let is_busy = |work: &Work, host: Option<usize>| {
            let of_subject = |call: &&Call| call.work.subject == work.subject;
            self.calls.iter().filter(of_subject).any(|call| host.is_none_or(|host| host == call.host))
        };
        let Some(at) = self.waiting[host].iter().position(|work| !is_busy(work, Some(host))) else {
            return;
        };
        assert!(!is_busy(&self.waiting[host][at], None), "two hosts at once: {:?}", self.waiting[host][at]);
        let work = self.waiting[host].remove(at);
        let state = self.state(&work.subject).await;
        self.calls.push(Call { work, state, host });
    }

    fn take(&mut self, host: usize, invocations: Vec<crate::provisioning::Invocation>) {
        let worker = self.workers[host];
        let pending = invocations
            .into_iter()
            .map(|invocation| crate::store::PendingInvocation { co: CO.to_owned(), invocation });
        self.waiting[host].extend(pending.map(|pending| Work::of_store(pending, worker)));
    }

    fn apply(&mut self, call: &Call) {
        match call.state {
            Some(revision) => self.held.insert(call.work.subject.id.clone(), revision),
            None => self.held.remove(&call.work.subject.id),
        };
    }

    async fn end(&mut self, fails: bool) {
        let Some(at) = (0..self.calls.len()).choose(&mut self.random) else { return };
        let call = self.calls.remove(at);
        // The effect of a failure may have happened all the same.
        if !fails || self.random.random_bool(0.3) {
            self.apply(&call);
        }
        self.commit(call, fails).await;
    }

    /// A worker that was taken for dead says how a call of it ended.
    async fn end_late(&mut self) {
        let Some(at) = (0..self.late.len()).choose(&mut self.random) else { return };
        let (call, fails) = (self.late.remove(at), self.random.random_bool(0.5));
        self.commit(call, fails).await;
    }

    async fn commit(&mut self, call: Call, fails: bool) {
        let outcome = if fails {
            let class =
                *[FailureClass::Transient, FailureClass::Permanent].iter().choose(&mut self.random).unwrap();
            // No job was there to give up: the subject shows the failure, until it changes or somebody asks.
            if class == FailureClass::Permanent && call.work.job.is_none() {
                self.excused.insert(call.work.subject.id.clone());
            }
            let message = "fails".to_owned();
            InvocationOutcome::Failed {
                class,
                message,
                location: None,
                retry_after_seconds: None,
                filter: None,
            }
        } else {
            InvocationOutcome::Applied { history: Vec::new() }
        };
        let sent = Some(if call.state.is_some() { Action::Updated } else { Action::Deleted });
        let finished = Finished {
            work: call.work,
            outcome,
            delivery: Delivery { sent, ..Delivery::default() },
            record: None,
            identifiers: None,
            state: Vec::new(),
            untouched: false,
            usage: Usage::default(),
            transcript: Json::of(&None::<Recording>),
            at: self.now,
        };
        let now = self.now;
        self.hosts[call.host]
            .write::<_, StoreError, _>(move |transaction| {
                Box::pin(async move { write_ends(transaction, &[finished], now).await })
            })
            .await
            .unwrap();
    }

    /// A host dies in the middle of everything, or stalls until it is taken for dead, and comes back as another worker.
    async fn crash(&mut self) {
        let host = self.host();
        let calls = std::mem::take(&mut self.calls);
        let (died, live): (Vec<Call>, Vec<Call>) = calls.into_iter().partition(|call| call.host == host);
        self.calls = live;
        for call in died {
            if self.random.random_bool(0.5) {
                self.apply(&call);
                if self.random.random_bool(0.5) {
                    self.late.push(call);
                }
            }
        }
        self.waiting[host].clear();
        self.hosts[host].retire_worker(self.workers[host]).await.unwrap();
        self.workers[host] = self.hosts[host].register_worker("model", LEASE).await.unwrap();
    }

    async fn take_over(&mut self) {
        let host = self.host();
        for (dead, co) in self.hosts[host].dead_workers().await.unwrap() {
            let taken = self.hosts[host].take_over(dead, &co, self.workers[host]).await.unwrap();
            self.take(host, taken.into_iter().map(|pending| pending.invocation).collect());
        }
    }

    async fn cancel(&mut self) {
        let jobs = self.hosts[0].jobs(CO, &JobFilter::default(), None, 20).await.unwrap();
        let open = |status| matches!(status, JobStatus::Queued | JobStatus::InProgress);
        let Some(job) = jobs.into_iter().filter(|job| open(job.status)).choose(&mut self.random) else {
            return;
        };
        crate::jobs::cancel(&self.hosts[0], CO, job.id, "model", self.now).await.unwrap();
        self.excused.extend(job.subject.map(|subject| subject.id));
    }

    fn pass(&mut self, seconds: i64) {
        self.now = self.now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }

    async fn step(&mut self) {
        match self.random.random_range(0..100) {
            0..20 => self.change().await,
            20..42 => self.claim().await,
            42..66 => self.begin().await,
            66..82 => self.end(false).await,
            82..88 => self.end(true).await,
            88..91 => self.crash().await,
            91..95 => self.take_over().await,
            95..97 => self.cancel().await,
            97 => self.end_late().await,
            _ => self.pass(450),
        }
    }

    /// Nothing goes wrong any more, and people queue anew what gave up.
    async fn settle(&mut self) {
        for _ in 0..200 {
            if self.is_quiet().await {
                break;
            }
            crate::jobs::requeue_all(&self.hosts[0], CO, None, "model", self.now).await.unwrap();
            for _ in 0..4 {
                self.take_over().await;
                self.claim().await;
                self.begin().await;
                self.end(false).await;
            }
            self.pass(900);
        }
    }

    /// Whether nothing is left to do.
    async fn is_quiet(&self) -> bool {
        let queued = JobFilter { status: Some(JobStatus::Queued), ..JobFilter::default() };
        let given_up = JobFilter { gave_up: true, ..JobFilter::default() };
        for filter in [queued, given_up] {
            if !self.hosts[0].jobs(CO, &filter, None, 1).await.unwrap().is_empty() {
                return false;
            }
        }
        self.hosts[0].unfinished_invocations(1, None).await.unwrap().is_empty()
    }

    async fn check(&self, seed: u64) {
        let unfinished = self.hosts[0].unfinished_invocations(10, None).await.unwrap();
        assert!(unfinished.is_empty(), "seed {seed}: {unfinished:?}");
        let jobs = self.hosts[0].jobs(CO, &JobFilter::default(), None, 10_000).await.unwrap();
        for job in &jobs {
            assert!(
                !matches!(job.status, JobStatus::Queued | JobStatus::InProgress) && !job.gave_up,
                "{seed}: {job:?}"
            );
            assert!(job.retries <= MAX_RETRY, "{seed}: {job:?}");
        }
        for (id, state) in &self.registry {
            if !self.excused.contains(id) {
                assert_eq!(self.held.get(id), state.as_ref(), "seed {seed}: {id} of {:?}", self.registry);
            }
        }
    }
}

async fn play(mode: Mode, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut model = Model::new(seed, mode).await;
        // What is lost shows only as long as nothing else comes to make up for it.
        for _ in 0..PHASES {
            for _ in 0..STEPS {
                model.step().await;
            }
            model.settle().await;
            model.check(seed).await;
        }
    }
}

#[tokio::test]
async fn whatever_happens_to_queued_changes_the_target_ends_in_the_state_of_the_registry() {
    play(Mode::Queue, 0..12).await;
}

#[tokio::test]
async fn whatever_happens_to_changes_that_are_queued_on_error_so_it_does() {
    play(Mode::QueueOnError, 100..108).await;
}

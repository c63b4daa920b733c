//! Which work begins next: the rules, without the running.
//!
//! The work of a subject at a target is done in order. A subject's targets are called one after the other, but one that
//! is slow, or has more to do than it gets done, holds up none behind it. Each target has a lane with so many calls at a
//! time; all lanes share a number of slots. Work for all subjects goes behind everything else.

use std::collections::{HashMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::dispatch::Work;
use crate::registry::record::SubjectKey;

/// A subject of a collaboration.
pub(super) type SubjectOf = (String, SubjectKey);
/// A target of a collaboration.
pub(super) type TargetOf = (String, String);
/// An invocation, and whose it was when it came here.
pub(super) type WorkId = (Uuid, Uuid);

/// How long a call may take before the targets behind it are called all the same.
const PATIENCE: Duration = Duration::from_secs(1);
/// A target that ends fewer calls in that time, and has work waiting for so long, holds up none behind it.
const BRISK: u32 = 50;

/// How long work that is done is remembered.
const REMEMBERED: Duration = Duration::from_secs(20);

/// One piece of the work of a subject.
struct Link {
    work: Work,
    /// 0 for a single change, and for what one waits for; 1 for work for all subjects.
    priority: usize,
    state: State,
    /// Whether what is behind it no longer waits for it.
    passed: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// For work before it.
    Waiting,
    /// In its lane, since then.
    Ready(Instant),
    /// Since then.
    Running(Instant),
    /// Failed to be committed, and is tried again later.
    Resting,
}

/// An invocation that is here.
#[derive(Default)]
struct Unfinished {
    /// Again when it comes back from another worker while it still runs.
    times: u32,
    /// Whoever waits for its end: they learn of it when this goes.
    waiting: Vec<oneshot::Sender<Infallible>>,
}

#[derive(Default)]
struct Lane {
    /// Calls at a time; none while it is not known.
    limit: Option<usize>,
    calls: usize,
    /// Single changes, and work for all subjects.
    waiting: [VecDeque<(SubjectOf, WorkId)>; 2],
    /// Whether it is among the lanes that may begin.
    listed: [bool; 2],
    /// Calls that ended since the last look.
    ended: u32,
    slow: bool,
}

/// The work that this process has, and where it stands.
pub(super) struct Lanes {
    subjects: HashMap<SubjectOf, VecDeque<Link>>,
    targets: HashMap<TargetOf, Lane>,
    /// Lanes that may begin something, each in turn.
    turns: [VecDeque<TargetOf>; 2],
    unfinished: HashMap<Uuid, Unfinished>,
    known: HashSet<WorkId>,
    /// Runs of jobs by target: those of single subjects, and those of each job for all subjects.
    jobs: HashMap<(TargetOf, Option<i64>), usize>,
    /// Done a short while ago: a submission that comes late, or a page of the store that was read before, may still name
    /// them.
    done: HashMap<WorkId, Instant>,
    slots: usize,
    running: usize,
    looked: Instant,
}

impl Lanes {
    /// Empty lanes that share so many slots.
    pub(super) fn new(slots: usize) -> Self {
        Self {
            subjects: HashMap::new(),
            targets: HashMap::new(),
            turns: Default::default(),
            unfinished: HashMap::new(),
            known: HashSet::new(),
            jobs: HashMap::new(),
            done: HashMap::new(),
            slots,
            running: 0,
            looked: Instant::now(),
        }
    }

    /// Takes work in, behind the work of the same subject. Gives the targets that are new here: their limits are needed.
    pub(super) fn submit(&mut self, work: impl Iterator<Item = Work>, now: Instant) -> Vec<TargetOf> {
        let (mut touched, mut new) = (Vec::new(), Vec::new());
        for work in work {
            if self.done.contains_key(&work.key()) || !self.known.insert(work.key()) {
                continue;
            }
            self.unfinished.entry(work.id).or_default().times += 1;
            let (subject, target) = (work.subject_of(), work.target_of());
            if !self.targets.contains_key(&target) {
                self.targets.insert(target.clone(), Lane::default());
                new.push(target.clone());
            }
            // Neither queued work nor work for all subjects has a place in the order of targets.
            let passed = work.bulk || work.job.is_some();
            if !work.bulk {
                self.hurry(&subject, &work.target, now);
            }
            if work.job.is_some() {
                *self.jobs.entry((target, work.job.filter(|_| work.bulk))).or_default() += 1;
            }
            let priority = usize::from(work.bulk);
            let link = Link { work, priority, state: State::Waiting, passed };
            self.subjects.entry(subject.clone()).or_default().push_back(link);
            // In the order of planning, which is also that of their turns.
            if touched.last() != Some(&subject) {
                touched.push(subject);
            }
        }
        for subject in touched {
            self.advance(&subject, now);
        }
        new
    }

    /// Work for all subjects goes at once when a single change waits for it.
    fn hurry(&mut self, subject: &SubjectOf, target: &str, now: Instant) {
        let Some(links) = self.subjects.get_mut(subject) else { return };
        let mut ready = Vec::new();
        for link in links.iter_mut().filter(|link| link.priority > 0 && link.work.target == target) {
            link.priority = 0;
            if let State::Ready(_) = link.state {
                link.state = State::Ready(now);
                ready.push((link.work.target_of(), link.work.key()));
            }
        }
        for (target, id) in ready {
            self.wait_in_lane(target, 0, subject.clone(), id);
        }
    }

    /// Moves what nothing holds up any more into its lane.
    fn advance(&mut self, subject: &SubjectOf, now: Instant) {
        let Some(links) = self.subjects.get_mut(subject) else { return };
        let mut busy: HashSet<&str> = HashSet::new();
        let mut ready = Vec::new();
        for link in links.iter_mut() {
            // What waits for the same target is passed with it.
            let free = busy.insert(link.work.target.as_str());
            if free && link.state == State::Waiting {
                link.state = State::Ready(now);
                ready.push((link.work.target_of(), link.priority, link.work.key()));
                let lane = self.targets.get(&link.work.target_of());
                link.passed |= lane.is_some_and(|lane| lane.slow);
            }
            if free && !link.passed {
                break;
            }
        }
        for (target, priority, id) in ready {
            self.wait_in_lane(target, priority, subject.clone(), id);
        }
    }

    fn wait_in_lane(&mut self, target: TargetOf, priority: usize, subject: SubjectOf, id: WorkId) {
        let lane = self.targets.entry(target.clone()).or_default();
        if let Some(waiting) = lane.waiting.get_mut(priority) {
            waiting.push_back((subject, id));
        }
        self.list(&target);
    }

    /// Puts a lane among those that may begin something, if it may.
    fn list(&mut self, target: &TargetOf) {
        let Some(lane) = self.targets.get_mut(target) else { return };
        if lane.limit.is_none_or(|limit| lane.calls >= limit) {
            return;
        }
        for ((waiting, listed), turns) in lane.waiting.iter().zip(&mut lane.listed).zip(&mut self.turns) {
            if !waiting.is_empty() && !*listed {
                *listed = true;
                turns.push_back(target.clone());
            }
        }
    }

    /// The work to begin now, if there is any and a slot is free.
    pub(super) fn begin(&mut self, now: Instant) -> Option<Work> {
        if self.running >= self.slots {
            return None;
        }
        for priority in 0..self.turns.len() {
            while let Some(target) = self.turns.get_mut(priority).and_then(VecDeque::pop_front) {
                let Some(lane) = self.targets.get_mut(&target) else { continue };
                if let Some(listed) = lane.listed.get_mut(priority) {
                    *listed = false;
                }
                if lane.limit.is_none_or(|limit| lane.calls >= limit) {
                    continue;
                }
                let next = lane.waiting.get_mut(priority).and_then(VecDeque::pop_front);
                let begun = next.and_then(|(subject, id)| self.start(&subject, id, now));
                if begun.is_some() {
                    self.running += 1;
                    if let Some(lane) = self.targets.get_mut(&target) {
                        lane.calls += 1;
                    }
                }
                self.list(&target);
                if begun.is_some() {
                    return begun;
                }
            }
        }
        None
    }

    /// Marks work as running; none if it is no longer ready.
    fn start(&mut self, subject: &SubjectOf, id: WorkId, now: Instant) -> Option<Work> {
        let link = self.subjects.get_mut(subject)?.iter_mut().find(|link| link.work.key() == id)?;
        let State::Ready(_) = link.state else { return None };
        link.state = State::Running(now);
        Some(link.work.clone())
    }

    /// How many calls of a target may run at once.
    pub(super) fn limit(&mut self, target: &TargetOf, limit: usize) {
        if let Some(lane) = self.targets.get_mut(target) {
            lane.limit = Some(limit.max(1));
            self.list(target);
        }
    }

    /// A call ended; what came of it is still to be committed.
    pub(super) fn call_ended(&mut self, target: &TargetOf) {
        if let Some(lane) = self.targets.get_mut(target) {
            lane.calls = lane.calls.saturating_sub(1);
            lane.ended += 1;
            self.list(target);
        }
    }

    /// Takes off work that is done, or that is none of ours any more.
    pub(super) fn finish(&mut self, work: &Work, now: Instant) {
        self.running = self.running.saturating_sub(1);
        self.done.insert(work.key(), now);
        self.remove(&work.subject_of(), work.key());
        self.advance(&work.subject_of(), now);
    }

    /// Keeps work whose end could not be committed until it is to be done again. It holds up its own target only.
    pub(super) fn rest(&mut self, work: &Work, now: Instant) {
        self.running = self.running.saturating_sub(1);
        self.change(work, |link| (link.state, link.passed) = (State::Resting, true));
        self.advance(&work.subject_of(), now);
    }

    /// Does such work again, as one more attempt.
    pub(super) fn again(&mut self, work: &Work, now: Instant) {
        self.change(work, |link| {
            link.state = State::Waiting;
            link.work.attempt += 1;
        });
        self.advance(&work.subject_of(), now);
    }

    fn change(&mut self, work: &Work, change: impl Fn(&mut Link)) {
        let links = self.subjects.get_mut(&work.subject_of());
        links.into_iter().flatten().filter(|link| link.work.key() == work.key()).for_each(change);
    }

    fn remove(&mut self, subject: &SubjectOf, id: WorkId) {
        if let Some(links) = self.subjects.get_mut(subject) {
            let gone = links.iter().position(|link| link.work.key() == id);
            if let Some(link) = gone.and_then(|at| links.remove(at)) {
                Self::count_off(&mut self.jobs, &link.work);
            }
            if links.is_empty() {
                self.subjects.remove(subject);
            }
        }
        self.forget(&id);
    }

    fn count_off(jobs: &mut HashMap<(TargetOf, Option<i64>), usize>, work: &Work) {
        let key = (work.target_of(), work.job.filter(|_| work.bulk));
        if work.job.is_some()
            && let Some(count) = jobs.get_mut(&key)
        {
            *count -= 1;
            if *count == 0 {
                jobs.remove(&key);
            }
        }
    }

    /// How many runs of jobs of single subjects a target has here, or of one job for all subjects.
    pub(super) fn jobs(&self, target: &TargetOf, bulk: Option<i64>) -> usize {
        self.jobs.get(&(target.clone(), bulk)).copied().unwrap_or_default()
    }

    /// How many runs of jobs are here.
    pub(super) fn all_jobs(&self) -> usize {
        self.jobs.values().sum()
    }

    fn forget(&mut self, id: &WorkId) {
        if self.known.remove(id)
            && let Some(unfinished) = self.unfinished.get_mut(&id.0)
        {
            unfinished.times -= 1;
            if unfinished.times == 0 {
                self.unfinished.remove(&id.0);
            }
        }
    }

    /// Drops all that does not run: it belongs to another worker now.
    pub(super) fn drop_waiting(&mut self) {
        let running = |link: &Link| matches!(link.state, State::Running(_));
        let mut dropped = Vec::new();
        for links in self.subjects.values_mut() {
            for link in links.iter().filter(|link| !running(link)) {
                dropped.push(link.work.key());
                Self::count_off(&mut self.jobs, &link.work);
            }
            links.retain(running);
        }
        dropped.iter().for_each(|id| self.forget(id));
        self.subjects.retain(|_, links| !links.is_empty());
        for lane in self.targets.values_mut() {
            lane.waiting = Default::default();
        }
    }

    /// Lets subjects pass targets that are slow; to be called several times a second.
    pub(super) fn look(&mut self, now: Instant) {
        self.done.retain(|_, at| now.duration_since(*at) < REMEMBERED);
        let since = now.duration_since(self.looked);
        if since >= PATIENCE {
            self.looked = now;
            for lane in self.targets.values_mut() {
                let ended = std::mem::take(&mut lane.ended);
                let full = lane.limit.is_some_and(|limit| lane.calls >= limit);
                lane.slow = full && f64::from(ended) < f64::from(BRISK) * since.as_secs_f64();
            }
        }
        let mut passed = Vec::new();
        for (subject, links) in &mut self.subjects {
            let mut changed = false;
            for link in links.iter_mut().filter(|link| !link.passed) {
                let (State::Ready(at) | State::Running(at)) = link.state else { continue };
                let slow = || self.targets.get(&link.work.target_of()).is_some_and(|lane| lane.slow);
                let waits = now.duration_since(at) >= PATIENCE;
                link.passed = waits && (matches!(link.state, State::Running(_)) || slow());
                changed |= link.passed;
            }
            if changed {
                passed.push(subject.clone());
            }
        }
        for subject in passed {
            self.advance(&subject, now);
        }
    }

    /// The end of an invocation: what this gives ends when the invocation is no longer here. None if it is not.
    pub(super) fn end_of(&mut self, id: &Uuid) -> Option<oneshot::Receiver<Infallible>> {
        let unfinished = self.unfinished.get_mut(id)?;
        let (waits, end) = oneshot::channel();
        unfinished.waiting.push(waits);
        Some(end)
    }

    /// Whoever waits for an end waits no longer.
    pub(super) fn let_go(&mut self) {
        self.unfinished.values_mut().for_each(|unfinished| unfinished.waiting.clear());
    }

    /// Whether nothing is here.
    pub(super) fn is_empty(&self) -> bool {
        self.unfinished.is_empty()
    }

    /// Work that was begun and is not committed.
    pub(super) fn running(&self) -> usize {
        self.running
    }
}

#[cfg(test)]
mod tests;

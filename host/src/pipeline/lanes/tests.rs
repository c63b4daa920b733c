use tokio::sync::oneshot::error::TryRecvError;

use super::*;
use crate::provisioning::Action;
use crate::registry::record::RecordKind;

/// Lanes with a clock of their own.
struct Scene {
    lanes: Lanes,
    now: Instant,
    last: u128,
}

impl Scene {
    fn new(slots: usize, limits: &[(&str, usize)]) -> Self {
        let mut scene = Self { lanes: Lanes::new(slots), now: Instant::now(), last: 0 };
        for (target, limit) in limits {
            // A lane is there from its first work on.
            let first = scene.work("nobody", target);
            scene.lanes.submit([first.clone()].into_iter(), scene.now);
            scene.lanes.limit(&first.target_of(), *limit);
            let begun = scene.begin();
            assert_eq!(begun.len(), 1);
            scene.end(&begun[0]);
        }
        scene
    }

    fn work(&mut self, subject: &str, target: &str) -> Work {
        self.last += 1;
        Work {
            co: "co".to_owned(),
            id: Uuid::from_u128(self.last),
            worker: Uuid::nil(),
            target: target.to_owned(),
            subject: SubjectKey { kind: RecordKind::Person, id: subject.to_owned() },
            action: Action::Updated,
            change: None,
            cause: None,
            job: None,
            bulk: false,
            attempt: 1,
            only_differing: false,
        }
    }

    fn submit(&mut self, subject: &str, targets: &[&str]) {
        for target in targets {
            let work = self.work(subject, target);
            self.lanes.submit([work].into_iter(), self.now);
        }
    }

    fn submit_bulk(&mut self, subject: &str, target: &str) {
        let work = Work { bulk: true, ..self.work(subject, target) };
        self.lanes.submit([work].into_iter(), self.now);
    }

    fn begin(&mut self) -> Vec<Work> {
        std::iter::from_fn(|| self.lanes.begin(self.now)).collect()
    }

    fn names(work: &[Work]) -> Vec<String> {
        work.iter().map(|work| format!("{}@{}", work.subject.id, work.target)).collect()
    }

    /// What begins now.
    fn begun(&mut self) -> Vec<String> {
        Self::names(&self.begin())
    }

    fn end(&mut self, work: &Work) {
        self.lanes.call_ended(&work.target_of());
        self.lanes.finish(work, self.now);
    }

    fn pass(&mut self, duration: Duration) {
        self.now += duration;
        self.lanes.look(self.now);
    }
}

#[test]
fn the_targets_of_a_subject_are_called_one_after_the_other_and_subjects_beside_each_other() {
    let mut scene = Scene::new(9, &[("a", 9), ("b", 9)]);
    scene.submit("anna", &["a", "b"]);
    scene.submit("bob", &["b", "a"]);
    let first = scene.begin();
    assert_eq!(Scene::names(&first), ["anna@a", "bob@b"]);
    scene.end(&first[0]);
    assert_eq!(scene.begun(), ["anna@b"]);
    scene.end(&first[1]);
    assert_eq!(scene.begun(), ["bob@a"]);
}

#[test]
fn what_is_submitted_together_begins_in_its_order() {
    let mut scene = Scene::new(9, &[("a", 1)]);
    let subjects: Vec<String> = (0..9).map(|number| format!("p{number}")).collect();
    let work: Vec<Work> = subjects.iter().map(|subject| scene.work(subject, "a")).collect();
    scene.lanes.submit(work.into_iter(), scene.now);
    for subject in subjects {
        let begun = scene.begin();
        assert_eq!(Scene::names(&begun), [format!("{subject}@a")]);
        scene.end(&begun[0]);
    }
}

#[test]
fn a_subject_passes_a_call_that_takes_long_but_never_has_two_at_one_target() {
    let mut scene = Scene::new(9, &[("slow", 9), ("next", 9)]);
    scene.submit("anna", &["slow", "next", "slow", "next"]);
    let slow = scene.begin();
    assert_eq!(Scene::names(&slow), ["anna@slow"]);
    scene.pass(PATIENCE);
    let next = scene.begin();
    assert_eq!(Scene::names(&next), ["anna@next"]);
    scene.end(&next[0]);
    // What waits for the slow target is passed with it.
    assert_eq!(scene.begun(), ["anna@next"]);
    scene.end(&slow[0]);
    assert_eq!(scene.begun(), ["anna@slow"]);
}

#[test]
fn a_target_has_so_many_calls_at_once_and_harms_no_other() {
    let mut scene = Scene::new(9, &[("a", 2), ("b", 9)]);
    for subject in ["1", "2", "3", "4"] {
        scene.submit(subject, &["a"]);
    }
    scene.submit("5", &["b"]);
    let first = scene.begin();
    assert_eq!(Scene::names(&first), ["1@a", "5@b", "2@a"]);
    scene.lanes.call_ended(&first[0].target_of());
    assert_eq!(scene.begun(), ["3@a"], "a call frees its place before its end is committed");
}

#[test]
fn all_targets_share_the_slots_in_turn() {
    let mut scene = Scene::new(3, &[("a", 9), ("b", 9)]);
    for subject in ["1", "2", "3"] {
        scene.submit(subject, &["a"]);
    }
    scene.submit("4", &["b"]);
    let first = scene.begin();
    assert_eq!(Scene::names(&first), ["1@a", "4@b", "2@a"]);
    assert_eq!(scene.begun(), Vec::<String>::new());
    scene.lanes.call_ended(&first[0].target_of());
    assert_eq!(scene.begun(), Vec::<String>::new(), "a slot is free when the end is committed");
    scene.lanes.finish(&first[0], scene.now);
    assert_eq!(scene.begun(), ["3@a"]);
}

#[test]
fn single_changes_overtake_work_for_all_subjects() {
    let mut scene = Scene::new(9, &[("a", 1)]);
    for subject in ["1", "2", "3"] {
        scene.submit_bulk(subject, "a");
    }
    let mut running = scene.begin();
    assert_eq!(Scene::names(&running), ["1@a"]);
    scene.submit("single", &["a"]);
    // What is before it at the same target goes with it.
    scene.submit("3", &["a"]);
    let mut order = Vec::new();
    while let Some(work) = running.pop() {
        scene.end(&work);
        running = scene.begin();
        order.extend(Scene::names(&running));
    }
    assert_eq!(order, ["single@a", "3@a", "3@a", "2@a"]);
}

#[test]
fn a_target_with_more_work_than_it_does_holds_up_none_behind_it() {
    let mut scene = Scene::new(9, &[("slow", 1), ("next", 9)]);
    for subject in ["1", "2", "3"] {
        scene.submit(subject, &["slow", "next"]);
    }
    assert_eq!(scene.begun(), ["1@slow"]);
    scene.pass(PATIENCE / 2);
    assert_eq!(scene.begun(), Vec::<String>::new());
    scene.pass(PATIENCE);
    let mut begun = scene.begun();
    begun.sort();
    assert_eq!(begun, ["1@next", "2@next", "3@next"]);
    scene.submit("4", &["slow", "next"]);
    assert_eq!(scene.begun(), ["4@next"], "as long as it is slow");
}

#[test]
fn work_whose_end_was_not_committed_is_done_again_and_holds_up_its_target_only() {
    let mut scene = Scene::new(9, &[("a", 1), ("b", 1)]);
    scene.submit("anna", &["a", "b", "a"]);
    let first = scene.begin();
    scene.lanes.call_ended(&first[0].target_of());
    scene.lanes.rest(&first[0], scene.now);
    assert_eq!(scene.begun(), ["anna@b"]);
    scene.lanes.again(&first[0], scene.now);
    let again = scene.begin();
    assert_eq!((again[0].id, again[0].attempt), (first[0].id, 2));
}

#[test]
fn what_waits_is_dropped_and_may_come_back_while_the_same_still_runs() {
    let mut scene = Scene::new(9, &[("a", 1)]);
    scene.submit("anna", &["a", "a"]);
    let running = scene.begin();
    scene.lanes.drop_waiting();
    let back = Work { worker: Uuid::max(), attempt: 2, ..running[0].clone() };
    scene.lanes.submit([back.clone(), back.clone()].into_iter(), scene.now);
    assert_eq!(scene.begun(), Vec::<String>::new());
    let mut end = scene.lanes.end_of(&back.id).unwrap();
    scene.end(&running[0]);
    assert_eq!(end.try_recv(), Err(TryRecvError::Empty));
    let again = scene.begin();
    assert_eq!(again[0].key(), back.key());
    scene.end(&again[0]);
    assert_eq!(end.try_recv(), Err(TryRecvError::Closed));
    assert!(scene.lanes.end_of(&back.id).is_none());
    assert!(scene.lanes.is_empty() && scene.lanes.running() == 0);
}

#[test]
fn who_waits_for_an_end_waits_no_longer_when_it_is_dropped_or_nothing_more_is_done() {
    let mut scene = Scene::new(9, &[("a", 1)]);
    let (first, second) = (scene.work("anna", "a"), scene.work("bob", "a"));
    scene.lanes.submit([first.clone(), second.clone()].into_iter(), scene.now);
    assert_eq!(scene.begun(), ["anna@a"]);
    let mut ends = [&first, &second].map(|work| scene.lanes.end_of(&work.id).unwrap());
    scene.lanes.drop_waiting();
    assert_eq!(ends[0].try_recv(), Err(TryRecvError::Empty), "it runs");
    assert_eq!(ends[1].try_recv(), Err(TryRecvError::Closed));
    scene.lanes.let_go();
    assert_eq!(ends[0].try_recv(), Err(TryRecvError::Closed));
}

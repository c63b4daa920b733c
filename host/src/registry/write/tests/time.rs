use super::*;
use crate::clock::Clock;
use crate::provisioning::Action::{EnteredGracePeriod, Expired, Unexpired, Updated};
use crate::provisioning::PlannedInvocation;
use crate::registry::record::{GroupNesting, Role, Status};
use crate::registry::write::Passed;
use crate::registry::write_back::write_back;

const FROM: &str = "2030-01-01T00:00:00Z";
const THROUGH: &str = "2040-01-01T00:00:00Z";

/// A registry whose time is what the test says.
struct Timed {
    scene: Scene,
    clock: Clock,
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl Timed {
    async fn new(status_recalculation: bool) -> Self {
        let mut scene = Scene::new().await;
        let clock = Clock::standing_at(at("2026-01-01T00:00:00Z"));
        scene.registry = Registry::with_clock(scene.store.clone(), clock.clone());
        let collaboration = Collaboration {
            id: CO.to_owned(),
            name: "Example".to_owned(),
            status_recalculation,
            ..Collaboration::default()
        };
        scene.registry.put_collaboration(collaboration).await.unwrap();
        scene.registry.settle_collaboration(CO).await.unwrap();
        Self { scene, clock }
    }

    fn set(&self, instant: &str) {
        self.clock.advance(at(instant).duration_since(self.clock.now()).try_into().unwrap());
    }

    /// Lets time come, and does what is due then; says what "first" is to do.
    async fn at(&self, instant: &str) -> Vec<(String, Action, Option<String>)> {
        self.set(instant);
        let Passed { planned, more } = self.scene.registry.pass_time(CO).await.unwrap();
        assert!(!more);
        of_first(planned)
    }

    async fn put_quietly(&self, membership: Membership) -> Written {
        self.scene.registry.put_membership(CO, membership, &quietly()).await.unwrap()
    }
}

fn of_first(planned: Vec<PlannedInvocation>) -> Vec<(String, Action, Option<String>)> {
    planned
        .into_iter()
        .filter(|invocation| invocation.target == "first")
        .map(|invocation| (invocation.subject.id, invocation.action, invocation.cause))
        .collect()
}

fn role(status: Status) -> Role {
    Role { status, valid_from: Some(at(FROM)), valid_through: Some(at(THROUGH)), ..Role::default() }
}

#[tokio::test]
async fn a_membership_is_provisioned_when_it_begins_and_when_it_ends() {
    let timed = Timed::new(false).await;
    timed.scene.put(group("g")).await;
    timed.scene.put(group("t")).await;
    timed.scene.put(person("p1")).await;
    let nesting = GroupNesting { group: "t".to_owned(), source: "g".to_owned(), negate: false };
    timed.scene.registry.nest(CO, nesting, &options()).await.unwrap();
    let row =
        Membership { valid_from: Some(at(FROM)), valid_through: Some(at(THROUGH)), ..membership("g", "p1") };
    timed.scene.registry.put_membership(CO, row, &options()).await.unwrap();
    let all = follows([("p1", Updated, None), ("g", Updated, Some("p1")), ("t", Updated, Some("p1"))]);
    assert_eq!(timed.scene.store.next_due().await.unwrap(), Some(at("2030-01-01T00:00:00.000001Z")));
    assert_eq!(timed.at(FROM).await, []);
    assert_eq!(timed.scene.groups_of("p1").await, ["g"]);
    assert_eq!(timed.at("2030-01-01T00:00:00.000001Z").await, all);
    assert_eq!(timed.scene.groups_of("p1").await, ["g", "t"]);
    let change = timed.scene.history().await.pop().unwrap();
    assert_eq!((change.actor.as_str(), &change.parts[..]), ("schedule", &["memberships".to_owned()][..]));
    assert_eq!(timed.at("2035-01-01T00:00:00Z").await, []);
    assert_eq!(timed.at(THROUGH).await, []);
    assert_eq!(timed.at("2040-01-01T00:00:00.000001Z").await, all);
    assert_eq!(timed.scene.groups_of("p1").await, ["g"]);
    assert_eq!(timed.scene.store.next_due().await.unwrap(), None);
}

#[tokio::test]
async fn years_that_passed_while_nobody_looked_are_made_up_for_at_once() {
    let timed = Timed::new(false).await;
    timed.scene.put(group("g")).await;
    timed.scene.put(person("p1")).await;
    let row =
        Membership { valid_from: Some(at(FROM)), valid_through: Some(at(THROUGH)), ..membership("g", "p1") };
    timed.scene.registry.put_membership(CO, row, &options()).await.unwrap();
    let both = follows([("p1", Updated, None), ("g", Updated, Some("p1"))]);
    assert_eq!(timed.at("2050-01-01T00:00:00Z").await, both);
    assert_eq!(timed.at("2050-01-01T00:00:00Z").await, []);
}

#[tokio::test]
async fn a_role_begins_and_ends_and_the_person_with_it() {
    let timed = Timed::new(true).await;
    timed.scene.put(group("g")).await;
    timed.scene.put(Person { roles: vec![role(Status::Active)], ..person("p1") }).await;
    assert_eq!(timed.scene.person("p1").await.unwrap().status, Status::Pending);
    timed.scene.join("g", "p1").await;
    let begun = timed.at("2031-01-01T00:00:00Z").await;
    assert_eq!(begun, follows([("p1", Action::Added, None), ("g", Updated, Some("p1"))]));
    let stored = timed.scene.person("p1").await.unwrap();
    assert_eq!((stored.status, stored.roles[0].status), (Status::Active, Status::Active));
    let ended = timed.at("2041-01-01T00:00:00Z").await;
    assert_eq!(ended, follows([("p1", Expired, None), ("g", Updated, Some("p1"))]));
    assert_eq!(timed.scene.person("p1").await.unwrap().status, Status::Expired);

    let mut stored = timed.scene.person("p1").await.unwrap();
    stored.roles[0].valid_through = Some(at("2050-01-01T00:00:00Z"));
    let written = timed.scene.put(stored).await;
    assert_eq!(planned_for_first(&written)[0], ("p1".to_owned(), Unexpired, None));
    let mut stored = timed.scene.person("p1").await.unwrap();
    stored.roles[0].status = Status::GracePeriod;
    let written = timed.scene.put(stored).await;
    assert_eq!(planned_for_first(&written)[0], ("p1".to_owned(), EnteredGracePeriod, None));
}

#[tokio::test]
async fn what_is_due_already_comes_before_a_write_that_is_not_provisioned() {
    let timed = Timed::new(false).await;
    for id in ["p1", "p2"] {
        timed.scene.put(Person { roles: vec![role(Status::Active)], ..person(id) }).await;
    }
    timed.set("2031-01-01T00:00:00Z");
    let other =
        Person { roles: vec![role(Status::Active)], timezone: Some("UTC".to_owned()), ..person("p1") };
    let written = timed.scene.registry.put(CO, person_key("p1"), other.into(), &quietly()).await.unwrap();
    assert_eq!(of_first(written.planned), follows([("p1", Updated, None)]));
    let history = timed.scene.history().await;
    let actors: Vec<&str> = history.iter().rev().take(2).map(|change| change.actor.as_str()).collect();
    assert_eq!((actors, written.change), (vec!["tester", "schedule"], Some(history.len() as i64)));
    assert_eq!(timed.at("2031-01-01T00:00:00Z").await, follows([("p2", Updated, None)]), "left to its time");
    assert_eq!(timed.scene.store.next_due().await.unwrap(), Some(at("2040-01-01T00:00:00.000001Z")));
}

#[tokio::test]
async fn no_quiet_write_of_a_membership_takes_the_place_of_what_its_dates_bring_about() {
    let dated = |from: &str, through: &str| Membership {
        valid_from: Some(at(from)),
        valid_through: Some(at(through)),
        ..membership("g", "p1")
    };
    let both = follows([("p1", Updated, None), ("g", Updated, Some("p1"))]);
    let timed = Timed::new(false).await;
    timed.scene.put(group("g")).await;
    timed.scene.put(person("p1")).await;
    timed.put_quietly(dated(FROM, THROUGH)).await;

    timed.set("2031-01-01T00:00:00Z");
    let written = timed.put_quietly(Membership { owner: true, ..dated(FROM, THROUGH) }).await;
    assert_eq!(of_first(written.planned), both, "it began");
    assert_eq!(timed.at("2031-01-01T00:00:00Z").await, []);
    assert_eq!(timed.put_quietly(dated(FROM, THROUGH)).await.planned, []);

    timed.set("2041-01-01T00:00:00Z");
    let written = timed.put_quietly(dated(FROM, "2050-01-01T00:00:00Z")).await;
    assert_eq!(of_first(written.planned), both, "it ended, though it is longer by now");
    assert_eq!(timed.at("2041-01-01T00:00:00Z").await, []);

    timed.set("2051-01-01T00:00:00Z");
    let removed = timed.scene.registry.delete_membership(CO, "g", "p1", &quietly()).await.unwrap();
    assert_eq!(of_first(removed.planned), both, "it ended, though it is gone by now");
    assert_eq!(timed.at("2051-01-01T00:00:00Z").await, []);
}

#[tokio::test]
async fn no_quiet_deletion_of_a_group_takes_the_place_of_what_the_dates_of_its_members_bring_about() {
    let timed = Timed::new(false).await;
    timed.scene.put(group("g")).await;
    for (id, from, through) in [
        ("p1", Some(at(FROM)), None),
        ("p2", None, Some(at(FROM))),
        ("p3", Some(at(THROUGH)), None),
        ("p4", None, None),
    ] {
        timed.scene.put(person(id)).await;
        let row = Membership { valid_from: from, valid_through: through, ..membership("g", id) };
        timed.put_quietly(row).await;
    }
    timed.set("2031-01-01T00:00:00Z");
    let gone = timed.scene.registry.delete(CO, &group_key("g"), &quietly()).await.unwrap();
    let mut told = of_first(gone.planned);
    told.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(told, follows([("g", Updated, None), ("p1", Updated, None), ("p2", Updated, None)]));
    assert_eq!(timed.at("2041-01-01T00:00:00Z").await, []);
}

#[tokio::test]
async fn what_is_due_stays_due_when_a_target_stores_an_identifier() {
    let timed = Timed::new(false).await;
    timed.scene.put(Person { roles: vec![role(Status::Active)], ..person("p1") }).await;
    timed.set("2031-01-01T00:00:00Z");
    let now = timed.clock.now();
    timed
        .scene
        .store
        .write(move |transaction| {
            Box::pin(async move {
                let given = vec![("1042".to_owned(), "uid".to_owned())];
                write_back(transaction, CO, "first", &person_key("p1"), given, now).await
            })
        })
        .await
        .unwrap();
    assert_eq!(timed.at("2031-01-01T00:00:00Z").await, follows([("p1", Updated, None)]));
}

#[tokio::test]
async fn nothing_is_due_of_what_is_gone() {
    let timed = Timed::new(false).await;
    timed.scene.put(group("g")).await;
    timed.scene.put(Person { roles: vec![role(Status::Active)], ..person("p1") }).await;
    let row = Membership { valid_from: Some(at(FROM)), ..membership("g", "p1") };
    timed.scene.registry.put_membership(CO, row, &options()).await.unwrap();
    timed.scene.registry.delete(CO, &person_key("p1"), &options()).await.unwrap();
    assert_eq!(timed.scene.store.next_due().await.unwrap(), None);
}

#[tokio::test]
async fn more_than_a_page_of_what_is_due_is_done_page_by_page() {
    let timed = Timed::new(true).await;
    for number in 0..251 {
        let put = Person { roles: vec![role(Status::Active)], ..person(&format!("p{number}")) };
        timed.scene.registry.put(CO, Record::from(put.clone()).key(), put.into(), &quietly()).await.unwrap();
    }
    timed.set("2031-01-01T00:00:00Z");
    let first = timed.scene.registry.pass_time(CO).await.unwrap();
    assert_eq!((first.planned.len(), first.more), (2 * 250, true));
    let second = timed.scene.registry.pass_time(CO).await.unwrap();
    assert_eq!((second.planned.len(), second.more), (2, false));
}

//! Nested groups, automatic groups, and what the passing of time brings about, on a running host.

use jiff::Timestamp;
use provender::clock::Clock;
use provender::provisioning::{Action, ServiceStatus};
use provender::registry::import::{ImportOptions, import};
use provender::registry::record::{Collaboration, Membership, Person, Record, Role, Status};
use provender::registry::write::Registry;
use provender::store::Store;
use provender_tests::host::{CO, TestHost, by_test, lines};
use provender_tests::people::{group, group_key, membership, person, person_key, plain_person};
use provender_tests::postgres::fresh_database;
use provender_tests::waiting::eventually;
use serde_json::{Value, json};
use std::collections::HashSet;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A clock that shows this instant until it is set.
fn clock_at(text: &str) -> Clock {
    Clock::standing_at(at(text))
}

fn set(clock: &Clock, text: &str) {
    clock.advance(at(text).duration_since(clock.now()).try_into().unwrap());
}

fn groups_in(line: &Value) -> Vec<&str> {
    let memberships = line["document"]["memberships"].as_array().unwrap();
    memberships.iter().map(|membership| membership["group"]["name"].as_str().unwrap()).collect()
}

async fn years_pass(url: Option<String>) {
    let clock = clock_at("2026-01-01T00:00:00Z");
    let test = TestHost::start_with(|configuration| {
        configuration.database_url = url;
        configuration.workers.clock = clock.clone();
    })
    .await;
    let file = test.changelog("changelog", json!({})).await;
    for id in ["staff", "all"] {
        test.put(group_key(id), group(id)).await;
    }
    test.nest("staff", "all", false).await;
    test.put(person_key("anna"), person("anna")).await;
    let row = Membership {
        valid_from: Some("2030-01-01T00:00:00Z".parse().unwrap()),
        valid_through: Some("2040-01-01T00:00:00Z".parse().unwrap()),
        ..membership("staff", "anna")
    };
    test.put_membership(row).await;
    let last_of_anna = || lines(&file).into_iter().rfind(|line| line["subject"]["id"] == "anna").unwrap();
    assert_eq!(groups_in(&last_of_anna()), [""; 0]);

    set(&clock, "2031-01-01T00:00:00Z");
    let in_both = ["Group all", "Group staff"];
    eventually("the membership begins", async || (groups_in(&last_of_anna()) == in_both).then_some(())).await;

    // The host is down when it ends.
    let later = clock_at("2041-01-01T00:00:00Z");
    let test = test.restart_with(|configuration| configuration.workers.clock = later).await;
    eventually("the membership ends", async || groups_in(&last_of_anna()).is_empty().then_some(())).await;
    let count = |invocations: Vec<provender::provisioning::Invocation>| {
        invocations.iter().filter(|invocation| invocation.subject.id == "anna").count()
    };
    assert_eq!(count(test.invocations("changelog").await), 4, "added, written, begun, ended");
    let changes = test.host.store.changes(CO, 0, 1_000).await.unwrap();
    assert_eq!(changes.iter().filter(|change| change.actor == "schedule").count(), 2);
}

#[tokio::test]
async fn a_membership_is_provisioned_when_it_begins_and_ends_even_while_the_host_is_down() {
    years_pass(None).await;
}

#[tokio::test]
async fn a_membership_is_provisioned_when_it_begins_and_ends_on_postgresql() {
    years_pass(Some(fresh_database().await.unwrap())).await;
}

#[tokio::test]
async fn a_role_that_ends_expires_its_person_at_that_instant() {
    let clock = clock_at("2026-01-01T00:00:00Z");
    let test = TestHost::start_with(|configuration| configuration.workers.clock = clock.clone()).await;
    let collaboration = Collaboration {
        id: CO.to_owned(),
        name: "Physics".to_owned(),
        automatic_groups: true,
        status_recalculation: true,
        ..Collaboration::default()
    };
    test.host.registry.put_collaboration(collaboration).await.unwrap();
    test.changelog("changelog", json!({})).await;
    let role = Role { valid_through: Some("2030-01-01T00:00:00Z".parse().unwrap()), ..Role::default() };
    let anna = Person { roles: vec![role], ..plain_person("anna") };
    test.put(person_key("anna"), Record::Person(Box::new(anna))).await;
    let active = async || test.host.store.membership(CO, "CO:members:active", "anna").await.unwrap();
    assert!(active().await.is_some());
    set(&clock, "2030-01-01T00:00:00.000001Z");
    let expired = async || {
        let found = test.invocations("changelog").await;
        let expired = |it: &&provender::provisioning::Invocation| it.action == Action::Expired;
        found.iter().find(expired).filter(|it| it.finished.is_some()).map(|_| ())
    };
    eventually("anna expires", expired).await;
    assert_eq!(active().await, None);
    let stored = test.host.store.record(CO, &person_key("anna")).await.unwrap().unwrap();
    let Record::Person(stored) = stored.record else { panic!("no person") };
    assert_eq!(stored.status, Status::Expired);
    let service = test.service("changelog", &group_key("CO:members:active")).await.unwrap();
    assert_eq!(service.status, ServiceStatus::Provisioned);
}

#[tokio::test]
async fn a_collaboration_that_is_there_gets_its_automatic_groups_as_an_ordinary_change() {
    let test = TestHost::start().await;
    test.changelog("changelog", json!({})).await;
    test.put(person_key("anna"), person("anna")).await;
    let collaboration = Collaboration {
        id: CO.to_owned(),
        name: "Physics".to_owned(),
        automatic_groups: true,
        ..Collaboration::default()
    };
    test.host.registry.put_collaboration(collaboration).await.unwrap();
    let provisioned = async || {
        let services = test.service("changelog", &group_key("CO:members:all")).await?;
        (services.status == ServiceStatus::Provisioned).then_some(())
    };
    eventually("the group of all members is provisioned", provisioned).await;
    let members = test.host.store.members_of_group(CO, "CO:members:all", None, 10).await.unwrap();
    assert_eq!(members.len(), 1);
    test.assert_healthy().await;
}

#[tokio::test]
async fn several_hosts_do_what_is_due_once() {
    let url = fresh_database().await.unwrap();
    let clock = clock_at("2026-01-01T00:00:00Z");
    let (first, second) = (Store::open(&url).await.unwrap(), Store::open(&url).await.unwrap());
    let registry = Registry::with_clock(first.clone(), clock.clone());
    let other = Registry::with_clock(second.clone(), clock.clone());
    let collaboration = Collaboration {
        id: CO.to_owned(),
        name: "Physics".to_owned(),
        status_recalculation: true,
        ..Collaboration::default()
    };
    registry.put_collaboration(collaboration).await.unwrap();
    let role = Role { valid_through: Some("2030-01-01T00:00:00Z".parse().unwrap()), ..Role::default() };
    let mut input = String::new();
    for number in 0..600 {
        let person = Person { roles: vec![role.clone()], ..plain_person(&format!("p{number}")) };
        input.push_str(&json!({"kind": "person", "record": person}).to_string());
        input.push('\n');
    }
    import(&registry, CO, input.as_bytes(), &ImportOptions::default(), &by_test(), |_| {}).await.unwrap();
    set(&clock, "2031-01-01T00:00:00Z");
    let all = async |registry: &Registry| while registry.pass_time(CO).await.unwrap().more {};
    tokio::join!(all(&registry), all(&other));
    let changes = first.changes(CO, 0, 10_000).await.unwrap();
    let by_schedule: Vec<_> = changes.iter().filter(|change| change.actor == "schedule").collect();
    let people: HashSet<&str> = by_schedule.iter().map(|change| change.subject.id.as_str()).collect();
    assert_eq!((by_schedule.len(), people.len()), (600, 600));
    assert_eq!(first.next_due().await.unwrap(), None);
}

#[tokio::test]
async fn nested_groups_are_kept_on_postgresql() {
    let url = fresh_database().await.unwrap();
    let test = TestHost::start_with(|configuration| configuration.database_url = Some(url)).await;
    test.changelog("changelog", json!({})).await;
    for id in ["a", "b", "c", "out"] {
        test.put(group_key(id), group(id)).await;
    }
    for (group, source, negate) in [("b", "a", false), ("c", "b", false), ("c", "out", true)] {
        test.nest(source, group, negate).await;
    }
    for id in ["anna", "bela"] {
        test.put(person_key(id), person(id)).await;
        test.put_membership(membership("a", id)).await;
    }
    test.put_membership(membership("out", "bela")).await;
    let members = async |group: &str| -> Vec<String> {
        let rows = test.host.store.members_of_group(CO, group, None, 10).await.unwrap();
        rows.into_iter().map(|row| row.person).collect()
    };
    assert_eq!(
        (members("b").await, members("c").await),
        (vec!["anna".into(), "bela".into()], vec!["anna".into()])
    );
    test.delete(&group_key("a")).await;
    assert_eq!((members("b").await, members("c").await), (Vec::<String>::new(), Vec::new()));
    test.assert_healthy().await;
}

//! What comes of brokers that are not there, or do not take what they are sent: and that all arrives when they are back.

use std::time::Duration;

use provender::provisioning::{FailureClass, Invocation, InvocationOutcome};
use provender_tests::brokers::{Found, PASSWORD};
use provender_tests::relay::Conduct;
use provender_tests::waiting::eventually;
use serde_json::{Value, json};

use crate::capability::{message, publish};
use crate::life::Site;
use crate::{Broker, TOPIC};

fn failure(invocation: &Invocation) -> (FailureClass, &str) {
    match &invocation.outcome {
        Some(InvocationOutcome::Failed { class, message, .. }) => (*class, message),
        other => panic!("did not fail: {other:?}"),
    }
}

fn classes(done: &[Invocation]) -> Vec<FailureClass> {
    done.iter().map(|invocation| failure(invocation).0).collect()
}

const BOTH_TRANSIENT: [FailureClass; 2] = [FailureClass::Transient; 2];

/// Has the queue try again until both targets have told of a person.
async fn comes_by_the_queue(site: &mut Site, id: &str) {
    eventually("the queue brings it up to date", async || {
        site.host.host.clock().advance(Duration::from_secs(900));
        site.host.host.jobs.run_due(None, None).await.unwrap();
        site.told().iter().all(|told| told.contains_key(id)).then_some(())
    })
    .await;
}

/// The ids of the CloudEvents of a key.
fn event_ids(messages: &[Found], key: &str) -> Vec<String> {
    let of = messages.iter().filter(|found| found["key"] == key);
    let events = of.filter_map(|found| {
        let body: Value = serde_json::from_str(found["body"].as_str()?).ok()?;
        Some(body["id"].as_str()?.to_owned())
    });
    events.collect()
}

/// Kills a broker, or starts it again.
fn switch(site: &mut Site, on: bool) {
    match (&mut site.broker, on) {
        (Broker::Kafka(kafka), on) => (1..=2).for_each(|node| kafka.up(node, on)),
        (Broker::Nats(nats), true) => nats.resume(),
        (Broker::Nats(nats), false) => nats.kill(),
        (Broker::Mqtt(mosquitto), true) => mosquitto.resume(),
        (Broker::Mqtt(mosquitto), false) => mosquitto.kill(),
        // It is shared by tests, and slow to start: its way is cut.
        (Broker::Amqp { .. }, on) => site.relay.conduct(if on { Conduct::Faithful } else { Conduct::Closed }),
    }
}

async fn is_down_and_comes_back(kind: &str) {
    let mut site = Site::start(kind, json!({"request_timeout_ms": 5_000})).await;
    switch(&mut site, false);
    let done = site.put("anna", |_| {}).await;
    assert_eq!(classes(&done), BOTH_TRANSIENT, "{kind}: down at the start");
    switch(&mut site, true);
    comes_by_the_queue(&mut site, "anna").await;
    // A connection that was open is lost, and another one is made.
    switch(&mut site, false);
    switch(&mut site, true);
    site.put("bert", |_| {}).await;
    comes_by_the_queue(&mut site, "bert").await;
}

#[tokio::test]
async fn kafka_gets_everything_when_it_is_back() {
    is_down_and_comes_back("kafka").await;
}

#[tokio::test]
async fn rabbitmq_gets_everything_when_it_is_back() {
    is_down_and_comes_back("amqp").await;
}

#[tokio::test]
async fn nats_gets_everything_when_it_is_back() {
    is_down_and_comes_back("nats").await;
}

#[tokio::test]
async fn mosquitto_gets_everything_when_it_is_back() {
    is_down_and_comes_back("mqtt").await;
}

#[tokio::test]
async fn a_confirmation_that_was_lost_leads_to_a_repetition_that_is_known_by_its_id() {
    for kind in ["nats", "mqtt", "amqp"] {
        let mut site = Site::start(kind, json!({"request_timeout_ms": 1_000})).await;
        site.put("anna", |_| {}).await;
        for (id, conduct, told) in
            [("cut", Conduct::CutsAnswers, "is lost"), ("slow", Conduct::Silent, "1000 ms")]
        {
            site.relay.conduct(conduct);
            let done = site.put(id, |_| {}).await;
            assert_eq!(classes(&done), BOTH_TRANSIENT, "{kind} {id}");
            assert!(done.iter().any(|done| failure(done).1.contains(told)), "{kind} {id}: {done:?}");
            site.relay.conduct(Conduct::Faithful);
            comes_by_the_queue(&mut site, id).await;
            let ids = event_ids(&site.broker.messages(), id);
            assert!(ids.iter().all(|known| *known == ids[0]), "{kind} {id}: {ids:?}");
        }
        for id in ["cut", "slow"] {
            let came = site.broker.messages().iter().filter(|found| found["key"] == id).count();
            assert!(came > 2, "{kind} {id}: one of the two targets told it twice: {came}");
        }
    }
}

#[tokio::test]
async fn a_refusal_has_the_class_of_what_helps() {
    let mut site = Site::start("nats", json!({})).await;
    site.server(
        json!({"authentication": {"kind": "password", "username": "provender", "password": "not-it-at-all"}}),
    )
    .await;
    let done = site.put("anna", |_| {}).await;
    assert_eq!(classes(&done), [FailureClass::Authentication; 2]);
    assert!(done.iter().all(|done| !failure(done).1.contains("not-it-at-all")), "{done:?}");
    site.server(json!({"max_message_bytes": 10})).await;
    assert_eq!(classes(&site.put("bert", |_| {}).await), [FailureClass::InvalidData; 2]);
    let target = |topic: &str| {
        json!({
            "plugin": "api", "slots": {"broker": "broker"},
            "configuration": {"identifier_type": "uid", "topic": topic},
        })
    };
    site.server(json!({"topics": ["nowhere", "people.denied"]})).await;
    for (id, topic, class) in [
        ("cora", "nowhere", FailureClass::Configuration),
        ("dora", "people.denied", FailureClass::Authentication),
        ("emma", "people", FailureClass::Configuration),
    ] {
        site.host.target("t", target(topic)).await;
        let done = site.put(id, |_| {}).await;
        let of_t = done.iter().find(|done| done.target == "t").expect("an invocation");
        assert_eq!(failure(of_t).0, class, "{topic}: {}", failure(of_t).1);
    }
    assert_eq!(site.broker.messages(), Vec::<Found>::new());

    // A queue that is full passes by itself.
    let Broker::Amqp { broker, name } = Broker::start("amqp") else { panic!("a broker") };
    let small = format!("{name}-small");
    broker.exchange(&small);
    broker.queue(&small, &small, "#", json!({"x-max-length": 1, "x-overflow": "reject-publish"}));
    let server = json!({
        "kind": "messaging", "broker": {"kind": "amqp", "exchange": small}, "topics": [TOPIC],
        "addresses": [broker.address().to_string()], "allow_private_addresses": true,
        "authentication": {"kind": "password", "username": "provender", "password": PASSWORD},
    });
    site.host.server("broker", server).await;
    site.host.target("t", target(TOPIC)).await;
    site.host.host.administration.delete_target(provender_tests::host::CO, "e").await.unwrap();
    site.put("frieda", |_| {}).await;
    let full = site.put("greta", |_| {}).await;
    assert_eq!(classes(&full), [FailureClass::Transient], "{full:?}");
    assert_eq!(broker.messages(&small).len(), 1);
}

#[tokio::test]
async fn kafka_is_followed_to_another_leader_and_asked_again_after_what_passes() {
    let mut broker = Broker::start("kafka");
    let server = broker.server(broker.address(), &json!({"request_timeout_ms": 3_000}));
    let send = async |number: usize| publish(&server, message(TOPIC, "key", &number.to_string())).await;
    send(0).await.unwrap();
    for node in [1, 2, 1] {
        let Broker::Kafka(kafka) = &mut broker else { panic!("Kafka") };
        (0..3).for_each(|partition| kafka.leader(TOPIC, partition, node));
        send(node).await.unwrap();
    }
    // Not the leader, too few replicas, the leader is not available: nothing was kept.
    let Broker::Kafka(kafka) = &mut broker else { panic!("Kafka") };
    kafka.fail_productions(&[6, 19, 5]);
    send(3).await.unwrap();
    // The connection ends in place of an answer: the call cannot know, so it fails; and the next one comes through.
    let Broker::Kafka(kafka) = &mut broker else { panic!("Kafka") };
    kafka.fail_productions(&[-195]);
    let lost = send(4).await;
    assert!(
        matches!(&lost, Err(provender::capabilities::contract::messaging::Error::ConnectionLost(_))),
        "{lost:?}"
    );
    send(5).await.unwrap();
    let Broker::Kafka(kafka) = &mut broker else { panic!("Kafka") };
    (1..=2).for_each(|node| kafka.slow(node, 10_000));
    let slow = send(6).await;
    assert!(
        matches!(&slow, Err(provender::capabilities::contract::messaging::Error::Timeout(text)) if text.contains("3000 ms")),
        "{slow:?}"
    );
    let Broker::Kafka(kafka) = &mut broker else { panic!("Kafka") };
    (1..=2).for_each(|node| kafka.slow(node, 0));
    eventually("the cluster takes messages again", async || send(7).await.ok()).await;
    let bodies: Vec<String> =
        broker.messages().iter().map(|found| found["body"].as_str().unwrap().to_owned()).collect();
    let mut firsts = bodies.clone();
    firsts.dedup();
    assert!(bodies.starts_with(&["0", "1", "2", "1", "3"].map(str::to_owned)), "{bodies:?}");
    assert_eq!(bodies.last().map(String::as_str), Some("7"), "{bodies:?}");
    assert_eq!(firsts, bodies, "nothing came twice in a row");
}

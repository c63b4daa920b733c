//! The capability without wasm: what the host does for a guest, against real brokers.

use std::sync::Arc;

use provender::capabilities::contract::messaging::{Error, Header, Host, HostPublisher, Message};
use provender::capabilities::messaging::{Publisher, Slot};
use provender::capabilities::{CallState, Grants, Surroundings};
use provender::sandbox::{GuestState, Limits, Mode};
use provender::servers::messaging::MessagingServer;
use provender_tests::brokers::{DENIED, DENIED_EXCHANGE, Entry, Kafka, Mosquitto, Nats, PASSWORD, RabbitMq};
use provender_tests::relay::Relay;
use serde_json::{Value, json};
use wasmtime::component::Resource;

use crate::{Broker, KINDS, TOPIC, server};

/// A call that reaches a broker by the slot `broker`.
pub(crate) struct Call {
    state: CallState,
    publisher: u32,
}

impl Call {
    pub(crate) async fn of(server: &Arc<MessagingServer>, mode: Mode) -> Self {
        let slot =
            Slot { name: "broker".to_owned(), server: Some(Arc::clone(server)), operations: Vec::new() };
        let mut grants = Grants::default();
        grants.slots.messaging.0.push(Arc::new(slot));
        let time = "2026-03-01T08:30:00Z".parse().unwrap();
        let mut state =
            CallState::new(Surroundings { limits: Limits::default(), seed: [0; 32], time, mode }, grants);
        let opened = state.open("broker".to_owned()).await.unwrap().unwrap();
        Self { publisher: opened.rep(), state }
    }

    fn publisher(&self) -> Resource<Publisher> {
        Resource::new_borrow(self.publisher)
    }

    pub(crate) async fn publish(&mut self, messages: Vec<Message>) -> Result<(), Error> {
        self.state.publish(self.publisher(), messages).await.unwrap()
    }

    fn effects(&mut self) -> Vec<provender::sandbox::Entry> {
        self.state.guest().gate.take_transcript().effects
    }
}

pub(crate) fn message(topic: &str, key: &str, body: &str) -> Message {
    Message {
        topic: topic.to_owned(),
        key: Some(key.to_owned()),
        content_type: Some("text/plain".to_owned()),
        headers: vec![Header { name: "x".to_owned(), value: "café".as_bytes().to_vec() }],
        body: body.as_bytes().to_vec(),
    }
}

pub(crate) async fn publish(server: &Arc<MessagingServer>, message: Message) -> Result<(), Error> {
    Call::of(server, Mode::Live).await.publish(vec![message]).await
}

/// What is said of all brokers.
async fn takes_messages_and_keeps_their_order(kind: &str) {
    let mut broker = Broker::start(kind);
    let relay = Relay::to("messaging", broker.address()).await;
    let server = broker.server(relay.address(), &json!({}));
    let mut call = Call::of(&server, Mode::Live).await;
    let bare = Message {
        topic: TOPIC.to_owned(),
        key: None,
        content_type: None,
        headers: Vec::new(),
        body: b"\xff\x00 binary".to_vec(),
    };
    if kind == "mqtt" {
        call.publish(vec![message(TOPIC, "k", "")]).await.unwrap();
    } else {
        call.publish(vec![message(TOPIC, "k", ""), bare.clone()]).await.unwrap();
    }
    let large = "x".repeat(300_000);
    call.publish(vec![message(TOPIC, "large", &large)]).await.unwrap();
    let effects = call.effects();
    let operations: Vec<&str> = effects.iter().map(|entry| &*entry.operation).collect();
    assert_eq!(operations, ["publish", "publish"], "{kind}");
    let request = effects[0].request.value();
    assert_eq!(
        request["messages"][0],
        json!({"topic": TOPIC, "key": "k", "content_type": "text/plain", "headers": [["x", "café"]], "body": ""})
    );

    // Many calls at once share a connection, and each key keeps its order.
    const CALLS: usize = 8;
    const MESSAGES: usize = 40;
    let calls = (0..CALLS).map(|key| {
        let server = Arc::clone(&server);
        async move {
            for number in 0..MESSAGES {
                let mut call = Call::of(&server, Mode::Live).await;
                let key = format!("key-{key}");
                let pair = [2 * number, 2 * number + 1].map(|body| message(TOPIC, &key, &body.to_string()));
                call.publish(pair.into()).await.unwrap();
            }
        }
    });
    futures::future::join_all(calls).await;
    let found = broker.messages();
    let of = |key: &str| found.iter().filter(|message| message["key"] == key).collect::<Vec<_>>();
    for key in (0..CALLS).map(|key| format!("key-{key}")) {
        let bodies: Vec<String> =
            of(&key).iter().map(|found| found["body"].as_str().unwrap().to_owned()).collect();
        let expected: Vec<String> = (0..2 * MESSAGES).map(|number| number.to_string()).collect();
        assert_eq!(bodies, expected, "{kind} {key}");
    }
    let [first] = &of("k")[..] else { panic!("{kind}: one message") };
    let told = |name: &str| first[name].clone();
    assert_eq!(
        [told("topic"), told("content_type"), told("headers"), told("body")],
        [json!(TOPIC), json!("text/plain"), json!([["x", "café"]]), json!("")],
        "{kind}"
    );
    assert_eq!(of("large")[0]["body"], json!(large));
    let bare_ones: Vec<&Value> = found.iter().filter(|message| message["key"].is_null()).collect();
    assert_eq!(bare_ones.len(), usize::from(kind != "mqtt"));
    for found in bare_ones {
        assert_eq!(
            (&found["body"], &found["headers"]),
            (&json!({"base64": "/wAgYmluYXJ5"}), &json!([])),
            "{kind}"
        );
    }
    if kind != "kafka" {
        assert_eq!(relay.most_open(), 1, "{kind}");
    }

    // A preview publishes nothing.
    let before = broker.messages().len();
    let mut call = Call::of(&server, Mode::Preview).await;
    call.publish(vec![message(TOPIC, "k", "foreseen")]).await.unwrap();
    assert!(call.effects().iter().all(|entry| entry.foreseen));
    assert_eq!(broker.messages().len(), before, "{kind}");
    let lines = server.check().await.unwrap();
    assert!(lines[0].contains("is connected"), "{lines:?}");
}

#[tokio::test]
async fn kafka_takes_messages_and_keeps_the_order_of_each_key() {
    takes_messages_and_keeps_their_order("kafka").await;
}

#[tokio::test]
async fn rabbitmq_takes_messages_and_keeps_their_order() {
    takes_messages_and_keeps_their_order("amqp").await;
}

#[tokio::test]
async fn nats_takes_messages_and_keeps_their_order() {
    takes_messages_and_keeps_their_order("nats").await;
}

#[tokio::test]
async fn mosquitto_takes_messages_and_keeps_their_order() {
    takes_messages_and_keeps_their_order("mqtt").await;
}

#[tokio::test]
async fn what_is_not_granted_or_cannot_be_sent_is_not_sent() {
    for kind in KINDS {
        let mut broker = Broker::start(kind);
        let server = broker.server(broker.address(), &json!({"max_message_bytes": 100}));
        let mut call = Call::of(&server, Mode::Live).await;
        let publisher = call.publisher();
        let elsewhere = vec![message(TOPIC, "k", "granted"), message("elsewhere", "k", "not granted")];
        let refused = call.state.publish(publisher, elsewhere).await.unwrap_err().to_string();
        assert!(
            refused.contains("`elsewhere` is not among the topics: people, people.*"),
            "{kind}: {refused}"
        );
        let large = publish(&server, message(TOPIC, "k", &"x".repeat(101))).await;
        assert!(
            matches!(&large, Err(Error::TooLarge(text)) if text.contains("at most 100")),
            "{kind}: {large:?}"
        );
        let mut many = message(TOPIC, "k", "");
        many.headers = vec![many.headers[0].clone(); 65];
        assert!(matches!(publish(&server, many).await, Err(Error::TooLarge(_))), "{kind}");
        let topic = match kind {
            "kafka" => "people.ä",
            "amqp" => &format!("people.{}", "x".repeat(255)),
            "nats" => "people.*",
            _ => "people.#",
        };
        let invalid = publish(&server, message(topic, "k", "")).await;
        assert!(matches!(&invalid, Err(Error::InvalidArgument(_))), "{kind}: {invalid:?}");
        assert_eq!(broker.messages(), Vec::<Value>::new(), "{kind}");
    }
}

#[tokio::test]
async fn connections_are_secured_and_authenticated_as_configured() {
    let (nats, mosquitto, rabbitmq) =
        (Nats::start_for(Entry::PasswordByTls), Mosquitto::start(), RabbitMq::shared());
    let secured = [
        ("nats", nats.address(), &nats.certificates),
        ("mqtt", mosquitto.tls_address(), &mosquitto.certificates),
        ("amqp", rabbitmq.tls_address(), &rabbitmq.certificates),
    ];
    for (number, (kind, address, certificates)) in secured.into_iter().enumerate() {
        let stranger = secured[(number + 1) % secured.len()].2;
        let configuration = |ca: &str, private: bool| {
            json!({
                "broker": {"kind": kind}, "addresses": [address.to_string()], "topics": ["t"], "tls": true,
                "allow_private_addresses": private, "ca_certificates": ca,
                "authentication": {"kind": "password", "username": "provender"},
            })
        };
        let lines = server(configuration(&certificates.ca, true), PASSWORD).check().await.unwrap();
        assert!(lines[0].contains("as provender"), "{lines:?}");
        for (configuration, password, part) in [
            (configuration(&stranger.ca, true), PASSWORD, "ca_certificates"),
            (configuration(&certificates.ca, false), PASSWORD, "loopback"),
            (configuration(&certificates.ca, true), "wrong-and-long", "refuses the credential"),
        ] {
            let error = server(configuration, password).check().await.unwrap_err();
            assert!(error.contains(part) && !error.contains(password), "{kind}: {error}");
        }
    }
}

#[tokio::test]
async fn a_refusal_of_a_broker_has_its_name() {
    let mut nats = Nats::start();
    nats.stream("SMALL", &["small"], json!({"max_msgs": 1, "discard": "new"}));
    let mosquitto = Mosquitto::start();
    let rabbitmq = RabbitMq::shared();
    rabbitmq.exchange("full");
    rabbitmq.queue("full", "full", "small", json!({"x-max-length": 1, "x-overflow": "reject-publish"}));
    rabbitmq.exchange(DENIED_EXCHANGE);
    let mut kafka = Kafka::start(1);
    kafka.topic("small", 1);
    let of = |broker: Value, address: std::net::SocketAddr| {
        let mut configuration = json!({
            "broker": broker, "addresses": [address.to_string()], "topics": ["*"], "allow_private_addresses": true,
        });
        if broker["kind"] != "kafka" {
            configuration["authentication"] = json!({"kind": "password", "username": "provender"});
        }
        server(configuration, PASSWORD)
    };
    let nats = of(json!({"kind": "nats"}), nats.address());
    let full = of(json!({"kind": "amqp", "exchange": "full"}), rabbitmq.address());
    let denied = of(json!({"kind": "amqp", "exchange": DENIED_EXCHANGE}), rabbitmq.address());
    let missing = of(json!({"kind": "amqp", "exchange": "missing"}), rabbitmq.address());
    let kafka_server = of(json!({"kind": "kafka"}), kafka.addresses()[0]);
    let mosquitto = of(json!({"kind": "mqtt"}), mosquitto.address());

    for server in [&nats, &full] {
        publish(server, message("small", "k", "1")).await.unwrap();
        let rejected = publish(server, message("small", "k", "2")).await;
        assert!(matches!(&rejected, Err(Error::Rejected(_))), "{rejected:?}");
    }
    for server in [&nats, &full, &missing, &kafka_server] {
        let nowhere = publish(server, message("nowhere", "k", "1")).await;
        assert!(matches!(&nowhere, Err(Error::NoSuchTopic(_))), "{server}: {nowhere:?}");
    }
    for (server, topic) in [(&nats, DENIED), (&denied, "any"), (&mosquitto, DENIED)] {
        let denied = publish(server, message(topic, "k", "1")).await;
        assert!(matches!(&denied, Err(Error::Denied(_))), "{server}: {denied:?}");
    }
    kafka.fail_productions(&[10]);
    let large = publish(&kafka_server, message("small", "k", "1")).await;
    assert!(matches!(&large, Err(Error::TooLarge(_))), "{large:?}");
    // None of it disturbs what comes after.
    publish(&kafka_server, message("small", "k", "1")).await.unwrap();
    publish(&mosquitto, message("small", "k", "1")).await.unwrap();
}

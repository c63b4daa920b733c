//! The brokers, each with a place for the messages.

use std::net::SocketAddr;
use std::time::Duration;

use provender_tests::brokers::{Kafka, Mosquitto, Nats, RabbitMq, USER};
use provender_tests::relay::{Conduct, Relay};
use serde_json::{Value, json};

pub const TOPIC: &str = "people";
/// Of RabbitMQ.
pub const EXCHANGE: &str = "bench";
/// What is kept, where a limit can be set.
const MAX_KEPT: usize = 10_000;

/// A broker that ends when it is dropped.
pub struct Broker {
    pub kind: String,
    pub address: SocketAddr,
    /// Connections of what reads from it.
    pub readers: usize,
    _process: Process,
}

#[expect(dead_code, reason = "held until the end")]
enum Process {
    Nats(Box<Nats>),
    Kafka(Box<Kafka>),
    Amqp(&'static RabbitMq),
    Mqtt(Box<Mosquitto>),
}

impl Broker {
    pub fn start(kind: &str) -> Self {
        let (address, process) = match kind {
            "nats" => {
                let mut nats = Nats::start();
                nats.stream("ALL", &[TOPIC], json!({"max_msgs": MAX_KEPT}));
                (nats.address(), Process::Nats(Box::new(nats)))
            }
            "kafka" => {
                let mut kafka = Kafka::start(1);
                kafka.topic(TOPIC, 1);
                (kafka.addresses()[0], Process::Kafka(Box::new(kafka)))
            }
            "amqp" => {
                let rabbitmq = RabbitMq::shared();
                rabbitmq.exchange(EXCHANGE);
                rabbitmq.queue("bench", EXCHANGE, "#", json!({"x-max-length": MAX_KEPT}));
                (rabbitmq.address(), Process::Amqp(rabbitmq))
            }
            "mqtt" => {
                let mosquitto = Mosquitto::start();
                (mosquitto.address(), Process::Mqtt(Box::new(mosquitto)))
            }
            other => panic!("{other} is none of nats, kafka, amqp and mqtt"),
        };
        let readers = crate::connections_to(address.port());
        Self { kind: kind.to_owned(), address, readers, _process: process }
    }

    /// From now on it is reached by a relay, which takes one to two milliseconds each way.
    pub async fn put_away(&mut self) -> Relay {
        assert_ne!(self.kind, "kafka", "a cluster tells its clients its own addresses");
        let relay = Relay::to("messaging", self.address).await;
        relay.conduct(Conduct::Distant(Duration::from_millis(1)));
        (self.address, self.readers) = (relay.address(), 0);
        relay
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What a server of the host is configured with; without the password.
    pub fn configuration(&self) -> Value {
        let broker = match self.kind.as_str() {
            "amqp" => json!({"kind": "amqp", "exchange": EXCHANGE}),
            kind => json!({"kind": kind}),
        };
        let mut configuration = json!({
            "broker": broker, "addresses": [self.address.to_string()], "topics": [TOPIC],
            "allow_private_addresses": true,
        });
        if self.kind != "kafka" {
            configuration["authentication"] = json!({"kind": "password", "username": USER});
        }
        configuration
    }
}

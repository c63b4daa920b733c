//! The capability `messaging`, and the plugin `api` by it, against brokers of each kind. What arrived is read back by clients
//! that are not ours.

mod authentication;
mod capability;
mod certificates;
mod faults;
mod life;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use provender::servers::configuration::messaging::MessagingConfiguration;
use provender::servers::connector::SystemResolver;
use provender::servers::messaging::MessagingServer;
use provender_tests::brokers::{Found, Kafka, Mosquitto, Nats, PASSWORD, RabbitMq, USER};
use secrecy::SecretString;
use serde_json::{Value, json};

/// Where plugins publish to.
const TOPIC: &str = "people";

/// A broker that takes messages to [`TOPIC`] and keeps them.
enum Broker {
    Kafka(Kafka),
    Amqp { broker: &'static RabbitMq, name: String },
    Nats(Nats),
    Mqtt(Mosquitto),
}

const KINDS: [&str; 4] = ["kafka", "amqp", "nats", "mqtt"];

impl Broker {
    fn start(kind: &str) -> Self {
        match kind {
            "kafka" => {
                let mut kafka = Kafka::start(2);
                kafka.topic(TOPIC, 3);
                Self::Kafka(kafka)
            }
            "amqp" => {
                static NUMBER: AtomicUsize = AtomicUsize::new(0);
                let name = format!("people-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
                let broker = RabbitMq::shared();
                broker.exchange(&name);
                broker.queue(&name, &name, "#", json!({}));
                Self::Amqp { broker, name }
            }
            "nats" => {
                let mut nats = Nats::start();
                nats.stream("ALL", &[TOPIC, "people.>"], json!({}));
                Self::Nats(nats)
            }
            _ => Self::Mqtt(Mosquitto::start()),
        }
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::Kafka(kafka) => kafka.addresses()[0],
            Self::Amqp { broker, .. } => broker.address(),
            Self::Nats(nats) => nats.address(),
            Self::Mqtt(mosquitto) => mosquitto.address(),
        }
    }

    /// A server as an operator would configure it, with other fields in place of these.
    fn configuration(&self, address: SocketAddr, other: &Value) -> Value {
        let (broker, knows_users) = match self {
            Self::Kafka(_) => (json!({"kind": "kafka"}), false),
            Self::Amqp { name, .. } => (json!({"kind": "amqp", "exchange": name}), true),
            Self::Nats(_) => (json!({"kind": "nats"}), true),
            Self::Mqtt(_) => (json!({"kind": "mqtt"}), true),
        };
        let mut configuration = json!({
            "broker": broker,
            "addresses": [address.to_string()],
            "topics": [TOPIC, "people.*"],
            "allow_private_addresses": true,
            "request_timeout_ms": 20_000,
        });
        if knows_users {
            configuration["authentication"] = json!({"kind": "password", "username": USER});
        }
        if let (Some(fields), Some(other)) = (configuration.as_object_mut(), other.as_object()) {
            fields.extend(other.clone());
        }
        configuration
    }

    /// The same, alive, with its password.
    fn server(&self, address: SocketAddr, other: &Value) -> Arc<MessagingServer> {
        server(self.configuration(address, other), PASSWORD)
    }

    /// All that arrived: in its order, for Kafka in each partition.
    fn messages(&mut self) -> Vec<Found> {
        match self {
            Self::Kafka(kafka) => kafka.messages(TOPIC),
            Self::Amqp { broker, name } => broker.messages(name),
            Self::Nats(nats) => nats.messages("ALL"),
            Self::Mqtt(mosquitto) => mosquitto.messages(),
        }
    }
}

fn server(configuration: Value, password: &str) -> Arc<MessagingServer> {
    let configuration: MessagingConfiguration = serde_json::from_value(configuration).unwrap();
    let secrets = [("password".to_owned(), SecretString::from(password))].into();
    Arc::new(MessagingServer::new(&configuration, &secrets, Arc::new(SystemResolver)).unwrap())
}

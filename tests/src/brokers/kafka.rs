//! The mock cluster of librdkafka: it speaks the protocol on ports of its own, and fails as a test wants it to. And a front
//! of it that lets in only whom it knows, which is proved by librdkafka's own client: it reads through the front.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Found, PASSWORD, Process, Reader, USER};
use crate::certificates::{Certificates, certificates};
use crate::python;

const FRONT: &str = include_str!("front.py");

/// A cluster of brokers.
pub struct Kafka {
    reader: Reader,
    addresses: Vec<SocketAddr>,
}

impl Kafka {
    /// Starts one with so many nodes.
    pub fn start(nodes: usize) -> Self {
        let mut reader =
            Reader::start(&["kafka", &nodes.to_string()]).expect("the mock cluster of librdkafka");
        let addresses = reader.tell(json!({"do": "addresses"}));
        let addresses = addresses.as_array().expect("addresses").iter();
        let addresses =
            addresses.map(|address| address.as_str().expect("a text").parse().expect("an address"));
        Self { addresses: addresses.collect(), reader }
    }

    /// Where its nodes are.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Makes a topic.
    pub fn topic(&mut self, name: &str, partitions: usize) {
        self.reader.tell(json!({"do": "topic", "name": name, "partitions": partitions}));
    }

    /// Has another node lead a partition. Nodes count from 1.
    pub fn leader(&mut self, topic: &str, partition: usize, node: usize) {
        self.reader.tell(json!({"do": "leader", "topic": topic, "partition": partition, "broker": node}));
    }

    /// Answers the next productions with these codes; -195 ends the connection in place of an answer.
    pub fn fail_productions(&mut self, codes: &[i32]) {
        self.reader.tell(json!({"do": "errors", "api": 0, "codes": codes}));
    }

    /// Takes a node away, or brings it back.
    pub fn up(&mut self, node: usize, up: bool) {
        self.reader.tell(json!({"do": if up { "up" } else { "down" }, "broker": node}));
    }

    /// Has a node answer so much later.
    pub fn slow(&mut self, node: usize, milliseconds: u64) {
        self.reader.tell(json!({"do": "slow", "broker": node, "milliseconds": milliseconds}));
    }

    /// All that a topic holds, by partition and offset.
    pub fn messages(&mut self, topic: &str) -> Vec<Found> {
        self.messages_by(topic, json!({}))
    }

    /// The same, read by a client that has these settings of librdkafka.
    fn messages_by(&mut self, topic: &str, settings: Value) -> Vec<Found> {
        let mut found = self.reader.messages(json!({"do": "read", "topic": topic, "settings": settings}));
        let place = |found: &Value| (found["partition"].as_u64(), found["offset"].as_u64());
        found.sort_by_key(place);
        found
    }
}

/// What a listener of the front wants.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// Which certificate it has, for TLS: `cert`, `expired`.
    pub certificate: Option<&'static str>,
    /// Whether it lets in only who shows a certificate of its authority.
    pub client_certificate: bool,
    /// By which mechanisms of SASL it lets in the user of the tests; without any, everybody.
    pub mechanisms: &'static [&'static str],
}

/// A cluster of one node behind a front.
pub struct GuardedKafka {
    kafka: Kafka,
    addresses: Vec<SocketAddr>,
    folder: TempDir,
    _front: Process,
    pub certificates: Certificates,
}

impl GuardedKafka {
    /// Starts both.
    pub fn start(listeners: &[Listener]) -> Self {
        let kafka = Kafka::start(1);
        let folder = tempfile::Builder::new().prefix("provender-kafka-").tempdir().expect("a folder");
        let certificates = certificates(folder.path()).expect("certificates");
        let listeners = listeners.iter().map(|listener| {
            json!({
                "certificate": listener.certificate,
                "client_certificate": listener.client_certificate,
                "mechanisms": listener.mechanisms,
            })
        });
        let settings = json!({
            "node": kafka.addresses()[0], "folder": folder.path(), "known": {USER: PASSWORD},
            "listeners": listeners.collect::<Vec<_>>(),
        });
        let mut command = Command::new(python::program("broker", "python3").expect("Python"));
        command.args(["-c", FRONT, &settings.to_string()]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut front = Process::start(&mut command, &[]).expect("a front");
        let mut ports = String::new();
        let output = front.child.stdout.take().expect("an output");
        BufReader::new(output).read_line(&mut ports).expect("a front that runs");
        let ports: Vec<u16> = serde_json::from_str(&ports).expect("the ports of the front");
        let addresses = ports.into_iter().map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect();
        Self { kafka, addresses, folder, _front: front, certificates }
    }

    /// The cluster itself.
    pub fn kafka(&mut self) -> &mut Kafka {
        &mut self.kafka
    }

    /// Where a listener is, which the cluster names from now on to whoever asks where it is.
    pub fn listener(&mut self, number: usize) -> SocketAddr {
        let address = self.addresses[number];
        let (host, port) = (address.ip().to_string(), address.port());
        self.kafka.reader.tell(json!({"do": "advertise", "broker": 1, "host": host, "port": port}));
        address
    }

    /// All that a topic holds, read through a listener as whom it lets in.
    pub fn messages(&mut self, topic: &str, listener: usize, mechanism: Option<&str>) -> Vec<Found> {
        let address = self.listener(listener);
        let path = self.folder.path();
        let mut settings = json!({
            "bootstrap.servers": address.to_string(),
            "security.protocol": if mechanism.is_some() { "sasl_ssl" } else { "ssl" },
            "ssl.ca.location": path.join("ca.pem"),
            "ssl.certificate.location": path.join("client.pem"),
            "ssl.key.location": path.join("client-key.pem"),
        });
        if let Some(mechanism) = mechanism {
            settings["sasl.mechanism"] = mechanism.into();
            settings["sasl.username"] = USER.into();
            settings["sasl.password"] = PASSWORD.into();
        }
        self.kafka.messages_by(topic, settings)
    }
}

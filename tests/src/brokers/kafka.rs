//! The mock cluster of librdkafka: it speaks the protocol on ports of its own, and fails as a test wants it to.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{Found, Reader};

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
        let mut found = self.reader.messages(json!({"do": "read", "topic": topic}));
        let place = |found: &Value| (found["partition"].as_u64(), found["offset"].as_u64());
        found.sort_by_key(place);
        found
    }
}

//! Messages per second to a broker, each confirmed, with the same number under way: by the plain client of the broker, by
//! the host's server, and by calls of the plugin `api`. They take turns in one process, so that whatever disturbs the machine
//! disturbs all of them.
//!
//! In this folder: `cargo run --release -- [nats|kafka|amqp] [MESSAGES]`.

mod ours;
mod plain;

use std::sync::Arc;
use std::time::Instant;

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use provender_tests::bench::measure::print_table;
use provender_tests::brokers::{Kafka, Nats, RabbitMq};
use serde_json::json;

/// Publishes a message with this number, and waits until it is confirmed.
type Publish = Arc<dyn Fn(usize) -> BoxFuture<'static, ()> + Send + Sync>;

const TOPIC: &str = "people";
const UNDER_WAY: usize = 64;
const ROUNDS: usize = 9;
const KEYS: usize = 500;

/// About as large as a person.
fn body() -> Vec<u8> {
    vec![b'x'; 2_600]
}

fn key(number: usize) -> String {
    format!("person-{}", number % KEYS)
}

fn main() {
    let kind = std::env::args().nth(1).unwrap_or_else(|| "nats".to_owned());
    let messages = std::env::args().nth(2).map_or(5_000, |count| count.parse().expect("a number"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async move { tokio::spawn(compare(kind, messages)).await.expect("a table") });
}

async fn compare(kind: String, messages: usize) {
    // Brokers end when they are dropped.
    let (_nats, _kafka, address, broker) = match kind.as_str() {
        "nats" => {
            let mut nats = Nats::start();
            nats.stream("ALL", &[TOPIC], json!({"max_msgs": 10_000}));
            let address = nats.address();
            (Some(nats), None, address, json!({"kind": "nats"}))
        }
        "kafka" => {
            let mut kafka = Kafka::start(1);
            kafka.topic(TOPIC, 1);
            let address = kafka.addresses()[0];
            (None, Some(kafka), address, json!({"kind": "kafka"}))
        }
        "amqp" => {
            let rabbitmq = RabbitMq::shared();
            rabbitmq.exchange("bench");
            rabbitmq.queue("bench", "bench", "#", json!({"x-max-length": 10_000}));
            (None, None, rabbitmq.address(), json!({"kind": "amqp", "exchange": "bench"}))
        }
        other => panic!("{other} is none of nats, kafka and amqp"),
    };
    let server = ours::server(address, &broker);
    let contenders: [(&str, Publish); 3] = [
        ("the plain client", plain::client(&kind, address).await),
        ("the host's server", ours::by_server(&server)),
        ("calls of the plugin", ours::by_plugin(&server).await),
    ];
    let mut rates = contenders.each_ref().map(|_| Vec::new());
    for round in 0..=ROUNDS {
        for ((_, publish), rates) in contenders.iter().zip(&mut rates) {
            let began = Instant::now();
            stream::iter(0..messages).for_each_concurrent(UNDER_WAY, |number| publish(number)).await;
            // The first round warms up.
            if round > 0 {
                rates.push(messages as f64 / began.elapsed().as_secs_f64());
            }
        }
    }
    let medians = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    let rows: Vec<[String; 3]> = contenders
        .iter()
        .zip(medians)
        .map(|((name, _), median)| {
            [(*name).to_owned(), format!("{median:.0}"), format!("{:.2}", median / medians[0])]
        })
        .collect();
    print_table(["messages", "per second", "of the plain client"], &rows);
}

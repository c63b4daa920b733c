//! The plain clients: async-nats, rskafka, lapin, rumqttc.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use provender_tests::bench::measure::for_all;
use provender_tests::brokers::{PASSWORD, USER};
use rskafka::client::ClientBuilder;
use rskafka::client::partition::UnknownTopicHandling;
use rskafka::client::producer::aggregator::RecordAggregator;
use rskafka::client::producer::{BatchProducer, BatchProducerBuilder};
use rskafka::record::Record;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use tokio::sync::Mutex;

use crate::brokers::{Broker, EXCHANGE, TOPIC};

/// A client that is connected.
pub enum Client {
    Nats(jetstream::Context),
    Kafka(BatchProducer<RecordAggregator>),
    Amqp { channel: Channel, _connection: Connection },
    Mqtt(AsyncClient, Box<Mutex<EventLoop>>),
}

impl Client {
    pub async fn start(broker: &Broker, at_once: usize) -> Self {
        match broker.kind.as_str() {
            "nats" => nats(broker.address).await,
            "kafka" => kafka(broker.address).await,
            "amqp" => amqp(broker.address).await,
            _ => mqtt(broker.address, at_once).await,
        }
    }

    /// Publishes as many messages with this body, and waits until all are confirmed.
    pub async fn publish_all(self: &Arc<Self>, messages: usize, at_once: usize, body: &str) {
        if let Self::Mqtt(client, events) = &**self {
            let publishing = async {
                for _ in 0..messages {
                    let sent = client.publish(TOPIC, QoS::AtLeastOnce, false, body.to_owned()).await;
                    sent.expect("a message that is sent");
                }
            };
            let mut events = events.lock().await;
            tokio::join!(publishing, confirmed(&mut events, messages));
            return;
        }
        let (client, body) = (Arc::clone(self), Arc::<str>::from(body));
        for_all(messages, at_once, move |number| {
            let (client, body) = (Arc::clone(&client), Arc::clone(&body));
            async move { client.publish(number, &body).await }
        })
        .await;
    }

    async fn publish(&self, number: usize, body: &str) {
        let key = format!("p{number}");
        match self {
            Self::Nats(jetstream) => {
                let mut headers = async_nats::HeaderMap::new();
                headers.insert("key", key.as_str());
                let sent = jetstream.publish_with_headers(TOPIC, headers, body.to_owned().into()).await;
                sent.expect("a message that is sent").await.expect("a confirmation");
            }
            Self::Kafka(producer) => {
                let record = Record {
                    key: Some(key.into_bytes()),
                    value: Some(body.as_bytes().to_vec()),
                    headers: Default::default(),
                    timestamp: chrono::DateTime::UNIX_EPOCH,
                };
                producer.produce(record).await.expect("a confirmation");
            }
            Self::Amqp { channel, .. } => {
                let properties = BasicProperties::default().with_delivery_mode(2);
                let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
                let (exchange, topic) = (EXCHANGE.into(), TOPIC.into());
                let sent = channel.basic_publish(exchange, topic, options, body.as_bytes(), properties).await;
                let confirmation = sent.expect("a message that is sent").await.expect("a confirmation");
                assert!(confirmation.is_ack());
            }
            // All at once, above.
            Self::Mqtt(..) => {}
        }
    }
}

async fn nats(address: SocketAddr) -> Client {
    let options = async_nats::ConnectOptions::with_user_and_password(USER.to_owned(), PASSWORD.to_owned());
    Client::Nats(jetstream::new(options.connect(address.to_string()).await.expect("a client")))
}

async fn kafka(address: SocketAddr) -> Client {
    let client = ClientBuilder::new(vec![address.to_string()]).build().await.expect("a client");
    let partition =
        client.partition_client(TOPIC, 0, UnknownTopicHandling::Error).await.expect("a partition");
    let producer = BatchProducerBuilder::new(Arc::new(partition)).with_linger(Duration::from_millis(1));
    Client::Kafka(producer.build(RecordAggregator::new(512 << 10)))
}

async fn amqp(address: SocketAddr) -> Client {
    let url = format!("amqp://{USER}:{PASSWORD}@{address}/%2f");
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.expect("a client");
    let channel = connection.create_channel().await.expect("a channel");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirmations");
    Client::Amqp { channel, _connection: connection }
}

async fn mqtt(address: SocketAddr, at_once: usize) -> Client {
    let mut options = MqttOptions::new("bench", address.ip().to_string(), address.port());
    options.set_credentials(USER, PASSWORD);
    let at_most = u16::try_from(at_once).expect("a number of MQTT");
    options.set_outgoing_inflight_upper_limit(at_most);
    let (client, mut events) = AsyncClient::new(options, at_once);
    loop {
        if let Event::Incoming(Packet::ConnAck(_)) = events.poll().await.expect("a client") {
            return Client::Mqtt(client, Box::new(Mutex::new(events)));
        }
    }
}

/// Waits until so many messages are confirmed.
async fn confirmed(events: &mut EventLoop, messages: usize) {
    let mut confirmed = 0;
    while confirmed < messages {
        if let Event::Incoming(Packet::PubAck(ack)) = events.poll().await.expect("an event") {
            assert!(matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers));
            confirmed += 1;
        }
    }
}

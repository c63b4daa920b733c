//! The plain clients: async-nats, rskafka, lapin.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use provender_tests::brokers::{PASSWORD, USER};

use crate::{Publish, TOPIC, body, key};

pub async fn client(kind: &str, address: SocketAddr) -> Publish {
    match kind {
        "nats" => nats(address).await,
        "kafka" => kafka(address).await,
        _ => amqp(address).await,
    }
}

async fn nats(address: SocketAddr) -> Publish {
    let options = async_nats::ConnectOptions::with_user_and_password(USER.to_owned(), PASSWORD.to_owned());
    let client = options.connect(address.to_string()).await.expect("a client");
    let jetstream = async_nats::jetstream::new(client);
    Arc::new(move |number| {
        let jetstream = jetstream.clone();
        Box::pin(async move {
            let mut headers = async_nats::HeaderMap::new();
            headers.insert("key", key(number).as_str());
            let sent = jetstream.publish_with_headers(TOPIC, headers, body().into()).await;
            sent.expect("a message that is sent").await.expect("a confirmation");
        })
    })
}

async fn kafka(address: SocketAddr) -> Publish {
    use rskafka::client::ClientBuilder;
    use rskafka::client::partition::UnknownTopicHandling;
    use rskafka::client::producer::BatchProducerBuilder;
    use rskafka::client::producer::aggregator::RecordAggregator;
    use rskafka::record::Record;

    let client = ClientBuilder::new(vec![address.to_string()]).build().await.expect("a client");
    let partition =
        client.partition_client(TOPIC, 0, UnknownTopicHandling::Error).await.expect("a partition");
    let producer = BatchProducerBuilder::new(Arc::new(partition))
        .with_linger(Duration::from_millis(1))
        .build(RecordAggregator::new(512 << 10));
    let producer = Arc::new(producer);
    Arc::new(move |number| {
        let producer = Arc::clone(&producer);
        Box::pin(async move {
            let record = Record {
                key: Some(key(number).into_bytes()),
                value: Some(body()),
                headers: Default::default(),
                timestamp: chrono::DateTime::UNIX_EPOCH,
            };
            producer.produce(record).await.expect("a confirmation");
        })
    })
}

async fn amqp(address: SocketAddr) -> Publish {
    use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
    use lapin::{BasicProperties, Connection, ConnectionProperties};

    let url = format!("amqp://{USER}:{PASSWORD}@{address}/%2f");
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.expect("a client");
    let channel = connection.create_channel().await.expect("a channel");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirmations");
    let held = Arc::new((connection, channel));
    Arc::new(move |_| {
        let held = Arc::clone(&held);
        Box::pin(async move {
            let (exchange, topic) = ("bench".into(), TOPIC.into());
            let properties = BasicProperties::default().with_delivery_mode(2);
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let sent = held.1.basic_publish(exchange, topic, options, &body(), properties).await;
            sent.expect("a message that is sent").await.expect("a confirmation");
        })
    })
}

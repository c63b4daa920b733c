//! The host's server by itself, and a whole call of the plugin `api`: instance, gate, transcript, message, confirmation.

use std::net::SocketAddr;
use std::sync::Arc;

use provender::capabilities::contract::records::{Identifier, Status, Subject};
use provender::capabilities::contract::types::{Action, Context, Invocation, Outcome};
use provender::capabilities::slots::Slots;
use provender::capabilities::{CallState, Grants, Surroundings, messaging, state};
use provender::sandbox::{Limits, Mode};
use provender::servers::configuration::messaging::MessagingConfiguration;
use provender::servers::connector::SystemResolver;
use provender::servers::messaging::{Message, MessagingServer};
use provender_tests::brokers::{PASSWORD, USER};
use provender_tests::calls::{Stored, TIME, load, person, plugin_host};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{Publish, TOPIC, body, key};

pub fn server(address: SocketAddr, broker: &Value) -> Arc<MessagingServer> {
    let mut configuration = json!({
        "broker": broker, "addresses": [address.to_string()], "topics": [TOPIC], "allow_private_addresses": true,
    });
    if broker["kind"] != "kafka" {
        configuration["authentication"] = json!({"kind": "password", "username": USER});
    }
    let configuration: MessagingConfiguration =
        serde_json::from_value(configuration).expect("a configuration");
    let secrets = [("password".to_owned(), SecretString::from(PASSWORD))].into();
    Arc::new(MessagingServer::new(&configuration, &secrets, Arc::new(SystemResolver)).expect("a server"))
}

pub fn by_server(server: &Arc<MessagingServer>) -> Publish {
    let server = Arc::clone(server);
    Arc::new(move |number| {
        let server = Arc::clone(&server);
        let message =
            Message { topic: TOPIC.to_owned(), key: Some(key(number)), body: body(), ..Message::default() };
        Box::pin(async move { server.publish(vec![message]).await.expect("a confirmation") })
    })
}

pub async fn by_plugin(server: &Arc<MessagingServer>) -> Publish {
    let plugin =
        load(provender_bundled_plugins::find("api").expect("the plugin").wasm).await.expect("a plugin");
    let mut slots = Slots::default();
    let (name, server) = ("broker".to_owned(), Some(Arc::clone(server)));
    slots.messaging.0.push(Arc::new(messaging::Slot { name, server, operations: Vec::new() }));
    Arc::new(move |number| {
        let (plugin, slots) = (Arc::clone(&plugin), slots.clone());
        Box::pin(async move {
            let state = state::Grant { reader: Some(Arc::new(Stored::default())), subject: true };
            let (seed, time) = ([0; 32], TIME.parse().expect("a time"));
            let surroundings = Surroundings { limits: Limits::default(), seed, time, mode: Mode::Live };
            let invocation = invocation(number, &slots);
            let state = CallState::new(surroundings, Grants { slots, state, ..Grants::default() });
            let end = plugin_host().provision(&plugin, state, Arc::new(invocation)).await;
            assert!(matches!(end.result.expect("a call").expect("an outcome"), Outcome::Applied(_)));
        })
    })
}

fn invocation(number: usize, slots: &Slots) -> Invocation {
    let Subject::Person(mut person) = person("anna") else { panic!("a person") };
    // As much as the messages of the others have.
    person.identifiers.push(Identifier {
        metadata: person.metadata.clone(),
        identifier: key(number),
        identifier_type: "uid".to_owned(),
        login: false,
        status: Status::Active,
        language: None,
        provisioning_target: None,
    });
    person.date_of_birth = Some(String::from_utf8(body()).expect("a text"));
    Invocation {
        id: number.to_string(),
        attempt: 1,
        context: Context {
            co: "physics".to_owned(),
            target: "bench".to_owned(),
            target_description: String::new(),
            configuration: json!({"identifier_type": "uid", "topic": TOPIC}).to_string(),
            slots: slots.bindings(),
            time: TIME.to_owned(),
        },
        action: Action::Updated,
        subject: Subject::Person(person),
        extensions: Vec::new(),
    }
}

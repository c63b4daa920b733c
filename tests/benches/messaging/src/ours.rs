//! The host: the whole way of people from a plan to its committed outcome; and calls of the plugin `api` with nothing around
//! them but instance, gate, transcript, message and confirmation.

use std::sync::Arc;

use futures::StreamExt;
use jiff::Timestamp;
use provender::capabilities::contract::records::{Identifier, Status, Subject};
use provender::capabilities::contract::types::{Action, Context, Invocation, Outcome};
use provender::capabilities::plugin::Plugin;
use provender::capabilities::slots::Slots;
use provender::capabilities::{CallState, Grants, Surroundings, messaging, state};
use provender::provisioning::{self, InvocationOutcome, PlannedInvocation};
use provender::registry::import::{ImportOptions, import};
use provender::registry::write::WriteOptions;
use provender::sandbox::{Limits, Mode};
use provender::servers::configuration::messaging::MessagingConfiguration;
use provender::servers::connector::SystemResolver;
use provender::servers::messaging::MessagingServer;
use provender::store::StoreError;
use provender_tests::brokers::PASSWORD;
use provender_tests::calls::{Stored, TIME, load, person, plugin_host};
use provender_tests::host::{CO, TestHost, by_test};
use provender_tests::people::person_key;
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::brokers::{Broker, TOPIC};

const TARGET: &str = "bench";
const PLANNED_AT_ONCE: usize = 500;

/// The whole host, with people who are to be published.
pub struct Host {
    test: TestHost,
    people: usize,
    at_once: usize,
    /// What it sends of a person.
    pub body: String,
}

impl Host {
    pub async fn start(broker: &Broker, people: usize, at_once: usize) -> Self {
        let test = TestHost::start_with(|configuration| {
            configuration.sandbox.instances = 64;
            configuration.workers.jobs = 0;
        })
        .await;
        test.install_bundled("api").await;
        let mut server = broker.configuration();
        server["kind"] = "messaging".into();
        if server["authentication"].is_object() {
            server["authentication"]["password"] = PASSWORD.into();
        }
        test.server("broker", server).await;
        let target = json!({
            "plugin": "api", "slots": {"broker": "broker"}, "concurrency": at_once,
            "configuration": {"identifier_type": "uid", "topic": TOPIC},
        });
        test.target(TARGET, target).await;
        let mut host = Self { test, people, at_once, body: String::new() };
        host.import().await;
        // The first call loads the plugin.
        let preview =
            host.test.host.pipeline.preview(CO, TARGET, &person_key("p0")).await.expect("a preview");
        let transcript = serde_json::to_value(&preview.transcript).expect("a transcript");
        host.body = sent_body(&transcript).expect("a message").to_owned();
        host
    }

    async fn import(&self) {
        let lines: String = (0..self.people)
            .map(|number| {
                let record = json!({
                    "meta": {"id": format!("p{number}")},
                    "names": [{"given": "Ágnes", "family": format!("Kovács {number}"), "primary": true}],
                    "email_addresses": [{"mail": format!("p{number}@example.org")}],
                    "identifiers": [{"identifier": format!("p{number}"), "type": "uid"}],
                });
                json!({"kind": "person", "record": record}).to_string() + "\n"
            })
            .collect();
        let quietly = WriteOptions { provision: false, ..by_test() };
        let options = ImportOptions::default();
        let summary =
            import(&self.test.host.registry, CO, lines.as_bytes(), &options, &quietly, |_| {}).await;
        summary.expect("an import");
    }

    pub async fn preview_all(&self) {
        let previews = futures::stream::iter(0..self.people).map(async |number| {
            let key = person_key(&format!("p{number}"));
            let preview = self.test.host.pipeline.preview(CO, TARGET, &key).await.expect("a preview");
            assert_eq!(preview.ends, None);
        });
        previews.buffer_unordered(self.at_once).collect::<Vec<()>>().await;
    }

    pub async fn provision_all(&self) {
        let everybody: Vec<usize> = (0..self.people).collect();
        for batch in everybody.chunks(PLANNED_AT_ONCE) {
            let mut work: Vec<PlannedInvocation> = batch.iter().map(|number| plan(*number)).collect();
            let stored: Result<Vec<PlannedInvocation>, StoreError> = self
                .test
                .host
                .store
                .write(move |transaction| {
                    Box::pin(async move {
                        transaction.plan_invocations(CO, &mut work, Timestamp::now()).await?;
                        Ok(work)
                    })
                })
                .await;
            self.test.host.pipeline.submit(CO, &stored.expect("a stored plan"));
        }
        self.test.host.pipeline.idle().await;
    }

    /// That the last ones were published.
    pub async fn check(&self) {
        let done = self.test.invocations(TARGET).await;
        assert!(done.len() >= self.people.min(1_000));
        for invocation in done {
            let outcome = &invocation.outcome;
            assert!(matches!(outcome, Some(InvocationOutcome::Applied { .. })), "{outcome:?}");
        }
    }
}

fn plan(number: usize) -> PlannedInvocation {
    let person = person_key(&format!("p{number}"));
    PlannedInvocation::new(Uuid::now_v7(), TARGET, person, provisioning::Action::ReprovisionRequested)
}

/// The body of the first message in a transcript.
fn sent_body(transcript: &Value) -> Option<&str> {
    match transcript {
        Value::Object(members) => match members.get("messages") {
            Some(messages) => messages[0]["body"].as_str(),
            None => members.values().find_map(sent_body),
        },
        Value::Array(items) => items.iter().find_map(sent_body),
        _ => None,
    }
}

/// The plugin alone, with a connection of its own.
pub struct Calls {
    plugin: Plugin,
    slots: Slots,
}

impl Calls {
    pub async fn start(broker: &Broker) -> Self {
        let api = provender_bundled_plugins::find("api").expect("the plugin");
        let configuration: MessagingConfiguration =
            serde_json::from_value(broker.configuration()).expect("a configuration");
        let secrets = [("password".to_owned(), SecretString::from(PASSWORD))].into();
        let server = MessagingServer::new(&configuration, &secrets, Arc::new(SystemResolver));
        let mut slots = Slots::default();
        let (name, server) = ("broker".to_owned(), Some(Arc::new(server.expect("a server"))));
        slots.messaging.0.push(Arc::new(messaging::Slot { name, server, operations: Vec::new() }));
        Self { plugin: load(api.wasm).await.expect("a plugin"), slots }
    }

    pub async fn publish_all(&self, people: usize, at_once: usize) {
        futures::stream::iter(0..people).for_each_concurrent(at_once, |number| self.publish(number)).await;
    }

    async fn publish(&self, number: usize) {
        let state = state::Grant { reader: Some(Arc::new(Stored::default())), subject: true };
        let (seed, time) = ([0; 32], TIME.parse().expect("a time"));
        let surroundings = Surroundings { limits: Limits::default(), seed, time, mode: Mode::Live };
        let grants = Grants { slots: self.slots.clone(), state, ..Grants::default() };
        let state = CallState::new(surroundings, grants);
        let invocation = Arc::new(self.invocation(number));
        let end = plugin_host().provision(&self.plugin, state, invocation).await;
        assert!(matches!(end.result.expect("a call").expect("an outcome"), Outcome::Applied(_)));
    }

    fn invocation(&self, number: usize) -> Invocation {
        let Subject::Person(mut person) = person(&format!("p{number}")) else { panic!("a person") };
        person.identifiers.push(Identifier {
            metadata: person.metadata.clone(),
            identifier: format!("p{number}"),
            identifier_type: "uid".to_owned(),
            login: false,
            status: Status::Active,
            language: None,
            provisioning_target: None,
        });
        Invocation {
            id: number.to_string(),
            attempt: 1,
            context: Context {
                co: CO.to_owned(),
                target: TARGET.to_owned(),
                target_description: String::new(),
                configuration: json!({"identifier_type": "uid", "topic": TOPIC}).to_string(),
                slots: self.slots.bindings(),
                time: TIME.to_owned(),
            },
            action: Action::Updated,
            subject: Subject::Person(person),
            extensions: Vec::new(),
        }
    }
}

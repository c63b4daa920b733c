//! The host: the whole way of people from a plan to its committed outcome; and calls of the plugin `api` with nothing around
//! them but instance, gate, transcript, message and confirmation.

use std::sync::Arc;

use futures::StreamExt;
use provender::provisioning::InvocationOutcome;
use provender::registry::record::SubjectKey;
use provender_tests::bench::alone::Alone;
use provender_tests::bench::measure::for_all;
use provender_tests::bench::people::{import_quietly, provision_all};
use provender_tests::brokers::PASSWORD;
use provender_tests::host::{CO, TestHost};
use provender_tests::people::person_key;
use serde_json::{Value, json};

use crate::brokers::{Broker, TOPIC};

const TARGET: &str = "bench";

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
        import_quietly(&test, people, "example.org").await;
        let mut host = Self { test, people, at_once, body: String::new() };
        // The first call loads the plugin.
        let preview =
            host.test.host.pipeline.preview(CO, TARGET, &person_key("p0")).await.expect("a preview");
        let transcript = serde_json::to_value(&preview.transcript).expect("a transcript");
        host.body = sent_body(&transcript).expect("a message").to_owned();
        host
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
        provision_all(&self.test, TARGET, self.people).await;
    }

    /// Calls of the plugin alone, over the connection of the host.
    pub async fn calls(&self) -> Arc<Alone> {
        let subjects: Vec<SubjectKey> =
            (0..self.people).map(|number| person_key(&format!("p{number}"))).collect();
        Arc::new(Alone::of(&self.test, TARGET, &subjects).await)
    }

    pub async fn call_all(&self, calls: Arc<Alone>) {
        for_all(self.people, self.at_once, move |number| {
            let calls = Arc::clone(&calls);
            async move { calls.provision(number).await }
        })
        .await;
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

//! The life of people, through the real host, the real component and a real broker: then all that the broker got is read.

use std::collections::BTreeMap;

use provender::pipeline::Happened;
use provender::provisioning::{Invocation, InvocationOutcome};
use provender::registry::record::{Person, Record, Status};
use provender::registry::write::WriteOptions;
use provender_tests::brokers::{Found, PASSWORD};
use provender_tests::host::{CO, TestHost, by_test};
use provender_tests::people::{group, group_key, membership, person_key, plain_person};
use provender_tests::relay::Relay;
use serde_json::{Value, json};

use crate::{Broker, TOPIC};

/// A host with the plugin at a broker, which it reaches by a relay.
pub(crate) struct Site {
    pub(crate) host: TestHost,
    pub(crate) broker: Broker,
    pub(crate) relay: Relay,
}

impl Site {
    /// With a target `t` of plain messages and a target `e` of CloudEvents; the test runs jobs itself.
    pub(crate) async fn start(kind: &str, other: Value) -> Self {
        Self::on(TestHost::start_with(|configuration| configuration.workers.jobs = 0).await, kind, other)
            .await
    }

    async fn on(host: TestHost, kind: &str, other: Value) -> Self {
        let broker = Broker::start(kind);
        let relay = Relay::to("messaging", broker.address()).await;
        host.install_bundled("api").await;
        let site = Self { host, broker, relay };
        site.server(other).await;
        for (id, envelope) in [("t", "plain"), ("e", "cloudevents")] {
            let target = json!({
                "plugin": "api", "slots": {"broker": "broker"},
                "configuration": {"identifier_type": "uid", "topic": TOPIC, "envelope": envelope},
                "mode": "queue_on_error", "retry_interval_s": 900, "max_retry": 5,
            });
            site.host.target(id, target).await;
        }
        site
    }

    /// Configures the server anew.
    pub(crate) async fn server(&self, other: Value) {
        let mut server = self.broker.configuration(self.relay.address(), &json!({"kind": "messaging"}));
        if server["authentication"].is_object() {
            server["authentication"]["password"] = PASSWORD.into();
        }
        if let (Some(fields), Some(other)) = (server.as_object_mut(), other.as_object()) {
            fields.extend(other.clone());
        }
        self.host.server("broker", server).await;
    }

    pub(crate) async fn put(&self, id: &str, change: impl FnOnce(&mut Person)) -> Vec<Invocation> {
        let mut person = plain_person(id);
        change(&mut person);
        self.host.put(person_key(id), Record::Person(Box::new(person))).await
    }

    /// What the broker got, in the order of each key: of plain messages and of CloudEvents.
    pub(crate) fn told(&mut self) -> [BTreeMap<String, Vec<String>>; 2] {
        let mut told = [BTreeMap::new(), BTreeMap::new()];
        for found in self.broker.messages() {
            let (envelope, text) = summary(&found);
            let key = found["key"].as_str().unwrap().to_owned();
            told[envelope].entry(key).or_insert_with(Vec::new).push(text);
        }
        told
    }
}

/// Which envelope a message has, and what it says.
fn summary(found: &Found) -> (usize, String) {
    let body: Value = serde_json::from_str(found["body"].as_str().unwrap()).unwrap();
    let headers: BTreeMap<&str, &str> = found["headers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
        .collect();
    assert_eq!(found["topic"], TOPIC);
    let (envelope, action, document) = match found["content_type"].as_str().unwrap() {
        "application/json" => {
            assert_eq!((headers["co"], headers["target"]), (CO, "t"));
            (0, headers["action"].to_owned(), &body)
        }
        "application/cloudevents+json" => {
            assert_eq!(
                (&body["specversion"], &body["source"]),
                (&json!("1.0"), &json!("/cos/physics/targets/e"))
            );
            assert_eq!((&body["subject"], &body["partitionkey"]), (&found["key"], &found["key"]));
            let word = if body["data"]["person"]["meta"]["deleted"] == true { "removed" } else { "sent" };
            assert_eq!(body["type"], format!("provender.person.{word}"));
            assert!(body["id"].as_str().unwrap().ends_with(word), "{body}");
            (1, body["action"].as_str().unwrap().to_owned(), &body["data"])
        }
        other => panic!("{other}"),
    };
    let person = &document["person"];
    assert_eq!(person["meta"]["id"], found["key"]);
    let told = match person["meta"]["deleted"] == true {
        true => "removed".to_owned(),
        false => {
            let members: Vec<&str> =
                person["members"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
            let status = person["status"].as_str().unwrap();
            format!("{status} {} {}", person["names"][0]["given"].as_str().unwrap(), members.join(","))
        }
    };
    (envelope, format!("{action}: {told}").trim_end().to_owned())
}

fn rename(uid: &str) -> impl FnOnce(&mut Person) + use<> {
    let uid = uid.to_owned();
    move |person| person.identifiers[0].identifier = uid
}

fn applied(done: &[Invocation]) {
    for invocation in done {
        assert!(
            matches!(invocation.outcome, Some(InvocationOutcome::Applied { .. })),
            "{:?}",
            invocation.outcome
        );
    }
}

async fn leads_a_life(kind: &str) {
    let mut site = Site::on(TestHost::start().await, kind, json!({})).await;
    for target in ["t", "e"] {
        let findings = site.host.host.pipeline.check_target(CO, target).await.unwrap().findings;
        assert!(findings.iter().any(|line| line.contains("published to people")), "{findings:?}");
    }
    applied(&site.put("anna", |_| {}).await);
    applied(&site.put("bert", |_| {}).await);
    applied(&site.put("anna", |person| person.names[0].given = Some("Änne".to_owned())).await);
    applied(&site.put("anna", rename("änna@x,+\"=")).await);
    site.host.put(group_key("staff"), group("staff")).await;
    applied(&site.host.put_membership(membership("staff", "anna")).await);
    applied(&site.host.delete_membership("staff", "anna").await);
    let suspended = |person: &mut Person| {
        rename("änna@x,+\"=")(person);
        person.status = Status::Suspended;
    };
    applied(&site.put("anna", suspended).await);
    let expired = |person: &mut Person| {
        rename("änna@x,+\"=")(person);
        person.status = Status::Expired;
    };
    applied(&site.put("anna", expired).await);
    applied(&site.put("anna", rename("änna@x,+\"=")).await);

    // What would be done for bert is told, and not done.
    let quietly = WriteOptions { provision: false, ..by_test() };
    let mut bert = plain_person("bert");
    bert.names[0].given = Some("Bertram".to_owned());
    let before = site.broker.messages().len();
    site.host
        .host
        .registry
        .put(CO, person_key("bert"), Record::Person(Box::new(bert)), &quietly)
        .await
        .unwrap();
    let preview = site.host.host.pipeline.preview(CO, "t", &person_key("bert")).await.unwrap();
    let foreseen: Vec<_> =
        preview.effects.iter().filter(|effect| effect.happened == Happened::Foreseen).collect();
    assert_eq!((preview.ends.clone(), foreseen.len()), (None, 1), "{preview:?}");
    let text = &foreseen[0].text;
    assert!(text.starts_with("to people\nkey: bert\ncontent-type: application/json\n"), "{text}");
    assert!(text.contains("\"given\":\"Bertram\"") && !text.contains(PASSWORD), "{text}");
    assert_eq!(site.broker.messages().len(), before, "a preview publishes nothing");

    applied(&site.host.delete(&person_key("anna")).await);
    for target in ["t", "e"] {
        // Deleted again: there is nothing to remove any longer.
        let again = site.host.host.pipeline.provision(CO, target, &person_key("anna")).await;
        assert!(again.is_err() || !matches!(again.unwrap().outcome, Some(InvocationOutcome::Failed { .. })));
        let job = site.host.reprovision_all(target).await;
        site.host.ended(job.id).await;
    }

    let expected: BTreeMap<String, Vec<String>> = [
        ("anna", vec!["added: active anna", "updated: active Änne", "updated: removed"]),
        ("bert", vec!["added: active bert", "reprovision_requested: active Bertram"]),
        (
            "änna@x,+\"=",
            vec![
                "updated: active anna",
                "updated: active anna Group staff",
                "updated: active anna",
                "updated: suspended anna",
                "expired: expired anna",
                "unexpired: active anna",
                "deleted: removed",
            ],
        ),
    ]
    .into_iter()
    .map(|(key, told)| (key.to_owned(), told.into_iter().map(str::to_owned).collect()))
    .collect();
    let [plain, events] = site.told();
    assert_eq!(plain, expected, "{kind}");
    assert_eq!(events, expected, "{kind}");
}

#[tokio::test]
async fn a_life_at_kafka_is_told_message_by_message() {
    leads_a_life("kafka").await;
}

#[tokio::test]
async fn a_life_at_rabbitmq_is_told_message_by_message() {
    leads_a_life("amqp").await;
}

#[tokio::test]
async fn a_life_at_nats_is_told_message_by_message() {
    leads_a_life("nats").await;
}

#[tokio::test]
async fn a_life_at_mosquitto_is_told_message_by_message() {
    leads_a_life("mqtt").await;
}

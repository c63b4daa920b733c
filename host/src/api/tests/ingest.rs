//! A COmanage Registry as it calls: with its key as a password, in both modes of its API provisioner.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Answer, Api};

const INGEST: &str = "/cos/demo/ingest/comanage-registry";

fn document(given: &str, second: u64) -> Value {
    json!({"meta": {"version": "1.0.0", "objectType": "person"}, "person": {
        "meta": {"id": "bob@example.org", "created": "2026-11-22T15:59:13Z", "lastModified": "2026-11-22T15:59:13Z"},
        "status": "active",
        "names": [{"meta": {"id": "87", "lastModified": format!("2026-11-22T16:00:{second:02}Z")},
            "given": given, "family": "Example", "formatted": format!("{given} Example"), "type": "official"}],
        "identifiers": [{"meta": {"id": "18", "lastModified": "2026-11-22T15:59:14Z"},
            "identifier": "bob@example.org", "type": "eppn"}],
        "members": ["CO:members:active", "Staff"],
    }})
}

fn removal() -> Value {
    json!({"meta": {"version": "1.0.0", "objectType": "person"},
        "person": {"meta": {"id": "bob@example.org", "deleted": true}}})
}

impl Api {
    async fn deliver(&self, key: &str, method: &str, place: &str, body: Option<Value>) -> Answer {
        let credentials = STANDARD.encode(format!("comanage:{key}"));
        let call = self.call(method, &format!("{INGEST}{place}"));
        let call = call.header("authorization", &format!("Basic {credentials}"));
        match body {
            Some(body) => call.json(&body).send().await,
            None => call.send().await,
        }
    }
}

#[tokio::test]
async fn the_mode_post_sends_everything_to_one_place() {
    let (api, _) = Api::with_target().await;
    let key = api.key(Some("demo"), true).await;
    for place in ["/", ""] {
        let answer = api.deliver(&key, "POST", place, Some(document("Bob", 1))).await.with(200);
        assert_eq!(answer["result"], if place == "/" { "created" } else { "unchanged" }, "{answer}");
    }
    let person = api.call("GET", "/cos/demo/people/bob@example.org").key(&key).send().await.with(200);
    assert_eq!(person["names"][0]["given"], "Bob");
    let members = api.call("GET", "/cos/demo/groups/Staff/members").key(&key).send().await.with(200);
    assert_eq!(members["items"][0]["person"], "bob@example.org");
    api.host.pipeline.idle().await;
    let services = "/cos/demo/people/bob@example.org/provisioned-services";
    let services = api.call("GET", services).key(&key).send().await.with(200);
    assert_eq!(services["items"][0]["status"], "provisioned");

    let newer = api.deliver(&key, "POST", "/", Some(document("Rob", 2))).await.with(200);
    assert_eq!(newer["result"], "updated");
    let late = api.deliver(&key, "POST", "/", Some(document("Bob", 1))).await.with(200);
    assert_eq!((&late["result"], &late["older"]), (&json!("stale"), &json!("name/87")));
    let removed = api.deliver(&key, "POST", "/", Some(removal())).await.with(200);
    assert_eq!(removed["result"], "deleted");
    api.call("GET", "/cos/demo/people/bob@example.org").key(&key).send().await.problem(404);
    let again = api.deliver(&key, "POST", "/", Some(removal())).await.with(200);
    assert_eq!(again["result"], "unchanged");
}

#[tokio::test]
async fn the_mode_put_has_a_place_for_each_person() {
    let api = Api::start().await;
    let key = api.key(Some("demo"), true).await;
    for (method, second, result) in [("POST", 1, "created"), ("PUT", 2, "updated"), ("PUT", 2, "unchanged")] {
        let body = document(&format!("Bob {second}"), second);
        let answer = api.deliver(&key, method, "/bob%40example.org", Some(body)).await.with(200);
        assert_eq!(answer["result"], result, "{method}");
    }
    let other = api.deliver(&key, "PUT", "/zoe", Some(document("Bob", 3))).await;
    assert_eq!(other.problem(422).1["errors"][0]["pointer"], "/person/meta/id");
    for result in ["deleted", "unchanged"] {
        let answer = api.deliver(&key, "DELETE", "/bob@example.org", None).await.with(200);
        assert_eq!(answer["result"], result);
    }
}

#[tokio::test]
async fn a_registry_needs_a_key_that_may_write() {
    let api = Api::start().await;
    let reader = api.key(Some("demo"), false).await;
    api.deliver(&reader, "POST", "/", Some(document("Bob", 1))).await.problem(403);
    api.deliver("pvk_0_0", "POST", "/", Some(document("Bob", 1))).await.problem(401);
    let key = api.key(Some("demo"), true).await;
    let credentials = STANDARD.encode(format!("comanage:{key}"));
    let elsewhere = api.call("GET", "/cos").header("authorization", &format!("Basic {credentials}"));
    elsewhere.send().await.problem(401);
    api.deliver(&key, "POST", "/", Some(json!({"person": {"meta": {"id": "a b"}}}))).await.problem(422);
}

//! Writes that reach targets.

use serde_json::{Value, json};

use super::configuration::changelog;
use super::{Api, person};
use crate::api::Exposure;

impl Api {
    /// A host with a target `log` that appends to a file, whose path is given.
    pub(super) async fn with_target() -> (Self, std::path::PathBuf) {
        let api = Self::start().await;
        api.install("changelog").await.with(201);
        let root = api.files_server().await;
        api.put("/cos/demo/targets/log", changelog()).await.with(201);
        (api, root.join("changelog.ndjson"))
    }
}

pub(super) fn lines(file: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn the_answer_to_a_write_carries_the_outcome_at_each_target() {
    let (api, file) = Api::with_target().await;
    let written = api.put("/cos/demo/people/ada", person("Ada")).await.with(201);
    let provisioning = &written["provisioning"][0];
    assert_eq!(provisioning["target"], "log");
    assert_eq!(provisioning["subject"], json!({"kind": "person", "id": "ada"}));
    assert_eq!(provisioning["action"], "added");
    assert_eq!(provisioning["outcome"]["result"], "applied", "{provisioning}");
    assert_eq!(lines(&file).len(), 1);

    let id = provisioning["invocation"].as_str().unwrap();
    let invocation = api.get(&format!("/cos/demo/invocations/{id}")).await.with(200);
    assert_eq!((&invocation["state"], &invocation["change"]), (&json!("finished"), &written["change"]));
    let effect = &invocation["transcript"]["steps"][0]["transcript"]["effects"][0];
    assert_eq!((&effect["capability"], &effect["access"]), (&json!("files"), &json!("write")));

    let removed = api.delete("/cos/demo/people/ada").await.with(200);
    assert_eq!(removed["provisioning"][0]["action"], "deleted");
    assert_eq!(removed["provisioning"][0]["outcome"]["result"], "applied");
    let services = api.get("/cos/demo/people/ada/provisioned-services").await.with(200);
    assert_eq!(services["items"][0]["status"], "removed");
}

#[tokio::test]
async fn nothing_is_provisioned_when_the_caller_says_so() {
    let (api, file) = Api::with_target().await;
    let written = api.put("/cos/demo/people/ada?provision=false", person("Ada")).await.with(201);
    assert_eq!(written["provisioning"], json!([]));
    assert!(written["change"].is_i64());
    let services = api.get("/cos/demo/people/ada/provisioned-services").await.with(200);
    assert_eq!(
        (&services["items"][0]["target"], &services["items"][0]["status"]),
        (&json!("log"), &json!("never"))
    );
    api.host.pipeline.idle().await;
    assert!(lines(&file).is_empty());
    api.put("/cos/demo/people/ada?provision=perhaps", person("Ada")).await.with(400);
}

#[tokio::test]
async fn a_caller_who_does_not_wait_gets_the_invocations_at_once() {
    let (api, file) = Api::with_target().await;
    let put = |given: &'static str, preference: &'static str| {
        api.call("PUT", "/cos/demo/people/ada").header("prefer", preference).json(&person(given)).send()
    };
    let answer = put("Ada", "respond-async").await;
    assert_eq!(answer.header("preference-applied"), Some("respond-async"));
    assert_eq!(answer.header("location"), Some("/api/v1/cos/demo/people/ada"));
    let body = answer.with(202);
    assert_eq!(body["provisioning"][0]["outcome"], Value::Null);
    let id = body["provisioning"][0]["invocation"].as_str().unwrap();
    api.host.pipeline.idle().await;
    let invocation = api.get(&format!("/cos/demo/invocations/{id}")).await.with(200);
    assert_eq!(invocation["outcome"]["result"], "applied");
    assert_eq!(lines(&file).len(), 1);

    let waited = put("Augusta", "respond-async, wait=60").await;
    assert_eq!(waited.header("preference-applied"), None);
    assert_eq!(waited.with(200)["provisioning"][0]["outcome"]["result"], "applied");
}

#[tokio::test]
async fn a_target_that_does_not_answer_costs_the_caller_an_outcome_and_not_the_answer() {
    let api =
        Api::start_on(Exposure::Loopback, |configuration| configuration.api.request_timeout_ms = 2_000).await;
    // Connections are taken by the system; nobody answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", silent.local_addr().unwrap());
    let server = json!({"kind": "http", "base_url": base_url, "allow_private_addresses": true});
    api.put("/cos/demo/servers/silent", json!({"configuration": server})).await.with(201);
    // Not by a request, which may take no longer than that.
    let wasm = provender_bundled_plugins::find("api").unwrap().wasm.to_vec();
    api.host.catalog.install("api", wasm).await.unwrap();
    let target = json!({
        "plugin": "api", "slots": {"endpoint": "silent"}, "configuration": {"identifier_type": "uid"},
    });
    api.put("/cos/demo/targets/silent", target).await.with(201);
    let mut ada = person("Ada");
    ada["identifiers"] = json!([{"identifier": "ada", "type": "uid"}]);
    let answer = api.put("/cos/demo/people/ada", ada).await;
    assert_eq!(answer.header("preference-applied"), None);
    let body = answer.with(202);
    assert_eq!(body["provisioning"][0]["outcome"], Value::Null);
    assert_eq!(api.get("/cos/demo/people/ada").await.with(200), body["record"]);
}

#[tokio::test]
async fn a_failure_at_a_target_is_told_and_stays_to_be_seen() {
    let (api, file) = Api::with_target().await;
    std::fs::create_dir(&file).unwrap();
    let written = api.put("/cos/demo/people/ada", person("Ada")).await.with(201);
    let outcome = &written["provisioning"][0]["outcome"];
    assert_eq!(outcome["result"], "failed");
    assert!(outcome["class"].is_string() && outcome["message"].is_string(), "{outcome}");
    let services = api.get("/cos/demo/people/ada/provisioned-services").await.with(200);
    assert_eq!(services["items"][0]["status"], "failed");
    assert_eq!(services["items"][0]["failure_class"], outcome["class"]);
    let failed = api.get("/cos/demo/invocations?failed=true").await.with(200);
    assert_eq!(failed["items"][0]["id"], written["provisioning"][0]["invocation"]);

    std::fs::remove_dir(&file).unwrap();
    let subject = json!({"kind": "person", "id": "ada"});
    let again = api.call("POST", "/cos/demo/targets/log/provision").json(&subject).send().await.with(200);
    assert_eq!(
        (&again["action"], &again["outcome"]["result"]),
        (&json!("reprovision_requested"), &json!("applied"))
    );
    let services = api.get("/cos/demo/people/ada/provisioned-services").await.with(200);
    assert_eq!(
        (&services["items"][0]["status"], services["items"][0].get("failed")),
        (&json!("provisioned"), None)
    );
}

#[tokio::test]
async fn a_record_is_provisioned_on_request_unless_the_target_is_disabled() {
    let (api, file) = Api::with_target().await;
    let mut target = changelog();
    target["mode"] = "manual".into();
    api.put("/cos/demo/targets/log", target.clone()).await.with(200);
    let written = api.put("/cos/demo/people/ada", person("Ada")).await.with(201);
    assert_eq!(written["provisioning"], json!([]));
    let provision =
        |subject: Value| api.call("POST", "/cos/demo/targets/log/provision").json(&subject).send();
    provision(json!({"kind": "person", "id": "ada"})).await.with(200);
    assert_eq!(lines(&file).len(), 1);
    provision(json!({"kind": "person", "id": "bob"})).await.with(404);
    provision(json!({"kind": "robot", "id": "ada"})).await.with(422);
    provision(json!({"kind": "person", "id": "ada", "now": true})).await.with(422);

    target["mode"] = "disabled".into();
    api.put("/cos/demo/targets/log", target).await.with(200);
    let (kind, _) = provision(json!({"kind": "person", "id": "ada"})).await.problem(409);
    assert_eq!(kind, "conflict");
    let services = api.get("/cos/demo/people/ada/provisioned-services").await.with(200);
    assert_eq!(services["items"], json!([]));
}

#[tokio::test]
async fn invocations_are_listed_newest_first_and_narrowed_down() {
    let (api, _) = Api::with_target().await;
    for id in ["a", "b"] {
        api.put(&format!("/cos/demo/people/{id}"), person(id)).await.with(201);
    }
    api.put("/cos/demo/groups/a", json!({"name": "A"})).await.with(201);
    let all = api.get("/cos/demo/invocations").await.with(200);
    let subject =
        |one: &Value| format!("{}/{}", one["subject"]["kind"], one["subject"]["id"]).replace('"', "");
    let subjects: Vec<_> = all["items"].as_array().unwrap().iter().map(subject).collect();
    assert_eq!(
        (subjects, &all["next"]),
        (vec!["group/a".into(), "person/b".into(), "person/a".into()], &Value::Null)
    );
    let first = api.get("/cos/demo/invocations?limit=1").await.with(200);
    let next = first["next"].as_str().unwrap();
    let rest = api.get(&format!("/cos/demo/invocations?before={next}")).await.with(200);
    assert_eq!(rest["items"].as_array().unwrap().len(), 2);
    for (query, count) in
        [("?kind=person&id=a", 1), ("?target=log", 3), ("?target=other", 0), ("?failed=true", 0)]
    {
        let page = api.get(&format!("/cos/demo/invocations{query}")).await.with(200);
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{query}");
    }
    api.get("/cos/demo/invocations?kind=person").await.with(400);
    api.get("/cos/demo/invocations?before=yesterday").await.with(400);
}

#[tokio::test]
async fn why_a_record_is_at_a_target_or_not_is_explained() {
    let (api, _) = Api::with_target().await;
    api.put("/cos/demo/groups/staff", json!({"name": "Staff"})).await.with(201);
    let mut target = changelog();
    target["provisioning_group"] = "staff".into();
    let stored = api.put("/cos/demo/targets/log", target).await.with(200);
    assert_eq!(
        (&stored["provisioning_group"], &stored["re_evaluation_advisable"]),
        (&json!("staff"), &json!(true))
    );
    api.put("/cos/demo/people/ada", person("Ada")).await.with(201);

    let told = api.get("/cos/demo/targets/log/explain?kind=person&id=ada").await.with(200);
    assert_eq!(told["would"], "leave_out");
    assert_eq!(told["not_eligible"], json!({"why": "group", "group": "staff"}));
    assert_eq!(told["service"]["status"], "not_eligible");
    assert_eq!(told["last_invocation"]["outcome"]["reason"], "not in provisioning group `staff`");
    let told = api.get("/cos/demo/targets/log/explain?kind=group&id=staff").await.with(200);
    assert_eq!((&told["would"], &told["service"]["held"]), (&json!("send"), &json!(true)));
    api.get("/cos/demo/targets/log/explain?kind=person&id=nobody").await.with(404);
    api.get("/cos/demo/targets/none/explain?kind=person&id=ada").await.with(404);
    api.get("/cos/demo/targets/log/explain?kind=person").await.with(400);
}

#[tokio::test]
async fn what_a_target_would_get_is_counted_without_sending_and_sent_by_a_job() {
    let (api, file) = Api::with_target().await;
    api.put("/cos/demo/people/ada", person("Ada")).await.with(201);
    api.put("/cos/demo/groups/staff", json!({"name": "Staff"})).await.with(201);
    let evaluate =
        |query: &str| api.call("POST", &format!("/cos/demo/targets/log/re-evaluate{query}")).send();
    let found = evaluate("?dry_run=true").await.with(200);
    assert_eq!((&found["examined"], &found["unchanged"]), (&json!(2), &json!(2)));
    let mut target = changelog();
    target["provisioning_group"] = "staff".into();
    api.put("/cos/demo/targets/log", target).await.with(200);
    let found = evaluate("?dry_run=true").await.with(200);
    assert_eq!((&found["removed"], &found["unchanged"]), (&json!(1), &json!(1)));
    assert_eq!(lines(&file).len(), 2);
    let begun = evaluate("").await.with(202);
    assert_eq!((&begun["kind"], &begun["total"]), (&json!("reevaluate"), &json!(2)));
    let path = format!("/cos/demo/jobs/{}", begun["id"]);
    assert_eq!(api.get(&path).await.with(200)["asked_by"], begun["asked_by"]);
    api.call("POST", "/cos/demo/targets/other/re-evaluate").send().await.with(404);
}

#[tokio::test]
async fn a_group_shows_the_one_membership_that_caused_its_provisioning() {
    let (api, file) = Api::with_target().await;
    let cause =
        || lines(&file).iter().rfind(|line| line["subject"]["kind"] == "group").unwrap()["document"].clone();
    api.put("/cos/demo/people/ada", person("Ada")).await.with(201);
    api.put("/cos/demo/people/bob", person("Bob")).await.with(201);
    api.put("/cos/demo/groups/g", json!({"name": "G"})).await.with(201);
    assert_eq!(cause()["cause"], Value::Null);
    api.put("/cos/demo/groups/g/members/bob", json!({})).await.with(201);
    let expired = json!({"valid_through": "2020-01-01T00:00:00Z"});
    api.put("/cos/demo/groups/g/members/ada", expired).await.with(201);
    let joined = cause();
    assert_eq!(
        (&joined["cause"]["person"], &joined["cause"]["membership"]["member"]),
        (&json!("ada"), &json!(true))
    );
    assert!(joined.get("members").is_none(), "{joined}");
    api.delete("/cos/demo/groups/g/members/ada").await.with(200);
    assert_eq!(cause()["cause"], json!({"person": "ada", "membership": null}));
    // A whole person goes.
    api.delete("/cos/demo/people/bob").await.with(200);
    assert_eq!(cause()["cause"], json!({"person": "bob", "membership": null}));
}

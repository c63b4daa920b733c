//! The API of a running host, over HTTP.

use http::Method;
use provender_tests::guests::MISBEHAVING;
use provender_tests::process::{Program, Serving};
use provender_tests::receiver::{Answer, Receiver};
use serde_json::{Value, json};

const V1: &str = "/api/v1";

fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_provender-under-test"))
}

fn person(given: &str) -> Value {
    json!({
        "names": [{"given": given, "primary": true}],
        "identifiers": [{"identifier": "anna", "type": "uid"}],
    })
}

/// A collaboration `physics` with a target `web`, whose plugin takes `steps` and reaches `receiver`.
async fn with_target(serving: &Serving, receiver: &Receiver, steps: Value) {
    let api = &serving.api;
    api.post(&format!("{V1}/cos"), json!({"id": "physics", "name": "Physics", "automatic_groups": false}))
        .await
        .expect(201);
    let wasm = [("content-type", "application/wasm")];
    let path = format!("{V1}/plugins");
    let installed = api.request(Method::POST, &path, &wasm, MISBEHAVING.to_vec()).await.expect(201);
    assert_eq!(installed["name"], "misbehaving");
    let server = json!({"configuration": {
        "kind": "http", "base_url": receiver.url(), "allow_private_addresses": true,
        "authentication": {"kind": "bearer", "token": "s3cr3t"},
    }});
    api.put(&format!("{V1}/cos/physics/servers/web"), server).await.expect(201);
    let target =
        json!({"plugin": "misbehaving", "slots": {"web": "web"}, "configuration": {"provision": steps}});
    api.put(&format!("{V1}/cos/physics/targets/web"), target).await.expect(201);
}

fn request(path: &str) -> Value {
    json!([{"do": "request", "slot": "web", "method": "PUT", "url": path}])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_answered_with_what_became_of_it_at_each_target() {
    let (program, receiver) = (program(), Receiver::start().await);
    let serving = program.serve().await;
    with_target(&serving, &receiver, request("/people/anna")).await;
    let api = &serving.api;
    let written = api.put(&format!("{V1}/cos/physics/people/anna"), person("Anna")).await.expect(201);
    let [provisioning] = &written["provisioning"].as_array().unwrap()[..] else { panic!("{written}") };
    assert_eq!((&provisioning["target"], &provisioning["action"]), (&json!("web"), &json!("added")));
    assert_eq!(provisioning["outcome"], json!({"result": "applied", "history": ["200 {}"]}));
    assert_eq!(receiver.received()[0].path, "/people/anna");

    let id = provisioning["invocation"].as_str().unwrap();
    let invocation = api.get(&format!("{V1}/cos/physics/invocations/{id}")).await.expect(200);
    let effect = &invocation["transcript"]["steps"][0]["transcript"]["effects"][0];
    assert_eq!((&effect["capability"], &effect["operation"]), (&json!("http"), &json!("PUT")));
    assert!(!invocation.to_string().contains("s3cr3t"));

    let services = api.get(&format!("{V1}/cos/physics/people/anna/provisioned-services")).await.expect(200);
    assert_eq!(services["items"][0]["status"], "provisioned");
    let changes = api.get(&format!("{V1}/cos/physics/changes?after=0")).await.expect(200);
    assert_eq!(changes["items"][0]["subject"], json!({"kind": "person", "id": "anna"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_at_a_target_is_part_of_the_answer_and_the_write_stands() {
    let (program, receiver) = (program(), Receiver::start().await);
    let serving = program.serve().await;
    let fail = json!([{"do": "fail", "failure": "rate-limited", "message": "slow down", "retry-after": 60}]);
    with_target(&serving, &receiver, fail).await;
    let written = serving.api.put(&format!("{V1}/cos/physics/people/anna"), person("Anna")).await.expect(201);
    assert_eq!(
        written["provisioning"][0]["outcome"],
        json!({"result": "failed", "class": "rate_limited", "message": "slow down", "retry_after_seconds": 60})
    );
    let services =
        serving.api.get(&format!("{V1}/cos/physics/people/anna/provisioned-services")).await.expect(200);
    assert_eq!(
        (&services["items"][0]["status"], &services["items"][0]["message"]),
        (&json!("failed"), &json!("slow down"))
    );
    serving.api.get(&format!("{V1}/cos/physics/people/anna")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_prefers_not_to_wait_is_answered_at_once() {
    let (program, receiver) = (program(), Receiver::start().await);
    let serving = program.serve().await;
    with_target(&serving, &receiver, request("/x")).await;
    receiver.hold();
    let headers = [("content-type", "application/json"), ("prefer", "respond-async")];
    let path = format!("{V1}/cos/physics/people/anna");
    let body = person("Anna").to_string().into_bytes();
    let answered = serving.api.request(Method::PUT, &path, &headers, body).await;
    assert_eq!(answered.headers["preference-applied"], "respond-async");
    let written = answered.expect(202);
    assert_eq!(written["provisioning"][0]["outcome"], Value::Null);
    receiver.wait_for(1).await;
    receiver.release();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_with_provision_false_reaches_no_target() {
    let (program, receiver) = (program(), Receiver::start().await);
    let serving = program.serve().await;
    with_target(&serving, &receiver, request("/x")).await;
    let path = format!("{V1}/cos/physics/people/anna");
    let written = serving.api.put(&format!("{path}?provision=false"), person("Anna")).await.expect(201);
    assert_eq!((&written["provisioning"], &written["change"]), (&json!([]), &json!(1)));
    let services = serving.api.get(&format!("{path}/provisioned-services")).await.expect(200);
    assert_eq!(services["items"][0]["status"], "never");
    assert!(receiver.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_provision_is_answered_with_its_outcome() {
    let (program, receiver) = (program(), Receiver::start().await);
    let serving = program.serve().await;
    with_target(&serving, &receiver, request("/x")).await;
    let api = &serving.api;
    api.put(&format!("{V1}/cos/physics/people/anna?provision=false"), person("Anna")).await.expect(201);
    let provision = format!("{V1}/cos/physics/targets/web/provision");
    let done = api.post(&provision, json!({"kind": "person", "id": "anna"})).await.expect(200);
    assert_eq!(
        (&done["action"], &done["outcome"]["result"]),
        (&json!("reprovision_requested"), &json!("applied"))
    );
    assert_eq!(receiver.received().len(), 1);
    let (status, kind, detail) = api.post(&provision, json!({"kind": "person", "id": "bob"})).await.problem();
    assert_eq!((status, kind.as_str()), (404, "not-found"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_a_problem_that_says_why() {
    let program = program();
    let serving = program.serve().await;
    let api = &serving.api;
    api.post(&format!("{V1}/cos"), json!({"id": "physics", "name": "Physics", "automatic_groups": false}))
        .await
        .expect(201);
    let people = format!("{V1}/cos/physics/people");
    let problem = api.put(&format!("{people}/anna"), json!({"names": []})).await;
    assert_eq!(problem.json()["errors"][0]["pointer"], "/names");
    assert_eq!(problem.problem().0, 422);
    assert_eq!(api.get(&format!("{people}/nobody")).await.problem().0, 404);
    assert_eq!(api.get(&format!("{V1}/nothing/here")).await.problem().0, 404);
    let (status, _, detail) = api.put(&format!("{V1}/cos/chem/people/anna"), person("Anna")).await.problem();
    assert_eq!(status, 404);
    assert!(detail.contains("chem"), "{detail}");
    let wasm = [("content-type", "application/wasm")];
    let refused =
        api.request(Method::POST, &format!("{V1}/plugins"), &wasm, b"\0asm\x01\0\0\0".to_vec()).await;
    let (status, kind, detail) = refused.problem();
    assert_eq!((status, kind.as_str()), (422, "plugin-refused"));
    assert!(detail.contains("is a core module"), "{detail}");
    let json = [("content-type", "application/json")];
    let broken = api.request(Method::PUT, &format!("{people}/anna"), &json, b"{".to_vec()).await;
    assert_eq!(broken.problem().0, 422);
    assert_eq!(api.get(&format!("{people}?limit=many")).await.problem().0, 400);
    let large = format!("{{\"timezone\":\"{}\"}}", "x".repeat(5 << 20)).into_bytes();
    assert_eq!(api.request(Method::PUT, &format!("{people}/anna"), &json, large).await.problem().0, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_first_key_on_every_request_needs_one() {
    let program = program();
    let serving = program.serve().await;
    let path = format!("{V1}/cos");
    serving
        .api
        .post(&path, json!({"id": "physics", "name": "Physics", "automatic_groups": false}))
        .await
        .expect(201);
    serving.api.post(&path, json!({"id": "chem", "name": "Chemistry"})).await.expect(201);
    let key = |arguments: &[&str]| {
        let output = program.output(&[&["key", "create"], arguments].concat());
        output.lines().find(|line| line.starts_with("pvk_")).unwrap().to_owned()
    };
    let full = serving.api.with_key(&key(&["--full"]));
    let reads = serving.api.with_key(&key(&[]));
    let of_physics = serving.api.with_key(&key(&["--full", "--co", "physics"]));
    let wrong = serving.api.with_key("pvk_0123456789ab_wrong");

    let anna = format!("{V1}/cos/physics/people/anna");
    assert_eq!(serving.api.put(&anna, person("Anna")).await.problem().0, 401);
    assert_eq!(wrong.put(&anna, person("Anna")).await.problem().0, 401);
    assert_eq!(reads.put(&anna, person("Anna")).await.problem().0, 403);
    full.put(&anna, person("Anna")).await.expect(201);
    reads.get(&anna).await.expect(200);
    of_physics.put(&anna, person("Anne")).await.expect(200);
    assert_eq!(of_physics.put(&format!("{V1}/cos/chem/people/anna"), person("Anna")).await.problem().0, 404);
    let changes = full.get(&format!("{V1}/cos/physics/changes")).await.expect(200);
    let actors: Vec<_> =
        changes["items"].as_array().unwrap().iter().map(|change| change["actor"].clone()).collect();
    assert_ne!(actors[0], actors[1], "the history tells the keys apart: {actors:?}");
    serving.api.get("/healthz").await.expect(200);
    serving.api.get("/readyz").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_served_is_the_one_that_is_checked_in() {
    let program = program();
    let serving = program.serve().await;
    let served = serving.api.get(&format!("{V1}/openapi.json")).await.expect(200);
    let checked_in: Value = serde_json::from_str(include_str!("../../host/openapi.json")).unwrap();
    assert_eq!(served, checked_in);
    assert_eq!(served["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_told_to_stop_lets_a_running_call_end() {
    let (program, receiver) = (program(), Receiver::start().await);
    let serving = program.serve().await;
    with_target(&serving, &receiver, request("/x")).await;
    receiver.hold();
    let (api, path) = (serving.api.clone(), format!("{V1}/cos/physics/people/anna"));
    let writing = tokio::spawn(async move { api.put(&path, person("Anna")).await });
    receiver.wait_for(1).await;
    let stopping = tokio::task::spawn_blocking(move || serving.terminate());
    receiver.answer(|_| Answer::new(200, "done"));
    receiver.release();
    let written = writing.await.unwrap().expect(201);
    assert_eq!(written["provisioning"][0]["outcome"]["history"], json!(["200 done"]));
    assert!(stopping.await.unwrap().success());
    let serving = program.serve().await;
    serving.api.get("/readyz").await.expect(200);
    assert_eq!(receiver.received().len(), 1, "what ended is not done again");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_the_service_work_on_the_same_data() {
    let (program, receiver) = (program(), Receiver::start().await);
    let serving = program.serve().await;
    with_target(&serving, &receiver, request("/x")).await;
    program.file("people.ndjson", provender_tests::people::directory(20));
    let imported = program.json(&["import", "people.ndjson", "--co", "physics"]);
    assert_eq!(imported["provisioning"]["targets"]["web"]["applied"], 32, "{imported}");
    assert_eq!(receiver.received().len(), 32, "the service provisioned what the command stored");
    serving.api.get(&format!("{V1}/cos/physics/people/person-7")).await.expect(200);
}

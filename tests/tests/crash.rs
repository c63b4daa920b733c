//! `kill -9` at several instants: no committed change is without its outcome in the end, and nothing is lost.

use std::collections::{HashMap, HashSet};

use http::Method;
use provender::provisioning::{Invocation, InvocationOutcome, InvocationState, ServiceStatus};
use provender::registry::record::{RecordKind, SubjectKey};
use provender::store::{InvocationFilter, Store};
use provender_tests::guests::MISBEHAVING;
use provender_tests::host::{CO, lines};
use provender_tests::people::{directory, person_key};
use provender_tests::process::{Program, Serving};
use provender_tests::receiver::Receiver;
use provender_tests::waiting::eventually;
use serde_json::{Value, json};

fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_provender-under-test"))
}

/// Configures a target of the changelog, and gives its file.
fn changelog(program: &Program) -> std::path::PathBuf {
    let out = program.folder().join("out");
    std::fs::create_dir(&out).unwrap();
    program.output(&["co", "create", CO, "--name", "Physics", "--no-automatic-groups"]);
    program.output(&["plugin", "install", "--bundled"]);
    program.output(&["server", "put", "files", "--co", CO, "--files", out.to_str().unwrap()]);
    program.output(&["target", "put", "log", "--co", CO, "--plugin", "changelog", "--slot", "log=files"]);
    out.join("changelog.ndjson")
}

/// Configures a target that takes these steps, and reaches `receiver` and the folder `out`.
fn misbehaving(program: &Program, receiver: &Receiver, steps: Value) {
    let out = program.folder().join("out");
    std::fs::create_dir(&out).unwrap();
    program.file("misbehaving.wasm", MISBEHAVING);
    program.output(&["co", "create", CO, "--name", "Physics", "--no-automatic-groups"]);
    program.output(&["plugin", "install", "misbehaving.wasm"]);
    program.output(&["server", "put", "files", "--co", CO, "--files", out.to_str().unwrap()]);
    program.output(&["server", "put", "web", "--co", CO, "--http", &receiver.url(), "--private"]);
    let configuration = json!({ "provision": steps }).to_string();
    program.output(&[
        "target",
        "put",
        "t",
        "--co",
        CO,
        "--plugin",
        "misbehaving",
        "--slot",
        "web=web",
        "--slot",
        "folder=files",
        "--config-json",
        &configuration,
    ]);
}

/// That every invariant of the host holds, whatever it was doing when it was killed.
fn assert_healthy(program: &Program) {
    program.output(&["check"]);
}

/// The database, while no process of the program runs.
async fn store(program: &Program) -> Store {
    Store::open(&format!("sqlite://{}", program.folder().join("data/provender.db").display())).await.unwrap()
}

async fn invocations(store: &Store) -> Vec<Invocation> {
    store.invocations(CO, &InvocationFilter::default(), None, 10_000).await.unwrap()
}

/// Waits until the host has nothing left to do.
async fn settled(serving: &Serving) {
    eventually("all invocations to be finished", async || {
        let listed = serving.api.get(&format!("/api/v1/cos/{CO}/invocations?limit=1000")).await.expect(200);
        let items = listed["items"].as_array().unwrap().clone();
        items.iter().all(|invocation| invocation["state"] == "finished").then_some(())
    })
    .await;
}

async fn put(serving: &Serving, id: &str) -> u16 {
    let headers = [("content-type", "application/json"), ("prefer", "respond-async")];
    let person = json!({"names": [{"given": id, "primary": true}]}).to_string().into_bytes();
    let path = format!("/api/v1/cos/{CO}/people/{id}");
    serving.api.send(Method::PUT, &path, &headers, person).await.map_or(0, |answered| answered.status)
}

/// That every change has an outcome at the target, and everybody is provisioned there.
async fn assert_complete(store: &Store, target: &str, people: usize) {
    assert!(store.unfinished_invocations(1, None).await.unwrap().is_empty());
    let records = store.records(CO, RecordKind::Person, None, 10_000).await.unwrap();
    assert_eq!(records.len(), people);
    for record in records {
        let service = store.provisioned_service(CO, target, &record.key).await.unwrap();
        assert_eq!(
            service.map(|service| service.status),
            Some(ServiceStatus::Provisioned),
            "{:?}",
            record.key
        );
    }
    let mut last: HashMap<SubjectKey, i64> = HashMap::new();
    for invocation in invocations(store).await {
        let change = last.entry(invocation.subject).or_default();
        *change = invocation.change.unwrap_or_default().max(*change);
    }
    for change in store.changes(CO, 0, 100_000).await.unwrap() {
        // What follows from several changes of one batch is with the last of them.
        let ended = last.get(&change.subject).copied().unwrap_or_default();
        assert!(ended >= change.sequence, "{change:?} is not followed by an invocation that ended");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_killed_while_it_imports_loses_nothing_that_was_committed() {
    const PEOPLE: usize = 1_500;
    let program = program();
    let log = changelog(&program);
    program.file("people.ndjson", directory(PEOPLE));
    let mut importing = program.start(&["import", "people.ndjson", "--co", CO, "--batch", "100"]);
    eventually("some people in the changelog", async || (lines_so_far(&log) >= 40).then_some(())).await;
    importing.kill();
    assert_healthy(&program);

    let stored = store(&program).await;
    let committed = stored.records(CO, RecordKind::Person, None, 10_000).await.unwrap().len();
    let unfinished = stored.unfinished_invocations(10_000, None).await.unwrap().len();
    stored.close().await;
    assert!(
        committed > 0 && unfinished > 0,
        "killed in the middle: {committed} committed, {unfinished} unfinished"
    );

    let serving = program.serve().await;
    settled(&serving).await;
    serving.kill();
    assert_healthy(&program);
    let stored = store(&program).await;
    assert_complete(&stored, "log", committed).await;
    stored.close().await;

    let again = program.json(&["import", "people.ndjson", "--co", CO]);
    assert_eq!(
        again["stored"].as_u64().unwrap() + again["unchanged"].as_u64().unwrap(),
        (PEOPLE + 12) as u64
    );
    let stored = store(&program).await;
    assert_complete(&stored, "log", PEOPLE).await;
    let told: HashSet<String> = lines(&log)
        .iter()
        .filter(|line| line["subject"]["kind"] == "person")
        .map(|line| line["subject"]["id"].to_string())
        .collect();
    assert_eq!(told.len(), PEOPLE, "everybody is in the changelog");
}

fn lines_so_far(file: &std::path::Path) -> usize {
    std::fs::read_to_string(file).map_or(0, |text| text.lines().count())
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_was_committed_and_not_begun_is_done_after_a_restart() {
    const PEOPLE: usize = 60;
    let (program, receiver) = (program(), Receiver::start().await);
    misbehaving(&program, &receiver, json!([{"do": "request", "slot": "web", "method": "PUT", "url": "/x"}]));
    receiver.hold();
    let serving = program.serve().await;
    for number in 0..PEOPLE {
        assert_eq!(put(&serving, &format!("p{number}")).await, 202);
    }
    receiver.wait_for(1).await;
    serving.kill();
    assert_healthy(&program);
    let begun = receiver.received().len();
    assert!(begun < PEOPLE, "most of the work waits for its turn");

    receiver.release();
    let serving = program.serve().await;
    settled(&serving).await;
    serving.kill();
    assert_healthy(&program);
    let stored = store(&program).await;
    assert_complete(&stored, "t", PEOPLE).await;
    assert_eq!(receiver.received().len(), PEOPLE + begun, "what was begun is done again, all else once");
    assert!(invocations(&stored).await.iter().all(|invocation| invocation.attempt == 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_cut_off_is_made_again_as_another_attempt_of_the_same_invocation() {
    let (program, receiver) = (program(), Receiver::start().await);
    misbehaving(
        &program,
        &receiver,
        json!([{"do": "report"}, {"do": "request", "slot": "web", "url": "/x"}]),
    );
    receiver.hold();
    let serving = program.serve().await;
    assert_eq!(put(&serving, "anna").await, 202);
    receiver.wait_for(1).await;
    serving.kill();
    assert_healthy(&program);
    let stored = store(&program).await;
    let [before] = &invocations(&stored).await[..] else { panic!("one invocation") };
    assert_eq!((before.state, &before.outcome), (InvocationState::Planned, &None));
    assert_eq!(stored.provisioned_service(CO, "t", &person_key("anna")).await.unwrap(), None);
    stored.close().await;

    receiver.release();
    let serving = program.serve().await;
    settled(&serving).await;
    serving.kill();
    assert_healthy(&program);
    let stored = store(&program).await;
    let [after] = &invocations(&stored).await[..] else { panic!("one invocation") };
    assert_eq!((after.id, after.attempt), (before.id, 2));
    let Some(InvocationOutcome::Applied { history }) = &after.outcome else { panic!("{:?}", after.outcome) };
    assert!(history[1].ends_with("attempt 2"), "the plugin is told: {history:?}");
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_whose_outcome_was_not_committed_is_made_again_and_its_state_is_as_before() {
    let (program, receiver) = (program(), Receiver::start().await);
    let steps = json!([
        {"do": "state", "operation": "get", "key": "seen"},
        {"do": "state", "operation": "set", "key": "seen", "value": "yes"},
        {"do": "file", "operation": "append", "path": "done", "text": "{}"},
        {"do": "request", "slot": "web", "url": "/x"},
    ]);
    misbehaving(&program, &receiver, steps);
    let done = program.folder().join("out/done");
    receiver.hold();
    let serving = program.serve().await;
    assert_eq!(put(&serving, "anna").await, 202);
    receiver.wait_for(1).await;
    assert_eq!(lines_so_far(&done), 1, "the effect happened");
    serving.kill();
    assert_healthy(&program);
    let stored = store(&program).await;
    assert_eq!(stored.plugin_state(CO, "t", Some(&person_key("anna")), "seen").await.unwrap(), None);
    stored.close().await;

    receiver.release();
    let serving = program.serve().await;
    settled(&serving).await;
    serving.kill();
    assert_healthy(&program);
    assert_eq!(lines_so_far(&done), 2, "an effect is made at least once");
    let stored = store(&program).await;
    let [invocation] = &invocations(&stored).await[..] else { panic!("one invocation") };
    let Some(InvocationOutcome::Applied { history }) = &invocation.outcome else {
        panic!("{:?}", invocation.outcome)
    };
    assert_eq!(history[0], "nothing", "state of a call that was cut off is not stored");
    let seen = stored.plugin_state(CO, "t", Some(&person_key("anna")), "seen").await.unwrap();
    assert_eq!(seen.as_deref(), Some(&b"yes"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_that_was_answered_survives_kills_at_any_instant() {
    const ROUNDS: usize = 6;
    let program = program();
    changelog(&program);
    let mut answered = Vec::new();
    for round in 0..ROUNDS {
        let serving = program.serve().await;
        let writers = (0..4).map(|writer| {
            let api = serving.api.clone();
            tokio::spawn(async move {
                let mut answered = Vec::new();
                for number in 0.. {
                    let id = format!("p{round}-{writer}-{number}");
                    let person = json!({"names": [{"given": id, "primary": true}]}).to_string().into_bytes();
                    let path = format!("/api/v1/cos/{CO}/people/{id}");
                    let json = [("content-type", "application/json")];
                    match api.send(Method::PUT, &path, &json, person).await {
                        Ok(answer) if answer.status == 201 => answered.push(id),
                        _ => break,
                    }
                }
                answered
            })
        });
        let writers: Vec<_> = writers.collect();
        let log = program.folder().join("out/changelog.ndjson");
        let target = lines_so_far(&log) + 7 + 13 * round;
        eventually("more people in the changelog", async || (lines_so_far(&log) >= target).then_some(()))
            .await;
        serving.kill();
        assert_healthy(&program);
        for writer in writers {
            answered.extend(writer.await.unwrap());
        }
    }
    assert!(answered.len() > ROUNDS, "{answered:?}");
    let serving = program.serve().await;
    settled(&serving).await;
    serving.kill();
    assert_healthy(&program);
    let stored = store(&program).await;
    let people = stored.records(CO, RecordKind::Person, None, 10_000).await.unwrap();
    for id in &answered {
        assert!(people.iter().any(|person| person.key.id == *id), "{id} was answered and is lost");
    }
    assert_complete(&stored, "log", people.len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_waits_for_a_service_that_is_killed_gets_its_outcomes_from_the_next_one() {
    let (program, receiver) = (program(), Receiver::start().await);
    misbehaving(&program, &receiver, json!([{"do": "request", "slot": "web", "url": "/x"}]));
    receiver.hold();
    let serving = program.serve().await;
    program.file("people.ndjson", directory(10));
    let mut importing = program.start(&["import", "people.ndjson", "--co", CO]);
    receiver.wait_for(1).await;
    serving.kill();
    assert_healthy(&program);
    let serving = program.serve().await;
    receiver.release();
    let status = eventually("the import to end", async || importing.ended()).await;
    assert!(status.success(), "{}", importing.stderr());
    serving.kill();
    assert_healthy(&program);
    assert_complete(&store(&program).await, "t", 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_whose_first_call_was_cut_off_is_removed_if_it_is_gone_by_then() {
    let (program, receiver) = (program(), Receiver::start().await);
    misbehaving(&program, &receiver, json!([{"do": "request", "slot": "web", "url": "/x"}]));
    receiver.hold();
    let serving = program.serve().await;
    assert_eq!(put(&serving, "anna").await, 202);
    receiver.wait_for(1).await;
    serving.kill();
    receiver.release();
    program.file("gone.ndjson", "{\"kind\": \"person\", \"delete\": \"anna\"}\n");
    program.output(&["import", "gone.ndjson", "--co", CO]);
    assert_healthy(&program);
    let stored = store(&program).await;
    let service = stored.provisioned_service(CO, "t", &person_key("anna")).await.unwrap();
    assert_eq!(service.map(|service| service.status), Some(ServiceStatus::Removed));
}

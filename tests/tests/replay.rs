//! A finished invocation is run again from its record alone: nothing outside is reached, nothing is stored.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use provender::pipeline::{ReplayError, Replayed, Verdict};
use provender::provisioning::{FailureClass, Invocation, InvocationOutcome};
use provender_tests::host::{CO, TestHost, history, lines};
use provender_tests::people::{group, group_key, person, person_key};
use provender_tests::receiver::{Answer, Receiver};
use serde_json::{Value, json};

/// Everything that a target may reach.
async fn host_with(receiver: &Receiver) -> TestHost {
    let host = TestHost::start().await;
    let web = json!({"kind": "http", "base_url": receiver.url(), "allow_private_addresses": true});
    host.server("receiver", web).await;
    host.server("disk", json!({"kind": "files", "root": host.folder("disk")})).await;
    host
}

async fn target(host: &TestHost, steps: Value, limits: Value) {
    let slots = json!({"web": "receiver", "folder": "disk", "another-folder": "disk"});
    let settings = json!({"slots": slots, "limits": limits});
    host.misbehaving_target_with("t", steps, settings).await;
}

async fn replay(host: &TestHost, invocation: &Invocation) -> Replayed {
    host.host.pipeline.replay(CO, invocation.id).await.expect("a replay")
}

async fn anna(host: &TestHost) -> Invocation {
    host.put(person_key("anna"), person("anna")).await.remove(0)
}

#[tokio::test]
async fn a_replay_of_every_kind_of_effect_is_equal_and_reaches_nothing() {
    let receiver = Receiver::start().await;
    receiver.answer(|_| {
        let cookies = Answer::new(201, vec![0xff, 0, b'x']).header("set-cookie", "session=1");
        cookies.header("x-many", "a").header("x-many", "b")
    });
    let host = host_with(&receiver).await;
    let steps = json!([
        {"do": "report"},
        {"do": "observe"},
        {"do": "request", "slot": "web", "url": "/a", "method": "PUT", "body-bytes": 10},
        {"do": "request", "slot": "web", "url": "/b"},
        {"do": "file", "operation": "write", "path": "f", "text": "content"},
        {"do": "file", "operation": "append", "path": "f", "text": "line"},
        {"do": "file", "operation": "read", "path": "f"},
        {"do": "file", "operation": "list", "path": "."},
        {"do": "file", "operation": "read", "path": "missing"},
        {"do": "file", "operation": "create-directory", "slot": "another-folder", "path": "d"},
        {"do": "file", "operation": "remove", "slot": "another-folder", "path": "f"},
        {"do": "state", "operation": "set", "key": "k", "value": "v"},
        {"do": "state", "operation": "get", "key": "k"},
        {"do": "state", "operation": "get", "key": "nothing"},
        {"do": "state", "operation": "keys"},
        {"do": "state", "operation": "delete", "key": "k"},
        {"do": "look-up", "group": "staff", "times": 1},
        {"do": "look-up", "group": "nobody", "times": 1},
        {"do": "log", "message": "hello", "times": 2},
        {"do": "stderr", "text": "hello", "times": 1},
    ]);
    target(&host, steps, json!({})).await;
    host.misbehaving_filter("mark", json!({"do": "mark", "name": "seen"})).await;
    host.put(group_key("staff"), group("staff")).await;
    let invocation = anna(&host).await;
    assert!(history(&invocation).len() > 20, "{invocation:?}");
    let requests = receiver.received().len();
    std::fs::remove_dir_all(host.folder("disk")).unwrap();

    let replayed = replay(&host, &invocation).await;
    assert!(replayed.equal, "{replayed:#?}");
    let [step] = &replayed.steps[..] else { panic!("one step: {replayed:?}") };
    assert_eq!((step.fuel, step.effects), (invocation.usage.fuel, invocation.usage.effects));
    assert_eq!(receiver.received().len(), requests, "a replay sends nothing");
    assert_eq!(host.invocations("t").await.len(), 2, "a replay is no invocation");
}

#[tokio::test]
async fn filters_are_replayed_each_with_what_it_was_given() {
    let host = TestHost::start().await;
    for name in ["first", "second"] {
        host.misbehaving_filter(name, json!({"do": "mark", "name": name})).await;
    }
    let filters = json!({"filters": ["first", "second"]});
    host.misbehaving_target_with("t", json!([{"do": "report"}]), filters).await;
    let invocation = anna(&host).await;
    let replayed = replay(&host, &invocation).await;
    assert!(replayed.equal, "{replayed:#?}");
    let ids: Vec<_> = replayed.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["first", "second", "t"]);
}

/// Takes these steps, which fail by this class, and replays them.
async fn failing(steps: Value, limits: Value, expected: FailureClass) -> Replayed {
    let receiver = Receiver::start().await;
    let host = host_with(&receiver).await;
    target(&host, steps, limits).await;
    let invocation = anna(&host).await;
    match &invocation.outcome {
        Some(InvocationOutcome::Failed { class, .. }) => assert_eq!(*class, expected),
        other => panic!("did not fail: {other:?}"),
    }
    replay(&host, &invocation).await
}

#[tokio::test]
async fn a_call_that_failed_fails_in_the_same_way_again() {
    let request = json!({"do": "request", "slot": "web", "url": "/a", "times": 4});
    for (steps, limits, class) in [
        (json!([request, {"do": "panic", "message": "boom"}]), json!({}), FailureClass::Trap),
        (json!([request, {"do": "loop"}]), json!({"fuel": 50_000_000}), FailureClass::OutOfFuel),
        (
            json!([request, {"do": "allocate", "bytes": 64 << 20, "piece": 1 << 20}]),
            json!({"memory_bytes": 16 << 20}),
            FailureClass::MemoryLimit,
        ),
        (json!([request]), json!({"effects": 2}), FailureClass::BudgetExceeded),
        (json!([request]), json!({"bytes_in": 200}), FailureClass::BudgetExceeded),
        (
            json!([request, {"do": "request", "url": "http://other.example/", "times": 2}]),
            json!({}),
            FailureClass::EffectRefused,
        ),
        (
            json!([request, {"do": "fail", "failure": "conflict", "message": "taken"}]),
            json!({}),
            FailureClass::Conflict,
        ),
    ] {
        let replayed = failing(steps.clone(), limits, class).await;
        assert_eq!(replayed.steps[0].verdict, Verdict::Equal, "{steps}");
    }
}

#[tokio::test]
async fn a_call_that_missed_its_deadline_is_equal_up_to_there() {
    let steps = json!([
        {"do": "request", "slot": "web", "url": "/a"},
        {"do": "sleep", "milliseconds": 3_600_000},
    ]);
    let replayed = failing(steps, json!({"deadline_ms": 300}), FailureClass::Deadline).await;
    assert!(replayed.equal, "{replayed:?}");
    assert_eq!(replayed.steps[0].verdict, Verdict::EqualUntilDeadline);
}

#[tokio::test]
async fn a_plugin_that_depends_on_how_fast_the_world_is_is_named_as_not_deterministic() {
    let receiver = Receiver::start().await;
    let asked = std::sync::Arc::new(AtomicU64::new(0));
    let slow = std::sync::Arc::clone(&asked);
    receiver.answer(move |_| {
        slow.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(20));
        Answer::new(200, "late")
    });
    let host = host_with(&receiver).await;
    let authority = receiver.address().to_string();
    target(&host, json!([{"do": "ask-impatiently", "authority": authority}]), json!({})).await;
    let invocation = anna(&host).await;
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let replayed = replay(&host, &invocation).await;
    assert!(!replayed.equal);
    let Verdict::NotDeterministic { difference } = &replayed.steps[0].verdict else {
        panic!("not named: {replayed:?}")
    };
    assert!(difference.contains("asked ") && difference.contains("recorded is"), "{difference}");
}

#[tokio::test]
async fn what_cannot_be_replayed_says_why() {
    let receiver = Receiver::start().await;
    let host = host_with(&receiver).await;
    let unknown = uuid::Uuid::nil();
    let pipeline = &host.host.pipeline;
    assert!(matches!(pipeline.replay(CO, unknown).await, Err(ReplayError::Unknown(_))));

    let steps = json!([{"do": "request", "slot": "web", "url": "/a", "times": 20}]);
    target(&host, steps, json!({"transcript_bytes": 2_000})).await;
    let cut = anna(&host).await;
    let error = pipeline.replay(CO, cut.id).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "the record of invocation {} is not complete: effects of `t` did not fit into limit `transcript_bytes`; \
             raise the limit for later ones",
            cut.id
        )
    );

    // Gone before it could be called for the subject.
    host.misbehaving_target("later", json!([])).await;
    let done = host.delete(&person_key("anna")).await;
    let skipped = done.iter().find(|invocation| invocation.target == "later").unwrap();
    let error = pipeline.replay(CO, skipped.id).await.unwrap_err();
    assert!(matches!(error, ReplayError::NothingCalled(_)), "{error}");
}

#[tokio::test]
async fn a_changelog_line_is_replayed_without_being_written_again() {
    let host = TestHost::start().await;
    let file = host.changelog("log", json!({})).await;
    let invocation = anna(&host).await;
    assert!(replay(&host, &invocation).await.equal);
    assert_eq!(lines(&file).len(), 1);
}

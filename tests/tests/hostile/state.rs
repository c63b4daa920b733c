//! A call that writes its state and then does not end well: nothing of it is stored, and the operator is told why.

use provender::provisioning::InvocationOutcome;
use provender_guest_crash::WAYS;
use provender_tests::host::{CO, TestHost};
use provender_tests::people::{person_key, plain_person};
use serde_json::json;

use crate::Told;

#[tokio::test]
async fn state_is_kept_by_no_way_of_failing() {
    let host = TestHost::start().await;
    let set = |value: &str| json!({"do": "state", "operation": "set", "key": "k", "value": value});
    let limits = json!({"limits": {"fuel": 20_000_000, "memory_bytes": 16 << 20, "deadline_ms": 600_000}});
    host.misbehaving_target("t", json!([set("kept")])).await;
    host.put(person_key("anna"), person("anna", "0")).await;
    let crashes = WAYS.map(|how| (how, json!({"do": "crash", "how": how})));
    let others = [
        ("failure", json!({"do": "fail", "failure": "permanent", "message": "no"})),
        ("escapes", json!({"do": "give-back", "what": "a failure with terminal escapes"})),
        ("no text", json!({"do": "give-back", "what": "a lone byte"})),
        ("too much", json!({"do": "give-back", "what": "history", "times": 1_000_000})),
        ("too much state", json!({"do": "state", "operation": "set", "key": "l", "bytes": 2 << 20})),
        ("resources", json!({"do": "hoard", "what": "pollables", "times": 10_000})),
    ];
    let mut told = Told::default();
    for (how, step) in crashes.into_iter().chain(others) {
        host.misbehaving_target_with("t", json!([set("lost"), step]), limits.clone()).await;
        let done = host.put(person_key("anna"), person("anna", how)).await;
        let Some(InvocationOutcome::Failed { class, message, .. }) = &done[0].outcome else {
            panic!("{how}: {:?}", done[0].outcome)
        };
        assert!(message.chars().count() <= 1_000 && !message.contains(char::is_control), "{message}");
        told.add(how, &format!("{class:?}: {message}"));
        assert_eq!(stored(&host).await.as_deref(), Some("kept"), "{how}");
    }
    insta::assert_snapshot!("state_of_failures", told.0);
}

#[tokio::test]
async fn what_a_plugin_gives_to_be_kept_is_bounded_and_does_nothing_to_a_terminal() {
    let host = TestHost::start().await;
    for (number, (what, times)) in
        [("terminal escapes", 0), ("history", 50_000), ("identifiers", 50_000)].into_iter().enumerate()
    {
        host.misbehaving_target("t", json!([{"do": "give-back", "what": what, "times": times}])).await;
        let done = host.put(person_key("anna"), person("anna", &number.to_string())).await;
        let kept = match &done[0].outcome {
            Some(InvocationOutcome::Applied { history }) => history.clone(),
            // Identifiers that cannot be stored are not left out: the next call would miss them.
            Some(InvocationOutcome::Failed { message, .. }) => vec![message.clone()],
            other => panic!("{what}: {other:?}"),
        };
        assert!(kept.len() <= 32, "{}", kept.len());
        assert!(!kept.iter().any(|line| line.contains(char::is_control)), "{kept:?}");
    }
}

async fn stored(host: &TestHost) -> Option<String> {
    let value: Option<Vec<u8>> =
        host.host.store.plugin_state(CO, "t", Some(&person_key("anna")), "k").await.unwrap();
    value.map(|value| String::from_utf8(value).unwrap())
}

fn person(id: &str, given: &str) -> provender::registry::record::Record {
    let mut person = plain_person(id);
    person.names[0].given = Some(given.to_owned());
    provender::registry::record::Record::Person(Box::new(person))
}

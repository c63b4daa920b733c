//! Durable keys and values without end, at their edges, and made to reach what is not the plugin's.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::BoxFuture;
use insta::assert_snapshot;
use provender::capabilities::contract::state::Scope;
use provender::capabilities::state::StateReader;
use provender::registry::record::Record;
use provender_tests::calls::{Stored, TestCall, history};
use provender_tests::host::{self, TestHost};
use provender_tests::people::{person, person_key, plain_person};
use serde_json::{Value, json};

use super::{Report, told};

fn state(operation: &str, more: Value) -> Value {
    let mut step = json!({"do": "state", "operation": operation});
    for (name, value) in more.as_object().unwrap() {
        step[name] = value.clone();
    }
    step
}

async fn provision(
    steps: &[Value],
    limits: &[(&str, u64)],
) -> provender::capabilities::plugin::Said<provender::capabilities::contract::types::Outcome> {
    let call = TestCall::of(steps.iter().cloned().collect()).state(Stored::default());
    limits.iter().fold(call, |call, (word, value)| call.limit(word, *value)).provision().await
}

#[tokio::test]
async fn keys_without_end_are_ended_by_their_bytes_or_their_number() {
    let forever = |key_bytes| {
        state("set", json!({"key": "k", "numbered": true, "times": 2_000, "key-bytes": key_bytes}))
    };
    let mut report = Report::default();
    report.add("long keys", &provision(&[forever(500)], &[("state_bytes", 100_000)]).await, &[]);
    report.add("short keys", &provision(&[forever(0)], &[]).await, &[]);
    let same = state("set", json!({"key": "k", "bytes": 50_000, "times": 3}));
    report.add("one key again and again", &provision(&[same], &[("state_bytes", 100_002)]).await, &[]);
    let removed = state("delete", json!({"key": "k", "numbered": true, "times": 2_000, "key-bytes": 500}));
    report.add("removals", &provision(&[removed], &[("state_bytes", 100_000)]).await, &[]);
    assert_snapshot!(report.0);
}

#[tokio::test]
async fn state_bytes_are_counted_to_the_byte() {
    let set = state("set", json!({"key": "four", "bytes": 96}));
    assert_eq!(history(provision(std::slice::from_ref(&set), &[("state_bytes", 100)]).await), ["done"]);
    let end = provision(&[set], &[("state_bytes", 99)]).await;
    assert!(end.state.into_state_changes().is_empty());
    let end = provision(&[state("set", json!({"key": "four", "bytes": 96}))], &[("state_bytes", 99)]).await;
    assert_snapshot!(told(&end));
}

#[tokio::test]
async fn keys_and_bounds_of_the_wrong_length_are_mistakes_that_the_plugin_is_told() {
    let mut report = Report::default();
    for operation in ["get", "set", "delete", "keys"] {
        for key_bytes in [0, 1, 512, 513, 1_000_000] {
            let end = provision(&[state(operation, json!({"key-bytes": key_bytes}))], &[]).await;
            report.add(&format!("{operation} {key_bytes} bytes"), &end, &[]);
        }
    }
    assert_snapshot!(report.0);
}

/// As many keys as anybody asks for.
struct Millions;

impl StateReader for Millions {
    fn value(&self, _: Scope, _: String) -> BoxFuture<'_, anyhow::Result<Option<Vec<u8>>>> {
        async { Ok(None) }.boxed()
    }

    fn keys(
        &self,
        _: Scope,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> BoxFuture<'_, anyhow::Result<Vec<String>>> {
        let first = after.map_or(0, |after| after[after.len() - 8..].parse::<u32>().expect("a number") + 1);
        let keys = (first..3_000_000).take(limit as usize).map(|number| format!("{prefix}{number:08}"));
        let keys = keys.collect();
        async move { Ok(keys) }.boxed()
    }
}

#[tokio::test]
async fn a_list_of_millions_of_keys_is_ended_by_the_budgets_of_the_call() {
    let keys = || TestCall::of(json!([state("keys", json!({"key": "k"}))])).state(Millions);
    let mut report = Report::default();
    report.add(
        "by effects",
        &keys().limit("fuel", 50_000_000_000).limit("memory_bytes", 1 << 30).provision().await,
        &[],
    );
    report.add("by bytes", &keys().limit("bytes_in", 1_000_000).provision().await, &[("1008000", "MORE")]);
    assert_snapshot!(report.0);
}

#[tokio::test]
async fn values_are_bytes_and_keys_are_any_text() {
    let all: Vec<u8> = (0..=255).collect();
    let host = TestHost::start().await;
    let keys = ["\0", "a\0b", "%", "_", "'; DROP TABLE plugin_state; --", "\u{10ffff}", "../t", "\n", " "];
    let set: Vec<Value> = keys.map(|key| state("set", json!({"key": key, "binary": all}))).into();
    host.misbehaving_target("t", set.into()).await;
    host.put(person_key("anna"), person("anna")).await;
    let mut get: Vec<Value> = keys.map(|key| state("get", json!({"key": key, "binary": all}))).into();
    // Nothing in a prefix is a pattern.
    get.extend(["%", "_", "a"].map(|prefix| state("keys", json!({"key": prefix}))));
    host.misbehaving_target("t", get.clone().into()).await;
    let mut expected = vec!["the same bytes".to_owned(); keys.len()];
    // What a plugin writes into the history is made plain there.
    expected.extend(["%", "_", "a b"].map(str::to_owned));
    let mut changed = plain_person("anna");
    changed.timezone = Some("Europe/Berlin".to_owned());
    let done = host.put(person_key("anna"), Record::Person(Box::new(changed))).await;
    assert_eq!(host::history(&done[0]), expected);
}

#[tokio::test]
async fn no_key_reaches_the_state_of_another_subject_or_target() {
    let host = TestHost::start().await;
    host.misbehaving_target("t", json!([state("set", json!({"key": "k", "value": "of anna"}))])).await;
    host.put(person_key("anna"), person("anna")).await;
    let mut attempts = Vec::new();
    for key in ["anna/k", "person/anna/k", "../anna/k", "k\0anna", "anna\0k", "t/person/anna/k", "*", "%"] {
        attempts
            .extend([false, true].map(|of_target| state("get", json!({"key": key, "of-target": of_target}))));
    }
    attempts.extend([false, true].map(|of_target| state("keys", json!({"key": "", "of-target": of_target}))));
    host.misbehaving_target("t", attempts.clone().into()).await;
    host.misbehaving_target("u", attempts.into()).await;
    let done = host.put(person_key("bob"), person("bob")).await;
    assert_eq!(done.len(), 2);
    for invocation in &done {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        host::history(invocation).iter().for_each(|line| *seen.entry(line).or_default() += 1);
        assert_eq!(seen, BTreeMap::from([("nothing", 16), ("", 2)]));
    }
}

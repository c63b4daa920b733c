//! What a plugin finds of the machine when it asks for it by WASI: nothing, or the invocation's own.

use provender_tests::calls::{TestCall, history};
use serde_json::{Value, json};

use crate::{Told, assert_served, call, unhurried};

#[tokio::test]
async fn the_machine_is_not_there() {
    let mut told = Told::default();
    for what in [
        "environment",
        "preopens",
        "terminals",
        "wall clock",
        "monotonic clock",
        "seed",
        "tcp",
        "tcp 6",
        "udp",
        "listen",
        "resolve",
        "resolve an address",
        "threads",
        "read",
        "read and wait",
        "skip",
        "splice",
        "splice and wait",
        "random bytes at the limit",
    ] {
        let end = call(json!({"do": "probe", "what": what})).provision().await;
        assert_eq!(end.effects, 0);
        told.add(what, &history(end).join("\n"));
    }
    insta::assert_snapshot!("machine_is_not_there", told.0);
}

#[tokio::test]
async fn what_is_asked_for_beyond_measure_ends_the_call() {
    let mut told = Told::default();
    for what in [
        "random bytes",
        "insecure random bytes",
        "write too much and wait",
        "write zeroes",
        "write zeroes and wait",
    ] {
        told.add_end(what, &call(json!({"do": "probe", "what": what})).provision().await);
        assert_served().await;
    }
    insta::assert_snapshot!("machine_beyond_measure", told.0);
}

#[tokio::test]
async fn the_same_call_sees_the_same_machine() {
    let observe = || {
        let probes: Vec<Value> =
            ["wall clock", "monotonic clock", "seed"].map(|what| json!({"do": "probe", "what": what})).into();
        let steps = [vec![json!({"do": "observe"})], probes].concat();
        TestCall::of(steps.into())
    };
    let first = history(observe().provision().await);
    assert_eq!(first, history(observe().provision().await));
    let other = history(observe().seed([1; 32]).provision().await);
    let random = |lines: &[String]| lines.iter().find(|line| line.starts_with("random ")).cloned();
    assert_ne!(random(&first), random(&other), "another invocation has other random numbers");
}

#[tokio::test]
async fn a_flood_of_output_leaves_its_end() {
    let mut told = Told::default();
    for step in [
        json!({"do": "probe", "what": "write"}),
        json!({"do": "probe", "what": "flood standard output"}),
        json!({"do": "stderr", "text": "x".repeat(100), "times": 10_000}),
    ] {
        let steps = json!([step, {"do": "panic", "message": "the end"}]);
        let end = unhurried(TestCall::of(steps)).limit("fuel", 5_000_000_000).provision().await;
        assert!(end.transcript.stderr.len() <= 4096, "{}", end.transcript.stderr.len());
        assert!(end.transcript.stderr.contains("the end"), "{}", end.transcript.stderr);
        told.add_end(&step["do"].to_string(), &end);
        assert_served().await;
    }
    insta::assert_snapshot!("machine_flood", told.0);
}

#[tokio::test]
async fn an_output_that_acts_on_terminals_is_defused() {
    let steps = json!([
        {"do": "stderr", "text": "\u{1b}[2J\u{1b}]0;owned\u{7}\0\r\u{9b}31m two\nlines\t", "times": 1},
        {"do": "panic", "message": "the \u{1b}[31mend"},
    ]);
    let end = TestCall::of(steps).provision().await;
    let mut told = Told::default();
    told.add_end("escapes", &end);
    assert!(!told.0.contains(|letter: char| letter.is_control() && letter != '\n' && letter != '\t'));
    insta::assert_snapshot!("machine_escapes", told.0);
}

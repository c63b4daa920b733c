//! The same call is the same: to the unit of fuel, and to the letter of what it did.

use std::sync::Arc;

use provender::capabilities::contract::types::{Failure, Outcome};
use provender::capabilities::plugin::Said;
use provender::plugins::Catalog;
use provender::sandbox::{Fault, Transcript};
use provender_tests::calls::{Stored, TestCall, start_with_pool};
use provender_tests::guests::MISBEHAVING;
use serde_json::json;

/// A call that computes, takes memory, looks at clocks and random numbers, and acts.
fn call(folder: &std::path::Path) -> TestCall {
    let steps = json!([
        {"do": "observe"},
        {"do": "report"},
        {"do": "allocate", "bytes": 4 << 20, "piece": 1 << 16},
        {"do": "log", "message": "hello", "times": 3},
        {"do": "stderr", "text": "hello", "times": 3},
        {"do": "state", "operation": "set", "key": "k", "value": "v"},
        {"do": "state", "operation": "keys"},
        {"do": "file", "operation": "write", "path": "f", "text": "x"},
        {"do": "file", "operation": "list", "path": "."},
        {"do": "sleep", "milliseconds": 1},
    ]);
    TestCall::of(steps).state(Stored::default()).folder("folder", folder, &[])
}

fn without_durations(mut transcript: Transcript) -> Transcript {
    for entry in &mut transcript.effects {
        entry.duration_us = 0;
    }
    transcript
}

/// What must be the same: result, fuel, memory, and what was done.
fn done(end: Said<Outcome>) -> (Result<Result<Outcome, Failure>, Fault>, u64, u64, Transcript) {
    (end.result, end.fuel, end.memory_bytes, without_durations(end.transcript))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_calls_are_the_same_one_after_the_other_and_beside_each_other_with_and_without_a_pool() {
    let folder = tempfile::tempdir().unwrap();
    let expected = done(call(folder.path()).provision().await);
    assert!(expected.0.is_ok() && expected.1 > 100_000, "{expected:?}");
    for pool in [true, false] {
        let host = Arc::new(start_with_pool(pool));
        let plugin = Arc::new(host.load(&Catalog::digest(MISBEHAVING), MISBEHAVING.into()).await.unwrap());
        for _ in 0..50 {
            assert_eq!(
                done(call(folder.path()).provision_in(&host, &plugin).await),
                expected,
                "pool: {pool}"
            );
        }
        let beside: Vec<_> = (0..50)
            .map(|_| {
                let (host, plugin) = (Arc::clone(&host), Arc::clone(&plugin));
                tokio::spawn(async move {
                    let folder = tempfile::tempdir().unwrap();
                    done(call(folder.path()).provision_in(&host, &plugin).await)
                })
            })
            .collect();
        for end in beside {
            assert_eq!(end.await.unwrap(), expected, "pool: {pool}");
        }
    }
}

#[tokio::test]
async fn a_call_that_runs_out_of_fuel_does_so_at_the_same_place() {
    let limited = || {
        let steps = json!([
            {"do": "state", "operation": "set", "key": "k", "bytes": 1_000, "times": 1_000},
        ]);
        TestCall::of(steps).state(Stored::default()).limit("fuel", 2_000_000).limit("state_bytes", 64 << 20)
    };
    let first = limited().provision().await;
    assert!(first.result.is_err() && first.effects > 0, "{:?}", first.result);
    for _ in 0..3 {
        let again = limited().provision().await;
        assert_eq!((again.effects, again.fuel), (first.effects, first.fuel));
        assert_eq!(again.result, first.result);
    }
}

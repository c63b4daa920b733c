//! The same call is the same: to the unit of fuel, and to the letter of what it did.

use provender::sandbox::Transcript;
use provender_tests::calls::{Stored, TestCall};
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

#[tokio::test]
async fn the_same_call_uses_the_same_fuel_and_memory_and_does_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let first = call(folder.path()).provision().await;
    assert!(first.fuel > 100_000, "{}", first.fuel);
    for _ in 0..5 {
        let again = call(folder.path()).provision().await;
        assert_eq!(again.fuel, first.fuel);
        assert_eq!(again.memory_bytes, first.memory_bytes);
        assert_eq!(again.result, first.result);
        assert_eq!(without_durations(again.transcript), without_durations(first.transcript.clone()));
    }
}

#[tokio::test]
async fn calls_beside_each_other_use_the_same_fuel_as_alone() {
    let folder = tempfile::tempdir().unwrap();
    let alone = call(folder.path()).provision().await;
    let beside: Vec<_> = (0..16).map(|_| tokio::spawn(call(folder.path()).provision())).collect();
    for end in beside {
        let end = end.await.unwrap();
        assert_eq!((end.fuel, end.result), (alone.fuel, alone.result.clone()));
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

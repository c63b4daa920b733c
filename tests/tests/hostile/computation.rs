//! Time: what computes or waits without end, in the guest or by the host's hand.

use std::time::Duration;

use provender::capabilities::contract::types::Outcome;
use provender::sandbox::Fault;
use provender_tests::calls::fault;
use serde_json::json;

use crate::{Told, assert_served, call};

#[tokio::test]
async fn a_loop_with_fuel_to_spare_misses_its_deadline() {
    let looping = call(json!({"do": "loop"})).limit("fuel", 100_000_000_000).limit("deadline_ms", 200);
    let end = looping.provision().await;
    assert!(
        matches!(fault(&end), Fault::Deadline { export: "provision", limit_ms: 200, .. }),
        "{:?}",
        end.result
    );
    let chatting = json!([
        {"do": "stderr", "text": "waiting for the directory\n", "times": 1},
        {"do": "loop"},
    ]);
    let chatting = provender_tests::calls::TestCall::of(chatting);
    let end = chatting.limit("fuel", 100_000_000_000).limit("deadline_ms", 200).provision().await;
    let mut told = Told::default();
    told.add_end("a loop after a word", &end);
    insta::assert_snapshot!("computation_deadline", told.0);
    assert_served().await;
}

#[tokio::test]
async fn waiting_without_end_misses_the_deadline_however_it_is_done() {
    let mut told = Told::default();
    for what in [
        "wait for hours",
        "wait forever",
        "wait for an instant",
        "wait busily",
        "wait for many",
        "wait for none",
    ] {
        let waiting = call(json!({"do": "probe", "what": what})).limit("deadline_ms", 500);
        told.add_end(what, &waiting.provision().await);
        assert_served().await;
    }
    let end =
        call(json!({"do": "sleep", "milliseconds": 3_600_000})).limit("deadline_ms", 200).provision().await;
    told.add_end("sleep", &end);
    insta::assert_snapshot!("computation_waiting", told.0);
}

#[tokio::test]
async fn a_loop_lets_other_calls_on() {
    let looping = call(json!({"do": "loop"})).limit("fuel", 100_000_000_000).limit("deadline_ms", 500);
    let looping = tokio::spawn(looping.provision());
    for _ in 0..20 {
        let end = call(json!({"do": "finish", "outcome": "unchanged"})).provision().await;
        assert_eq!(end.result, Ok(Ok(Outcome::Unchanged)));
    }
    assert!(matches!(looping.await.unwrap().result, Err(Fault::Deadline { .. })));
}

#[tokio::test]
async fn more_loops_than_instances_let_the_next_call_on() {
    let looping: Vec<_> = (0..24)
        .map(|_| call(json!({"do": "loop"})).limit("fuel", 100_000_000_000).limit("deadline_ms", 100))
        .map(|call| tokio::spawn(call.provision()))
        .collect();
    assert_served().await;
    for end in looping {
        let end = tokio::time::timeout(Duration::from_mins(1), end).await.expect("an end").unwrap();
        assert!(matches!(end.result, Err(Fault::Deadline { .. })), "{:?}", end.result);
    }
}

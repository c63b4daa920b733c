//! Many requests of one call at once: what they hold of the host together is bounded, and nothing of them is left behind.

use insta::assert_snapshot;
use provender::capabilities::contract::types::Outcome;
use provender::capabilities::plugin::Said;
use provender::sandbox::{Entry, Fault};
use provender_tests::calls::{TestCall, fault, history, http_server, local_server};
use provender_tests::counterpart::{Act, Counterpart, answering, stopping_after};
use serde_json::{Value, json};

use super::{Report, told};

/// Requests of one call that have a connection at once.
const AT_ONCE: usize = 8;

fn crowd(counterpart: &Counterpart, count: usize, then: &str) -> Value {
    let request = json!({"authority": counterpart.address().to_string(), "path": "/x"});
    json!({"do": "crowd", "request": request, "count": count, "then": then})
}

async fn provision(counterpart: &Counterpart, steps: Value, limits: &[(&str, u64)]) -> Said<Outcome> {
    let call = TestCall::of(steps).web("web", &local_server(&counterpart.url()), &[]);
    limits.iter().fold(call, |call, (word, value)| call.limit(word, *value)).provision().await
}

fn body(bytes: usize) -> Vec<Act> {
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {bytes}\r\n\r\n");
    answering(format!("{head}{}", "x".repeat(bytes)))
}

#[tokio::test]
async fn all_of_many_requests_are_answered_over_a_few_connections() {
    let counterpart = Counterpart::start(body(3)).await;
    let end = provision(&counterpart, json!([crowd(&counterpart, 200, "read")]), &[]).await;
    assert_eq!(end.effects, 200);
    assert_eq!(history(end), ["200 x 200 [content-length: 3] xxx"]);
    assert!(counterpart.most_open() <= AT_ONCE + 1, "{} at once", counterpart.most_open());
    counterpart.left_alone().await;
}

#[tokio::test]
async fn requests_that_are_dropped_leave_no_connection() {
    let counterpart = Counterpart::start_by(|connection| match connection {
        0 => body(3),
        _ => stopping_after("HTTP/1.1 200 OK\r\n"),
    })
    .await;
    for then in ["drop-rest", "drop"] {
        let end = provision(&counterpart, json!([crowd(&counterpart, 100, then)]), &[]).await;
        assert!(end.result.is_ok(), "{}", told(&end));
        counterpart.left_alone().await;
    }
    assert!(counterpart.most_open() <= AT_ONCE, "{} at once", counterpart.most_open());
}

#[tokio::test]
async fn requests_under_way_at_the_deadline_leave_no_connection() {
    let counterpart =
        Counterpart::start(stopping_after("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx")).await;
    let end =
        provision(&counterpart, json!([crowd(&counterpart, 100, "read")]), &[("deadline_ms", 300)]).await;
    counterpart.left_alone().await;
    assert_eq!((end.effects, counterpart.accepted()), (8, AT_ONCE), "none begins when the call is over");
    assert!(end.transcript.effects.iter().all(Entry::is_unanswered), "{:?}", end.transcript);
    assert_eq!(end.transcript.effects.len(), AT_ONCE);
    assert_snapshot!(told(&end));
}

#[tokio::test]
async fn requests_that_the_plugin_does_not_wait_for_end_with_the_call_and_are_recorded() {
    let counterpart = Counterpart::start(stopping_after("")).await;
    let steps = json!([crowd(&counterpart, 100, "leave"), {"do": "sleep", "milliseconds": 100}]);
    let end = provision(&counterpart, steps, &[]).await;
    assert_eq!(told(&end), "100 left");
    counterpart.left_alone().await;
    assert_eq!(end.effects, end.transcript.effects.len() as u64, "what passed is recorded");
    assert!(counterpart.accepted() <= end.effects as usize, "and nothing after the end");
}

#[tokio::test]
async fn bodies_that_nobody_reads_share_one_budget() {
    let counterpart = Counterpart::start(body(40_000)).await;
    let mut report = Report::default();
    let end =
        provision(&counterpart, json!([crowd(&counterpart, 100, "hold")]), &[("bytes_in", 400_000)]).await;
    // Eight may end at the same instant, so what was used by then varies.
    let Fault::BudgetExceeded { used, .. } = *fault(&end) else { panic!("{}", told(&end)) };
    assert!((400_001..=800_000).contains(&used), "{used}");
    report.add("bodies together", &end, &[(&used.to_string(), "MORE")]);
    let end =
        provision(&counterpart, json!([crowd(&counterpart, 9, "hold")]), &[("bytes_in", 400_000)]).await;
    report.add("as many as there is room for", &end, &[]);
    counterpart.left_alone().await;
    assert_snapshot!(report.0);
}

#[tokio::test]
async fn a_crowd_does_not_exceed_the_effects_of_a_call() {
    let counterpart = Counterpart::start(body(3)).await;
    let end = provision(&counterpart, json!([crowd(&counterpart, 30, "read")]), &[("effects", 20)]).await;
    assert_eq!((end.effects, counterpart.accepted()), (20, 20));
    assert_snapshot!(told(&end));
}

#[tokio::test]
async fn requests_that_are_never_sent_hold_little_and_reach_nobody() {
    let counterpart = Counterpart::start(body(3)).await;
    let mut keep = crowd(&counterpart, 500, "keep");
    keep["request"]["body-bytes"] = json!(1_000_000);
    assert_eq!(history(provision(&counterpart, json!([keep]), &[]).await), ["500 kept"]);
    assert_eq!(counterpart.accepted(), 0);
}

#[tokio::test]
async fn a_server_serves_others_while_a_crowd_waits() {
    let counterpart = Counterpart::start_by(|connection| match connection {
        0..AT_ONCE => stopping_after(""),
        _ => body(3),
    })
    .await;
    let server = json!({"base_url": counterpart.url(), "allow_private_addresses": true});
    let server = http_server(server, &[], &[]);
    let waiting = TestCall::of(json!([crowd(&counterpart, 50, "read")])).web("web", &server, &[]);
    let waiting = tokio::spawn(waiting.provision());
    counterpart.wait_for(AT_ONCE).await;
    let request = json!([{"do": "request", "slot": "web", "url": "/x"}]);
    assert_eq!(history(TestCall::of(request).web("web", &server, &[]).provision().await), ["200 xxx"]);
    assert!(!waiting.is_finished());
    waiting.abort();
    counterpart.left_alone().await;
}

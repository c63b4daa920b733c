//! Counterparts that keep something back: connections, heads, bodies. None of them ever goes on; time ends the call.

use insta::assert_snapshot;
use provender_tests::calls::{TestCall, http_server, local_server};
use provender_tests::counterpart::{Act, Counterpart, Unreachable, stopping_after};
use provender_tests::receiver::Receiver;
use serde_json::{Value, json};

use super::Report;

const HASTE_MS: u64 = 300;

fn one_request() -> TestCall {
    TestCall::of(json!([{"do": "request", "slot": "web", "url": "/x"}]))
}

/// Ways to stop, each after a bit more of a response.
fn stops() -> Vec<(&'static str, Vec<Act>)> {
    let head = "HTTP/1.1 200 OK\r\n";
    vec![
        ("accepts and reads nothing", vec![Act::Hold]),
        ("reads and sends nothing", stopping_after("")),
        ("stops in the status line", stopping_after("HTTP/1.1 2")),
        ("stops in a header", stopping_after(format!("{head}content-le"))),
        ("stops before the end of the head", stopping_after(format!("{head}content-length: 2\r\n"))),
        ("stops after an interim response", stopping_after("HTTP/1.1 103 Early Hints\r\n\r\n")),
        ("stops before the body", stopping_after(format!("{head}content-length: 2\r\n\r\n"))),
        ("stops in the body", stopping_after(format!("{head}content-length: 2\r\n\r\no"))),
        ("stops in a chunk", stopping_after(format!("{head}transfer-encoding: chunked\r\n\r\n5\r\nab"))),
        (
            "stops in the size of a chunk",
            stopping_after(format!("{head}transfer-encoding: chunked\r\n\r\n5")),
        ),
        (
            "stops in the trailers",
            stopping_after(format!("{head}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-late: ")),
        ),
        (
            "never ends the size of a chunk",
            vec![
                Act::ReadHead,
                Act::Send(format!("{head}transfer-encoding: chunked\r\n\r\n").into()),
                Act::SendForEver("0".repeat(1_000).into()),
            ],
        ),
        ("never ends a body without a length", stopping_after(format!("{head}\r\nok"))),
    ]
}

#[tokio::test]
async fn the_deadline_of_the_call_ends_whatever_a_counterpart_keeps_back() {
    let mut report = Report::default();
    for (name, script) in stops() {
        let counterpart = Counterpart::start(script).await;
        let call = one_request().web("web", &local_server(&counterpart.url()), &[]);
        let end = call.limit("deadline_ms", HASTE_MS).provision().await;
        report.add(name, &end, &[]);
        counterpart.left_alone().await;
        assert_eq!(counterpart.accepted(), 1, "{name}: nothing is tried again");
    }
    let unreachable = Unreachable::start().await;
    let call = one_request().web("web", &local_server(&unreachable.url()), &[]);
    report.add("takes no connection", &call.limit("deadline_ms", HASTE_MS).provision().await, &[]);
    assert_snapshot!(report.0);
}

#[tokio::test]
async fn the_time_limits_of_the_server_are_failures_that_the_plugin_is_told() {
    let mut report = Report::default();
    for (name, script) in stops() {
        let counterpart = Counterpart::start(script).await;
        report.add(name, &hasty_server(&counterpart.url()).await, &[]);
        counterpart.left_alone().await;
    }
    let unreachable = Unreachable::start().await;
    report.add("takes no connection", &hasty_server(&unreachable.url()).await, &[]);
    assert_snapshot!(report.0);
}

async fn hasty_server(
    url: &str,
) -> provender::capabilities::plugin::Said<provender::capabilities::contract::types::Outcome> {
    let server = json!({
        "base_url": url, "allow_private_addresses": true,
        "connect_timeout_ms": HASTE_MS - 100, "request_timeout_ms": HASTE_MS,
    });
    one_request().web("web", &http_server(server, &[], &[]), &[]).provision().await
}

#[tokio::test]
async fn a_plugin_may_have_less_patience_than_the_server_and_not_more() {
    let counterpart = Counterpart::start(stopping_after("")).await;
    let request = |timeout_ms: Value| {
        let step = json!({
            "do": "raw-request", "authority": counterpart.address().to_string(), "path": "/x", "timeout-ms": timeout_ms,
        });
        TestCall::of(json!([step])).web("web", &local_server(&counterpart.url()), &[])
    };
    let mut report = Report::default();
    report.add("50 ms", &request(json!(50)).provision().await, &[]);
    report.add("0 ms", &request(json!(0)).provision().await, &[]);
    let hour = request(json!(3_600_000)).limit("deadline_ms", HASTE_MS).provision().await;
    report.add("an hour", &hour, &[]);
    let end_of_time = request(json!(u64::MAX / 1_000_000)).limit("deadline_ms", HASTE_MS).provision().await;
    report.add("500 years", &end_of_time, &[]);
    assert_snapshot!(report.0);
}

#[tokio::test]
async fn a_counterpart_that_is_not_there_is_a_failure_that_passes() {
    let receiver = Receiver::start().await;
    let url = receiver.url();
    drop(receiver);
    let end = one_request().web("web", &local_server(&url), &[]).provision().await;
    let mut report = Report::default();
    report.add("nobody listens", &end, &[]);
    let nowhere = json!({"base_url": "http://nowhere.example"});
    let end = one_request().web("web", &http_server(nowhere, &[], &[]), &[]).provision().await;
    report.add("no such name", &end, &[]);
    assert_snapshot!(report.0);
}

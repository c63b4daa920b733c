//! Responses that are wrong, endless or far too large. Each ends the exchange, and its connection is used no more.

use bytes::Bytes;
use insta::assert_snapshot;
use provender_tests::calls::{TestCall, history, local_server};
use provender_tests::counterpart::{Act, Counterpart, answering};
use serde_json::json;

use super::{Report, answered};

const HEAD: &str = "HTTP/1.1 200 OK\r\n";
/// Far more than the headers that follow need, far less than a default.
const BYTES_IN: u64 = 200_000;

fn bytes(text: impl Into<String>) -> Bytes {
    text.into().into()
}

/// Sends a beginning, and then the same again and again.
fn endless(beginning: impl Into<String>, again: impl Into<String>) -> Vec<Act> {
    vec![Act::ReadHead, Act::Send(bytes(beginning)), Act::SendForEver(bytes(again))]
}

/// Two requests, the second after whatever the first left behind.
async fn told_by(report: &mut Report, name: &str, script: Vec<Act>) {
    let counterpart = Counterpart::start_by(move |connection| match connection {
        0 => script.clone(),
        _ => answering(format!("{HEAD}content-length: 4\r\n\r\nfine")),
    })
    .await;
    let server = local_server(&counterpart.url());
    let request = json!({"do": "request", "slot": "web", "url": "/x"});
    let call = TestCall::of(json!([request])).web("web", &server, &[]).limit("bytes_in", BYTES_IN);
    let end = call.limit("deadline_ms", 10_000).provision().await;
    report.add(name, &end, &[]);
    if counterpart.accepted() == 1 {
        let next = TestCall::of(json!([request])).web("web", &server, &[]).provision().await;
        assert_eq!(history(next), ["200 fine"], "{name}: the next call is not spoilt");
    }
    drop(server);
    counterpart.left_alone().await;
}

async fn report_of(attacks: Vec<(&str, Vec<Act>)>) -> String {
    let mut report = Report::default();
    for (name, script) in attacks {
        told_by(&mut report, name, script).await;
    }
    report.0
}

#[tokio::test]
async fn what_has_no_end_is_cut_off() {
    let megabyte = "x".repeat(1 << 20);
    let attacks = vec![
        ("a body without a length", endless(format!("{HEAD}\r\n"), "x".repeat(10_000))),
        ("a body of chunks", endless(format!("{HEAD}transfer-encoding: chunked\r\n\r\n"), "4\r\nmore\r\n")),
        (
            "a body of chunks of one byte",
            endless(format!("{HEAD}transfer-encoding: chunked\r\n\r\n"), "1;note=xxxxxxxx\r\nx\r\n"),
        ),
        (
            "the extension of a chunk",
            endless(format!("{HEAD}transfer-encoding: chunked\r\n\r\n4;"), "note=xxxxxxxx;"),
        ),
        (
            "trailers",
            endless(format!("{HEAD}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"), "x-late: 1\r\n"),
        ),
        ("headers", endless(HEAD, "x-more: 1\r\n")),
        ("one header", endless(format!("{HEAD}x-long: "), megabyte.clone())),
        ("the name of a header", endless(HEAD, megabyte.clone())),
        ("the reason of a status", endless("HTTP/1.1 200 ", megabyte.clone())),
        ("empty lines", endless("", "\r\n")),
        ("interim responses 100", endless("", "HTTP/1.1 100 Continue\r\n\r\n")),
        ("interim responses 103", endless("", "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")),
    ];
    assert_snapshot!(report_of(attacks).await);
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let header = |bytes: usize| format!("{HEAD}content-length: 2\r\nx-long: {}\r\n\r\nok", "x".repeat(bytes));
    let many = |count: usize| {
        let headers: String = (0..count).map(|number| format!("x-{number}: 1\r\n")).collect();
        format!("{HEAD}content-length: 2\r\n{headers}\r\nok")
    };
    let attacks = vec![
        ("a header of 100 MB", answering(header(100 << 20))),
        ("a header of 64 KiB", answering(header(64 << 10))),
        ("a header of 60,000 bytes", answering(header(60_000))),
        ("a million headers", answering(many(1_000_000))),
        ("101 headers", answering(many(100))),
        ("100 headers", answering(many(99))),
        (
            "a body announced larger than the budget",
            answering(format!("{HEAD}content-length: 1000000\r\n\r\n")),
        ),
        (
            "a body announced beyond all numbers",
            answering(format!("{HEAD}content-length: {}\r\n\r\n", "9".repeat(30))),
        ),
        (
            "a chunk beyond all numbers",
            answering(format!("{HEAD}transfer-encoding: chunked\r\n\r\n{}\r\n", "f".repeat(20))),
        ),
    ];
    let report = report_of(attacks).await;
    assert_snapshot!(report.replace(&"x".repeat(60_000), "x..."));
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let attacks = [
        ("nothing", ""),
        ("another protocol", "220 mail.example ESMTP\r\n\r\n"),
        ("HTTP/2 unasked", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("another version", "HTTP/9.9 200 OK\r\ncontent-length: 2\r\n\r\nok"),
        ("a status without meaning", "HTTP/1.1 999 ?\r\ncontent-length: 2\r\n\r\nok"),
        ("a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"),
        ("a status of no digits", "HTTP/1.1 abc OK\r\n\r\n"),
        (
            "a length too short",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nsmuggled",
        ),
        ("a length too long", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"),
        ("two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!"),
        ("the same length twice", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok"),
        ("a negative length", "HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok"),
        ("a signed length", "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok"),
        (
            "a length and chunks",
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
        ("an encoding that nobody knows", "HTTP/1.1 200 OK\r\ntransfer-encoding: rot13\r\n\r\nbx"),
        ("chunks that are no chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nok\r\n"),
        (
            "a chunk longer than it says",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nok\r\n0\r\n\r\n",
        ),
        (
            "a chunk of negative size",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n",
        ),
        ("a header without a name", "HTTP/1.1 200 OK\r\n: x\r\n\r\n"),
        ("a header with a blank in its name", "HTTP/1.1 200 OK\r\nx y: x\r\ncontent-length: 2\r\n\r\nok"),
        ("a folded header", "HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 2\r\n\r\nok"),
        ("a header with NUL", "HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 2\r\n\r\nok"),
        (
            "a switch to another protocol",
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nx",
        ),
        ("no content, with content", "HTTP/1.1 204 No Content\r\n\r\nsmuggled"),
    ];
    let attacks = attacks.map(|(name, response)| (name, answering(response))).into();
    assert_snapshot!(report_of(attacks).await);
}

#[tokio::test]
async fn a_connection_that_breaks_at_any_stage_is_a_failure_that_passes() {
    let after = |beginning: &str| vec![Act::ReadHead, Act::Send(bytes(beginning)), Act::Reset];
    let attacks = vec![
        ("before the request is read", vec![Act::Reset]),
        ("after the request", after("")),
        ("in the status line", after("HTTP/1.1 2")),
        ("in the head", after("HTTP/1.1 200 OK\r\ncontent-")),
        ("after the head", after("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")),
        ("in the body", after("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no")),
        ("in a chunk", after("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab")),
    ];
    // What of a beginning arrives before the break is up to the system; that it is a failure is not.
    for (name, script) in attacks {
        let mut report = Report::default();
        told_by(&mut report, name, script).await;
        let text = report.0.lines().nth(1).unwrap_or_default().trim();
        let broken = ["failed: GET /x: the connection broke", "failed: GET /x: the response is incomplete"];
        assert!(broken.contains(&text), "{name}: {text}");
    }
}

#[tokio::test]
async fn a_compressed_body_is_given_as_it_came() {
    // 38 bytes that would become 10,000.
    let bomb = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xc1\x01\x0d\x00\x00\x00\xc2\xa0\xf7Om\x0e7\xa0\x00\x00\x00\x00\x00\x00\x00\x00\x80";
    let head = format!("{HEAD}content-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len());
    let counterpart = Counterpart::start(answering([head.as_bytes(), bomb].concat())).await;
    let request = json!({"do": "request", "slot": "web", "url": "/x"});
    let call = TestCall::of(json!([request])).web("web", &local_server(&counterpart.url()), &[]);
    let end = call.limit("bytes_in", 200).provision().await;
    assert_eq!(answered(&end, 0)["headers"]["content-encoding"], "gzip");
    assert!(end.transcript.effects[0].bytes_in < 200);
    assert_eq!(history(end), [format!("200 {}", String::from_utf8_lossy(bomb))]);
}

#[tokio::test]
async fn a_response_that_comes_before_the_request_was_read_is_taken() {
    let early = format!("{HEAD}connection: close\r\ncontent-length: 5\r\n\r\nearly");
    let counterpart = Counterpart::start(vec![Act::Send(bytes(early)), Act::Hold]).await;
    let put = json!({"do": "request", "slot": "web", "method": "PUT", "url": "/x", "body-bytes": 4_000_000});
    let call = TestCall::of(json!([put])).web("web", &local_server(&counterpart.url()), &[]);
    let mut report = Report::default();
    report.add("early", &call.provision().await, &[]);
    let text = report.0.lines().nth(1).unwrap_or_default().trim().to_owned();
    // Whether the whole request is out by then is up to the system.
    let either = ["200 early", "failed: PUT /x: the connection broke"];
    assert!(either.contains(&text.as_str()), "{text}");
    counterpart.left_alone().await;
}

#[tokio::test]
async fn trailers_are_dropped() {
    let response = format!(
        "{HEAD}transfer-encoding: chunked\r\ntrailer: x-late\r\n\r\n2\r\nok\r\n0\r\nx-late: 1\r\n\r\n"
    );
    let counterpart = Counterpart::start(answering(response)).await;
    let request = json!({"do": "raw-request", "authority": counterpart.address().to_string(), "path": "/x"});
    let call = TestCall::of(json!([request])).web("web", &local_server(&counterpart.url()), &[]);
    assert_eq!(history(call.provision().await), ["200 [] ok"]);
}

//! Requests past what a slot grants, however they are written.

use std::sync::Arc;

use insta::assert_snapshot;
use provender::sandbox::Fault;
use provender::servers::http::HttpServer;
use provender_tests::calls::{TestCall, fault, history, http_server, local_server};
use provender_tests::receiver::{Answer, Receiver};
use serde_json::{Value, json};

use super::{Report, answered};

const NAME: &str = "directory.example";

/// A server known by a name, at "/api" of the receiver.
fn named(receiver: &Receiver) -> Arc<HttpServer> {
    let base_url = format!("http://{NAME}:{}/api", receiver.address().port());
    let server = json!({"base_url": base_url, "allow_private_addresses": true});
    http_server(
        server,
        &[],
        &[(NAME, "127.0.0.1"), ("evil.example", "127.0.0.1"), ("localhost", "127.0.0.1")],
    )
}

fn raw(request: Value) -> TestCall {
    let mut step = request;
    step["do"] = "raw-request".into();
    TestCall::of(json!([step]))
}

fn get(authority: &str, path: &str) -> Value {
    json!({"authority": authority, "path": path})
}

/// A number that is the port to whoever keeps 16 bits of it.
fn beyond(port: u16) -> u32 {
    u32::from(port) + 65_536
}

/// Makes each request with the server bound for GET and PUT, and tells what became of all.
async fn attacks(server: &Arc<HttpServer>, port: u16, requests: Vec<(String, Value)>) -> String {
    let mut report = Report::default();
    for (name, request) in requests {
        let end = raw(request).web("web", server, &["GET", "PUT"]).provision().await;
        report.add(&name, &end, &[]);
    }
    // Also one port of another number, beyond all ports.
    report.0.replace(&beyond(port).to_string(), "BEYOND").replace(&port.to_string(), "PORT")
}

#[tokio::test]
async fn another_origin_is_out_of_reach_however_it_is_written() {
    let receiver = Receiver::start().await;
    let port = receiver.address().port();
    let scheme =
        |scheme: &str| json!({"scheme": scheme, "authority": format!("{NAME}:{port}"), "path": "/api/x"});
    let mut requests: Vec<(String, Value)> =
        ["https", "ftp", "file", "HTTP+unix"].map(|word| (format!("scheme {word}"), scheme(word))).into();
    let authorities = [
        format!("evil.example:{port}"),
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
        format!("2130706433:{port}"),
        format!("0x7f.1:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("[::1]:{port}"),
        format!("[fe80::1%25lo]:{port}"),
        NAME.to_owned(),
        format!("{NAME}:"),
        format!("{NAME}:1"),
        format!("{NAME}:{}", beyond(port)),
        format!("{NAME}:-{port}"),
        format!("{NAME}.:{port}"),
        format!(".{NAME}:{port}"),
        format!("x.{NAME}:{port}"),
        format!("{NAME}.evil.example:{port}"),
        format!("directory%2eexample:{port}"),
        format!("directory\u{ff0e}example:{port}"),
        format!("dir\u{ad}ectory.example:{port}"),
        format!("direct\u{43e}ry.example:{port}"),
        format!("xn--directry-k3g.example:{port}"),
        format!("{NAME}:\u{ff11}\u{ff12}"),
        format!("someone@{NAME}:{port}"),
        format!("someone:password@{NAME}:{port}"),
        format!("{NAME}:{port}@evil.example"),
        format!("evil.example\\@{NAME}:{port}"),
        format!("evil.example#@{NAME}:{port}"),
        format!("evil.example?@{NAME}:{port}"),
        format!("evil.example/{NAME}:{port}"),
        format!("dir\tectory.example:{port}"),
        format!("{NAME}:{port}\r\nhost: evil.example"),
        format!("{NAME} :{port}"),
        String::new(),
    ];
    requests
        .extend(authorities.map(|authority| (format!("authority {authority:?}"), get(&authority, "/api/x"))));
    let told = attacks(&named(&receiver), port, requests).await;
    assert_eq!(receiver.connections(), 0);
    assert_snapshot!(told);
}

#[tokio::test]
async fn a_path_outside_the_prefix_is_out_of_reach_however_it_is_written() {
    let receiver = Receiver::start().await;
    let port = receiver.address().port();
    let paths = [
        "",
        "/",
        "/apiary",
        "/API/x",
        "//api/x",
        "/admin;/api/x",
        "/api/..",
        "/api/../admin",
        "/api/./../admin",
        "/api//../../admin",
        "/api/%2e%2e/admin",
        "/api/%2E%2e/admin",
        "/api/.%2e/admin",
        "/api/%252e%252e/admin",
        "/api/%25252e%25252e/admin",
        "/api/%25252525252e%25252525252e/admin",
        "/api/..%2fadmin",
        "/api%2f..%2fadmin",
        "/api/..%5cadmin",
        "/api/..\\admin",
        "/api/..;x=1/admin",
        "/api/..%3bx/admin",
        "/api/..%00/admin",
        "/api/..%20/admin",
        "/api/..%09/admin",
        "/api/%c0%ae%c0%ae/admin",
        "/api/\u{ff0e}\u{ff0e}/admin",
        "/api/x\r\nx-smuggled: 1",
        "/api/x HTTP/1.1",
        "/api/%0d%0ax",
        "/api/%zz",
        "http://evil.example/api/x",
        "api/x",
        "*",
    ];
    let authority = format!("{NAME}:{port}");
    let requests = paths.map(|path| (format!("path {path:?}"), get(&authority, path)));
    let told = attacks(&named(&receiver), port, requests.into()).await;
    assert_eq!(receiver.connections(), 0);
    assert_snapshot!(told);
}

/// Other spellings of the same origin are the same origin; what the counterpart gets is the host's spelling.
#[tokio::test]
async fn the_granted_origin_is_reached_by_every_spelling_that_means_it() {
    let receiver = Receiver::start().await;
    let port = receiver.address().port();
    let spellings = [
        (format!("{NAME}:{port}"), "/api/x"),
        (format!("DIRECTORY.Example:{port}"), "/api/x"),
        (format!("{NAME}:00{port}"), "/api/x"),
        (format!("{NAME}:{port}"), "/api/a%2fb"),
        (format!("{NAME}:{port}"), "/api//x"),
        (format!("{NAME}:{port}"), "/api/x;v=1"),
        (format!("{NAME}:{port}"), "/api/...x"),
        (format!("{NAME}:{port}"), "/api?to=/../admin"),
    ];
    let requests = spellings.map(|(authority, path)| (format!("{authority} {path}"), get(&authority, path)));
    let told = attacks(&named(&receiver), port, requests.into()).await;
    assert_eq!(receiver.received().len(), 8, "{told}");
    for request in receiver.received() {
        assert_eq!(request.header("host"), Some(format!("{NAME}:{port}").as_str()));
        assert!(request.path.starts_with("/api"), "{}", request.path);
    }
}

#[tokio::test]
async fn a_method_that_is_not_asked_for_is_refused() {
    let receiver = Receiver::start().await;
    let authority = format!("{NAME}:{}", receiver.address().port());
    let of = |method: &str| {
        (format!("method {method:?}"), json!({"method": method, "authority": authority, "path": "/api/x"}))
    };
    let methods =
        ["DELETE", "get", "PROPFIND", "CONNECT", "TRACE", "GET / HTTP/1.1\r\nx:", "GET\tx", "G\u{c9}T", ""];
    let told = attacks(&named(&receiver), receiver.address().port(), methods.map(of).into()).await;
    let mut report = Report(told);
    // A slot that asks for all methods asks for no tunnel and no echo.
    for method in ["CONNECT", "TRACE"] {
        let end = raw(of(method).1).web("web", &named(&receiver), &[]).provision().await;
        report.add(&format!("method {method}, slot asks for all"), &end, &[]);
    }
    assert_eq!(receiver.connections(), 0);
    assert_snapshot!(report.0);
}

#[tokio::test]
async fn headers_of_the_host_cannot_be_set_nor_smuggled() {
    let receiver = Receiver::start().await;
    let authority = format!("{NAME}:{}", receiver.address().port());
    let of = |(name, value): (&str, &str)| {
        let request = json!({"authority": authority, "path": "/api/x", "headers": [[name, value]]});
        (format!("{name:?}: {value:?}"), request)
    };
    let headers = [
        ("host", "evil.example"),
        ("Host", "evil.example"),
        ("connection", "x-kept"),
        ("proxy-connection", "keep-alive"),
        ("keep-alive", "timeout=1"),
        ("transfer-encoding", "chunked"),
        ("Transfer-Encoding", "chunked"),
        ("upgrade", "h2c"),
        ("http2-settings", "x"),
        ("authorization", "Bearer forged"),
        ("Authorization", "Bearer forged"),
        ("proxy-authorization", "Basic forged"),
        ("proxy-authenticate", "Basic"),
        ("x-http-method-override", "DELETE"),
        ("X-HTTP-Method", "DELETE"),
        ("x-method-override", "DELETE"),
        ("x-note", "a\r\nauthorization: Bearer forged"),
        ("x-note", "a\nb"),
        ("x-note", "a\0b"),
        ("x note", "a"),
        ("x-note:", "a"),
        ("authorization ", "Bearer forged"),
        ("", "a"),
        ("content-length", "7"),
        ("content-length", "+0"),
        ("content-length", "0, 0"),
        ("content-length", "99999999999999999999"),
    ];
    let told = attacks(&named(&receiver), receiver.address().port(), headers.map(of).into()).await;
    assert_eq!(receiver.connections(), 0);
    assert_snapshot!(told);
}

#[tokio::test]
async fn headers_that_pass_change_nothing_of_the_connection() {
    let receiver = Receiver::start().await;
    let server = json!({
        "base_url": receiver.url(), "allow_private_addresses": true, "authentication": {"kind": "bearer"},
    });
    let server = http_server(server, &[("token", "the-one-token")], &[]);
    let request = json!({
        "method": "PUT", "authority": receiver.address().to_string(), "path": "/x", "body-bytes": 5,
        "headers": [["te", "trailers"], ["trailer", "x-late"], ["expect", "100-continue"], ["cookie", "a=b"]],
        "trailers": [["x-late", "1"]],
    });
    let end = raw(request).web("web", &server, &[]).provision().await;
    let [received] = &receiver.received()[..] else { panic!("one request") };
    let names: Vec<&str> = received.headers.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["cookie", "authorization", "host", "content-length"]);
    assert_eq!(
        received.headers.get_all("authorization").iter().collect::<Vec<_>>(),
        ["Bearer the-one-token"]
    );
    assert_eq!(received.body, "xxxxx");
    // Cookies are credentials too.
    assert_eq!(end.transcript.effects[0].request.value()["headers"]["cookie"], "***");
}

#[tokio::test]
async fn a_redirect_is_given_to_the_plugin_and_to_follow_it_is_refused() {
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    let location = format!("{}/elsewhere", elsewhere.url());
    receiver.answer(move |_| Answer::new(302, "moved").header("location", location.clone()));
    let steps = json!([
        {"do": "request", "slot": "web", "url": "/x"},
        {"do": "request", "url": format!("{}/elsewhere", elsewhere.url())},
        {"do": "request", "slot": "web", "url": "/x"},
    ]);
    let end = TestCall::of(steps).web("web", &local_server(&receiver.url()), &[]).provision().await;
    assert_eq!((receiver.received().len(), elsewhere.connections()), (1, 0), "the gate stays closed");
    assert_eq!(answered(&end, 0)["status"], 302);
    let varying = [receiver.address().to_string(), elsewhere.address().to_string()];
    let mut report = Report::default();
    report.add("redirect", &end, &[(&varying[0], "GRANTED"), (&varying[1], "ELSEWHERE")]);
    assert_snapshot!(report.0);

    let end = TestCall::of(json!([{"do": "request", "slot": "web", "url": "/x"}]));
    let end = end.web("web", &local_server(&receiver.url()), &[]).provision().await;
    assert_eq!(history(end), ["302 moved"]);
}

#[tokio::test]
async fn without_a_bound_server_nothing_is_reached() {
    let receiver = Receiver::start().await;
    let end = TestCall::of(json!([{"do": "request", "url": receiver.url()}])).provision().await;
    assert_eq!(
        fault(&end).to_string(),
        format!(
            "effect refused in `provision`: http GET: {}/ is not granted: no server is bound to a slot",
            receiver.url()
        )
    );
}

#[tokio::test]
async fn a_refusal_decides_the_end_of_the_call_whatever_the_plugin_makes_of_it() {
    let receiver = Receiver::start().await;
    let steps = json!([
        {"do": "request", "url": "http://example.org/"},
        {"do": "request", "slot": "web", "url": "/granted"},
        {"do": "finish", "outcome": "unchanged"},
    ]);
    let end = TestCall::of(steps).web("web", &local_server(&receiver.url()), &[]).provision().await;
    let Fault::EffectRefused { export: "provision", capability: "http", reason, .. } = fault(&end) else {
        panic!("not refused: {:?}", end.result)
    };
    assert_eq!((end.effects, end.transcript.effects[0].sequence), (0, 0));
    assert_eq!(end.transcript.effects[0].refused.as_ref(), Some(reason));
    assert!(receiver.received().is_empty(), "the gate stays closed");
}

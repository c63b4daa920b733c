//! What is sent, what is taken out, and where an answer is cut off.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::Redirect;
use axum::routing::{any, get as on_get};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::super::*;
use super::counterpart::{head, honest, scripted};
use super::*;

/// A counterpart that answers with a text and reports every head it reads.
async fn answering(answer: impl Into<Vec<u8>>) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (report, reports) = mpsc::unbounded_channel();
    let answer = Arc::new(answer.into());
    let (address, _) = scripted(move |mut stream| {
        let (answer, report) = (Arc::clone(&answer), report.clone());
        async move {
            let _ = report.send(head(&mut stream).await);
            let _ = stream.write_all(&answer).await;
        }
    })
    .await;
    (address, reports)
}

/// A counterpart that begins an answer and then waits for the client to go.
async fn stalling(beginning: impl Into<Vec<u8>>) -> SocketAddr {
    let beginning = Arc::new(beginning.into());
    let (address, _) = scripted(move |mut stream| {
        let beginning = Arc::clone(&beginning);
        async move {
            head(&mut stream).await;
            let _ = stream.write_all(&beginning).await;
            head(&mut stream).await;
        }
    })
    .await;
    address
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn has_line(head: &str, line: &str) -> bool {
    head.lines().any(|other| other.eq_ignore_ascii_case(line))
}

#[tokio::test]
async fn a_request_arrives_whole_and_its_response_comes_back() {
    let router = Router::new().route(
        "/api/echo",
        any(|request: axum::extract::Request| async move {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 100).await.unwrap();
            let text = format!("{} {} {}", parts.method, parts.uri, String::from_utf8_lossy(&body));
            (StatusCode::ACCEPTED, [("x-answer", "42")], text)
        }),
    );
    let (address, _) = honest(router).await;
    let server = server_at(address);
    let request = OutgoingRequest {
        method: Method::PUT,
        path_and_query: PathAndQuery::from_static("/api/echo?a=b%20c"),
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"content"),
    };
    let response = server.send(request, &PATIENT).await.unwrap();
    assert_eq!(response.status, StatusCode::ACCEPTED);
    assert_eq!(response.headers["x-answer"], "42");
    assert_eq!(response.body, "PUT /api/echo?a=b%20c content");
}

#[tokio::test]
async fn headers_of_the_connection_are_not_passed_on() {
    let (address, mut heads) = answering(
        "HTTP/1.1 200 OK\r\nconnection: x-hop, close\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\nproxy-authenticate: x\r\n\
         transfer-encoding: chunked\r\nx-kept: 1\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    )
    .await;
    let server = server_at(address);
    let mut request = get("/");
    for (name, value) in [
        ("connection", "x-hop, keep-alive"),
        ("x-hop", "1"),
        ("host", "evil.example"),
        ("content-length", "1000"),
        ("transfer-encoding", "chunked"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("upgrade", "websocket"),
        ("expect", "100-continue"),
        ("keep-alive", "timeout=1000"),
        ("proxy-authorization", "x"),
        ("proxy-connection", "x"),
        ("x-kept", "1"),
    ] {
        request.headers.insert(name, HeaderValue::from_static(value));
    }
    request.method = Method::POST;
    request.body = Bytes::from_static(b"123");
    let response = server.send(request, &PATIENT).await.unwrap();
    let names: Vec<_> = response.headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["x-kept"]);
    assert_eq!(response.body, "ok");

    let head = heads.recv().await.unwrap();
    let mut names: Vec<_> = head.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0)).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "host", "x-kept"], "{head}");
    assert!(has_line(&head, "content-length: 3"), "{head}");
    assert!(has_line(&head, &format!("host: {address}")), "{head}");
}

#[tokio::test]
async fn basic_and_bearer_credentials_are_added_and_replace_those_of_the_request() {
    let (address, mut heads) = answering(OK).await;
    let url = format!("http://{address}");
    for (authentication, secret, expected) in [
        // The example of RFC 7617 section 2.
        (
            json!({"kind": "basic", "username": "Aladdin"}),
            ("password", "open sesame"),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        ),
        // The example of RFC 7617 section 2.1.
        (json!({"kind": "basic", "username": "test"}), ("password", "123£"), "Basic dGVzdDoxMjPCow=="),
        (json!({"kind": "basic", "username": "key"}), ("password", ""), "Basic a2V5Og=="),
        (json!({"kind": "bearer"}), ("token", "mF_9.B5f-4.1JqM"), "Bearer mF_9.B5f-4.1JqM"),
    ] {
        let configuration = configuration(&url, json!({ "authentication": authentication }));
        let server = server_of(&configuration, Some(secret), Arc::default());
        let mut request = get("/");
        request.headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer of-the-guest"));
        request.headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer another"));
        let response = server.send(request, &PATIENT).await.unwrap();
        assert!(!response.headers.contains_key(header::AUTHORIZATION));
        let head = heads.recv().await.unwrap();
        assert!(head.contains(&format!("authorization: {expected}\r\n")), "{head}");
        assert_eq!(head.matches("authorization").count(), 1, "{head}");
    }
}

#[tokio::test]
async fn a_missing_or_unusable_secret_is_named_and_not_shown() {
    let names = || -> Arc<dyn Resolver> { Arc::new(Names::default()) };
    let bearer = configuration("http://127.0.0.1", json!({ "authentication": {"kind": "bearer"} }));
    let error = HttpServer::new(&bearer, &Secrets::new(), names()).unwrap_err().to_string();
    assert!(error.contains("token"), "{error}");
    let secrets = Secrets::from([("token".to_owned(), SecretString::from("hunter\n2"))]);
    let error = HttpServer::new(&bearer, &secrets, names()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter"), "{error:?}");
}

#[tokio::test]
async fn no_error_and_no_debug_output_holds_the_credential() {
    let secret = "s3cret-t0ken";
    let (lost, _) = answering("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n1").await;
    let (garbage, _) = answering("no HTTP\r\n\r\n").await;
    let stalled = stalling("HTTP/1.1 200 OK\r\n").await;
    let (large, _) = answering("HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n").await;
    let mut texts = Vec::new();
    for address in [lost, garbage, stalled, large] {
        let configuration =
            configuration(&format!("http://{address}"), json!({ "authentication": {"kind": "bearer"} }));
        let server = server_of(&configuration, Some(("token", secret)), Arc::default());
        texts.push(format!("{server:?}"));
        for path in ["/", "/.."] {
            let error = error_of(&server, get(path), &HASTY).await;
            texts.push(format!("{error} {error:?}"));
        }
        let Credential::Header(_, value) = &server.credential else { panic!("no header") };
        assert_eq!(value, &format!("Bearer {secret}"));
        texts.push(format!("{value:?}"));
    }
    for text in texts {
        assert!(!text.contains(secret) && !text.contains("Bearer"), "{text}");
    }
}

#[tokio::test]
async fn a_request_outside_of_the_server_is_refused_before_a_connection() {
    let (address, accepted) = honest(Router::new()).await;
    let server = server_of(&configuration(&format!("http://{address}/api"), json!({})), None, Arc::default());
    for path in ["/", "/apix", "/api/../x", "/api/%2e%2e/x"] {
        let error = error_of(&server, get(path), &PATIENT).await;
        assert!(matches!(error, HttpError::Refused(_)), "{path}: {error}");
    }
    for method in [Method::TRACE, Method::CONNECT] {
        let error = error_of(&server, OutgoingRequest { method, ..get("/api") }, &PATIENT).await;
        assert!(matches!(error, HttpError::Refused(_)), "{error}");
    }
    assert_eq!(accepted.load(Ordering::SeqCst), 0);
    assert_eq!(server.send(get("/api/x"), &PATIENT).await.unwrap().status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_redirect_is_handed_back_and_not_followed() {
    let followed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&followed);
    let target = on_get(move || async move { count.fetch_add(1, Ordering::SeqCst) }.map(|_| "followed"));
    let router =
        Router::new().route("/from", on_get(|| async { Redirect::temporary("/to") })).route("/to", target);
    let (address, _) = honest(router).await;
    let response = server_at(address).send(get("/from"), &PATIENT).await.unwrap();
    assert_eq!(response.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(response.headers[header::LOCATION], "/to");
    assert_eq!(followed.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_compressed_body_passes_untouched() {
    // gzip of "hello".
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00\x00\x00";
    let router =
        Router::new().route("/", on_get(|| async { ([(header::CONTENT_ENCODING, "gzip")], &gzip[..]) }));
    let (address, _) = honest(router).await;
    let response = server_at(address).send(get("/"), &PATIENT).await.unwrap();
    assert_eq!(response.headers[header::CONTENT_ENCODING], "gzip");
    assert_eq!(response.body, &gzip[..]);
}

#[tokio::test]
async fn a_slow_head_and_a_slow_body_end_with_the_deadline() {
    let cases = [
        ("", Phase::Head),
        ("HTTP/1.1 200 OK\r\ncontent-le", Phase::Head),
        ("HTTP/1.1 103 Early Hints\r\n\r\n", Phase::Head),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n123", Phase::Body),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n", Phase::Body),
    ];
    let exchanges = cases.map(|(beginning, phase)| async move {
        let server = server_at(stalling(beginning).await);
        let error = error_of(&server, get("/"), &HASTY).await;
        let expected =
            HttpError::Timeout { server: server.base_url().to_string(), phase, after: HASTY.timeout };
        assert_eq!(error, expected, "{beginning}");
        assert!(error.to_string().contains("500 ms"), "{error}");
    });
    futures::future::join_all(exchanges).await;
}

#[tokio::test]
async fn the_time_limit_of_the_server_holds_too() {
    let address = stalling("").await;
    let configuration = configuration(&format!("http://{address}"), json!({ "request_timeout_ms": 30 }));
    let error = error_of(&server_of(&configuration, None, Arc::default()), get("/"), &PATIENT).await;
    assert!(
        matches!(error, HttpError::Timeout { after, .. } if after == Duration::from_millis(30)),
        "{error}"
    );
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_not_begun() {
    let server = server_at(stalling("HTTP/1.1 200 OK\r\ncontent-length: 1048577\r\n\r\n").await);
    let error = error_of(&server, get("/"), &PATIENT).await;
    let limit = PATIENT.max_response_bytes;
    assert_eq!(error, HttpError::ResponseTooLarge { server: server.base_url().to_string(), limit });
}

#[tokio::test]
async fn an_endless_body_is_cut_off_and_its_connection_closed() {
    let (closed, mut closing) = mpsc::unbounded_channel();
    let (address, _) = scripted(move |mut stream| {
        let closed = closed.clone();
        async move {
            head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            while stream.write_all(b"4\r\nmore\r\n").await.is_ok() {}
            let _ = closed.send(());
        }
    })
    .await;
    let limits = HttpLimits { max_response_bytes: 100_000, ..PATIENT };
    let error = error_of(&server_at(address), get("/"), &limits).await;
    assert!(matches!(error, HttpError::ResponseTooLarge { limit: 100_000, .. }), "{error}");
    closing.recv().await.unwrap();
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_accepted() {
    for framing in [
        "content-length: 4\r\n\r\nfour",
        "transfer-encoding: chunked\r\n\r\n2\r\nfo\r\n2\r\nur\r\n0\r\n\r\n",
        "connection: close\r\n\r\nfour",
    ] {
        let (address, _) = answering(format!("HTTP/1.1 200 OK\r\n{framing}")).await;
        let server = server_at(address);
        let limit = |max_response_bytes| HttpLimits { max_response_bytes, ..PATIENT };
        assert_eq!(server.send(get("/"), &limit(4)).await.unwrap().body, "four", "{framing}");
        let error = error_of(&server, get("/"), &limit(3)).await;
        assert!(matches!(error, HttpError::ResponseTooLarge { limit: 3, .. }), "{framing}: {error}");
    }
}

#[tokio::test]
async fn the_length_that_head_announces_is_not_a_body() {
    let (address, _) = answering("HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n").await;
    let response = server_at(address)
        .send(OutgoingRequest { method: Method::HEAD, ..get("/") }, &PATIENT)
        .await
        .unwrap();
    assert_eq!(response.headers[header::CONTENT_LENGTH], "999999999");
    assert!(response.body.is_empty());
}

#[tokio::test]
async fn huge_headers_are_refused() {
    let long =
        |bytes| format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-long: {}\r\n\r\n", "x".repeat(bytes));
    let many = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{}\r\n", "x-many: 1\r\n".repeat(200));
    let endless = format!("HTTP/1.1 200 OK\r\nx-long: {}", "x".repeat(1 << 20));
    for answer in [long(20_000), long(100_000), many, endless] {
        let server = server_at(stalling(answer).await);
        let error = error_of(&server, get("/"), &PATIENT).await;
        assert!(matches!(error, HttpError::HeadersTooLarge { .. }), "{error}");
    }
    let server = server_at(stalling(long(10_000)).await);
    assert!(server.send(get("/"), &PATIENT).await.is_ok());
}

#[tokio::test]
async fn a_counterpart_that_breaks_off_or_does_not_speak_http_is_told_apart() {
    for (answer, lost) in [
        ("", true),
        ("HTTP/1.1 200 OK\r\ncontent-", true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n123", true),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab", true),
        ("220 mail.example.org ESMTP\r\n\r\n", false),
        ("HTTP/1.1 999999 OK\r\n\r\n", false),
        ("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", false),
    ] {
        let (address, _) = answering(answer).await;
        let error = error_of(&server_at(address), get("/"), &PATIENT).await;
        match error {
            HttpError::ConnectionLost { .. } => assert!(lost, "{answer}: {error}"),
            HttpError::Protocol { .. } => assert!(!lost, "{answer}: {error}"),
            _ => panic!("{answer}: {error}"),
        }
    }
}

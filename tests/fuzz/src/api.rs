//! Requests to the API. Input: requests, separated: a line with method and path, lines with headers, an empty line, the
//! body.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use provender::api::{Exposure, router};
use provender::host::Host;
use provender_tests::host::configuration;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::SEPARATOR;
use crate::scratch::{Reused, folder, runtime};

const MAX_REQUESTS: usize = 8;

struct Place {
    runtime: Runtime,
    router: Router,
    _folder: TempDir,
}

thread_local! {
    static PLACE: Reused<Place> = const { Reused::for_inputs(500) };
}

/// No request makes the host fail, and each that is refused is answered with a problem by RFC 9457.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    PLACE.with(|reused| {
        reused.with(Place::new, |place, _| {
            for request in text.split(SEPARATOR).take(MAX_REQUESTS).filter_map(read) {
                place.runtime.block_on(answer(&place.router, request));
            }
        });
    });
}

impl Place {
    fn new() -> Self {
        let (folder, runtime) = (folder(), runtime());
        // Runs nothing of what is planned: requests are the matter here.
        let host: Arc<Host> = runtime.block_on(Host::open(configuration(folder.path()))).expect("a host");
        Self { runtime, router: router(host, Exposure::Loopback), _folder: folder }
    }
}

fn read(text: &str) -> Option<Request<Body>> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, path) = lines.next()?.split_once(' ')?;
    // It would reach the server, and tests reach nothing.
    if path.contains("check") {
        return None;
    }
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        request = request.header(name, value.trim());
    }
    request.body(Body::from(body.to_owned())).ok()
}

async fn answer(router: &Router, request: Request<Body>) {
    let asked = format!("{} {}", request.method(), request.uri());
    let response = router.clone().oneshot(request).await.expect("an answer");
    let status = response.status();
    let media_type = response.headers().get(header::CONTENT_TYPE).cloned();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    let text = String::from_utf8_lossy(&body);
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{asked}: {text}");
    if status.is_client_error() || status.is_server_error() {
        assert_eq!(
            media_type.as_ref().map(|value| value.as_bytes()),
            Some(&b"application/problem+json"[..]),
            "{asked}"
        );
        if !body.is_empty() {
            let problem: Value = serde_json::from_slice(&body).expect("a problem");
            assert_eq!(problem["status"], status.as_u16(), "{asked}: {text}");
            assert!(problem["type"].is_string() && problem["detail"].is_string(), "{asked}: {text}");
        }
    }
}

//! The API as callers see it: requests to the router over a real host on SQLite, with the bundled plugins as guests.

mod access;
mod configuration;
mod entries;
mod groups;
mod ingest;
mod provisioning;
mod records;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Exposure, keys, router};
use crate::configuration::Configuration;
use crate::host::Host;

/// A host with its API and a collaboration `demo`.
struct Api {
    host: Arc<Host>,
    router: Router,
    directory: tempfile::TempDir,
}

/// A request, sent by [`Call::send`].
struct Call<'a> {
    api: &'a Api,
    request: axum::http::request::Builder,
    body: Vec<u8>,
}

/// The answer to a request.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    /// Null when there is none.
    body: Value,
}

impl Api {
    async fn start() -> Self {
        Self::start_on(Exposure::Loopback, |_| {}).await
    }

    async fn start_on(exposure: Exposure, configure: impl FnOnce(&mut Configuration)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut configuration =
            Configuration { data_directory: directory.path().join("data"), ..Configuration::default() };
        configuration.syslog.enabled = false;
        configuration.sandbox.instances = 8;
        configure(&mut configuration);
        let host = Host::start(configuration).await.unwrap();
        let demo =
            serde_json::from_value(json!({"id": "demo", "name": "Demo", "automatic_groups": false})).unwrap();
        host.registry.put_collaboration(demo).await.unwrap();
        Self { router: router(Arc::clone(&host), exposure), host, directory }
    }

    fn call(&self, method: &str, path: &str) -> Call<'_> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let uri =
            if path == "/healthz" || path == "/readyz" { path.to_owned() } else { format!("/api/v1{path}") };
        Call { api: self, request: Request::builder().method(method).uri(uri), body: Vec::new() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.call("GET", path).send().await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.call("PUT", path).json(&body).send().await
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call("PATCH", path).json(&body).send().await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path).send().await
    }

    /// Makes a key and gives its text.
    async fn key(&self, co: Option<&str>, full_access: bool) -> String {
        let new = keys::NewKey { co: co.map(str::to_owned), full_access, description: "test".to_owned() };
        keys::create(&self.host.store, new).await.unwrap().key.expose_secret().to_owned()
    }
}

impl Call<'_> {
    fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    fn key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    fn json(self, body: &Value) -> Self {
        self.bytes("application/json", body.to_string().into_bytes())
    }

    fn bytes(self, content_type: &str, body: Vec<u8>) -> Self {
        Self { body, ..self }.header("content-type", content_type)
    }

    async fn send(self) -> Answer {
        let request = self.request.body(Body::from(self.body)).unwrap();
        let response = self.api.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 16 << 20).await.unwrap();
        let answer = Answer {
            status: parts.status,
            headers: parts.headers,
            body: if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() },
        };
        answer.is_a_problem_if_it_failed();
        answer
    }
}

impl Answer {
    /// Every error of the API is a problem that says its status.
    fn is_a_problem_if_it_failed(&self) {
        // Readiness has an answer of its own.
        if self.status.as_u16() < 400 || self.body.get("ready").is_some() {
            return;
        }
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{}", self.body);
        assert_eq!(self.body["status"], self.status.as_u16(), "{}", self.body);
        assert!(self.body["type"].as_str().unwrap().starts_with("/problems/"), "{}", self.body);
        assert!(!self.body["detail"].as_str().unwrap().is_empty(), "{}", self.body);
    }

    /// The body of an answer with this status.
    #[track_caller]
    fn with(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body
    }

    /// The last step of the type of a problem with this status.
    #[track_caller]
    fn problem(self, status: u16) -> (String, Value) {
        let body = self.with(status);
        let kind = body["type"].as_str().unwrap().trim_start_matches("/problems/").to_owned();
        (kind, body)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A person with one name.
fn person(given: &str) -> Value {
    json!({"names": [{"given": given, "family": "Example"}]})
}

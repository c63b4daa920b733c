//! A client of the REST API.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Calls the API at one place, by one key.
#[derive(Clone)]
pub struct Api {
    base: String,
    key: Option<String>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What the API answered.
#[derive(Clone, Debug)]
pub struct Answered {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answered {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body, if the status is this one.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem of a request that was refused: its status, the last step of its type, and its detail.
    pub fn problem(self) -> (u16, String, String) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        let kind = text("type").rsplit('/').next().unwrap_or_default().to_owned();
        (self.status, kind, text("detail"))
    }
}

impl Api {
    /// A client without a key.
    pub fn new(base: &str) -> Self {
        Self { base: base.to_owned(), key: None, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// The same with a key.
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self.clone() }
    }

    /// GET, unless nobody answers.
    pub async fn try_get(&self, path: &str) -> Option<Answered> {
        self.send(Method::GET, path, &[], Vec::new()).await.ok()
    }

    pub async fn get(&self, path: &str) -> Answered {
        self.request(Method::GET, path, &[], Vec::new()).await
    }

    pub async fn delete(&self, path: &str) -> Answered {
        self.request(Method::DELETE, path, &[], Vec::new()).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answered {
        self.request(Method::PUT, path, &[("content-type", "application/json")], body.to_string().into())
            .await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answered {
        self.request(Method::POST, path, &[("content-type", "application/json")], body.to_string().into())
            .await
    }

    /// Any request, with more headers.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answered {
        self.send(method, path, headers, body).await.unwrap_or_else(|error| panic!("{path}: {error:#}"))
    }

    /// Any request, unless nobody answers.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> anyhow::Result<Answered> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let response = self.client.request(request.body(Full::new(body.into()))?).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answered { status: parts.status.as_u16(), headers: parts.headers, body })
    }
}

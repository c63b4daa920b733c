//! A small REST service on loopback that takes people from the provisioner `api`, as a counterpart of the demo.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use axum::Router;
use axum::extract::{OriginalUri, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use serde_json::Value;
use tokio::net::TcpListener;

/// Seconds that a person the receiver has no time for is told to wait.
pub(super) const RETRY_AFTER_SECONDS: u32 = 120;

/// What the receiver holds and what it was asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Received {
    /// The last message by identifier, as decoded from the path.
    pub(super) people: BTreeMap<String, Message>,
    pub(super) puts: u64,
    pub(super) deletes: u64,
    /// Requests answered by 503 or 401.
    pub(super) refused: u64,
}

/// A message as it came.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// As it was encoded.
    pub(super) path: String,
    pub(super) body: Value,
    /// Its text.
    pub(super) text: String,
}

#[derive(Debug)]
struct Shared {
    token: String,
    received: Mutex<Received>,
    /// The identifier that is answered by 503.
    busy_for: Mutex<Option<String>>,
}

/// A running receiver; ends with the process.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Receiver {
    /// Listens on a free port of loopback and takes requests with this bearer token.
    pub(super) async fn start(token: String) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("receiver on loopback")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { token, received: Mutex::default(), busy_for: Mutex::default() });
        let router = Router::new()
            .route("/people/{identifier}", put(put_person).delete(delete_person))
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "receiver ended");
            }
        });
        Ok(Self { address, shared })
    }

    /// What a request must bring; the host's secret from the first.
    pub(super) fn token(&self) -> &str {
        &self.shared.token
    }

    pub(super) fn base_url(&self) -> String {
        format!("http://{}/people", self.address)
    }

    /// From now on has no time for this person.
    pub(super) fn be_busy_for(&self, identifier: &str) {
        *locked(&self.shared.busy_for) = Some(identifier.to_owned());
    }

    pub(super) fn received(&self) -> Received {
        locked(&self.shared.received).clone()
    }
}

async fn put_person(
    State(shared): State<Arc<Shared>>,
    Path(identifier): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    text: String,
) -> Response {
    if let Some(refusal) = shared.refusal(&identifier, &headers) {
        return refusal;
    }
    let Ok(body) = serde_json::from_str(&text) else {
        return (StatusCode::BAD_REQUEST, "the body is no JSON").into_response();
    };
    let mut received = locked(&shared.received);
    received.puts += 1;
    match received.people.insert(identifier, Message { path: uri.path().to_owned(), body, text }) {
        None => StatusCode::CREATED.into_response(),
        Some(_) => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn delete_person(
    State(shared): State<Arc<Shared>>,
    Path(identifier): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = shared.refusal(&identifier, &headers) {
        return refusal;
    }
    let mut received = locked(&shared.received);
    received.deletes += 1;
    match received.people.remove(&identifier) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Shared {
    fn refusal(&self, identifier: &str, headers: &HeaderMap) -> Option<Response> {
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let refusal = if authorization != Some(format!("Bearer {}", self.token).as_str()) {
            StatusCode::UNAUTHORIZED.into_response()
        } else if locked(&self.busy_for).as_deref() == Some(identifier) {
            let wait = [(header::RETRY_AFTER, RETRY_AFTER_SECONDS.to_string())];
            (StatusCode::SERVICE_UNAVAILABLE, wait).into_response()
        } else {
            return None;
        };
        locked(&self.received).refused += 1;
        Some(refusal)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! A counterpart that speaks HTTP: keeps what it receives, answers as it is told, and can hold its answers back.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::serve::Listener;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::waiting::eventually;
use crate::witness::{Listening, Witnessed};

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: Method,
    /// Path and query.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    /// The value of a header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a body of JSON")
    }
}

/// What a receiver says to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer of a status with a text.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// With one more header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

type Answering = Box<dyn Fn(&Received) -> Answer + Send + Sync>;

struct Shared {
    received: Mutex<Vec<Received>>,
    answering: Mutex<Answering>,
    held: watch::Sender<bool>,
    connections: AtomicUsize,
    witness: Arc<Listening>,
}

/// A server on loopback. Ends when it is dropped.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl Receiver {
    /// Starts one that answers 200 to everything.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            received: Mutex::default(),
            answering: Mutex::new(Box::new(|_| Answer::new(200, "{}"))),
            held: watch::Sender::new(false),
            connections: AtomicUsize::new(0),
            witness: Listening::start("http", address),
        });
        let counting = Counting { listener, shared: Arc::clone(&shared) };
        let service = axum::Router::new().fallback(receive).with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            axum::serve(counting, service).await.expect("serving");
        });
        Self { address, shared, serving }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Is reached by checks that operators ask for from now on, not by plugins.
    pub fn expect_the_operator(&self) {
        self.shared.witness.expect_the_operator();
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers so from now on.
    pub fn answer(&self, answering: impl Fn(&Received) -> Answer + Send + Sync + 'static) {
        *self.shared.answering.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(answering);
    }

    /// Holds answers back until [`release`](Self::release). Requests are received all the same.
    pub fn hold(&self) {
        self.shared.held.send_replace(true);
    }

    /// Gives the answers that were held back.
    pub fn release(&self) {
        self.shared.held.send_replace(false);
    }

    /// What arrived so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received().clone()
    }

    /// Waits until at least so many requests arrived.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        eventually("requests at the receiver", async || {
            Some(self.received()).filter(|received| received.len() >= count)
        })
        .await
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    fn received(&self) -> MutexGuard<'_, Vec<Received>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let received = Received {
        method: parts.method,
        path: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: parts.headers,
        body: to_bytes(body, usize::MAX).await.unwrap_or_default(),
    };
    shared.received().push(received.clone());
    let mut held = shared.held.subscribe();
    // Fails only when the receiver is gone, and this task with it.
    let _ = held.wait_for(|held| !held).await;
    let answer = (shared.answering.lock().unwrap_or_else(PoisonError::into_inner))(&received);
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).expect("a status");
    for (name, value) in answer.headers {
        response.headers_mut().append(name, value.parse().expect("a header"));
    }
    response
}

/// Counts connections.
struct Counting {
    listener: TcpListener,
    shared: Arc<Shared>,
}

impl Listener for Counting {
    type Io = Witnessed<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Witnessed<TcpStream>, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        self.shared.connections.fetch_add(1, Ordering::Relaxed);
        (Witnessed::accepted(stream, Arc::clone(&self.shared.witness)), address)
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

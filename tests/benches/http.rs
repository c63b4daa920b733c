//! The plugin `api` beside hyper alone, which sends the same requests with the same bodies: to the same server, over as many
//! connections, in turn in one process. Once the call of the plugin alone, from the record to its outcome, and once the
//! whole way from a request to an outcome that is committed durably.
//!
//! `cargo bench -p provender-tests --bench http [-- [distant] [PEOPLE [AT_ONCE [RUNS]]]]`: 2,000 people, 8 at once, 5 runs.
//! `distant`: both reach the server by a relay that takes one to two milliseconds each way, as over a network.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::put;
use axum::serve::{Listener, ListenerExt};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use provender_tests::bench::measure::for_all;
use provender_tests::bench::people::import_quietly;
use provender_tests::bench::ways::{Way, Ways};
use provender_tests::host::TestHost;
use provender_tests::relay::{Conduct, Relay};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    let people: usize = numbers.next().unwrap_or(2_000);
    let at_once: usize = numbers.next().unwrap_or(8);
    let runs: usize = numbers.next().unwrap_or(5);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let distant = std::env::args().any(|argument| argument == "distant");
    runtime.block_on(bench(distant, people, at_once, runs));
}

async fn bench(distant: bool, people: usize, at_once: usize, runs: usize) {
    let counterpart = Counterpart::start().await;
    let relay = Relay::to("http", counterpart.0.address).await;
    relay.conduct(Conduct::Distant(Duration::from_millis(1)));
    let address = if distant { relay.address() } else { counterpart.0.address };
    let ways = Ways::to(host(address, people, at_once).await, "web", people, at_once).await;
    ways.by_plugin().await;
    let bodies = counterpart.received(people);
    let plain = Plain::to(address, bodies.clone());
    let mut most = 0;
    let end = |way: Way| {
        if way == Way::Preview {
            assert!(counterpart.0.bodies.lock().expect("no panic in between").is_empty());
        } else {
            assert!(counterpart.received(people) == bodies, "all did the same");
        }
        if matches!(way, Way::Plugin | Way::Whole) {
            most = most.max(counterpart.0.most_in_use.load(Ordering::SeqCst));
        }
    };
    ways.compare("hyper", runs, async || plain.run(people, at_once).await, || counterpart.forget(), end)
        .await;
    println!("\nrequests of the host under way at once: {most} at most, limit {at_once}");
    assert!(most <= at_once, "the limit is kept");
    ways.stop().await;
}

/// A server that keeps who was sent.
#[derive(Clone)]
struct Counterpart(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    bodies: Mutex<HashMap<String, Bytes>>,
    in_use: AtomicUsize,
    most_in_use: AtomicUsize,
}

impl Counterpart {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let shared = Shared {
            address: Listener::local_addr(&listener).expect("an address"),
            bodies: Mutex::default(),
            in_use: AtomicUsize::new(0),
            most_in_use: AtomicUsize::new(0),
        };
        let counterpart = Self(Arc::new(shared));
        let listener = listener.tap_io(|connection: &mut TcpStream| {
            connection.set_nodelay(true).expect("a connection");
        });
        let app = Router::new().route("/people/{id}", put(Self::put)).with_state(counterpart.clone());
        tokio::spawn(axum::serve(listener, app).into_future());
        counterpart
    }

    async fn put(State(Self(shared)): State<Self>, Path(id): Path<String>, body: Bytes) {
        let in_use = shared.in_use.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most_in_use.fetch_max(in_use, Ordering::SeqCst);
        shared.bodies.lock().expect("no panic in between").insert(id, body);
        shared.in_use.fetch_sub(1, Ordering::SeqCst);
    }

    fn received(&self, people: usize) -> HashMap<String, Bytes> {
        let bodies = self.0.bodies.lock().expect("no panic in between").clone();
        assert_eq!(bodies.len(), people, "everybody is there");
        bodies
    }

    fn forget(&self) {
        self.0.bodies.lock().expect("no panic in between").clear();
        self.0.most_in_use.store(0, Ordering::SeqCst);
    }
}

async fn host(address: SocketAddr, people: usize, at_once: usize) -> TestHost {
    let test = TestHost::start_with(|configuration| configuration.sandbox.instances = 64).await;
    test.install_bundled("api").await;
    let server = json!({
        "kind": "http", "base_url": format!("http://{address}/people/"),
        "allow_private_addresses": true, "pacing": {"max_connections": at_once},
    });
    test.server("web", server).await;
    let target = json!({
        "plugin": "api", "slots": {"endpoint": "web"}, "mode": "manual", "concurrency": at_once,
        "configuration": {"identifier_type": "uid"},
    });
    test.target("web", target).await;
    import_quietly(&test, people, "example.org").await;
    test
}

/// hyper with a pool of its own.
#[derive(Clone)]
struct Plain {
    client: Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    bodies: Arc<HashMap<String, Bytes>>,
}

impl Plain {
    fn to(address: SocketAddr, bodies: HashMap<String, Bytes>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, address, bodies: Arc::new(bodies) }
    }

    async fn run(&self, people: usize, at_once: usize) -> f64 {
        let plain = self.clone();
        for_all(people, at_once, move |number| {
            let plain = plain.clone();
            async move {
                let id = format!("p{number}");
                let body = Full::new(plain.bodies[&id].clone());
                let request = Request::builder()
                    .method(Method::PUT)
                    .uri(format!("http://{}/people/{id}", plain.address))
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(body)
                    .expect("a request");
                let response = plain.client.request(request).await.expect("an answer");
                assert!(response.status().is_success(), "{}", response.status());
                response.into_body().collect().await.expect("a body");
            }
        })
        .await
    }
}

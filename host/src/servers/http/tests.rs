mod authentication;
mod connection;
mod counterpart;
mod exchange;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method};
use secrecy::SecretString;
use serde_json::json;

use super::{HttpError, HttpLimits, HttpServer, IncomingResponse, OutgoingRequest};
use crate::servers::configuration::{HttpConfiguration, Secrets};
use crate::servers::connector::Resolver;

/// Long enough never to end a test that passes.
const PATIENT: HttpLimits = HttpLimits {
    max_response_bytes: 1 << 20,
    max_response_header_bytes: 16 << 10,
    timeout: Duration::from_secs(30),
};
/// Short enough to wait for, long enough for a busy machine to get as far as the test wants.
const HASTY: HttpLimits = HttpLimits { timeout: Duration::from_millis(500), ..PATIENT };

/// Knows some names, and counts how often it is asked.
#[derive(Debug, Default)]
struct Names {
    addresses: HashMap<&'static str, Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Names {
    fn one(name: &'static str, addresses: &[&str]) -> Arc<Self> {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self { addresses: HashMap::from([(name, addresses)]), asked: AtomicUsize::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = match self.addresses.get(name) {
            Some(addresses) => Ok(addresses.clone()),
            None => Err(io::Error::other("no such name in this test")),
        };
        std::future::ready(answer).boxed()
    }
}

/// The configuration of a server at a private address, with some fields of its own.
fn configuration(base_url: &str, fields: serde_json::Value) -> HttpConfiguration {
    let mut all = json!({ "base_url": base_url, "allow_private_addresses": true });
    let serde_json::Value::Object(fields) = fields else { panic!("fields are an object") };
    all.as_object_mut().unwrap().extend(fields);
    serde_json::from_value(all).unwrap()
}

fn server_of(
    configuration: &HttpConfiguration,
    secret: Option<(&str, &str)>,
    names: Arc<Names>,
) -> HttpServer {
    let secrets: Secrets =
        secret.into_iter().map(|(field, text)| (field.to_owned(), SecretString::from(text))).collect();
    HttpServer::new(configuration, &secrets, names).unwrap()
}

/// A server at an address of this machine.
fn server_at(address: SocketAddr) -> HttpServer {
    server_of(&configuration(&format!("http://{address}"), json!({})), None, Arc::default())
}

fn get(path: &'static str) -> OutgoingRequest {
    OutgoingRequest {
        method: Method::GET,
        path_and_query: http::uri::PathAndQuery::from_static(path),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    }
}

async fn error_of(server: &HttpServer, request: OutgoingRequest, limits: &HttpLimits) -> HttpError {
    server.send(request, limits).await.map(|response: IncomingResponse| response.status).unwrap_err()
}

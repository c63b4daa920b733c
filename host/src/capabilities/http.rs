//! Requests by `wasi:http` to the servers bound to the slots of a target.
//!
//! A request is collected whole before it passes the gate, and its response before the guest sees any of it: so both
//! are counted, recorded and bounded. The credential is added behind the gate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, Uri, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, RequestOptions, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
    WasiHttpView,
};

use super::http_bounds::{MAX_CHUNK_BYTES, MAX_FIELDS_BYTES};
use super::{CallState, readable};
use crate::sandbox::{Access, Effect, Gate, LimitName, Performed, Refusal};
use crate::servers::connector::ConnectError;
use crate::servers::http::{
    HttpError, HttpLimits, HttpServer, IncomingResponse, MAX_RESPONSE_HEADER_BYTES, OutgoingRequest,
};

/// A server bound to a slot, and what the plugin asked for there.
pub struct Slot {
    pub name: String,
    pub server: Arc<HttpServer>,
    /// Methods that the slot asks for; empty asks for all.
    pub operations: Vec<String>,
    /// Requests that read though their method may write: method, and path below the base URL, exact or up to a final
    /// `*`.
    pub safe_requests: Vec<(String, String)>,
}

/// The servers that a call may send requests to.
#[derive(Clone, Default)]
pub struct Grant(pub Vec<Arc<Slot>>);

/// The state of a call.
pub(super) struct HttpState {
    context: WasiHttpCtx,
    hooks: Hooks,
}

#[derive(Clone)]
struct Hooks {
    grant: Grant,
    gate: Arc<Gate>,
    /// Bytes of bodies taken from the guest so far, of requests that are sent and of those that are not yet.
    collected: Arc<AtomicU64>,
    /// Requests pass the gate one after the other: the room for a response is known only when the one before is there.
    turn: Arc<Mutex<()>>,
}

type Body = UnsyncBoxBody<Bytes, Error>;
type Background = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl HttpState {
    pub(super) fn new(grant: Grant, gate: Arc<Gate>) -> Self {
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(MAX_FIELDS_BYTES);
        Self { context, hooks: Hooks { grant, gate, collected: Arc::default(), turn: Arc::default() } }
    }
}

impl WasiHttpView for CallState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http.context,
            table: &mut self.guest.table,
            hooks: &mut self.http.hooks,
        }
    }
}

impl WasiHttpHooks for Hooks {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        DEFAULT_FORBIDDEN_HEADERS.contains(name)
            || *name == header::AUTHORIZATION
            || *name == header::PROXY_AUTHORIZATION
    }

    fn send_request(
        &mut self,
        request: http::Request<Body>,
        options: Option<RequestOptions>,
        _: Background,
    ) -> Box<dyn Future<Output = Result<(http::Response<Body>, Background), Error>> + Send> {
        let hooks = self.clone();
        Box::new(async move {
            let IncomingResponse { status, headers, body } = send(&hooks, request, options).await?;
            let mut response =
                http::Response::new(Full::new(body).map_err(|never| match never {}).boxed_unsync());
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok((response, Box::new(async { Ok(()) }) as Background))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        MAX_CHUNK_BYTES
    }
}

async fn send(
    Hooks { grant, gate, collected, turn }: &Hooks,
    request: http::Request<Body>,
    options: Option<RequestOptions>,
) -> Result<IncomingResponse, Error> {
    let (parts, body) = request.into_parts();
    let body = collect(body, gate, collected).await?;
    let _turn = turn.lock().await;
    let slot = grant.slot_of(&parts.method, &parts.uri);
    let method = parts.method.to_string();
    let safe = slot.as_ref().is_ok_and(|(slot, path)| slot.reads(&parts.method, path.path()));
    let effect = Effect {
        capability: "http",
        operation: method.clone(),
        access: if safe { Access::Read } else { Access::Write },
        request: json!({
            "url": parts.uri.to_string(),
            "headers": readable_headers(&parts.headers),
            "body": readable_body(&body),
        }),
        bytes_out: (body.len() + header_bytes(&parts.headers)) as u64,
        granted: slot.as_ref().map(drop).map_err(Clone::clone),
    };
    let deadline = Duration::from_millis(gate.limits().get(LimitName::DeadlineMs));
    let timeout = options.and_then(|options| shortest(&options)).unwrap_or(deadline);
    let performed = gate.pass(effect, |room| async move {
        let Ok((slot, path_and_query)) = slot else {
            return Performed { value: Err(Error::HttpRequestDenied), result: Value::Null, bytes_in: 0 };
        };
        let outgoing = OutgoingRequest { method: parts.method, path_and_query, headers: parts.headers, body };
        let limits = HttpLimits {
            max_response_bytes: usize::try_from(room).unwrap_or(usize::MAX),
            max_response_header_bytes: MAX_RESPONSE_HEADER_BYTES,
            timeout,
        };
        match slot.server.send(outgoing, &limits).await {
            Ok(response) => {
                let bytes_in = (response.body.len() + header_bytes(&response.headers)) as u64;
                let result = json!({
                    "status": response.status.as_u16(),
                    "headers": readable_headers(&response.headers),
                    "body": readable_body(&response.body),
                });
                Performed { value: Ok(response), result, bytes_in }
            }
            Err(error) => {
                if let HttpError::Connect(ConnectError::AddressRefused { .. }) = error {
                    gate.refuse("http", &method, error.to_string());
                }
                let result = json!({"error": error.to_string()});
                // More than there was room for is a budget of the call, not a fault of the counterpart.
                let bytes_in = if matches!(error, HttpError::ResponseTooLarge { .. }) {
                    room.saturating_add(1)
                } else {
                    0
                };
                Performed { value: Err(error_code(&error)), result, bytes_in }
            }
        }
    });
    performed.await.map_err(|_| Error::HttpRequestDenied)?
}

/// Takes a body from the guest. All bodies of a call count together, so that those under way cannot fill the host.
async fn collect(mut body: Body, gate: &Gate, collected: &AtomicU64) -> Result<Bytes, Error> {
    let limit = gate.limits().get(LimitName::BytesOut);
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame.map_err(|_| Error::HttpProtocolError)?.into_data() else { continue };
        let size = chunk.len() as u64;
        let used = collected.fetch_add(size, Ordering::Relaxed).saturating_add(size);
        if used > limit {
            gate.exceed(LimitName::BytesOut, used);
            return Err(Error::HttpRequestBodySize(None));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

impl Grant {
    /// The slot whose server covers a URL, and the path and query to ask it for.
    fn slot_of(&self, method: &Method, uri: &Uri) -> Result<(Arc<Slot>, PathAndQuery), Refusal> {
        let scheme = uri.scheme_str().unwrap_or_default();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let path_and_query = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let mut reasons = Vec::new();
        for slot in &self.0 {
            match slot.server.covers(scheme, authority, path_and_query.as_str()) {
                Ok(())
                    if slot.operations.is_empty()
                        || slot.operations.iter().any(|asked| asked == method.as_str()) =>
                {
                    return Ok((Arc::clone(slot), path_and_query));
                }
                Ok(()) => {
                    reasons.push(format!("slot `{}` asks only for {}", slot.name, slot.operations.join(", ")))
                }
                Err(reason) => reasons.push(format!("slot `{}`: {reason}", slot.name)),
            }
        }
        let granted =
            if reasons.is_empty() { "no server is bound to a slot".to_owned() } else { reasons.join("; ") };
        Err(Refusal(format!("{scheme}://{authority}{path} is not granted: {granted}", path = uri.path())))
    }
}

impl Slot {
    fn reads(&self, method: &Method, path: &str) -> bool {
        if method.is_safe() {
            return true;
        }
        let below = path.strip_prefix(self.server.base_url().path()).unwrap_or(path);
        self.safe_requests.iter().any(|(safe_method, safe_path)| {
            safe_method == method.as_str()
                && match safe_path.strip_suffix('*') {
                    Some(prefix) => below.starts_with(prefix),
                    None => below == safe_path,
                }
        })
    }
}

fn shortest(options: &RequestOptions) -> Option<Duration> {
    [options.connect_timeout, options.first_byte_timeout].into_iter().flatten().min()
}

/// The code of the contract for a failed exchange.
fn error_code(error: &HttpError) -> Error {
    match error {
        HttpError::Refused(_) => Error::HttpRequestDenied,
        HttpError::Connect(ConnectError::AddressRefused { .. }) => Error::DestinationIpProhibited,
        HttpError::Connect(ConnectError::Resolve { .. }) => Error::DnsError { rcode: None, info_code: None },
        HttpError::Connect(ConnectError::Tcp { .. }) => Error::ConnectionRefused,
        HttpError::Connect(ConnectError::Tls { .. }) => Error::TlsCertificateError,
        HttpError::Connect(ConnectError::Timeout { .. }) => Error::ConnectionTimeout,
        HttpError::Timeout { .. } => Error::ConnectionReadTimeout,
        HttpError::ResponseTooLarge { limit, .. } => Error::HttpResponseBodySize(Some(*limit as u64)),
        HttpError::HeadersTooLarge { limit, .. } => {
            Error::HttpResponseHeaderSectionSize(Some(u32::try_from(*limit).unwrap_or(u32::MAX)))
        }
        HttpError::ConnectionLost { .. } => Error::ConnectionTerminated,
        HttpError::Protocol { .. } => Error::HttpProtocolError,
    }
}

fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

/// Headers for the transcript. Cookies are credentials of the counterpart's making.
fn readable_headers(headers: &HeaderMap) -> Value {
    let mut readable = Map::new();
    for name in headers.keys() {
        let secret = matches!(*name, header::SET_COOKIE | header::COOKIE | header::AUTHORIZATION);
        let values: Vec<String> = headers
            .get_all(name)
            .iter()
            .map(|value| {
                if secret { "***".to_owned() } else { String::from_utf8_lossy(value.as_bytes()).into_owned() }
            })
            .collect();
        readable.insert(name.as_str().to_owned(), values.join(", ").into());
    }
    readable.into()
}

/// A body for the transcript: JSON as JSON, text as text.
fn readable_body(body: &Bytes) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| readable(body))
}

//! Requests by `wasi:http` to the servers bound to the slots of a target.
//!
//! A request is collected whole before it passes the gate, and its response before the guest sees any of it: so both
//! are counted, recorded and bounded. The credential is added behind the gate.

mod traffic;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, Uri, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde_json::{Map, Value, json};
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiHttpCtx, WasiHttpCtxView,
    WasiHttpHooks, WasiHttpView,
};

use self::traffic::Traffic;
use super::{CallState, readable};
use crate::sandbox::{Access, Effect, Gate, LimitName, Performed, Refusal};
use crate::servers::connector::ConnectError;
use crate::servers::http::{
    HttpError, HttpLimits, HttpServer, IncomingResponse, MAX_METHOD_BYTES, MAX_RESPONSE_HEADER_BYTES,
    OutgoingRequest,
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

struct Hooks {
    grant: Grant,
    gate: Arc<Gate>,
    traffic: Arc<Traffic>,
}

/// Longest text of a refusal; a plugin may ask for the longest URL that there is.
const MAX_REFUSAL_CHARACTERS: usize = 2_000;

/// What a header may take in memory, and what a body that is being written may keep back: a call holds many at once.
const FIELDS_BYTES: usize = 32 * 1024;
const CHUNK_BYTES: usize = 16 * 1024;

/// Headers by which many servers take another method than that of the request: past the methods that a slot asks for,
/// and past what tells a read from a write.
const METHOD_OVERRIDES: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-method-override"),
];

fn is_forbidden(name: &HeaderName) -> bool {
    DEFAULT_FORBIDDEN_HEADERS.contains(name)
        || *name == header::AUTHORIZATION
        || *name == header::PROXY_AUTHORIZATION
        || METHOD_OVERRIDES.contains(name)
}

type Body = UnsyncBoxBody<Bytes, Error>;
type Background = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl HttpState {
    pub(super) fn new(grant: Grant, gate: Arc<Gate>) -> Self {
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(FIELDS_BYTES);
        Self { context, hooks: Hooks { grant, gate, traffic: Arc::default() } }
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
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        static FILTER: LazyLock<ForbiddenHeaderFilter> = LazyLock::new(|| Arc::new(is_forbidden));
        Arc::clone(&FILTER)
    }

    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        is_forbidden(name)
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES
    }

    fn send_request(
        &mut self,
        request: http::Request<Body>,
        options: Option<RequestOptions>,
        _: Background,
    ) -> Box<dyn Future<Output = Result<(http::Response<Body>, Background), Error>> + Send> {
        let (grant, gate) = (self.grant.clone(), Arc::clone(&self.gate));
        let traffic = Arc::clone(&self.traffic);
        Box::new(async move {
            let IncomingResponse { status, headers, body } =
                send(&grant, &gate, &traffic, request, options).await?;
            let mut response =
                http::Response::new(Full::new(body).map_err(|never| match never {}).boxed_unsync());
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok((response, Box::new(async { Ok(()) }) as Background))
        })
    }
}

async fn send(
    grant: &Grant,
    gate: &Gate,
    traffic: &Traffic,
    request: http::Request<Body>,
    options: Option<RequestOptions>,
) -> Result<IncomingResponse, Error> {
    let (parts, body) = request.into_parts();
    let body = traffic.collect(body, gate).await?;
    let _turn = traffic.turn().await;
    let slot = grant.slot_of(&parts.method, &parts.uri);
    let method: String = parts.method.as_str().chars().take(MAX_METHOD_BYTES).collect();
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
        match slot.server.send_beside(outgoing, &limits, traffic.in_flight()).await {
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
                if let HttpError::Refused(_) | HttpError::Connect(ConnectError::AddressRefused { .. }) = error
                {
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

impl Grant {
    /// The slot whose server covers a URL, and the path and query to ask it for.
    fn slot_of(&self, method: &Method, uri: &Uri) -> Result<(Arc<Slot>, PathAndQuery), Refusal> {
        let scheme = uri.scheme_str().unwrap_or_default();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let path_and_query = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        HttpServer::takes(method).map_err(Refusal)?;
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
        let refusal = format!("{scheme}://{authority}{path} is not granted: {granted}", path = uri.path());
        Err(Refusal(refusal.chars().take(MAX_REFUSAL_CHARACTERS).collect()))
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

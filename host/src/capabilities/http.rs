//! Requests by `wasi:http` to the servers bound to the slots of a target.
//!
//! A request is collected whole before it passes the gate, and its response before the guest sees any of it: so both
//! are counted, recorded and bounded. The credential is added behind the gate.

mod bounds;
mod traffic;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde::{Deserialize, Serialize};
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiHttpCtx, WasiHttpCtxView,
    WasiHttpHooks, WasiHttpView,
};

pub(super) use self::bounds::link;
use self::bounds::{BUFFERED_CHUNKS, MAX_CHUNK_BYTES, MAX_FIELDS_BYTES};
use self::traffic::Traffic;
use super::readable::{Readable, ReadableHeaders};
use super::{CallState, slots};
use crate::sandbox::{Effect, Gate, InPreview, LimitName, Performed, Refusal};
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
    /// Requests that read though their method may write.
    pub safe_requests: Vec<RequestPattern>,
    /// What the plugin expects to be answered to requests that write.
    pub expected_answers: Vec<(RequestPattern, ExpectedAnswer)>,
}

/// Requests to one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPattern {
    pub method: String,
    /// Path below the base URL, exact or up to a final `*`.
    pub path: String,
}

impl RequestPattern {
    fn covers(&self, method: &Method, path: &str) -> bool {
        self.method == method.as_str()
            && match self.path.strip_suffix('*') {
                Some(prefix) => path.starts_with(prefix),
                None => path == self.path,
            }
    }
}

/// An answer to a request that does not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedAnswer {
    pub status: u16,
    /// JSON text, or nothing.
    pub body: Bytes,
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
    traffic: Arc<Traffic>,
    /// Of [`BUFFERED_CHUNKS`].
    chunks_left: usize,
}

/// Longest text of a refusal; a plugin may ask for the longest URL that there is.
const MAX_REFUSAL_CHARACTERS: usize = 2_000;

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
        context.set_field_size_limit(MAX_FIELDS_BYTES);
        Self { context, hooks: Hooks { grant, gate, traffic: Arc::default(), chunks_left: BUFFERED_CHUNKS } }
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

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        // Half of what is left. A body that fits is written without waiting, so how fast it is taken is not seen.
        let chunks = self.chunks_left / 2;
        self.chunks_left -= chunks;
        chunks.max(1)
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

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        MAX_CHUNK_BYTES
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
    let in_preview = match &slot {
        Ok((slot, path)) => slot.in_preview(&parts.method, path.path()),
        Err(_) => InPreview::Ends,
    };
    let bytes_out = (body.len() + header_bytes(&parts.headers)) as u64;
    let effect = Effect {
        capability: "http",
        operation: method.into(),
        access: in_preview.access(),
        request: Request {
            url: parts.uri.to_string(),
            headers: ReadableHeaders(parts.headers.clone()),
            body: Readable(body.clone()),
        },
        bytes_out,
        overlaps: true,
        granted: slot.as_ref().map(drop).map_err(Clone::clone),
    };
    let deadline = Duration::from_millis(gate.limits().get(LimitName::DeadlineMs));
    let timeout = options.and_then(|options| shortest(&options)).unwrap_or(deadline);
    let answer = gate.pass(effect, in_preview, |room| async move {
        let Ok((slot, path_and_query)) = slot else {
            return failed(HttpError::Refused("not granted".to_owned()), room);
        };
        let outgoing = OutgoingRequest { method: parts.method, path_and_query, headers: parts.headers, body };
        let limits = HttpLimits {
            max_response_bytes: usize::try_from(room).unwrap_or(usize::MAX),
            max_response_header_bytes: MAX_RESPONSE_HEADER_BYTES,
            timeout,
        };
        match slot.server.send_beside(outgoing, &limits, traffic.in_flight()).await {
            Ok(IncomingResponse { status, headers, body }) => {
                let bytes_in = Some((body.len() + header_bytes(&headers)) as u64);
                let (headers, body) = (ReadableHeaders(headers), Readable(body));
                let answer = Ok(Response { status: status.as_u16(), headers, body });
                Performed { answer, bytes_in, refused: None }
            }
            Err(error) => failed(error, room),
        }
    });
    match answer.await {
        Ok(Ok(response)) => response.into_incoming(),
        Ok(Err(failed)) => Err(failed.into()),
        Err(_) => Err(Error::HttpRequestDenied),
    }
}

/// What a request asks for.
#[derive(Serialize)]
struct Request {
    url: String,
    headers: ReadableHeaders,
    body: Readable<Bytes>,
}

/// What came back.
#[derive(Serialize, Deserialize)]
struct Response {
    status: u16,
    headers: ReadableHeaders,
    body: Readable<Bytes>,
}

impl Response {
    fn expected(ExpectedAnswer { status, body }: &ExpectedAnswer) -> Self {
        let mut headers = HeaderMap::new();
        if !body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Self { status: *status, headers: ReadableHeaders(headers), body: Readable(body.clone()) }
    }

    fn into_incoming(self) -> Result<IncomingResponse, Error> {
        let Self { status, headers: ReadableHeaders(headers), body: Readable(body) } = self;
        let status = StatusCode::from_u16(status).map_err(|_| Error::HttpProtocolError)?;
        Ok(IncomingResponse { status, headers, body })
    }
}

/// Why nothing came back: for people, and for the plugin.
#[derive(Serialize, Deserialize)]
struct Failed {
    message: String,
    reason: Reason,
}

/// What the plugin is told of a failed exchange.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reason {
    Denied,
    AddressProhibited,
    NameNotResolved,
    ConnectionRefused,
    Tls,
    ConnectionTimeout,
    ResponseTimeout,
    ResponseTooLarge,
    HeadersTooLarge,
    ConnectionLost,
    Protocol,
    /// The host could not authenticate itself.
    NotAuthenticated,
    /// The server is not to be asked now; the message says for how long.
    Held,
}

fn failed(error: HttpError, room: u64) -> Performed<Response, Failed> {
    let message = error.to_string();
    let refused =
        matches!(error, HttpError::Refused(_) | HttpError::Connect(ConnectError::AddressRefused { .. }))
            .then(|| Refusal(message.clone()));
    // More than there was room for is a budget of the call, not a fault of the counterpart.
    let over = matches!(error, HttpError::ResponseTooLarge { .. });
    let bytes_in = Some(if over { room.saturating_add(1) } else { 0 });
    Performed { answer: Err(Failed { message, reason: Reason::of(&error) }), bytes_in, refused }
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
                Ok(()) if slots::asks_for(&slot.operations, method.as_str()) => {
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
    /// Requests that read happen in a preview, others are answered as the plugin expects.
    fn in_preview(&self, method: &Method, path: &str) -> InPreview<Response> {
        let below = path.strip_prefix(self.server.base_url().path()).unwrap_or(path);
        if method.is_safe() || self.safe_requests.iter().any(|safe| safe.covers(method, below)) {
            return InPreview::Happens;
        }
        let expected = self.expected_answers.iter().find(|(request, _)| request.covers(method, below));
        match expected {
            Some((_, answer)) => InPreview::Answered(Response::expected(answer)),
            None => InPreview::Ends,
        }
    }
}

fn shortest(options: &RequestOptions) -> Option<Duration> {
    [options.connect_timeout, options.first_byte_timeout].into_iter().flatten().min()
}

impl Reason {
    fn of(error: &HttpError) -> Self {
        match error {
            HttpError::Refused(_) => Self::Denied,
            HttpError::Connect(ConnectError::AddressRefused { .. }) => Self::AddressProhibited,
            HttpError::Connect(ConnectError::Resolve { .. }) => Self::NameNotResolved,
            HttpError::Connect(ConnectError::Tcp { .. }) => Self::ConnectionRefused,
            HttpError::Connect(ConnectError::Tls { .. }) => Self::Tls,
            HttpError::Connect(ConnectError::Timeout { .. }) => Self::ConnectionTimeout,
            HttpError::Timeout { .. } => Self::ResponseTimeout,
            HttpError::ResponseTooLarge { .. } => Self::ResponseTooLarge,
            HttpError::HeadersTooLarge { .. } => Self::HeadersTooLarge,
            HttpError::ConnectionLost { .. } => Self::ConnectionLost,
            HttpError::Protocol { .. } => Self::Protocol,
            HttpError::NotAuthenticated { .. } => Self::NotAuthenticated,
            HttpError::Held { .. } | HttpError::NoToken { .. } => Self::Held,
        }
    }
}

/// The codes of `wasi:http`.
impl From<Failed> for Error {
    fn from(Failed { message, reason }: Failed) -> Self {
        match reason {
            Reason::Denied => Self::HttpRequestDenied,
            Reason::AddressProhibited => Self::DestinationIpProhibited,
            Reason::NameNotResolved => Self::DnsError { rcode: None, info_code: None },
            Reason::ConnectionRefused => Self::ConnectionRefused,
            Reason::Tls => Self::TlsCertificateError,
            Reason::ConnectionTimeout => Self::ConnectionTimeout,
            Reason::ResponseTimeout => Self::ConnectionReadTimeout,
            Reason::ResponseTooLarge => Self::HttpResponseBodySize(None),
            Reason::HeadersTooLarge => Self::HttpResponseHeaderSectionSize(None),
            Reason::ConnectionLost => Self::ConnectionTerminated,
            Reason::Protocol => Self::HttpProtocolError,
            Reason::NotAuthenticated => Self::ConfigurationError,
            Reason::Held => Self::InternalError(Some(message)),
        }
    }
}

fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

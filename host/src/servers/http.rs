//! One configured HTTP server: its pooled connections, its credential, and the exchange of one whole request for one
//! whole response. Which requests a plugin may make is decided elsewhere.

mod credential;
pub(super) mod echo;
mod oauth1;
mod oauth2;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderName};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::credential::Credential;
use self::echo::Blanks;
use self::oauth2::Token;
use super::base_url::BaseUrl;
use super::configuration::{HttpConfiguration, Secrets};
use super::connector::{ConnectError, Connector, Resolver, find, innermost};
use super::pacing::{Held, Pacing, Turn};
use super::{ServerError, tls};

/// Most bytes of a response's head that a connection reads, whatever the limit of the call.
pub const MAX_RESPONSE_HEADER_BYTES: usize = 64 * 1024;
/// Longest method; those of all RFCs are shorter.
pub const MAX_METHOD_BYTES: usize = 32;
/// Most interim responses (1xx) before the one that counts.
const MAX_INTERIM_RESPONSES: usize = 100;
/// A peer that stops answering on a shared HTTP/2 connection is noticed after these two.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(20);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(10);

/// A whole request.
#[derive(Clone, Debug)]
pub struct OutgoingRequest {
    /// Any but CONNECT and TRACE.
    pub method: Method,
    /// From the root of the origin, so with the path of the base URL.
    pub path_and_query: PathAndQuery,
    /// Headers of the message. Those of the connection are taken out; host, length and credential are the server's.
    pub headers: HeaderMap,
    /// The body; may be empty.
    pub body: Bytes,
}

/// A whole response, as it came: not redirected, not decompressed.
#[derive(Clone, Debug)]
pub struct IncomingResponse {
    /// The status.
    pub status: StatusCode,
    /// Headers of the message, without those of the connection.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Limits of one exchange.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Most bytes of the response's body.
    pub max_response_bytes: usize,
    /// Most bytes of the response's headers, counted as names and values; at most [`MAX_RESPONSE_HEADER_BYTES`].
    pub max_response_header_bytes: usize,
    /// Longest time for everything; the server's own `request_timeout_ms` holds too.
    pub timeout: Duration,
}

/// What exchanges at the same time have received together and not yet handed over.
#[derive(Debug, Default)]
pub struct InFlight(AtomicUsize);

/// The part of one exchange.
struct Share<'a> {
    in_flight: &'a InFlight,
    bytes: usize,
}

impl Share<'_> {
    /// Takes more, and says how much all exchanges hold now.
    fn take(&mut self, bytes: usize) -> usize {
        self.bytes += bytes;
        self.in_flight.0.fetch_add(bytes, Ordering::Relaxed) + bytes
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.in_flight.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What an exchange waited for when its time ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The connection and the head of the response.
    Head,
    /// The body of the response.
    Body,
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Head => "head",
            Self::Body => "body",
        })
    }
}

/// Why there is no response. No text holds a credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The request cannot be sent to this server by its method or path; the text says why.
    #[error("request refused: {0}")]
    Refused(String),
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The counterpart was too slow.
    #[error("the {phase} of the response of {server} was not there within {} ms", after.as_millis())]
    Timeout {
        /// Base URL.
        server: String,
        /// What was missing.
        phase: Phase,
        /// The limit that ended it.
        after: Duration,
    },
    /// More body than the limit.
    #[error("the body of the response of {server} is larger than {limit} bytes")]
    ResponseTooLarge {
        /// Base URL.
        server: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// More headers than the limit: in bytes, or more than 100 over HTTP/1.1.
    #[error("the response of {server} has too many headers: more than {limit} bytes, or more than 100")]
    HeadersTooLarge {
        /// Base URL.
        server: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The connection ended before the response was whole; the counterpart may or may not have acted.
    #[error("the connection to {server} ended before the response was whole: {reason}")]
    ConnectionLost {
        /// Base URL.
        server: String,
        /// What is known.
        reason: String,
    },
    /// The request was not sent, since the server is not to be asked now.
    #[error("{server} is not asked now: {held}")]
    Held {
        /// Base URL.
        server: String,
        /// Why, and for how long.
        held: Held,
    },
    /// The host's credential was refused where it asks for an access token.
    #[error("no access token from {server}: {reason}; check client_id, client_secret and scope")]
    NotAuthenticated {
        /// Token URL.
        server: String,
        /// What is known.
        reason: String,
    },
    /// There is no access token now.
    #[error("no access token from {server}: {reason}")]
    NoToken {
        /// Token URL.
        server: String,
        /// What is known.
        reason: String,
    },
    /// The counterpart does not speak HTTP as it should.
    #[error("{server} does not answer by HTTP: {reason}")]
    Protocol {
        /// Base URL.
        server: String,
        /// What is known.
        reason: String,
    },
}

/// A configured HTTP server with its connections. Cheap to share, meant to be kept.
pub struct HttpServer {
    base_url: BaseUrl,
    credential: Credential,
    /// What a counterpart must not hand to a plugin.
    blanks: Blanks,
    request_timeout: Duration,
    client: Client<Connector, Full<Bytes>>,
    pacing: Pacing,
}

/// One exchange: all that is sent for one request, within its time.
struct Exchange<'a> {
    server: &'a HttpServer,
    after: Duration,
    deadline: Instant,
}

impl Exchange<'_> {
    /// Sends one request, and waits for the head of its response. The turn lasts until the body is read.
    async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Turn<'_>), HttpError> {
        let Self { server, deadline, .. } = *self;
        let held = |held| HttpError::Held { server: server.base_url.to_string(), held };
        let mut turn = server.pacing.turn(deadline).await.map_err(held)?;
        let flooded = notify_of_flood(&mut request);
        let exchange = async {
            tokio::select! {
                response = server.client.request(request) => response.map_err(|error| server.explain(&error)),
                () = flooded.notified() => {
                    Err(server.protocol(format!("it sent more than {MAX_INTERIM_RESPONSES} interim responses")))
                }
            }
        };
        let answer = tokio::time::timeout_at(deadline, exchange).await;
        let answer = answer.unwrap_or_else(|_| Err(self.late(Phase::Head)));
        match &answer {
            Ok(response) => turn.answered(retry_after(response.status(), response.headers())),
            Err(HttpError::Connect(ConnectError::Tcp { .. } | ConnectError::Timeout { .. })) => turn.failed(),
            // Who gave it less time than the server has found out nothing about the server.
            Err(HttpError::Timeout { after, .. }) if *after == server.request_timeout => turn.failed(),
            Err(HttpError::Timeout { .. } | HttpError::Connect(_)) => {}
            Err(_) => turn.answered(None),
        }
        Ok((answer?, turn))
    }

    fn late(&self, phase: Phase) -> HttpError {
        HttpError::Timeout { server: self.server.base_url.to_string(), phase, after: self.after }
    }
}

/// How long a server that cannot serve now wants to be left alone (RFC 9110, section 10.2.3; RFC 6585, section 4).
fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Duration::try_from(date.duration_since(Timestamp::now())).ok()
}

impl HttpServer {
    /// Prepares a server. Connects to nothing yet.
    pub fn new(
        configuration: &HttpConfiguration,
        secrets: &Secrets,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Self, ServerError> {
        let base_url: BaseUrl = configuration
            .base_url
            .parse()
            .map_err(|problem| ServerError::Unusable { problem: format!("base_url {problem}") })?;
        let unusable = |problem| ServerError::Unusable { problem };
        let tls = if base_url.is_https() || configuration.authentication.is_elsewhere_by_https() {
            let own = configuration.client_certificate.as_ref().map(|own| own.with_key(secrets));
            tls::client_configuration(configuration.ca_certificates.as_deref(), own.transpose()?)
                .map_err(unusable)?
        } else {
            tls::without_roots().map_err(unusable)?
        };
        let connector = Connector::new(
            tls,
            resolver,
            configuration.allow_private_addresses,
            Duration::from_millis(configuration.connect_timeout_ms),
        );
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_millis(configuration.idle_timeout_ms))
            .pool_max_idle_per_host(configuration.max_idle_connections)
            .http1_max_buf_size(MAX_RESPONSE_HEADER_BYTES)
            .http2_max_header_list_size(2 * MAX_RESPONSE_HEADER_BYTES as u32)
            .http2_keep_alive_interval(HTTP2_PING_INTERVAL)
            .http2_keep_alive_timeout(HTTP2_PING_TIMEOUT)
            .build(connector);
        let (credential, blanked) = Credential::of(&configuration.authentication, secrets)?;
        Ok(Self {
            base_url,
            blanks: Blanks::of(blanked),
            credential,
            request_timeout: Duration::from_millis(configuration.request_timeout_ms),
            client,
            pacing: Pacing::new(&configuration.pacing),
        })
    }

    /// How long the server is left alone from now on, if it is.
    pub fn rest(&self) -> Option<Duration> {
        self.pacing.rest()
    }

    /// The URL below which this server is.
    pub fn base_url(&self) -> &BaseUrl {
        &self.base_url
    }

    /// Says why a request of this method is sent to no server, if it is not.
    pub fn takes(method: &Method) -> Result<(), String> {
        // TRACE would send the credential back; CONNECT would make a tunnel to anywhere.
        if method == Method::TRACE || method == Method::CONNECT {
            return Err(format!("method {method} is sent to no server"));
        }
        match method.as_str().len() {
            0..=MAX_METHOD_BYTES => Ok(()),
            length => Err(format!("a method has at most {MAX_METHOD_BYTES} bytes, this one has {length}")),
        }
    }

    /// Says why a URL is not within this server, if it is not; see [`BaseUrl::covers`].
    pub fn covers(&self, scheme: &str, authority: &str, path: &str) -> Result<(), String> {
        self.base_url.covers(scheme, authority, path)
    }

    /// Sends a request and waits for its whole response. Follows no redirect and retries nothing that was sent.
    pub async fn send(
        &self,
        request: OutgoingRequest,
        limits: &HttpLimits,
    ) -> Result<IncomingResponse, HttpError> {
        self.send_beside(request, limits, &InFlight::default()).await
    }

    /// As [`send`](Self::send), beside other exchanges with which the limit of the response's body is shared.
    pub async fn send_beside(
        &self,
        request: OutgoingRequest,
        limits: &HttpLimits,
        in_flight: &InFlight,
    ) -> Result<IncomingResponse, HttpError> {
        let after = limits.timeout.min(self.request_timeout);
        let deadline = Instant::now() + after;
        let exchange = Exchange { server: self, after, deadline };
        let body = request.body.clone();
        let request = self.prepare(request)?;
        let ((response, _turn), token) = self.authenticated(request, &body, &exchange).await?;
        let (mut head, body) = response.into_parts();
        self.check_head(&head.headers, limits)?;
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(self.protocol("it switches to another protocol unasked".to_owned()));
        }
        remove_connection_headers(&mut head.headers);
        let body = tokio::time::timeout_at(deadline, self.read(body, limits.max_response_bytes, in_flight))
            .await
            .map_err(|_| exchange.late(Phase::Body))??;
        let mut response = IncomingResponse { status: head.status, headers: head.headers, body };
        for blanks in std::iter::once(&self.blanks).chain(token.as_ref().map(|token| &token.blanks)) {
            blanks.headers(&mut response.headers);
            response.body = blanks.body(response.body);
        }
        Ok(response)
    }

    /// Sends a request with the host's credential; gives the token that went with it.
    async fn authenticated<'a>(
        &self,
        mut request: Request<Full<Bytes>>,
        body: &[u8],
        exchange: &'a Exchange<'_>,
    ) -> Result<((Response<Incoming>, Turn<'a>), Option<Arc<Token>>), HttpError> {
        match &self.credential {
            Credential::None => {}
            Credential::Header(name, value) => drop(request.headers_mut().insert(name, value.clone())),
            Credential::Signature(signer) => {
                let (place, content) = ((request.method(), request.uri()), (request.headers(), body));
                let signed = signer.authorization(place, content, Timestamp::now().as_second());
                let signed = signed.map_err(HttpError::Refused)?;
                request.headers_mut().insert(header::AUTHORIZATION, signed);
            }
            Credential::Token(source) => {
                let token = source.token(exchange).await?;
                let answer = exchange.send(with_token(request.clone(), &token)).await?;
                if answer.0.status() != StatusCode::UNAUTHORIZED {
                    return Ok((answer, Some(token)));
                }
                source.refused(&token).await;
                // What is answered so was not acted upon (RFC 9110, section 15.5.2). Where a server does not keep to that, a
                // request that may be sent twice does no harm.
                if !request.method().is_idempotent() {
                    return Ok((answer, Some(token)));
                }
                drop(answer);
                let token = source.token(exchange).await?;
                return Ok((exchange.send(with_token(request, &token)).await?, Some(token)));
            }
        }
        Ok((exchange.send(request).await?, None))
    }

    fn prepare(&self, request: OutgoingRequest) -> Result<Request<Full<Bytes>>, HttpError> {
        let OutgoingRequest { method, path_and_query, mut headers, body } = request;
        Self::takes(&method).map_err(HttpError::Refused)?;
        self.base_url.covers_path(path_and_query.path()).map_err(HttpError::Refused)?;
        remove_connection_headers(&mut headers);
        // Host and length follow from the connection and the body; a length that lies would spoil the connection for
        // those who use it next.
        for name in [header::HOST, header::CONTENT_LENGTH, header::EXPECT] {
            headers.remove(name);
        }
        let uri = self.base_url.uri(path_and_query).map_err(|error| HttpError::Refused(error.to_string()))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }

    fn check_head(&self, headers: &HeaderMap, limits: &HttpLimits) -> Result<(), HttpError> {
        let limit = limits.max_response_header_bytes.min(MAX_RESPONSE_HEADER_BYTES);
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if bytes > limit { Err(self.headers_too_large(limit)) } else { Ok(()) }
    }

    async fn read(&self, mut body: Incoming, limit: usize, in_flight: &InFlight) -> Result<Bytes, HttpError> {
        let too_large = || HttpError::ResponseTooLarge { server: self.base_url.to_string(), limit };
        // What Content-Length announces is not even begun.
        if body.size_hint().lower() > limit as u64 {
            return Err(too_large());
        }
        // Into one piece as it comes: many small chunks kept by themselves would take many times their size.
        let mut whole = BytesMut::new();
        let mut share = Share { in_flight, bytes: 0 };
        while let Some(frame) = body.frame().await {
            // Trailers are dropped: nobody reads them, and nothing of them is counted or recorded.
            let Ok(data) = frame.map_err(|error| self.explain(&error))?.into_data() else { continue };
            if share.take(data.len()) > limit {
                return Err(too_large());
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    }

    fn explain(&self, error: &(dyn std::error::Error + 'static)) -> HttpError {
        if let Some(error) = find::<ConnectError>(error) {
            return HttpError::Connect(error.clone());
        }
        let reason = innermost(error);
        match find::<hyper::Error>(error) {
            Some(error) if error.is_parse_too_large() => self.headers_too_large(MAX_RESPONSE_HEADER_BYTES),
            Some(error) if error.is_parse() || error.is_user() => self.protocol(reason),
            // How it says that chunks are no chunks.
            _ if find::<std::io::Error>(error).is_some_and(is_invalid) => self.protocol(reason),
            _ => HttpError::ConnectionLost { server: self.base_url.to_string(), reason },
        }
    }

    fn headers_too_large(&self, limit: usize) -> HttpError {
        HttpError::HeadersTooLarge { server: self.base_url.to_string(), limit }
    }

    fn protocol(&self, reason: String) -> HttpError {
        HttpError::Protocol { server: self.base_url.to_string(), reason }
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HttpServer")
            .field("base_url", &self.base_url.to_string())
            .finish_non_exhaustive()
    }
}

fn is_invalid(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput)
}

/// Tells when a counterpart keeps sending interim responses instead of the one that counts. They end up nowhere, so no
/// other limit counts them.
fn notify_of_flood(request: &mut Request<Full<Bytes>>) -> Arc<Notify> {
    let (flooded, count) = (Arc::new(Notify::new()), AtomicUsize::new(0));
    let notify = Arc::clone(&flooded);
    hyper::ext::on_informational(request, move |_| {
        if count.fetch_add(1, Ordering::Relaxed) == MAX_INTERIM_RESPONSES {
            notify.notify_one();
        }
    });
    flooded
}

fn with_token(mut request: Request<Full<Bytes>>, token: &Token) -> Request<Full<Bytes>> {
    request.headers_mut().insert(header::AUTHORIZATION, token.authorization.clone());
    request
}

/// Takes out what belongs to the connection and not to the message (RFC 9110 section 7.6.1).
fn remove_connection_headers(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [
        "connection",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests;

//! A configured directory: connections are secured, bound and pooled, at most as many as the configuration says.
//!
//! The protocol is spoken here and not by a crate: what a hostile server sends is bounded before it is kept, and nothing of
//! it can make the host panic.

mod ber;
mod check;
mod connection;
mod message;
#[cfg(test)]
mod tests;
mod url;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use provender_ldap_names::{Dn, InvalidDn};
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::connection::{Connection, Exchanged, exchange};
use self::message::Request;
pub use self::message::{Attribute, Change, Entry, LdapResult, Modification, Scope, Search};
pub use self::url::LdapUrl;
use super::ServerError;
use super::configuration::ldap::{LdapAuthentication, LdapConfiguration, PASSWORD};
use super::configuration::secrets::Secrets;
use super::connector::{ConnectError, NotSecured, Resolver, TcpConnector, secure};
use super::http::echo::Blanks;
use super::pacing::{Held, Pacing};
use super::tls;

/// Why an operation did not come about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LdapError {
    /// The server answered, and did not do it.
    #[error("{}{}", .0.name(), told(&.0.diagnostic_message))]
    Answer(Box<LdapResult>),
    /// The server refused the host's credential.
    #[error("the directory refuses the bind: {0}")]
    Authentication(String),
    /// The host may not connect there, or does not trust who answers: nothing was sent.
    #[error("{0}")]
    Refused(String),
    /// No connection: nothing was sent.
    #[error("{0}")]
    Unavailable(String),
    /// The server may or may not have done it.
    #[error("the connection to the directory is lost: {reason}")]
    ConnectionLost { reason: String },
    /// The server may or may not have done it.
    #[error("the directory does not answer within {} ms", after.as_millis())]
    Timeout { after: Duration },
    /// More than there is room for.
    #[error("the answer of the directory has more than {limit} bytes")]
    TooLarge { limit: u64 },
}

impl From<ConnectError> for LdapError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::AddressRefused { .. } => Self::Refused(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<NotSecured> for LdapError {
    fn from(error: NotSecured) -> Self {
        match error {
            NotSecured::Untrusted(reason) => Self::Refused(reason),
            NotSecured::Credential(reason) => Self::Authentication(reason),
            NotSecured::Lost(reason) => Self::Unavailable(reason),
        }
    }
}

fn told(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

/// A directory with its connections.
pub struct LdapServer {
    url: LdapUrl,
    start_tls: bool,
    base_dns: Vec<(String, Dn)>,
    bind: Bind,
    tls: Option<Arc<ClientConfig>>,
    tcp: TcpConnector,
    connect_timeout: Duration,
    request_timeout: Duration,
    idle_timeout: Duration,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    pacing: Pacing,
    blanks: Blanks,
}

enum Bind {
    None,
    Simple { dn: String, password: SecretString },
    External,
}

impl LdapServer {
    /// A directory as configured, with its secrets. Nothing is connected yet.
    pub fn new(
        configuration: &LdapConfiguration,
        secrets: &Secrets,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Self, ServerError> {
        let unusable = |problem: String| ServerError::Unusable { problem };
        let secret = |field: &'static str| secrets.get(field).ok_or(ServerError::MissingSecret { field });
        let url: LdapUrl = configuration.url.parse().map_err(unusable)?;
        let bind = match &configuration.authentication {
            LdapAuthentication::None {} => Bind::None,
            LdapAuthentication::External {} => Bind::External,
            LdapAuthentication::Simple { bind_dn, .. } => {
                Bind::Simple { dn: bind_dn.clone(), password: secret(PASSWORD.name)?.clone() }
            }
        };
        let own = configuration.client_certificate.as_ref().map(|own| own.with_key(secrets)).transpose()?;
        let tls = if url.is_ldaps() || configuration.start_tls {
            let tls = tls::client_configuration(configuration.ca_certificates.as_deref(), own);
            Some(Arc::new(tls.map_err(unusable)?))
        } else {
            None
        };
        let bases = configuration.base_dns.iter().map(|base| Ok((base.clone(), Dn::parse(base)?)));
        let base_dns =
            bases.collect::<Result<Vec<_>, InvalidDn>>().map_err(|error| unusable(error.to_string()))?;
        let connect_timeout = Duration::from_millis(configuration.connect_timeout_ms);
        let echoed = match &bind {
            Bind::Simple { password, .. } => Some(password.clone()),
            Bind::None | Bind::External => None,
        };
        Ok(Self {
            start_tls: configuration.start_tls,
            base_dns,
            blanks: Blanks::of(echoed),
            bind,
            tls,
            tcp: TcpConnector::new(resolver, configuration.allow_private_addresses, connect_timeout),
            connect_timeout,
            request_timeout: Duration::from_millis(configuration.request_timeout_ms),
            idle_timeout: Duration::from_millis(configuration.idle_timeout_ms),
            permits: Arc::new(Semaphore::new(configuration.pacing.max_connections as usize)),
            idle: Mutex::default(),
            pacing: Pacing::new(&configuration.pacing),
            url,
        })
    }

    pub fn url(&self) -> &LdapUrl {
        &self.url
    }

    /// The DNs at or below which entries may be reached.
    pub fn base_dns(&self) -> impl Iterator<Item = &str> {
        self.base_dns.iter().map(|(text, _)| text.as_str())
    }

    /// Whether an entry may be reached.
    pub fn covers(&self, dn: &Dn) -> bool {
        self.base_dns.iter().any(|(_, base)| dn.is_at_or_below(base))
    }

    /// A connection for the caller alone, new or from the pool.
    pub async fn lease(self: &Arc<Self>) -> Result<Lease, LdapError> {
        let permit = self.permit().await?;
        let connection = match self.pooled() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(Lease { server: Arc::clone(self), connection: Some(connection), _permit: permit })
    }

    /// As [`lease`](Self::lease), over a stream that is there already: whatever is at its other end is read as a directory.
    pub async fn lease_over(
        self: &Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static,
    ) -> Result<Lease, LdapError> {
        let permit = self.permit().await?;
        let connection = self.bound(Connection::new(Box::new(stream))).await?;
        Ok(Lease { server: Arc::clone(self), connection: Some(connection), _permit: permit })
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, LdapError> {
        let permit = tokio::time::timeout(self.connect_timeout, Arc::clone(&self.permits).acquire_owned());
        match permit.await {
            Ok(Ok(permit)) => Ok(permit),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(self.held(Held::TooMuch)),
        }
    }

    fn pooled(&self) -> Option<Connection> {
        loop {
            let mut connection = locked(&self.idle).pop()?;
            if connection.idle_since.elapsed() < self.idle_timeout && connection.is_alive() {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> Result<Connection, LdapError> {
        let deadline = tokio::time::Instant::now() + self.connect_timeout;
        let mut turn = self.pacing.turn(deadline).await.map_err(|held| self.held(held))?;
        let connecting = tokio::time::timeout_at(deadline, self.connect_now()).await;
        let connected = connecting.unwrap_or_else(|_| {
            let error =
                ConnectError::Timeout { host: self.url.authority().to_string(), after: self.connect_timeout };
            Err(LdapError::Unavailable(error.to_string()))
        });
        match &connected {
            Err(LdapError::Unavailable(_)) => turn.failed(),
            _ => turn.answered(None),
        }
        connected
    }

    fn held(&self, held: Held) -> LdapError {
        LdapError::Unavailable(format!("{} is not asked now: {held}", self.url))
    }

    /// How long it is left alone from now on, if it is.
    pub fn rest(&self) -> Option<Duration> {
        self.pacing.rest()
    }

    async fn connect_now(&self) -> Result<Connection, LdapError> {
        let mut tcp = self.tcp.connect(self.url.authority()).await?;
        if self.start_tls {
            let answer = exchange(&mut tcp, &Request::start_tls(), 1, ANSWER_BYTES).await;
            answer.and_then(answered).map_err(|error| {
                let problem = format!("no StartTLS at {}: {error}", self.url);
                match error {
                    LdapError::Answer(result) if !result.passes() => LdapError::Refused(problem),
                    _ => LdapError::Unavailable(problem),
                }
            })?;
        }
        let connection = match &self.tls {
            None => Connection::new(Box::new(tcp)),
            Some(tls) => Connection::new(Box::new(secure(tls, self.url.authority(), tcp).await?)),
        };
        self.bound(connection).await
    }

    async fn bound(&self, mut connection: Connection) -> Result<Connection, LdapError> {
        let request = match &self.bind {
            Bind::None => return Ok(connection),
            Bind::Simple { dn, password } => Request::simple_bind(dn, password.expose_secret()),
            Bind::External => Request::external_bind(),
        };
        let answer = connection.exchange(&request, ANSWER_BYTES).await;
        match answer.and_then(answered).map_err(|error| self.blanked_error(error)) {
            Ok(_) => Ok(connection),
            Err(LdapError::Answer(result)) if !result.passes() => {
                Err(LdapError::Authentication(LdapError::Answer(result).to_string()))
            }
            Err(error @ LdapError::Authentication(_)) => Err(error),
            Err(error) => Err(LdapError::Unavailable(format!("no bind at {}: {error}", self.url))),
        }
    }

    /// Without the host's credential, should the server repeat it.
    fn blanked_error(&self, error: LdapError) -> LdapError {
        match error {
            LdapError::Answer(mut result) => {
                let LdapResult { matched_dn, diagnostic_message, referrals, .. } = &mut *result;
                for text in [matched_dn, diagnostic_message].into_iter().chain(referrals) {
                    self.blank(text);
                }
                LdapError::Answer(result)
            }
            LdapError::ConnectionLost { mut reason } => {
                self.blank(&mut reason);
                LdapError::ConnectionLost { reason }
            }
            other => other,
        }
    }

    fn blank(&self, text: &mut String) {
        if let Some(blanked) = self.blanks.blanked(text.as_bytes()) {
            *text = String::from_utf8_lossy(&blanked).into_owned();
        }
    }

    fn blank_entries(&self, entries: &mut [Entry]) {
        for entry in entries {
            self.blank(&mut entry.dn);
            for value in entry.attributes.iter_mut().flat_map(|attribute| &mut attribute.values) {
                if let Some(blanked) = self.blanks.blanked(value) {
                    *value = blanked;
                }
            }
        }
    }
}

impl fmt::Debug for LdapServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LdapServer").field("url", &self.url.to_string()).finish_non_exhaustive()
    }
}

/// What a bind or StartTLS may be answered with.
const ANSWER_BYTES: u64 = 64 << 10;

/// A connection in use. It goes back to the pool, unless its state is not known.
pub struct Lease {
    server: Arc<LdapServer>,
    connection: Option<Connection>,
    _permit: OwnedSemaphorePermit,
}

/// Entries of a search by pages.
#[derive(Debug)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// What the next page is asked for with; empty at the end.
    pub cookie: Vec<u8>,
    pub bytes_in: u64,
}

impl Lease {
    /// One page of a search, on the connection of the pages before.
    pub async fn page(
        &mut self,
        search: &Search,
        size: u32,
        cookie: &[u8],
        room: u64,
    ) -> Result<Page, LdapError> {
        let exchanged = self.exchange(&Request::search(search, Some((size, cookie))), room).await?;
        Ok(Page { entries: exchanged.entries, cookie: exchanged.cookie, bytes_in: exchanged.bytes_in })
    }

    /// Whether an entry has a value.
    pub async fn compare(
        &mut self,
        dn: &Dn,
        attribute: &str,
        value: &[u8],
        room: u64,
    ) -> Result<(bool, u64), LdapError> {
        match self.exchange(&Request::compare(dn, attribute, value), room).await {
            Ok(exchanged) => Ok((exchanged.result.code == COMPARE_TRUE, exchanged.bytes_in)),
            Err(error) => Err(error),
        }
    }

    /// Changes an entry.
    pub async fn change(&mut self, change: &Change, room: u64) -> Result<u64, LdapError> {
        Ok(self.exchange(&Request::change(change), room).await?.bytes_in)
    }

    /// Whether the connection can be used again.
    pub fn is_usable(&self) -> bool {
        self.connection.is_some()
    }

    async fn exchange(&mut self, request: &Request, room: u64) -> Result<Exchanged, LdapError> {
        // Should this future be dropped in the middle, the connection is dropped with it.
        let Some(mut connection) = self.connection.take() else {
            return Err(LdapError::Unavailable("the connection was lost before".to_owned()));
        };
        let after = self.server.request_timeout;
        let deadline = tokio::time::Instant::now() + after;
        let turn = self.server.pacing.turn(deadline).await;
        let mut turn = match turn {
            Ok(turn) => turn,
            Err(held) => {
                self.connection = Some(connection);
                return Err(self.server.held(held));
            }
        };
        let exchanged = tokio::time::timeout_at(deadline, connection.exchange(request, room)).await;
        match &exchanged {
            Ok(Ok(_)) => turn.answered(None),
            Ok(Err(LdapError::ConnectionLost { .. })) | Err(_) => turn.failed(),
            Ok(Err(_)) => {}
        }
        let mut exchanged = exchanged
            .unwrap_or(Err(LdapError::Timeout { after }))
            .map_err(|error| self.server.blanked_error(error))?;
        self.connection = Some(connection);
        self.server.blank_entries(&mut exchanged.entries);
        answered(exchanged).map_err(|error| self.server.blanked_error(error))
    }
}

const COMPARE_FALSE: u32 = 5;
const COMPARE_TRUE: u32 = 6;

/// An answer that is no success is an error.
fn answered(exchanged: Exchanged) -> Result<Exchanged, LdapError> {
    match exchanged.result.code {
        0 | COMPARE_FALSE | COMPARE_TRUE => Ok(exchanged),
        _ => Err(LdapError::Answer(Box::new(exchanged.result))),
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.idle_since = Instant::now();
            locked(&self.server.idle).push(connection);
        }
    }
}

impl Drop for LdapServer {
    fn drop(&mut self) {
        let idle = std::mem::take(&mut *locked(&self.idle));
        // Outside of a runtime there is nobody to say good-bye.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            for connection in idle {
                runtime.spawn(connection.end());
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! How a connection comes about: name to addresses, addresses checked, TCP, TLS, all within one time limit.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::{Service, ServiceExt};

use super::address::AddressClass;
use super::authority::Authority;

/// How long a dead peer may stay unnoticed on an idle connection.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// Turns a host name into addresses. Whoever calls it checks them.
pub trait Resolver: std::fmt::Debug + Send + Sync + 'static {
    /// All addresses of a name, in the order in which to try them.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The resolver of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) }
            .boxed()
    }
}

/// Why no connection came about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The host stands for addresses that the server may not be reached at.
    #[error("connection to {host} refused: {address} is {class}{}", hint(*class))]
    AddressRefused {
        /// Name or literal address, as configured.
        host: String,
        /// The first address that was refused.
        address: IpAddr,
        /// What it stands for.
        class: AddressClass,
    },
    /// The name has no address, or the resolver failed.
    #[error("host name {host} cannot be resolved: {reason}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver says.
        reason: String,
    },
    /// No TCP connection.
    #[error("no connection to {host}: {reason}")]
    Tcp {
        /// Host and port.
        host: String,
        /// What the operating system says.
        reason: String,
    },
    /// No TLS session: certificate, name or protocol.
    #[error("no TLS session with {host}: {reason}")]
    Tls {
        /// Host and port.
        host: String,
        /// Why, and what helps.
        reason: String,
    },
    /// Name, TCP and TLS together took too long.
    #[error("no connection to {host} within {} ms", after.as_millis())]
    Timeout {
        /// Host and port.
        host: String,
        /// The limit.
        after: Duration,
    },
}

fn hint(class: AddressClass) -> &'static str {
    if class.permitted(true) {
        "; set `allow_private_addresses` if the server is meant to be there"
    } else {
        ""
    }
}

/// Makes connections of one server.
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<CheckedTcp>,
    timeout: Duration,
}

impl Connector {
    pub(super) fn new(
        tls: ClientConfig,
        resolver: Arc<dyn Resolver>,
        allow_private: bool,
        timeout: Duration,
    ) -> Self {
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(CheckedTcp::new(resolver, allow_private, timeout));
        Self { https, timeout }
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Self::Response, ConnectError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        let connecting = self.https.clone().oneshot(uri);
        let after = self.timeout;
        async move {
            match tokio::time::timeout(after, connecting).await {
                Ok(Ok(stream)) => Ok(stream),
                Ok(Err(error)) => Err(match error.downcast::<ConnectError>() {
                    Ok(error) => *error,
                    Err(error) => ConnectError::Tls { host, reason: tls_reason(error.as_ref()) },
                }),
                Err(_) => Err(ConnectError::Timeout { host, after }),
            }
        }
        .boxed()
    }
}

/// What a connection that does not speak HTTP runs over: TCP, or TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync> Stream for S {}

/// Makes TCP connections of a server that does not speak HTTP.
#[derive(Clone)]
pub(super) struct TcpConnector(CheckedTcp);

impl TcpConnector {
    pub(super) fn new(resolver: Arc<dyn Resolver>, allow_private: bool, timeout: Duration) -> Self {
        Self(CheckedTcp::new(resolver, allow_private, timeout))
    }

    /// Connects at an address that was checked.
    pub(super) async fn connect(&self, authority: &Authority) -> Result<TcpStream, ConnectError> {
        let uri = Uri::builder().scheme("http").authority(authority.to_string()).path_and_query("/").build();
        let uri = uri.map_err(|error| ConnectError::Resolve {
            host: authority.to_string(),
            reason: error.to_string(),
        })?;
        self.0.clone().oneshot(uri).await.map(TokioIo::into_inner)
    }
}

/// TCP to checked addresses only, literal ones included.
#[derive(Clone)]
struct CheckedTcp {
    tcp: HttpConnector<CheckedResolver>,
    allow_private: bool,
    timeout: Duration,
}

impl CheckedTcp {
    fn new(resolver: Arc<dyn Resolver>, allow_private: bool, timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(CheckedResolver { resolver, allow_private });
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(TCP_KEEPALIVE));
        // Divides the time among the addresses of a name.
        tcp.set_connect_timeout(Some(timeout));
        Self { tcp, allow_private, timeout }
    }
}

impl Service<Uri> for CheckedTcp {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Self::Response, ConnectError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.tcp.clone();
        let (allow_private, after) = (self.allow_private, self.timeout);
        async move {
            // A literal address never reaches the resolver.
            let literal = uri.host().unwrap_or_default().trim_matches(['[', ']']);
            if let Ok(address) = literal.parse() {
                check(literal, vec![address], allow_private)?;
            }
            let host = uri.authority().map(ToString::to_string).unwrap_or_default();
            connecting.oneshot(uri).await.map_err(|error| match find::<ConnectError>(&error) {
                Some(error) => error.clone(),
                None if find::<io::Error>(&error)
                    .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) =>
                {
                    ConnectError::Timeout { host, after }
                }
                None => ConnectError::Tcp { host, reason: innermost(&error) },
            })
        }
        .boxed()
    }
}

/// Gives checked addresses only. The connector goes to exactly these; the name is not resolved again.
#[derive(Clone)]
struct CheckedResolver {
    resolver: Arc<dyn Resolver>,
    allow_private: bool,
}

impl Service<Name> for CheckedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Self::Response, ConnectError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self { resolver, allow_private } = self.clone();
        async move {
            let host = name.as_str();
            let failed = |reason: String| ConnectError::Resolve { host: host.to_owned(), reason };
            let addresses = resolver.resolve(host).await.map_err(|error| failed(error.to_string()))?;
            if addresses.is_empty() {
                return Err(failed("it has no address".to_owned()));
            }
            let permitted = check(host, addresses, allow_private)?;
            let permitted: Vec<_> =
                permitted.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
            Ok(permitted.into_iter())
        }
        .boxed()
    }
}

/// The addresses that are permitted; fails with the first one refused when none is.
fn check(host: &str, addresses: Vec<IpAddr>, allow_private: bool) -> Result<Vec<IpAddr>, ConnectError> {
    let (permitted, refused): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| AddressClass::of(*address).permitted(allow_private));
    match refused.first() {
        Some(address) if permitted.is_empty() => Err(ConnectError::AddressRefused {
            host: host.to_owned(),
            address: *address,
            class: AddressClass::of(*address),
        }),
        _ => Ok(permitted),
    }
}

/// Why a connection was not secured.
#[derive(Debug)]
pub(super) enum NotSecured {
    /// The host does not trust who answers, or they have no TLS in common.
    Untrusted(String),
    /// The peer does not accept the certificate of the host, or misses one.
    Credential(String),
    /// The connection ended.
    Lost(String),
}

/// Negotiates TLS on a connection to `authority`.
pub(super) async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
    tls: &Arc<ClientConfig>,
    authority: &Authority,
    stream: S,
) -> Result<TlsStream<S>, NotSecured> {
    let told = |reason: String| ConnectError::Tls { host: authority.to_string(), reason }.to_string();
    let name = ServerName::try_from(authority.host().to_owned());
    let name = name.map_err(|error| NotSecured::Untrusted(told(error.to_string())))?;
    TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.map_err(|error| {
        let reason = || told(tls_reason(&error));
        match (refused_certificate(&error), find::<rustls::Error>(&error)) {
            (Some(refusal), _) => NotSecured::Credential(refusal),
            (None, Some(_)) => NotSecured::Untrusted(reason()),
            (None, None) => NotSecured::Lost(reason()),
        }
    })
}

/// What a peer says by an alert of TLS of the certificate of the host. Since TLS 1.3 it comes after the negotiation, in place
/// of the first answer.
pub(super) fn refused_certificate(error: &(dyn Error + 'static)) -> Option<String> {
    use AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked,
        CertificateUnknown, DecryptError, UnknownCA, UnsupportedCertificate,
    };
    let Some(rustls::Error::AlertReceived(alert)) = find(error) else { return None };
    match alert {
        CertificateRequired => Some("it asks for a client certificate; set `client_certificate`".to_owned()),
        BadCertificate
        | UnsupportedCertificate
        | CertificateRevoked
        | CertificateExpired
        | CertificateUnknown
        | UnknownCA
        | AccessDenied
        | DecryptError => Some(format!(
            "it does not accept the client certificate, or that there is none ({alert:?}); set another \
             `client_certificate`"
        )),
        _ => None,
    }
}

pub(super) fn tls_reason(error: &(dyn Error + 'static)) -> String {
    use rustls::CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, UnknownIssuer,
    };
    let (problem, help) = match find::<rustls::Error>(error) {
        Some(rustls::Error::InvalidCertificate(problem)) => match problem {
            UnknownIssuer => (
                "its certificate is of an unknown issuer".to_owned(),
                "put the certificate of the issuer into `ca_certificates`",
            ),
            BadSignature => (
                "its certificate is not signed by the issuer it names".to_owned(),
                "put the certificate of the right issuer into `ca_certificates`",
            ),
            Expired | ExpiredContext { .. } => (problem.to_string(), "the server needs a new certificate"),
            NotValidForName | NotValidForNameContext { .. } => {
                (problem.to_string(), "use the name that stands in the certificate")
            }
            _ => return format!("its certificate is not accepted: {problem}"),
        },
        Some(error @ rustls::Error::InvalidMessage(_)) => {
            (error.to_string(), "check that the server speaks TLS on this port")
        }
        Some(error) => return error.to_string(),
        None => return innermost(error),
    };
    format!("{problem}; {help}")
}

/// Finds an error in a chain of causes, also inside an `io::Error`, whose `source` leaves out the error it wraps.
pub(super) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The text of the deepest cause, which is the one that says something.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    fn cause<'a>(error: &&'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
        let error = *error;
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    }
    std::iter::successors(Some(error), cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_addresses_only_the_permitted_ones_remain_in_their_order() {
        let addresses =
            |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        let all = addresses(&["169.254.169.254", "10.0.0.1", "1.1.1.1", "2606:4700::1111", "fe80::1"]);
        assert_eq!(check("x", all.clone(), false).unwrap(), addresses(&["1.1.1.1", "2606:4700::1111"]));
        assert_eq!(check("x", all, true).unwrap(), addresses(&["10.0.0.1", "1.1.1.1", "2606:4700::1111"]));
        let error = check("x", addresses(&["10.0.0.1", "127.0.0.1"]), false).unwrap_err();
        assert!(
            matches!(error, ConnectError::AddressRefused { address, .. } if address == addresses(&["10.0.0.1"])[0])
        );
    }

    #[test]
    fn a_cause_is_found_inside_of_io_errors() {
        let inner = ConnectError::Resolve { host: "x".to_owned(), reason: "y".to_owned() };
        let error = io::Error::other(io::Error::other(inner.clone()));
        assert_eq!(find::<ConnectError>(&error), Some(&inner));
        assert_eq!(innermost(&error), inner.to_string());
    }
}

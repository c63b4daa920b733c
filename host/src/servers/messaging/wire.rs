//! The bytes of a broker: how a connection comes about, and how what it sends is read within bounds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::MessagingError;
use crate::servers::connector::{ConnectError, Stream, TcpConnector, tls_reason};

/// The largest piece that is taken from a broker: confirmations are small.
pub(super) const MAX_PIECE: usize = 1 << 20;
/// What is read at once.
pub(super) const READ_BYTES: usize = 16 << 10;

/// Where a node of a broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name, or an address; in brackets where it is one of IPv6.
    host: String,
    port: u16,
}

impl Address {
    /// Reads `HOST[:PORT]`. The text of an error says what is wrong with it.
    pub fn parse(text: &str, port: u16) -> Result<Self, String> {
        if text.contains(['/', '?', '#', '@']) {
            return Err("must be HOST or HOST:PORT; use `tls` and `authentication` for the rest".to_owned());
        }
        // Names and addresses are normalised as those of http are.
        let url = url::Url::parse(&format!("http://{text}"))
            .map_err(|error| format!("has no valid host and port: {error}"))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        // The port of http itself is not kept apart from none.
        let of_http = text.ends_with(":80").then_some(80);
        Ok(Self { host, port: url.port().or(of_http).unwrap_or(port) })
    }

    /// Where a broker says that another node is.
    pub(super) fn advertised(host: &str, port: u16) -> Result<Self, String> {
        let bracketed = host.contains(':') && !host.starts_with('[');
        Self::parse(&if bracketed { format!("[{host}]:{port}") } else { format!("{host}:{port}") }, port)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.host, self.port)
    }
}

/// Makes the connections of a server, at addresses that were checked.
#[derive(Clone)]
pub(super) struct Dialer {
    pub(super) tcp: TcpConnector,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) timeout: Duration,
}

impl Dialer {
    /// TCP alone.
    pub(super) async fn connect(&self, address: &Address) -> Result<Wire, MessagingError> {
        let stream = self.tcp.connect(&address.to_string()).await.map_err(unavailable)?;
        Ok(Wire { stream: Box::new(stream), input: BytesMut::new() })
    }

    /// Secures a connection, if connections are to be.
    pub(super) async fn secure(&self, wire: Wire, address: &Address) -> Result<Wire, MessagingError> {
        let Some(tls) = &self.tls else { return Ok(wire) };
        let failed = |reason: String| unavailable(ConnectError::Tls { host: address.to_string(), reason });
        if !wire.input.is_empty() {
            // Whoever is in between could have said it.
            return Err(failed("the broker speaks before its time".to_owned()));
        }
        let host = address.host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|error| failed(error.to_string()))?;
        let secured = TlsConnector::from(Arc::clone(tls)).connect(name, wire.stream).await;
        let stream = secured.map_err(|error| failed(tls_reason(&error)))?;
        Ok(Wire { stream: Box::new(stream), input: BytesMut::new() })
    }
}

fn unavailable(error: ConnectError) -> MessagingError {
    MessagingError::Unavailable(error.to_string())
}

/// A connection on which one says something and the other answers.
pub(super) struct Wire {
    pub(super) stream: Box<dyn Stream>,
    /// What was read and is not understood yet.
    pub(super) input: BytesMut,
}

impl Wire {
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), MessagingError> {
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| MessagingError::Unavailable(error.to_string()))
    }

    /// Reads until `take` finds something whole at the beginning of what was read, and takes it off.
    pub(super) async fn read<T>(
        &mut self,
        mut take: impl FnMut(&mut BytesMut) -> Result<Option<T>, Malformed>,
    ) -> Result<T, MessagingError> {
        let failed = |reason: String| MessagingError::Unavailable(reason);
        loop {
            if let Some(taken) = take(&mut self.input)? {
                return Ok(taken);
            }
            if self.input.len() > MAX_PIECE {
                return Err(Malformed.into());
            }
            self.input.reserve(READ_BYTES);
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) => return Err(failed("the broker closes the connection".to_owned())),
                Ok(_) => {}
                Err(error) => return Err(failed(error.to_string())),
            }
        }
    }
}

/// What was sent is not what brokers of this kind say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it sends what is not in its protocol, or too much of it")]
pub(super) struct Malformed;

impl From<Malformed> for MessagingError {
    fn from(error: Malformed) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<Malformed> for String {
    fn from(error: Malformed) -> Self {
        error.to_string()
    }
}

/// Reads numbers (big-endian) and pieces one after the other.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.bytes(N)?.try_into().map_err(|_| Malformed)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn i16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn text(&mut self, count: usize) -> Result<String, Malformed> {
        Ok(String::from_utf8_lossy(self.bytes(count)?).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_normalised_and_others_refused() {
        for (text, address) in [
            ("Broker.Example.org", "broker.example.org:9092"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("[::1]", "[::1]:9092"),
            ("x:80", "x:80"),
        ] {
            assert_eq!(Address::parse(text, 9092).unwrap().to_string(), address);
        }
        for text in ["", "kafka://x", "x/y", "u@x", "x:99999", "x y"] {
            assert!(Address::parse(text, 9092).is_err(), "{text}");
        }
        assert_eq!(Address::advertised("fe80::1", 7).unwrap().to_string(), "[fe80::1]:7");
    }

    #[test]
    fn nothing_is_read_beyond_the_end() {
        let mut reader = Reader::new(&[0, 1, 2]);
        assert_eq!(
            (reader.u16(), reader.u16(), reader.u8(), reader.u8()),
            (Ok(1), Err(Malformed), Ok(2), Err(Malformed))
        );
    }
}

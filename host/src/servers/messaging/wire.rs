//! The bytes of a broker: how a connection comes about, and how what it sends is read within bounds.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::MessagingError;
use crate::servers::authority::Authority;
use crate::servers::connector::{ConnectError, Stream, TcpConnector, refused_certificate, secure};

/// The largest piece that is taken from a broker: confirmations are small.
pub(super) const MAX_PIECE: usize = 1 << 20;
/// What is read at once.
pub(super) const READ_BYTES: usize = 16 << 10;

/// Makes the connections of a server, at addresses that were checked.
#[derive(Clone)]
pub(super) struct Dialer {
    pub(super) tcp: TcpConnector,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) timeout: Duration,
}

impl Dialer {
    /// TCP alone.
    pub(super) async fn connect(&self, address: &Authority) -> Result<Wire, MessagingError> {
        Ok(Wire::new(Box::new(self.tcp.connect(address).await?)))
    }

    /// Secures a connection, if connections are to be.
    pub(super) async fn secure(&self, wire: Wire, address: &Authority) -> Result<Wire, MessagingError> {
        let Some(tls) = &self.tls else { return Ok(wire) };
        if !wire.input.is_empty() {
            // Whoever is in between could have said it.
            let reason = "the broker speaks before its time".to_owned();
            return Err(ConnectError::Tls { host: address.to_string(), reason }.into());
        }
        Ok(Wire::new(Box::new(secure(tls, address, wire.stream).await?)))
    }
}

/// What the end of a connection tells.
fn ended(error: &io::Error) -> MessagingError {
    match refused_certificate(error) {
        Some(refusal) => MessagingError::Authentication(refusal),
        None => MessagingError::Unavailable(error.to_string()),
    }
}

/// A connection on which one says something and the other answers.
pub(super) struct Wire {
    pub(super) stream: Box<dyn Stream>,
    /// What was read and is not understood yet.
    pub(super) input: BytesMut,
}

impl Wire {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, input: BytesMut::new() }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), MessagingError> {
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        let Err(error) = sent.await else { return Ok(()) };
        // A broker that ended the connection may have said why.
        Err(ended(&self.stream.read_buf(&mut self.input).await.err().unwrap_or(error)))
    }

    /// Reads until `take` finds something whole at the beginning of what was read, and takes it off.
    pub(super) async fn read<T>(
        &mut self,
        mut take: impl FnMut(&mut BytesMut) -> Result<Option<T>, Malformed>,
    ) -> Result<T, MessagingError> {
        loop {
            if let Some(taken) = take(&mut self.input)? {
                return Ok(taken);
            }
            if self.input.len() > MAX_PIECE {
                return Err(Malformed.into());
            }
            self.input.reserve(READ_BYTES);
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) => {
                    return Err(MessagingError::Unavailable("the broker closes the connection".to_owned()));
                }
                Ok(_) => {}
                Err(error) => return Err(ended(&error)),
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
    fn nothing_is_read_beyond_the_end() {
        let mut reader = Reader::new(&[0, 1, 2]);
        assert_eq!(
            (reader.u16(), reader.u16(), reader.u8(), reader.u8()),
            (Ok(1), Err(Malformed), Ok(2), Err(Malformed))
        );
    }
}

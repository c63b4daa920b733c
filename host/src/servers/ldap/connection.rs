//! One connection to a directory: secured, bound, and used for one operation at a time.

use std::fmt;
use std::time::Instant;

use futures::FutureExt;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use super::LdapError;
use super::ber::{Malformed, SEQUENCE, long_length};
use super::message::{Answer, Entry, LdapResult, Request, read};
use crate::servers::connector::{Stream, refused_certificate};

/// A connection on which nothing is under way.
pub(super) struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    last_id: u32,
    pub(super) idle_since: Instant,
}

/// What an operation gave.
#[derive(Debug, Default)]
pub(super) struct Exchanged {
    pub(super) entries: Vec<Entry>,
    pub(super) result: LdapResult,
    pub(super) cookie: Vec<u8>,
    pub(super) bytes_in: u64,
    /// What the entries take in memory.
    kept: u64,
}

/// Answers other than entries are small; more than this is none of an honest server.
const ANSWER_BYTES: u64 = 1 << 20;
/// How much more memory entries may take than room on the wire. An empty value takes two bytes there, and many more here.
const KEPT_OF_ROOM: u64 = 4;
/// Memory that a length is believed for before its bytes are there.
const BELIEVED_BYTES: usize = 64 << 10;

impl Connection {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream: BufReader::new(stream), last_id: 0, idle_since: Instant::now() }
    }

    /// Sends a request, and reads what comes back: at most `room` bytes. After a failure other than an answer the
    /// connection is in no known state.
    pub(super) async fn exchange(&mut self, request: &Request, room: u64) -> Result<Exchanged, LdapError> {
        self.last_id = self.last_id.checked_add(1).filter(|id| i32::try_from(*id).is_ok()).unwrap_or(1);
        exchange(&mut self.stream, request, self.last_id, room).await
    }

    /// Whether the server is still there, as far as it can be told without asking: it has neither closed the connection
    /// nor said anything unasked, which it does before it closes it.
    pub(super) fn is_alive(&mut self) -> bool {
        self.stream.fill_buf().now_or_never().is_none()
    }

    /// Says good-bye.
    pub(super) async fn end(mut self) {
        let message = Request::unbind().message(self.last_id.wrapping_add(1));
        // The server notices the end of the connection in any case.
        let _ = self.stream.write_all(&message).await;
        let _ = self.stream.shutdown().await;
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// As [`Connection::exchange`], on a stream of which not a byte more is read than belongs to the answer.
pub(super) async fn exchange<S: AsyncRead + AsyncWrite + Unpin + ?Sized>(
    stream: &mut S,
    request: &Request,
    id: u32,
    room: u64,
) -> Result<Exchanged, LdapError> {
    let lost = |reason: &dyn fmt::Display| LdapError::ConnectionLost { reason: reason.to_string() };
    let sent = async {
        stream.write_all(&request.message(id)).await?;
        stream.flush().await
    };
    sent.await.map_err(|error| lost(&error))?;
    let mut exchanged = Exchanged::default();
    loop {
        let left = room.saturating_sub(exchanged.bytes_in);
        let message =
            read_message(stream, left.max(ANSWER_BYTES.min(room))).await.map_err(|error| match error {
                ReadError::TooLarge => LdapError::TooLarge { limit: room },
                ReadError::Io(error) => match refused_certificate(&error) {
                    Some(refusal) => LdapError::Authentication(refusal),
                    None => lost(&error),
                },
                ReadError::Malformed => lost(&"the server sent what is not LDAP"),
            })?;
        exchanged.bytes_in = exchanged.bytes_in.saturating_add(message.len() as u64);
        let (answers, answer) =
            read(&message).map_err(|Malformed| lost(&"the server sent what is not LDAP"))?;
        if answers == 0 {
            let Answer::Done { result, .. } = answer else { return Err(lost(&"the server ends it")) };
            return Err(lost(&format!(
                "the server ends it: {} {}",
                result.name(),
                result.diagnostic_message
            )));
        }
        if answers != id {
            return Err(lost(&"the server answers what was not asked"));
        }
        match answer {
            Answer::Passing | Answer::Entry(_) if exchanged.bytes_in > room => {
                return Err(LdapError::TooLarge { limit: room });
            }
            Answer::Passing => {}
            Answer::Entry(entry) => {
                exchanged.kept = exchanged.kept.saturating_add(entry.memory());
                if exchanged.kept > room.saturating_mul(KEPT_OF_ROOM) {
                    return Err(LdapError::TooLarge { limit: room });
                }
                exchanged.entries.push(entry);
            }
            Answer::Done { result, cookie } => return Ok(Exchanged { result, cookie, ..exchanged }),
        }
    }
}

enum ReadError {
    TooLarge,
    Malformed,
    Io(std::io::Error),
}

impl From<std::io::Error> for ReadError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads one message of at most so many bytes.
async fn read_message<S: AsyncRead + Unpin + ?Sized>(
    stream: &mut S,
    limit: u64,
) -> Result<Vec<u8>, ReadError> {
    let mut message = vec![stream.read_u8().await?, stream.read_u8().await?];
    let [tag, first] = message[..] else { return Err(ReadError::Malformed) };
    if tag != SEQUENCE {
        return Err(ReadError::Malformed);
    }
    let length = match first {
        0..0x80 => usize::from(first),
        _ => {
            let mut bytes = vec![0; usize::from(first & 0x7f)];
            stream.read_exact(&mut bytes).await?;
            message.extend_from_slice(&bytes);
            long_length(&bytes).map_err(|Malformed| ReadError::Malformed)?
        }
    };
    if length as u64 > limit {
        return Err(ReadError::TooLarge);
    }
    message.reserve(length.min(BELIEVED_BYTES));
    let expected = message.len() + length;
    stream.take(length as u64).read_to_end(&mut message).await?;
    if message.len() < expected {
        return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::super::ber::{ENUMERATED, INTEGER, OCTET_STRING, SET, nested, put, put_number};
    use super::*;

    fn message(tag: u8, content: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut message = Vec::new();
        nested(SEQUENCE, &mut message, |out| {
            put_number(INTEGER, 1, out);
            nested(tag, out, content);
        });
        message
    }

    /// What is read of a search that is answered so, with room for so many bytes.
    async fn read(answer: &[u8], room: u64) -> Result<Exchanged, LdapError> {
        let done = message(0x65, |out| {
            put_number(ENUMERATED, 0, out);
            put(OCTET_STRING, b"", out);
            put(OCTET_STRING, b"", out);
        });
        let said = [answer, &done].concat();
        let mut stream = tokio::io::join(&said[..], tokio::io::sink());
        exchange(&mut stream, &Request::unbind(), 1, room).await
    }

    #[tokio::test]
    async fn what_takes_much_memory_or_is_no_entry_counts_too() {
        let with_values = |count: usize, value: &'static [u8]| {
            message(0x64, |out| {
                put(OCTET_STRING, b"dc=x", out);
                nested(SEQUENCE, out, |out| {
                    nested(SEQUENCE, out, |out| {
                        put(OCTET_STRING, b"a", out);
                        nested(SET, out, |out| (0..count).for_each(|_| put(OCTET_STRING, value, out)));
                    });
                });
            })
        };
        let references = message(0x73, |out| put(OCTET_STRING, b"ldap://x", out)).repeat(100);
        const ROOM: u64 = 4_096;
        assert_eq!(read(&with_values(150, b"of twenty characters"), ROOM).await.unwrap().entries.len(), 1);
        assert_eq!(read(&references, ROOM).await.unwrap().entries.len(), 0);
        for answer in [with_values(1_000, b""), references.repeat(3)] {
            let read = read(&answer, ROOM).await;
            assert_eq!(read.unwrap_err(), LdapError::TooLarge { limit: ROOM });
        }
    }
}

//! A counterpart that says one thing after the other whatever it is asked, and what the host may take of memory for that.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use arbitrary::Unstructured;
use provender::servers::configuration::messaging::MessagingConfiguration;
use provender::servers::connector::SystemResolver;
use provender::servers::messaging::{Message, MessagingError, MessagingServer};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Runtime;

use crate::scratch::{Reused, runtime};

/// The host's credential, which nothing that comes of an answer may hold.
pub(crate) const PASSWORD: &str = "correct-horse-battery";
/// Stands in what is said for the random word by which the host knows its own.
pub(crate) const WORD: &[u8; 32] = b"00000000000000000000000000000000";
/// Where messages go.
const TOPIC: &str = "people";

/// Memory for a connection on which little is said, and for each byte that is: an empty value takes many more here than on
/// the wire.
const LEAST_MEMORY: u64 = 256 << 10;
const MEMORY_OF_A_BYTE: u64 = 64;

thread_local! {
    static RUNTIME: Reused<Runtime> = const { Reused::for_inputs(u32::MAX) };
}

/// What was said to a counterpart.
pub(crate) type Heard = Arc<Mutex<Vec<u8>>>;

/// The other end of a connection. It hangs up when it has said everything.
pub(crate) struct Counterpart {
    says: Vec<u8>,
    said: usize,
    piece: usize,
    polls: usize,
    knows_word: bool,
    heard: Heard,
}

impl Counterpart {
    /// Says this in pieces of so many bytes.
    pub(crate) fn saying(says: Vec<u8>, piece: usize) -> Self {
        Self { says, said: 0, piece, polls: 0, knows_word: false, heard: Heard::default() }
    }

    /// Of an input: a byte for the size of a piece, then what is said.
    pub(crate) fn of(data: &[u8]) -> Option<Self> {
        let (first, says) = data.split_first()?;
        Some(Self::saying(says.to_vec(), 1 + usize::from(first & 0x3f)))
    }

    pub(crate) fn heard(&self) -> Heard {
        Arc::clone(&self.heard)
    }
}

/// The first run of as many hexadecimal digits as a word has.
pub(crate) fn place_of_word(bytes: &[u8]) -> Option<usize> {
    let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    bytes.windows(WORD.len()).position(|run| run.iter().all(digit))
}

impl AsyncRead for Counterpart {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        // In between, the host does what else it has to do, so that it was asked before it answers.
        self.polls += 1;
        if !self.polls.is_multiple_of(3) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let end = self.says.len().min(self.said + self.piece.min(buffer.remaining()));
        buffer.put_slice(&self.says[self.said..end]);
        self.said = end;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counterpart {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let this = self.get_mut();
        let mut heard = this.heard.lock().expect("what was heard");
        heard.extend_from_slice(bytes);
        if !this.knows_word
            && let Some(place) = place_of_word(&heard)
        {
            this.knows_word = true;
            let word = &heard[place..place + WORD.len()];
            let mut rest = &mut this.says[this.said..];
            while let Some(place) = rest.windows(WORD.len()).position(|run| run == WORD) {
                let (found, behind) = rest[place..].split_at_mut(WORD.len());
                found.copy_from_slice(word);
                rest = behind;
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Lets the host ask, and checks that it takes memory for what comes and not for what is only announced.
pub(crate) fn bounded<T>(said: &[u8], asking: impl Future<Output = T>) -> T {
    RUNTIME.with(|reused| {
        reused.with(runtime, |runtime, _| {
            let mut ended = None;
            let taken = allocation_counter::measure(|| ended = Some(runtime.block_on(asking)));
            let most = LEAST_MEMORY + MEMORY_OF_A_BYTE * said.len() as u64;
            assert!(taken.bytes_max <= most, "{} bytes of memory, of at most {most}", taken.bytes_max);
            ended.expect("an end")
        })
    })
}

/// A broker of this kind, with a name and a password, or another authentication.
pub(crate) fn broker(kind: Value, authentication: Value) -> MessagingServer {
    let configuration = json!({
        "broker": kind, "addresses": ["broker.example.org"], "topics": ["*"], "authentication": authentication,
    });
    let configuration: MessagingConfiguration =
        serde_json::from_value(configuration).expect("a configuration");
    let secrets = [("password".to_owned(), SecretString::from(PASSWORD))].into();
    MessagingServer::new(&configuration, &secrets, Arc::new(SystemResolver)).expect("a broker")
}

pub(crate) fn by_password() -> Value {
    json!({"kind": "password", "username": "provender"})
}

/// Publishes two messages, and gives how that ends.
pub(crate) fn publish(server: &MessagingServer, data: &[u8]) -> Result<(), MessagingError> {
    let Some(counterpart) = Counterpart::of(data) else { return Ok(()) };
    let message = Message {
        topic: TOPIC.to_owned(),
        key: Some("anna".to_owned()),
        content_type: Some("application/json".to_owned()),
        headers: vec![("id".to_owned(), b"1".to_vec())],
        body: b"{}".to_vec(),
    };
    let ended = bounded(data, server.publish_over(counterpart, vec![message.clone(), message]));
    if let Err(error) = &ended {
        assert!(!format!("{error:?}").contains(PASSWORD), "{error}");
    }
    ended
}

/// Publishes a message that can be sent as it is, to a counterpart that lets everybody in, and gives what that heard.
pub(crate) fn heard_of(server: &MessagingServer, message: &Message, welcome: &[u8]) -> Option<Vec<u8>> {
    server.check_message(message).ok()?;
    let counterpart = Counterpart::saying(welcome.to_vec(), welcome.len());
    let heard = counterpart.heard();
    let ended = bounded(welcome, server.publish_over(counterpart, vec![message.clone()]));
    assert!(matches!(ended, Err(MessagingError::ConnectionLost { .. })), "{ended:?}");
    let heard = heard.lock().expect("what was heard");
    Some(heard.clone())
}

/// Has a message of any parts sent to a counterpart that lets everybody in, and looks at what that heard.
pub(crate) fn written(
    server: &MessagingServer,
    data: &[u8],
    welcome: &[u8],
    check: impl Fn(&Message, &[u8]),
) {
    let Ok(message) = message(&mut Unstructured::new(data)) else { return };
    if let Some(heard) = heard_of(server, &message, welcome) {
        check(&message, &heard);
    }
}

/// A message of any parts, to any topic or to the usual one.
pub(crate) fn message(u: &mut Unstructured<'_>) -> arbitrary::Result<Message> {
    let topic: Option<String> = u.arbitrary()?;
    Ok(Message {
        topic: topic.unwrap_or_else(|| TOPIC.to_owned()),
        key: u.arbitrary()?,
        content_type: u.arbitrary()?,
        headers: u.arbitrary()?,
        body: u.arbitrary()?,
    })
}

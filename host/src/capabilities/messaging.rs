//! Messages to the broker of a slot, to the topics of its server.

use std::sync::Arc;

use serde::Serialize;
use serde_with::skip_serializing_none;
use wasmtime::component::Resource;

use super::contract::messaging::{Error, Header, Host, HostPublisher, Message};
use super::readable::Readable;
use super::{CallState, slots};
use crate::sandbox::{Access, Effect, GuestState, InPreview, Performed, Refusal};
use crate::servers::messaging::{self, MessagingError, MessagingServer};

/// A broker bound to a slot, and what the plugin asked for there.
pub struct Slot {
    pub name: String,
    /// None in a replay, where nothing happens.
    pub server: Option<Arc<MessagingServer>>,
    /// Operations that the slot asks for; empty asks for all.
    pub operations: Vec<String>,
}

/// The brokers that a call may publish to.
#[derive(Clone, Default)]
pub struct Grant(pub Vec<Arc<Slot>>);

/// What the guest holds a handle to.
pub struct Publisher(Arc<Slot>);

const PUBLISH: &str = "publish";
const MAX_MESSAGES: usize = 1_000;
const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 16 << 10;

/// What is asked of a broker, as the record holds it.
#[derive(Serialize)]
struct Request<'a> {
    slot: &'a str,
    messages: Vec<ReadableMessage<'a>>,
}

#[skip_serializing_none]
#[derive(Serialize)]
struct ReadableMessage<'a> {
    topic: &'a str,
    key: Option<&'a str>,
    content_type: Option<&'a str>,
    /// In their order: a name may come again.
    headers: Vec<(&'a str, Readable<&'a [u8]>)>,
    body: Readable<&'a [u8]>,
}

impl<'a> From<&'a messaging::Message> for ReadableMessage<'a> {
    fn from(message: &'a messaging::Message) -> Self {
        let headers = message.headers.iter().map(|(name, value)| (name.as_str(), Readable(value.as_slice())));
        Self {
            topic: &message.topic,
            key: message.key.as_deref(),
            content_type: message.content_type.as_deref(),
            headers: headers.collect(),
            body: Readable(&message.body),
        }
    }
}

impl Slot {
    /// Whether these topics may be published to.
    fn granted(&self, messages: &[messaging::Message]) -> Result<(), Refusal> {
        let refuse = |reason: String| Err(slots::refusal(&self.name, &reason));
        if !slots::asks_for(&self.operations, PUBLISH) {
            let asked = self.operations.join(", ");
            return refuse(format!("it asks only for {asked}; name `{PUBLISH}` in its operations"));
        }
        let Some(server) = &self.server else { return Ok(()) };
        match messages.iter().find(|message| !server.covers(&message.topic)) {
            Some(outside) => {
                refuse(format!("`{}` is not among the topics: {}", outside.topic, server.topics().join(", ")))
            }
            None => Ok(()),
        }
    }

    /// Whether these messages can be sent as they are.
    fn check(&self, messages: &[messaging::Message]) -> Result<(), Error> {
        if messages.len() > MAX_MESSAGES {
            return Err(Error::TooLarge(format!("{} messages, of at most {MAX_MESSAGES}", messages.len())));
        }
        for message in messages {
            if message.headers.len() > MAX_HEADERS {
                let count = message.headers.len();
                return Err(Error::TooLarge(format!(
                    "a message has {count} headers, of at most {MAX_HEADERS}"
                )));
            }
            let bytes = message.size() - message.body.len();
            if bytes > MAX_HEADER_BYTES {
                return Err(Error::TooLarge(format!(
                    "topic, key and headers of a message have {bytes} bytes, of at most {MAX_HEADER_BYTES}"
                )));
            }
            if let Some(server) = &self.server {
                server.check_message(message)?;
            }
        }
        Ok(())
    }
}

impl From<Message> for messaging::Message {
    fn from(message: Message) -> Self {
        let Message { topic, key, content_type, headers, body } = message;
        let headers = headers.into_iter().map(|Header { name, value }| (name, value)).collect();
        Self { topic, key, content_type, headers, body }
    }
}

impl From<MessagingError> for Error {
    fn from(error: MessagingError) -> Self {
        let message = error.to_string();
        match error {
            MessagingError::NoSuchTopic(_) => Self::NoSuchTopic(message),
            MessagingError::Denied(_) => Self::Denied(message),
            MessagingError::Rejected(_) => Self::Rejected(message),
            MessagingError::Invalid(_) => Self::InvalidArgument(message),
            MessagingError::Authentication(_) => Self::Authentication(message),
            MessagingError::Refused(_) => Self::Refused(message),
            MessagingError::Unavailable(_) | MessagingError::Moved(_) => Self::Unavailable(message),
            MessagingError::ConnectionLost { .. } => Self::ConnectionLost(message),
            MessagingError::Timeout { .. } => Self::Timeout(message),
            MessagingError::TooLarge { .. } | MessagingError::TooLargeForBroker(_) => Self::TooLarge(message),
        }
    }
}

impl Host for CallState {
    async fn open(&mut self, slot: String) -> wasmtime::Result<Result<Resource<Publisher>, Error>> {
        let found = slots::opened(&self.messaging.0, |slot| &slot.name, ("broker", &slot));
        let publisher = match found {
            Ok(found) => Publisher(found),
            Err(refused) => return Ok(Err(Error::Refused(refused))),
        };
        Ok(Ok(self.table().push(publisher)?))
    }
}

impl HostPublisher for CallState {
    async fn publish(
        &mut self,
        publisher: Resource<Publisher>,
        messages: Vec<Message>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let slot = Arc::clone(&self.table().get(&publisher)?.0);
        let messages: Vec<messaging::Message> = messages.into_iter().map(Into::into).collect();
        if let Err(error) = slot.check(&messages) {
            return Ok(Err(error));
        }
        let effect = Effect {
            capability: "messaging",
            operation: PUBLISH.into(),
            access: Access::Write,
            bytes_out: messages.iter().map(|message| message.size() as u64).sum(),
            request: Request { slot: &slot.name, messages: messages.iter().map(Into::into).collect() },
            overlaps: false,
            granted: slot.granted(&messages),
        };
        let gate = Arc::clone(&self.guest().gate);
        let server = slot.server.clone();
        let sent = messages.clone();
        let published = gate.pass(effect, InPreview::Answered(()), |_| async move {
            let answer = match server {
                Some(server) => server.publish(sent).await.map_err(Error::from),
                None => Err(Error::Unavailable("there is no broker in a replay".to_owned())),
            };
            // Confirmations have no content.
            Performed { answer, bytes_in: Some(0), refused: None }
        });
        Ok(published.await?)
    }

    async fn drop(&mut self, publisher: Resource<Publisher>) -> wasmtime::Result<()> {
        self.table().delete(publisher)?;
        Ok(())
    }
}

//! A configured message broker: one connection that all calls share, on which each waits for the confirmation of its own
//! messages only.
//!
//! The protocols are spoken here and not by crates: these connect wherever a broker tells them to, while the host connects
//! to addresses that it checked; and what is lost with a connection is told apart from what was never sent.

mod amqp;
mod check;
mod kafka;
mod link;
mod mqtt;
mod nats;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio::time::Instant;

use self::amqp::Amqp;
use self::kafka::Kafka;
use self::link::{Link, Outgoing};
use self::mqtt::Mqtt;
use self::nats::{Info, Nats};
use self::wire::{Dialer, Wire};
use super::ServerError;
use super::authority::Authority;
use super::configuration::messaging::{
    Broker, Mechanism, MessagingAuthentication, MessagingConfiguration, PASSWORD, TOKEN,
};
use super::configuration::secrets::Secrets;
use super::connector::{ConnectError, NotSecured, Resolver, TcpConnector};
use super::http::echo::Blanks;
use super::pacing::{Held, Pacing};
use super::tls;

/// As whom the host introduces itself.
const CLIENT: &str = "provender";

/// A message to a broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub key: Option<String>,
    pub content_type: Option<String>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Message {
    /// Bytes of all its parts.
    pub fn size(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        let texts = [self.key.as_ref(), self.content_type.as_ref()].into_iter().flatten().map(String::len);
        self.topic.len() + self.body.len() + headers.chain(texts).sum::<usize>()
    }
}

/// Why a message did not come about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessagingError {
    /// There is no such topic, or nothing that takes its messages.
    #[error("{0}")]
    NoSuchTopic(String),
    /// The credential does not allow it.
    #[error("{0}")]
    Denied(String),
    /// The broker does not take it.
    #[error("{0}")]
    Rejected(String),
    /// It cannot be sent as it is.
    #[error("{0}")]
    Invalid(String),
    /// The broker refused the host's credential.
    #[error("the broker refuses the credential: {0}")]
    Authentication(String),
    /// The host may not connect there, or does not trust who answers: nothing was sent.
    #[error("{0}")]
    Refused(String),
    /// No connection: nothing was sent.
    #[error("{0}")]
    Unavailable(String),
    /// Nothing of it was kept, and another node may take it.
    #[error("{0}")]
    Moved(String),
    /// The broker may or may not have taken it.
    #[error("the connection to the broker is lost: {reason}")]
    ConnectionLost { reason: String },
    /// The broker may or may not have taken it.
    #[error("the broker does not confirm within {} ms", after.as_millis())]
    Timeout { after: Duration },
    /// Larger than the limit.
    #[error("the message has {size} bytes, of at most {limit}")]
    TooLarge { size: usize, limit: usize },
    /// Larger than the broker takes.
    #[error("the broker finds it too large: {0}")]
    TooLargeForBroker(String),
}

impl From<ConnectError> for MessagingError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::AddressRefused { .. } => Self::Refused(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<NotSecured> for MessagingError {
    fn from(error: NotSecured) -> Self {
        match error {
            NotSecured::Untrusted(reason) => Self::Refused(reason),
            NotSecured::Credential(reason) => Self::Authentication(reason),
            NotSecured::Lost(reason) => Self::Unavailable(reason),
        }
    }
}

/// As whom the host authenticates itself.
#[derive(Clone)]
enum Credential {
    None,
    Password { username: String, password: SecretString, mechanism: Mechanism },
    Token(SecretString),
}

/// A broker with its connections.
pub struct MessagingServer {
    broker: Broker,
    addresses: Vec<Authority>,
    topics: Vec<String>,
    credential: Credential,
    dialer: Dialer,
    client: Client,
    max_message_bytes: usize,
    request_timeout: Duration,
    pacing: Pacing,
    blanks: Blanks,
}

enum Client {
    /// To the node that answered first.
    One(Mutex<Option<Link>>),
    /// To several nodes of a cluster.
    Kafka(Box<Kafka>),
}

/// A connection that is ready, with what the broker tells of itself.
enum Session {
    Amqp(Wire, Amqp, String),
    Nats(Wire, Nats, Info),
    Mqtt(Wire, Mqtt),
}

/// How often a message is sent that was not sent because the connection ended before.
const ATTEMPTS: usize = 3;

impl MessagingServer {
    /// A broker as configured, with its secrets. Nothing is connected yet.
    pub fn new(
        configuration: &MessagingConfiguration,
        secrets: &Secrets,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Self, ServerError> {
        let unusable = |problem: String| ServerError::Unusable { problem };
        let secret = |field: &'static str| secrets.get(field).ok_or(ServerError::MissingSecret { field });
        let credential = match &configuration.authentication {
            MessagingAuthentication::None {} => Credential::None,
            MessagingAuthentication::Token { .. } => Credential::Token(secret(TOKEN.name)?.clone()),
            MessagingAuthentication::Password { username, mechanism, .. } => Credential::Password {
                username: username.clone(),
                password: secret(PASSWORD.name)?.clone(),
                mechanism: *mechanism,
            },
        };
        let own = configuration.client_certificate.as_ref().map(|own| own.with_key(secrets)).transpose()?;
        let tls = if configuration.tls {
            let tls = tls::client_configuration(configuration.ca_certificates.as_deref(), own);
            Some(Arc::new(tls.map_err(unusable)?))
        } else {
            None
        };
        let addresses = configuration.addresses.iter().map(|address| Authority::parse(address, 0));
        let addresses: Vec<Authority> = addresses.collect::<Result<_, _>>().map_err(unusable)?;
        let timeout = Duration::from_millis(configuration.connect_timeout_ms);
        let request_timeout = Duration::from_millis(configuration.request_timeout_ms);
        let tcp = TcpConnector::new(resolver, configuration.allow_private_addresses, timeout);
        let dialer = Dialer { tcp, tls, timeout };
        let client = match configuration.broker {
            Broker::Kafka {} => {
                let kafka =
                    Kafka::new(dialer.clone(), addresses.clone(), credential.clone(), request_timeout);
                Client::Kafka(Box::new(kafka))
            }
            Broker::Amqp { .. } | Broker::Nats {} | Broker::Mqtt { .. } => Client::One(Mutex::default()),
        };
        let echoed = match &credential {
            Credential::Password { password: secret, .. } | Credential::Token(secret) => Some(secret.clone()),
            Credential::None => None,
        };
        Ok(Self {
            broker: configuration.broker.clone(),
            addresses,
            topics: configuration.topics.clone(),
            credential,
            dialer,
            client,
            max_message_bytes: usize::try_from(configuration.max_message_bytes).unwrap_or(usize::MAX),
            request_timeout,
            pacing: Pacing::new(&configuration.pacing),
            blanks: Blanks::of(echoed),
        })
    }

    /// Word for what it speaks.
    pub fn dialect(&self) -> &'static str {
        self.broker.word()
    }

    /// Topics that may be published to; a final `*` stands for any end.
    pub fn topics(&self) -> &[String] {
        &self.topics
    }

    /// Whether a topic may be published to.
    pub fn covers(&self, topic: &str) -> bool {
        self.topics.iter().any(|granted| match granted.strip_suffix('*') {
            Some(stem) => topic.starts_with(stem),
            None => topic == granted,
        })
    }

    /// Whether a message can be sent as it is.
    pub fn check_message(&self, message: &Message) -> Result<(), MessagingError> {
        let (size, limit) = (message.body.len(), self.max_message_bytes);
        if size > limit {
            return Err(MessagingError::TooLarge { size, limit });
        }
        let checked = match &self.broker {
            Broker::Kafka {} => kafka::check(message),
            Broker::Amqp { .. } => amqp::check(message),
            Broker::Nats {} => nats::check(message),
            Broker::Mqtt { .. } => mqtt::check(message),
        };
        checked.map_err(MessagingError::Invalid)
    }

    /// Sends messages in their order, and waits until the broker has confirmed all of them. After a failure, some may have
    /// been taken.
    pub async fn publish(&self, messages: Vec<Message>) -> Result<(), MessagingError> {
        let messages: Vec<Arc<Message>> = messages.into_iter().map(Arc::new).collect();
        let after = self.request_timeout;
        let deadline = Instant::now() + after;
        let mut turn = self.pacing.turn(deadline).await.map_err(|held| self.held(held))?;
        let publishing = async {
            match &self.client {
                Client::One(link) => self.publish_to(link, &messages).await,
                Client::Kafka(kafka) => kafka.publish(&messages).await,
            }
        };
        let published = tokio::time::timeout_at(deadline, publishing).await;
        let published = published.unwrap_or(Err(MessagingError::Timeout { after }));
        match &published {
            Err(MessagingError::Unavailable(_) | MessagingError::ConnectionLost { .. }) => turn.failed(),
            Err(MessagingError::Timeout { .. }) => {
                turn.failed();
                self.drop_links();
            }
            Ok(()) | Err(_) => turn.answered(None),
        }
        published.map_err(|error| self.blanked_error(error))
    }

    /// As [`publish`](Self::publish), over a stream that is there already and serves for nothing else: whatever is at its
    /// other end is read as a broker. kafka: all messages are to one topic.
    pub async fn publish_over(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static,
        messages: Vec<Message>,
    ) -> Result<(), MessagingError> {
        let messages = messages.into_iter().map(Arc::new).collect();
        let published = self.publish_alone(Wire::new(Box::new(stream)), messages).await;
        published.map_err(|error| self.blanked_error(error))
    }

    async fn publish_alone(&self, wire: Wire, messages: Vec<Arc<Message>>) -> Result<(), MessagingError> {
        if let Client::Kafka(kafka) = &self.client {
            return kafka.publish_over(wire, messages).await;
        }
        let Some(address) = self.addresses.first() else {
            return Err(MessagingError::Unavailable("no node is configured".to_owned()));
        };
        let messages = messages.into_iter().map(|message| Outgoing { message, partition: 0 }).collect();
        match self.session_over(wire, address).await? {
            Session::Amqp(wire, amqp, _) => link::publish_over(wire, amqp, messages).await,
            Session::Nats(wire, nats, _) => link::publish_over(wire, nats, messages).await,
            Session::Mqtt(wire, mqtt) => link::publish_over(wire, mqtt, messages).await,
        }
    }

    async fn publish_to(
        &self,
        link: &Mutex<Option<Link>>,
        messages: &[Arc<Message>],
    ) -> Result<(), MessagingError> {
        let mut left = messages;
        for _ in 0..ATTEMPTS {
            let link = self.link(link).await?;
            if let Some((size, limit)) = link.limit.and_then(|limit| beyond(limit, left)) {
                return Err(MessagingError::TooLarge { size, limit });
            }
            let mut waiting = Vec::new();
            for message in left {
                waiting.push(link.send(Outgoing { message: Arc::clone(message), partition: 0 }).await);
            }
            for confirmed in waiting {
                match confirmed.await {
                    Ok(confirmed) => confirmed?,
                    // The connection ended before it was sent, and with it those behind it.
                    Err(_) => break,
                }
                left = left.split_first().map_or(&[], |(_, rest)| rest);
            }
            if left.is_empty() {
                return Ok(());
            }
        }
        Err(MessagingError::Unavailable(
            "the broker closes every connection before anything is sent".to_owned(),
        ))
    }

    /// The connection, a new one where there is none.
    async fn link(&self, link: &Mutex<Option<Link>>) -> Result<Link, MessagingError> {
        let mut link = link.lock().await;
        if let Some(open) = link.as_ref().filter(|link| link.is_open()) {
            return Ok(open.clone());
        }
        let connected = match self.session().await? {
            Session::Amqp(wire, amqp, _) => Link::start(wire, amqp),
            Session::Nats(wire, nats, _) => Link::start(wire, nats),
            Session::Mqtt(wire, mqtt) => Link::start(wire, mqtt),
        };
        Ok(link.insert(connected).clone())
    }

    /// A session with the first node that answers.
    async fn session(&self) -> Result<Session, MessagingError> {
        let mut failed = MessagingError::Unavailable("no node is configured".to_owned());
        for address in &self.addresses {
            match tokio::time::timeout(self.dialer.timeout, self.session_at(address)).await {
                Ok(Err(MessagingError::Unavailable(reason))) => {
                    failed = MessagingError::Unavailable(format!("no session at {address}: {reason}"));
                }
                // Another node may be who it should be.
                Ok(Err(MessagingError::Refused(reason))) => {
                    failed = MessagingError::Refused(format!("no session at {address}: {reason}"));
                }
                Ok(ended) => return ended,
                Err(_) => {
                    let after = self.dialer.timeout.as_millis();
                    failed =
                        MessagingError::Unavailable(format!("no session at {address} within {after} ms"));
                }
            }
        }
        Err(failed)
    }

    async fn session_at(&self, address: &Authority) -> Result<Session, MessagingError> {
        self.session_over(self.dialer.connect(address).await?, address).await
    }

    async fn session_over(&self, wire: Wire, address: &Authority) -> Result<Session, MessagingError> {
        let (dialer, credential) = (&self.dialer, &self.credential);
        Ok(match &self.broker {
            Broker::Amqp { virtual_host, exchange } => {
                let place = amqp::Place { virtual_host: virtual_host.clone(), exchange: exchange.clone() };
                let wire = dialer.secure(wire, address).await?;
                let (wire, amqp, product) = amqp::open(wire, credential, &place).await?;
                Session::Amqp(wire, amqp, product)
            }
            Broker::Nats {} => {
                let (wire, nats, info) = nats::open(wire, (dialer, address), credential).await?;
                Session::Nats(wire, nats, info)
            }
            Broker::Mqtt { retain } => {
                let wire = dialer.secure(wire, address).await?;
                let (wire, mqtt) = mqtt::open(wire, credential, *retain).await?;
                Session::Mqtt(wire, mqtt)
            }
            // It has connections of its own.
            Broker::Kafka {} => return Err(MessagingError::Unavailable("it is a cluster".to_owned())),
        })
    }

    /// A connection that does not confirm in time is not used again.
    fn drop_links(&self) {
        match &self.client {
            // Where it is locked, a new one is being made.
            Client::One(link) => drop(link.try_lock().map(|mut link| link.take())),
            Client::Kafka(kafka) => kafka.drop_links(),
        }
    }

    fn held(&self, held: Held) -> MessagingError {
        MessagingError::Unavailable(format!("{self} is not asked now: {held}"))
    }

    /// How long it is left alone from now on, if it is.
    pub fn rest(&self) -> Option<Duration> {
        self.pacing.rest()
    }

    /// Without the host's credential, should the broker repeat it.
    fn blanked_error(&self, mut error: MessagingError) -> MessagingError {
        use MessagingError::{
            Authentication, ConnectionLost, Denied, Invalid, Moved, NoSuchTopic, Refused, Rejected,
            TooLargeForBroker, Unavailable,
        };
        match &mut error {
            NoSuchTopic(text)
            | Denied(text)
            | Rejected(text)
            | Invalid(text)
            | Authentication(text)
            | Refused(text)
            | Unavailable(text)
            | Moved(text)
            | TooLargeForBroker(text)
            | ConnectionLost { reason: text } => {
                if let Some(blanked) = self.blanks.blanked(text.as_bytes()) {
                    *text = String::from_utf8_lossy(&blanked).into_owned();
                }
            }
            MessagingError::Timeout { .. } | MessagingError::TooLarge { .. } => {}
        }
        error
    }
}

/// The first message that is larger than the limit: the whole of it counts for a broker.
fn beyond(limit: usize, messages: &[Arc<Message>]) -> Option<(usize, usize)> {
    messages.iter().map(|message| message.size()).find(|size| *size > limit).map(|size| (size, limit))
}

/// A word that nobody else has: 128 random bits.
fn random_word() -> Result<String, MessagingError> {
    let mut bits = [0; 16];
    let filled = SystemRandom::new().fill(&mut bits);
    filled.map_err(|_| MessagingError::Unavailable("the system has no random numbers".to_owned()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bits)))
}

impl fmt::Display for MessagingServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> = self.addresses.iter().map(Authority::to_string).collect();
        write!(formatter, "{} {}", self.dialect(), addresses.join(", "))
    }
}

impl fmt::Debug for MessagingServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MessagingServer").field("broker", &self.to_string()).finish_non_exhaustive()
    }
}

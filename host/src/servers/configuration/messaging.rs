//! The configuration of a message broker.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::certificates::{self, ClientCertificate};
use super::secrets::{SecretField, SecretForm, SecretPlace, Told};
use super::{Refuse, check_ranges, default_connect_timeout_ms, default_request_timeout_ms};
use crate::servers::authority::Authority;
use crate::servers::pacing::PacingConfiguration;

/// A message broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, bound(serialize = "S: Told", deserialize = "S: Deserialize<'de> + Default"))]
pub struct MessagingConfiguration<S = SecretPlace> {
    /// What it speaks.
    pub broker: Broker,
    /// `HOST[:PORT]` of its nodes, tried in this order. Kafka tells of the others itself.
    #[schema(example = json!(["broker.example.org"]), min_items = 1)]
    pub addresses: Vec<String>,
    /// Whether connections are secured by TLS.
    #[serde(default)]
    pub tls: bool,
    /// Topics that plugins may publish to: kafka: topics; amqp: routing keys; nats: subjects; mqtt: topics. A final `*` stands
    /// for any end.
    #[schema(example = json!(["people"]), min_items = 1)]
    pub topics: Vec<String>,
    /// How the host authenticates itself.
    #[serde(default)]
    pub authentication: MessagingAuthentication<S>,
    /// What the host shows of itself when TLS is negotiated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate<S>>,
    /// PEM certificates of the authorities to trust instead of those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_certificates: Option<String>,
    /// Whether the server may be at a loopback, private or otherwise not public address.
    #[serde(default)]
    pub allow_private_addresses: bool,
    /// Largest body of a message in bytes; the broker may have a smaller limit of its own.
    #[serde(default = "default_max_message_bytes")]
    #[schema(minimum = 1, maximum = 16_777_216, default = default_max_message_bytes)]
    pub max_message_bytes: u64,
    /// Longest time in milliseconds for name resolution, TCP, TLS and authentication together.
    #[serde(default = "default_connect_timeout_ms")]
    #[schema(minimum = 1, maximum = 60_000, default = default_connect_timeout_ms)]
    pub connect_timeout_ms: u64,
    /// Longest time in milliseconds until messages are confirmed.
    #[serde(default = "default_request_timeout_ms")]
    #[schema(minimum = 1, maximum = 300_000, default = default_request_timeout_ms)]
    pub request_timeout_ms: u64,
    /// How much it is asked at most, by all targets together.
    #[serde(default, skip_serializing_if = "PacingConfiguration::is_default")]
    pub pacing: PacingConfiguration,
}

/// What a broker speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Broker {
    /// Apache Kafka and what is compatible with it.
    Kafka {},
    /// AMQP 0-9-1, as RabbitMQ speaks it: a topic is a routing key.
    Amqp {
        #[serde(default = "default_virtual_host")]
        #[schema(default = default_virtual_host)]
        virtual_host: String,
        /// The exchange to publish to; empty for the one that leads to queues by their names.
        #[serde(default)]
        exchange: String,
    },
    /// NATS with JetStream: a topic is a subject, which a stream must take.
    Nats {},
    /// MQTT 5.
    Mqtt {
        /// Whether the broker keeps the last message of each topic for those who subscribe later.
        #[serde(default)]
        retain: bool,
    },
}

/// How the host authenticates itself to a broker. Secrets are written and never given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    deny_unknown_fields,
    bound(serialize = "S: Told", deserialize = "S: Deserialize<'de> + Default")
)]
pub enum MessagingAuthentication<S = SecretPlace> {
    /// Not at all, or by the client certificate.
    None {},
    /// By user name and password.
    Password {
        username: String,
        #[serde(default, skip_serializing_if = "Told::is_left_out")]
        password: S,
        /// How the password is shown to Kafka.
        #[serde(default, skip_serializing_if = "Mechanism::is_plain")]
        mechanism: Mechanism,
    },
    /// By a token, to NATS.
    Token {
        #[serde(default, skip_serializing_if = "Told::is_left_out")]
        token: S,
    },
}

/// A mechanism of SASL (RFC 4616, RFC 5802).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mechanism {
    #[default]
    Plain,
    #[serde(rename = "scram_sha_256")]
    ScramSha256,
    #[serde(rename = "scram_sha_512")]
    ScramSha512,
}

impl Mechanism {
    fn is_plain(&self) -> bool {
        *self == Self::Plain
    }

    /// By the registry of SASL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

pub(in crate::servers) const PASSWORD: SecretField =
    SecretField { name: "password", pointer: "/authentication/password", form: SecretForm::Line };
pub(in crate::servers) const TOKEN: SecretField =
    SecretField { name: "token", pointer: "/authentication/token", form: SecretForm::Line };

impl Broker {
    /// Word for what it speaks: "kafka", "amqp".
    pub fn word(&self) -> &'static str {
        match self {
            Self::Kafka {} => "kafka",
            Self::Amqp { .. } => "amqp",
            Self::Nats {} => "nats",
            Self::Mqtt { .. } => "mqtt",
        }
    }

    fn port(&self, tls: bool) -> u16 {
        match (self, tls) {
            (Self::Kafka {}, _) => 9092,
            (Self::Amqp { .. }, false) => 5672,
            (Self::Amqp { .. }, true) => 5671,
            (Self::Nats {}, _) => 4222,
            (Self::Mqtt { .. }, false) => 1883,
            (Self::Mqtt { .. }, true) => 8883,
        }
    }
}

impl<S> Default for MessagingAuthentication<S> {
    fn default() -> Self {
        Self::None {}
    }
}

impl<S> MessagingAuthentication<S> {
    fn map<T>(self, secret: &mut impl FnMut(SecretField, S) -> T) -> MessagingAuthentication<T> {
        match self {
            Self::None {} => MessagingAuthentication::None {},
            Self::Password { username, password, mechanism } => MessagingAuthentication::Password {
                username,
                password: secret(PASSWORD, password),
                mechanism,
            },
            Self::Token { token } => MessagingAuthentication::Token { token: secret(TOKEN, token) },
        }
    }
}

impl<S> MessagingConfiguration<S> {
    /// The same with other secrets.
    pub(super) fn map<T>(self, secret: &mut impl FnMut(SecretField, S) -> T) -> MessagingConfiguration<T> {
        MessagingConfiguration {
            broker: self.broker,
            addresses: self.addresses,
            tls: self.tls,
            topics: self.topics,
            authentication: self.authentication.map(secret),
            client_certificate: self.client_certificate.map(|own| own.map(secret)),
            ca_certificates: self.ca_certificates,
            allow_private_addresses: self.allow_private_addresses,
            max_message_bytes: self.max_message_bytes,
            connect_timeout_ms: self.connect_timeout_ms,
            request_timeout_ms: self.request_timeout_ms,
            pacing: self.pacing,
        }
    }
}

/// Longest name of a virtual host or an exchange in AMQP.
const SHORT_STRING: usize = 255;

impl MessagingConfiguration {
    pub(super) fn validate(mut self, refuse: &mut Refuse<'_>) -> Self {
        let port = self.broker.port(self.tls);
        if self.addresses.is_empty() {
            refuse("/addresses", "must name at least one node".to_owned());
        }
        for address in &mut self.addresses {
            match Authority::parse(address, port) {
                Ok(parsed) => *address = parsed.to_string(),
                Err(problem) => refuse("/addresses", format!("{address:?} {problem}")),
            }
        }
        if self.topics.is_empty() {
            refuse("/topics", "must name at least one topic".to_owned());
        }
        for topic in self.topics.iter().filter(|topic| !is_pattern(topic)) {
            refuse("/topics", format!("{topic:?} must be a topic, with `*` only at its end"));
        }
        if let Broker::Amqp { virtual_host, exchange } = &self.broker
            && virtual_host.len().max(exchange.len()) > SHORT_STRING
        {
            refuse("/broker", format!("must have names of at most {SHORT_STRING} bytes"));
        }
        self.validate_authentication(refuse);
        self.validate_tls(refuse);
        check_ranges(
            &[
                ("/max_message_bytes", self.max_message_bytes, 1, 16 << 20),
                ("/connect_timeout_ms", self.connect_timeout_ms, 1, 60_000),
                ("/request_timeout_ms", self.request_timeout_ms, 1, 300_000),
            ],
            refuse,
        );
        check_ranges(&self.pacing.ranges(), refuse);
        self
    }

    fn validate_authentication(&self, refuse: &mut Refuse<'_>) {
        match &self.authentication {
            MessagingAuthentication::None {} => return,
            MessagingAuthentication::Token { .. } if !matches!(self.broker, Broker::Nats {}) => {
                refuse("/authentication", "by a token is for NATS only".to_owned());
            }
            MessagingAuthentication::Password { mechanism, .. }
                if !mechanism.is_plain() && !matches!(self.broker, Broker::Kafka {}) =>
            {
                refuse("/authentication/mechanism", "is for Kafka only".to_owned());
            }
            MessagingAuthentication::Password { username, .. }
                if username.is_empty() || username.contains(char::is_control) =>
            {
                refuse("/authentication/username", "must be a name without control characters".to_owned());
            }
            MessagingAuthentication::Token { .. } | MessagingAuthentication::Password { .. } => {}
        }
        if !self.tls && !self.allow_private_addresses {
            let problem = "must be true, since a credential could be read on its way; or set \
                           `allow_private_addresses` if the network is trusted";
            refuse("/tls", problem.to_owned());
        }
    }

    fn validate_tls(&self, refuse: &mut Refuse<'_>) {
        certificates::check(self.ca_certificates.as_deref(), self.client_certificate.as_ref(), refuse);
        if !self.tls && self.ca_certificates.is_some() {
            refuse("/ca_certificates", "needs `tls`".to_owned());
        }
        if !self.tls && self.client_certificate.is_some() {
            refuse("/client_certificate", "needs `tls`".to_owned());
        }
    }

    /// Where secrets of this configuration are sent, and in whose name.
    pub(super) fn recipient(&self) -> String {
        let certificates = self.client_certificate.as_ref().map(|client| &client.certificates);
        let authentication = self.authentication.clone().map(&mut |_, _| ());
        let Self { broker, addresses, tls, .. } = self;
        format!("{broker:?} {addresses:?} {tls} {authentication:?} {certificates:?}")
    }
}

/// A topic, or the beginning of topics with a final `*`.
fn is_pattern(topic: &str) -> bool {
    let stem = topic.strip_suffix('*').unwrap_or(topic);
    !topic.is_empty() && !stem.contains(|letter: char| letter == '*' || letter.is_control())
}

fn default_virtual_host() -> String {
    "/".to_owned()
}

fn default_max_message_bytes() -> u64 {
    1_000_000
}

//! A message broker as the flags of `provender server put` say it.

use clap::Args;
use serde_json::json;

use super::put::{NOT_BROKER, Shared};
use crate::servers::configuration::secrets::SecretInput;
use crate::servers::configuration::{Mechanism, MessagingAuthentication, MessagingConfiguration};

#[derive(Debug, Args)]
pub(super) struct MessagingArguments {
    /// A message broker, by what it speaks: kafka, amqp, nats or mqtt
    #[arg(long, value_name = "PROTOCOL", requires_all = ["address", "topic"])]
    broker: Option<String>,
    /// HOST[:PORT] of a node of the broker; may be given again
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = NOT_BROKER)]
    address: Vec<String>,
    /// A topic that plugins may publish to, or with a final `*` the beginning of some; may be given again
    #[arg(long, value_name = "TOPIC", conflicts_with_all = NOT_BROKER)]
    topic: Vec<String>,
    /// Exchange of an AMQP broker [default: the one that leads to queues by their names]
    #[arg(long, value_name = "NAME", conflicts_with_all = NOT_BROKER)]
    exchange: Option<String>,
    /// Secure connections to the broker by TLS
    #[arg(long, conflicts_with_all = NOT_BROKER)]
    tls: bool,
}

impl MessagingArguments {
    pub(super) fn are_given(&self) -> bool {
        self.broker.is_some()
    }

    pub(super) fn configuration(
        self,
        username: Option<String>,
        shared: Shared,
    ) -> anyhow::Result<MessagingConfiguration<SecretInput>> {
        let broker = match self.exchange {
            Some(exchange) => json!({ "kind": self.broker, "exchange": exchange }),
            None => json!({ "kind": self.broker }),
        };
        let mut messaging: MessagingConfiguration<SecretInput> = serde_json::from_value(json!({
            "broker": broker, "addresses": self.address, "topics": self.topic, "tls": self.tls,
        }))?;
        messaging.authentication = match (username, shared.secret) {
            (Some(username), password) => MessagingAuthentication::Password {
                username,
                password: password.unwrap_or_default(),
                mechanism: Mechanism::default(),
            },
            (None, Some(token)) => MessagingAuthentication::Token { token },
            (None, None) => MessagingAuthentication::None {},
        };
        messaging.client_certificate = shared.client_certificate;
        messaging.allow_private_addresses = shared.private;
        messaging.ca_certificates = shared.ca_certificates;
        if let Some(timeout) = shared.request_timeout_ms {
            messaging.request_timeout_ms = timeout;
        }
        Ok(messaging)
    }
}

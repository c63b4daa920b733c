//! What a broker says of itself.

use super::{Broker, Client, Credential, MessagingError, MessagingServer, Session};

impl MessagingServer {
    /// Connects, authenticates, and looks for what topics need. Gives lines for the operator; publishes nothing.
    pub async fn check(&self) -> Result<Vec<String>, String> {
        let found = self.described().await.map_err(|error| self.blanked_error(error).to_string())?;
        Ok(std::iter::once(format!("{self} is connected{}", self.as_whom())).chain(found).collect())
    }

    fn as_whom(&self) -> String {
        match &self.credential {
            Credential::None => String::new(),
            Credential::Password { username, .. } => format!(", as {username}"),
            Credential::Token(_) => ", by a token".to_owned(),
        }
    }

    async fn described(&self) -> Result<Vec<String>, MessagingError> {
        if let Client::Kafka(kafka) = &self.client {
            let exact = self.topics.iter().filter(|topic| !topic.ends_with('*'));
            return kafka.describe(&exact.cloned().collect::<Vec<_>>()).await?.lines();
        }
        Ok(match self.session().await? {
            Session::Amqp(_, _, product) => vec![format!("it is {product}"), self.place()],
            Session::Nats(_, _, info) if !info.jetstream => {
                let problem = "it has no JetStream, so it confirms nothing".to_owned();
                return Err(MessagingError::Unavailable(problem));
            }
            Session::Nats(_, _, info) => {
                vec![format!("it is nats-server {} {}, with JetStream", info.version, info.server_name)]
            }
            Session::Mqtt(..) => vec!["it speaks MQTT 5 and confirms messages".to_owned()],
        })
    }

    fn place(&self) -> String {
        let Broker::Amqp { virtual_host, exchange } = &self.broker else { return String::new() };
        let exchange = if exchange.is_empty() { "the default exchange" } else { exchange };
        format!("{exchange} of virtual host {virtual_host} is there")
    }
}

//! The configuration of a server as an operator writes it, and as it is stored and shown: without secrets.
//!
//! Both are one type that differs in its secrets, so they cannot drift apart: [`ServerInput`] carries them in clear, is
//! only read, and is turned into a [`StoredServer`] by [`ServerInput::seal`]. One file per kind of server.

mod certificates;
mod files;
mod http;
pub mod ldap;
pub mod messaging;
mod schema;
pub mod secrets;
pub mod sql;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::certificates::ClientCertificate;
pub use self::files::{FilesConfiguration, IdRange, Modes};
pub(super) use self::http::token_url;
pub use self::http::{AccessToken, Authentication, ClientAuthentication, HttpConfiguration, SignatureMethod};
pub use self::ldap::{LdapAuthentication, LdapConfiguration};
pub use self::messaging::{Broker, Mechanism, MessagingAuthentication, MessagingConfiguration};
pub use self::secrets::Secrets;
use self::secrets::{SecretField, SecretInput, SecretPlace, Told};
pub use self::sql::{Dialect, SqlAuthentication, SqlConfiguration, SqlTls};
use super::ServerError;
use super::secret::{SealedSecret, SecretKey};

/// A server as stored and shown, without secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    bound(serialize = "S: Told", deserialize = "S: Deserialize<'de> + Default")
)]
pub enum ServerConfiguration<S = SecretPlace> {
    /// An HTTP or HTTPS server.
    Http(HttpConfiguration<S>),
    /// A directory of the host's file system.
    Files(FilesConfiguration),
    /// An LDAP directory.
    Ldap(LdapConfiguration<S>),
    /// A message broker.
    Messaging(MessagingConfiguration<S>),
    /// A database that speaks SQL.
    Sql(SqlConfiguration<S>),
}

/// A server as an operator writes it, secrets included.
pub type ServerInput = ServerConfiguration<SecretInput>;

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidField {
    /// JSON pointer (RFC 6901) of the field.
    pub pointer: &'static str,
    /// What is wrong and what helps.
    pub problem: String,
}

/// Takes what is wrong with a field: its pointer, and the problem.
type Refuse<'a> = dyn FnMut(&'static str, String) + 'a;

/// All that is wrong with a configuration. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct InvalidConfiguration(pub Vec<InvalidField>);

impl fmt::Display for InvalidConfiguration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("invalid server configuration")?;
        for (separator, field) in std::iter::once(": ").chain(std::iter::repeat("; ")).zip(&self.0) {
            write!(formatter, "{separator}{} {}", field.pointer, field.problem)?;
        }
        Ok(())
    }
}

impl<S> ServerConfiguration<S> {
    /// Word for the kind: "http", "files", "sql".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Files(_) => "files",
            Self::Ldap(_) => "ldap",
            Self::Messaging(_) => "messaging",
            Self::Sql(_) => "sql",
        }
    }

    /// The same with other secrets. Every secret passes `secret` once.
    fn map<T>(self, secret: &mut impl FnMut(SecretField, S) -> T) -> ServerConfiguration<T> {
        match self {
            Self::Http(http) => ServerConfiguration::Http(http.map(secret)),
            Self::Files(files) => ServerConfiguration::Files(files),
            Self::Ldap(ldap) => ServerConfiguration::Ldap(ldap.map(secret)),
            Self::Messaging(messaging) => ServerConfiguration::Messaging(messaging.map(secret)),
            Self::Sql(sql) => ServerConfiguration::Sql(sql.map(secret)),
        }
    }
}

impl ServerConfiguration {
    /// Checks everything and gives the normalised form. Looks at the file system, not at the network.
    pub fn validate(self) -> Result<Self, InvalidConfiguration> {
        let mut invalid = Vec::new();
        let refuse: &mut Refuse<'_> = &mut |pointer, problem| invalid.push(InvalidField { pointer, problem });
        let configuration = match self {
            Self::Http(http) => Self::Http(http.validate(refuse)),
            Self::Files(files) => Self::Files(files.validate(refuse)),
            Self::Ldap(ldap) => Self::Ldap(ldap.validate(refuse)),
            Self::Messaging(messaging) => Self::Messaging(messaging.validate(refuse)),
            Self::Sql(sql) => Self::Sql(sql.validate(refuse)),
        };
        if invalid.is_empty() { Ok(configuration) } else { Err(InvalidConfiguration(invalid)) }
    }

    /// Where secrets of this configuration are sent, and in whose name; None for a kind without secrets. Who may change a
    /// server and does not know its secret must not have it sent elsewhere.
    fn recipient(&self) -> Option<String> {
        match self {
            Self::Http(http) => Some(http.recipient()),
            Self::Files(_) => None,
            Self::Ldap(ldap) => Some(ldap.recipient()),
            Self::Messaging(messaging) => Some(messaging.recipient()),
            Self::Sql(sql) => Some(sql.recipient()),
        }
    }

    /// Where a plugin that is bound to it may act.
    pub fn reach(&self) -> Vec<String> {
        match self {
            Self::Http(http) => vec![http.base_url.clone()],
            Self::Files(files) => vec![files.root.clone()],
            Self::Ldap(ldap) => ldap.base_dns.clone(),
            Self::Messaging(messaging) => messaging.topics.clone(),
            Self::Sql(sql) => sql.reach(),
        }
    }

    /// Whether it may be at a loopback or private address; None for a kind without addresses.
    pub fn private_addresses(&self) -> Option<bool> {
        match self {
            Self::Http(http) => Some(http.allow_private_addresses),
            Self::Files(_) => None,
            Self::Ldap(ldap) => Some(ldap.allow_private_addresses),
            Self::Messaging(messaging) => Some(messaging.allow_private_addresses),
            Self::Sql(sql) => sql.private_addresses(),
        }
    }

    /// Its secrets by name, and where each of them is.
    pub fn secrets(&self) -> Vec<(&'static str, SecretPlace)> {
        self.secret_places().into_iter().map(|(field, place)| (field.name, place)).collect()
    }

    /// Where each of its secrets is.
    fn secret_places(&self) -> Vec<(SecretField, SecretPlace)> {
        let mut places = Vec::new();
        let _ = self.clone().map(&mut |field, place| places.push((field, place)));
        places
    }
}

/// Time to connect in milliseconds, where none is configured.
fn default_connect_timeout_ms() -> u64 {
    10_000
}

/// Time for a request in milliseconds, where none is configured.
fn default_request_timeout_ms() -> u64 {
    30_000
}

/// Numbers with their smallest and largest value.
fn check_ranges(ranges: &[(&'static str, u64, u64, u64)], refuse: &mut Refuse<'_>) {
    for &(pointer, value, minimum, maximum) in ranges {
        if !(minimum..=maximum).contains(&value) {
            refuse(pointer, format!("is {value}; it must be {minimum} to {maximum}"));
        }
    }
}

/// A server as it is stored: configuration in clear, secrets sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredServer {
    /// What may be shown.
    pub configuration: ServerConfiguration,
    /// Sealed secrets by field name.
    #[serde(default)]
    pub secrets: BTreeMap<String, SealedSecret>,
}

impl ServerInput {
    /// Validates the configuration and seals its secrets for the server `server` of the CO `co`.
    ///
    /// A secret that the input leaves out is kept from `previous`, if what it is sent to stays the same, and as whom: else
    /// who may change a server, and does not know its secret, could have it sent elsewhere.
    pub fn seal(
        self,
        key: &SecretKey,
        co: &str,
        server: &str,
        previous: Option<&StoredServer>,
    ) -> Result<StoredServer, ServerError> {
        let mut written = BTreeMap::new();
        let configuration = self.map(&mut |field, input| {
            let place = match &input {
                SecretInput::Kept | SecretInput::Text(_) => SecretPlace::Stored,
                SecretInput::Reference(reference) => SecretPlace::Reference(reference.clone()),
            };
            written.insert(field.name, input);
            place
        });
        let configuration = configuration.validate()?;
        let kept = previous.filter(|before| before.configuration.recipient() == configuration.recipient());
        let kept_places = kept.map(|before| before.configuration.secret_places()).unwrap_or_default();
        let mut secrets = BTreeMap::new();
        let mut invalid = Vec::new();
        let mut failed = None;
        let configuration = configuration.map(&mut |field, place| {
            let mut refuse = |problem: &str| {
                invalid.push(InvalidField { pointer: field.pointer, problem: problem.to_owned() });
            };
            match written.remove(field.name).unwrap_or_default() {
                SecretInput::Reference(reference) => {
                    reference.check().unwrap_or_else(refuse);
                    place
                }
                SecretInput::Text(secret) => {
                    field.check(&secret).unwrap_or_else(&mut refuse);
                    match key.seal(&belongs_to(co, server, field.name), &secret) {
                        Ok(sealed) => drop(secrets.insert(field.name.to_owned(), sealed)),
                        Err(error) => failed = Some(error),
                    }
                    place
                }
                SecretInput::Kept => {
                    let before = kept_places.iter().find(|(known, _)| known.name == field.name);
                    let sealed = kept.and_then(|before| before.secrets.get(field.name));
                    match (before, sealed) {
                        (Some((_, place @ SecretPlace::Reference(_))), _) => place.clone(),
                        (Some(_), Some(sealed)) => {
                            secrets.insert(field.name.to_owned(), sealed.clone());
                            place
                        }
                        _ => {
                            refuse("is required");
                            place
                        }
                    }
                }
            }
        });
        match failed {
            Some(error) => Err(error.into()),
            None if invalid.is_empty() => Ok(StoredServer { configuration, secrets }),
            None => Err(InvalidConfiguration(invalid).into()),
        }
    }

    /// What of it reaches into the host's own surroundings, if anything does: only who runs the host may have that.
    pub fn reaches_into_host(&self) -> Option<&'static str> {
        match self {
            Self::Files(_) => return Some("a directory of the host"),
            Self::Http(http) if http.allow_private_addresses => return Some("a server at a private address"),
            Self::Ldap(ldap) if ldap.allow_private_addresses => return Some("a server at a private address"),
            Self::Messaging(messaging) if messaging.allow_private_addresses => {
                return Some("a server at a private address");
            }
            Self::Http(_) | Self::Ldap(_) | Self::Messaging(_) => {}
            Self::Sql(sql) => {
                if let Some(reached) = sql.reaches_into_host() {
                    return Some(reached);
                }
            }
        }
        let mut refers = false;
        let _ = self.clone().map(&mut |_, secret| refers |= matches!(secret, SecretInput::Reference(_)));
        refers.then_some("a secret in the files or the environment of the host")
    }
}

impl StoredServer {
    /// Opens the secrets that are stored, and reads those that are elsewhere.
    pub fn open(&self, key: &SecretKey, co: &str, server: &str) -> Result<Secrets, ServerError> {
        let open = |(field, place): (SecretField, SecretPlace)| {
            let secret = match place {
                SecretPlace::Reference(reference) => reference.read(field)?,
                SecretPlace::Stored => {
                    let sealed = self.secrets.get(field.name);
                    let sealed = sealed.ok_or(ServerError::MissingSecret { field: field.name })?;
                    key.open(&belongs_to(co, server, field.name), sealed)?
                }
            };
            Ok((field.name.to_owned(), secret))
        };
        self.configuration.secret_places().into_iter().map(open).collect()
    }
}

/// Unambiguous whatever the identifiers hold.
fn belongs_to(co: &str, server: &str, field: &str) -> String {
    format!("server {field} of {co:?}/{server:?}")
}

#[cfg(test)]
mod tests;

//! The configuration of a server as an operator writes it, and as it is stored and shown: without secrets.
//!
//! Both are one type that differs in its authentication, so they cannot drift apart: [`ServerInput`] carries secrets in
//! clear, is only read, and is turned into a [`StoredServer`] by [`ServerInput::seal`].

mod schema;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::ServerError;
use super::base_url::BaseUrl;
use super::secret::{SealedSecret, SecretError, SecretKey};
use super::tls;

/// Secrets of one server by field name: `password`, `token`.
pub type Secrets = BTreeMap<String, SecretString>;

/// A server as stored and shown, without secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", bound(deserialize = "A: Deserialize<'de> + Default"))]
pub enum ServerConfiguration<A = Authentication> {
    /// An HTTP or HTTPS server.
    Http(HttpConfiguration<A>),
    /// A directory of the host's file system.
    Files(FilesConfiguration),
}

/// A server as an operator writes it, secrets included.
pub type ServerInput = ServerConfiguration<AuthenticationInput>;

/// An HTTP or HTTPS server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpConfiguration<A = Authentication> {
    /// All requests go to this origin, to this path or below it. No query, fragment or user-info.
    #[schema(example = "https://directory.example.org/api")]
    pub base_url: String,
    /// How the host authenticates itself.
    #[serde(default)]
    pub authentication: A,
    /// PEM certificates of the authorities to trust instead of those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_certificates: Option<String>,
    /// Whether the server may be at a loopback, private or otherwise not public address.
    #[serde(default)]
    pub allow_private_addresses: bool,
    /// Longest time in milliseconds for name resolution, TCP and TLS together.
    #[serde(default = "default_connect_timeout_ms")]
    #[schema(minimum = 1, maximum = 60_000, default = default_connect_timeout_ms)]
    pub connect_timeout_ms: u64,
    /// Longest time in milliseconds for a whole request with its response.
    #[serde(default = "default_request_timeout_ms")]
    #[schema(minimum = 1, maximum = 300_000, default = default_request_timeout_ms)]
    pub request_timeout_ms: u64,
    /// Most connections that are kept open while nobody uses them.
    #[serde(default = "default_max_idle_connections")]
    #[schema(minimum = 0, maximum = 1_000, default = default_max_idle_connections)]
    pub max_idle_connections: usize,
    /// Longest time in milliseconds that an unused connection is kept.
    #[serde(default = "default_idle_timeout_ms")]
    #[schema(minimum = 1, maximum = 600_000, default = default_idle_timeout_ms)]
    pub idle_timeout_ms: u64,
}

/// A directory of the host's file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FilesConfiguration {
    /// Absolute path of an existing directory. Nothing outside of it can be reached.
    #[schema(example = "/var/lib/provender/files")]
    pub root: String,
}

/// How the host authenticates itself to an HTTP server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Authentication {
    /// Not at all.
    None {},
    /// By user name and password (RFC 7617); the password is a secret.
    Basic {
        /// The user name; without a colon.
        username: String,
    },
    /// By a bearer token (RFC 6750); the token is a secret.
    Bearer {},
}

/// How the host authenticates itself to an HTTP server, with the secret.
///
/// A secret that is left out stays as it is stored, as long as base URL and user name stay too.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum AuthenticationInput {
    /// Not at all.
    None {},
    /// By user name and password (RFC 7617).
    Basic {
        /// The user name; without a colon.
        username: String,
        /// The password; never given back.
        #[serde(default, deserialize_with = "secret_text")]
        #[schema(value_type = Option<String>, write_only, format = Password)]
        password: Option<SecretString>,
    },
    /// By a bearer token (RFC 6750).
    Bearer {
        /// The token; never given back.
        #[serde(default, deserialize_with = "secret_text")]
        #[schema(value_type = Option<String>, write_only, format = Password)]
        token: Option<SecretString>,
    },
}

impl Default for Authentication {
    fn default() -> Self {
        Self::None {}
    }
}

impl Default for AuthenticationInput {
    fn default() -> Self {
        Self::None {}
    }
}

impl Authentication {
    /// The secret that it needs.
    pub fn secret_field(&self) -> Option<&'static str> {
        match self {
            Self::None {} => None,
            Self::Basic { .. } => Some("password"),
            Self::Bearer {} => Some("token"),
        }
    }
}

impl AuthenticationInput {
    fn split(self) -> (Authentication, Option<SecretString>) {
        match self {
            Self::None {} => (Authentication::None {}, None),
            Self::Basic { username, password } => (Authentication::Basic { username }, password),
            Self::Bearer { token } => (Authentication::Bearer {}, token),
        }
    }
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidField {
    /// JSON pointer (RFC 6901) of the field.
    pub pointer: &'static str,
    /// What is wrong and what helps.
    pub problem: String,
}

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

impl ServerConfiguration {
    /// Word for the kind: "http", "files".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Files(_) => "files",
        }
    }

    /// Checks everything and gives the normalised form. Looks at the file system, not at the network.
    pub fn validate(self) -> Result<Self, InvalidConfiguration> {
        let mut invalid = Vec::new();
        let configuration = match self {
            Self::Http(http) => Self::Http(http.validate(&mut invalid)),
            Self::Files(files) => Self::Files(files.validate(&mut invalid)),
        };
        if invalid.is_empty() { Ok(configuration) } else { Err(InvalidConfiguration(invalid)) }
    }
}

impl HttpConfiguration {
    fn validate(mut self, invalid: &mut Vec<InvalidField>) -> Self {
        let mut refuse = |pointer, problem: String| invalid.push(InvalidField { pointer, problem });
        match self.base_url.parse::<BaseUrl>() {
            Err(problem) => refuse("/base_url", problem),
            Ok(url) => {
                self.base_url = url.to_string();
                if !url.is_https()
                    && self.authentication.secret_field().is_some()
                    && !self.allow_private_addresses
                {
                    let problem = "must be https, since a credential could be read on its way; or set \
                                   `allow_private_addresses` if the network is trusted";
                    refuse("/base_url", problem.to_owned());
                }
                if !url.is_https() && self.ca_certificates.is_some() {
                    refuse("/ca_certificates", "needs a base_url with https".to_owned());
                }
            }
        }
        if let Authentication::Basic { username } = &self.authentication
            && (username.is_empty() || username.contains(|letter: char| letter == ':' || letter.is_control()))
        {
            let problem = "must be a name without colon and control characters (RFC 7617)".to_owned();
            refuse("/authentication/username", problem);
        }
        if let Some(Err(problem)) = self.ca_certificates.as_deref().map(tls::certificate_authorities) {
            refuse("/ca_certificates", problem);
        }
        for (pointer, value, minimum, maximum) in [
            ("/connect_timeout_ms", self.connect_timeout_ms, 1, 60_000),
            ("/request_timeout_ms", self.request_timeout_ms, 1, 300_000),
            ("/max_idle_connections", self.max_idle_connections as u64, 0, 1_000),
            ("/idle_timeout_ms", self.idle_timeout_ms, 1, 600_000),
        ] {
            if !(minimum..=maximum).contains(&value) {
                refuse(pointer, format!("is {value}; it must be {minimum} to {maximum}"));
            }
        }
        self
    }
}

impl FilesConfiguration {
    fn validate(self, invalid: &mut Vec<InvalidField>) -> Self {
        let root = Path::new(&self.root);
        let problem = if !root.is_absolute() {
            Some("must be an absolute path".to_owned())
        } else {
            match std::fs::metadata(root) {
                Ok(metadata) if metadata.is_dir() => None,
                Ok(_) => Some(format!("{} is not a directory", self.root)),
                Err(error) => Some(format!("{}: {error}; create the directory first", self.root)),
            }
        };
        invalid.extend(problem.map(|problem| InvalidField { pointer: "/root", problem }));
        self
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
    /// A secret that the input leaves out is kept from `previous`, if base URL and user name are the same: else who may
    /// change a server, and does not know its secret, could have it sent elsewhere.
    pub fn seal(
        self,
        key: &SecretKey,
        co: &str,
        server: &str,
        previous: Option<&StoredServer>,
    ) -> Result<StoredServer, ServerError> {
        let (configuration, secret) = self.split();
        let configuration = configuration.validate()?;
        let mut secrets = BTreeMap::new();
        if let ServerConfiguration::Http(http) = &configuration
            && let Some(field) = http.authentication.secret_field()
        {
            let sealed = match secret {
                Some(secret) => {
                    check_secret(field, &secret)?;
                    key.seal(&belongs_to(co, server, field), &secret)?
                }
                None => kept(http, field, previous).ok_or_else(|| invalid_secret(field, "is required"))?,
            };
            secrets.insert(field.to_owned(), sealed);
        }
        Ok(StoredServer { configuration, secrets })
    }

    fn split(self) -> (ServerConfiguration, Option<SecretString>) {
        match self {
            Self::Files(files) => (ServerConfiguration::Files(files), None),
            Self::Http(http) => {
                let (authentication, secret) = http.authentication.split();
                let http = HttpConfiguration {
                    base_url: http.base_url,
                    authentication,
                    ca_certificates: http.ca_certificates,
                    allow_private_addresses: http.allow_private_addresses,
                    connect_timeout_ms: http.connect_timeout_ms,
                    request_timeout_ms: http.request_timeout_ms,
                    max_idle_connections: http.max_idle_connections,
                    idle_timeout_ms: http.idle_timeout_ms,
                };
                (ServerConfiguration::Http(http), secret)
            }
        }
    }
}

impl StoredServer {
    /// Opens the secrets.
    pub fn open(&self, key: &SecretKey, co: &str, server: &str) -> Result<Secrets, SecretError> {
        self.secrets
            .iter()
            .map(|(field, sealed)| Ok((field.clone(), key.open(&belongs_to(co, server, field), sealed)?)))
            .collect()
    }
}

/// Unambiguous whatever the identifiers hold.
fn belongs_to(co: &str, server: &str, field: &str) -> String {
    format!("server {field} of {co:?}/{server:?}")
}

fn kept(http: &HttpConfiguration, field: &str, previous: Option<&StoredServer>) -> Option<SealedSecret> {
    let previous = previous?;
    match &previous.configuration {
        ServerConfiguration::Http(before)
            if before.base_url == http.base_url && before.authentication == http.authentication =>
        {
            previous.secrets.get(field).cloned()
        }
        _ => None,
    }
}

fn check_secret(field: &'static str, secret: &SecretString) -> Result<(), InvalidConfiguration> {
    let text = secret.expose_secret();
    match field {
        "token" if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) => Err(
            invalid_secret(field, "must be visible ASCII characters; mind spaces and line ends around it"),
        ),
        _ if text.contains(char::is_control) => {
            Err(invalid_secret(field, "must not hold control characters; mind a line end behind it"))
        }
        _ => Ok(()),
    }
}

fn invalid_secret(field: &str, problem: &str) -> InvalidConfiguration {
    let pointer = if field == "token" { "/authentication/token" } else { "/authentication/password" };
    InvalidConfiguration(vec![InvalidField { pointer, problem: problem.to_owned() }])
}

/// Reads a secret without ever quoting it in an error.
pub(crate) fn secret_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretString>, D::Error> {
    Option::<String>::deserialize(deserializer)
        .map(|text| text.map(SecretString::from))
        .map_err(|_| serde::de::Error::custom("a secret must be a string"))
}

fn default_connect_timeout_ms() -> u64 {
    10_000
}

fn default_request_timeout_ms() -> u64 {
    30_000
}

fn default_max_idle_connections() -> usize {
    32
}

fn default_idle_timeout_ms() -> u64 {
    30_000
}

#[cfg(test)]
mod tests;

//! The configuration of an HTTP or HTTPS server.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::secrets::{SecretField, SecretForm, SecretPlace, Told};
use super::{Refuse, check_ranges};
use crate::servers::base_url::BaseUrl;
use crate::servers::tls;

/// An HTTP or HTTPS server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, bound(serialize = "S: Told", deserialize = "S: Deserialize<'de> + Default"))]
pub struct HttpConfiguration<S = SecretPlace> {
    /// All requests go to this origin, to this path or below it. No query, fragment or user-info.
    #[schema(example = "https://directory.example.org/api")]
    pub base_url: String,
    /// How the host authenticates itself.
    #[serde(default)]
    pub authentication: Authentication<S>,
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

/// How the host authenticates itself to an HTTP server. Secrets are written and never given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    deny_unknown_fields,
    bound(serialize = "S: Told", deserialize = "S: Deserialize<'de> + Default")
)]
pub enum Authentication<S = SecretPlace> {
    /// Not at all.
    None {},
    /// By user name and password (RFC 7617).
    Basic {
        /// The user name; without a colon.
        username: String,
        #[serde(default, skip_serializing_if = "Told::is_left_out")]
        password: S,
    },
    /// By a bearer token (RFC 6750).
    Bearer {
        #[serde(default, skip_serializing_if = "Told::is_left_out")]
        token: S,
    },
}

const PASSWORD: SecretField =
    SecretField { name: "password", pointer: "/authentication/password", form: SecretForm::Line };
const TOKEN: SecretField =
    SecretField { name: "token", pointer: "/authentication/token", form: SecretForm::Token };

impl<S> Default for Authentication<S> {
    fn default() -> Self {
        Self::None {}
    }
}

impl<S> Authentication<S> {
    fn map<T>(self, secret: &mut impl FnMut(SecretField, S) -> T) -> Authentication<T> {
        match self {
            Self::None {} => Authentication::None {},
            Self::Basic { username, password } => {
                Authentication::Basic { username, password: secret(PASSWORD, password) }
            }
            Self::Bearer { token } => Authentication::Bearer { token: secret(TOKEN, token) },
        }
    }

    fn is_none(&self) -> bool {
        matches!(self, Self::None {})
    }
}

impl<S> HttpConfiguration<S> {
    /// The same with other secrets.
    pub(super) fn map<T>(self, secret: &mut impl FnMut(SecretField, S) -> T) -> HttpConfiguration<T> {
        HttpConfiguration {
            base_url: self.base_url,
            authentication: self.authentication.map(secret),
            ca_certificates: self.ca_certificates,
            allow_private_addresses: self.allow_private_addresses,
            connect_timeout_ms: self.connect_timeout_ms,
            request_timeout_ms: self.request_timeout_ms,
            max_idle_connections: self.max_idle_connections,
            idle_timeout_ms: self.idle_timeout_ms,
        }
    }
}

impl HttpConfiguration {
    pub(super) fn validate(mut self, refuse: &mut Refuse<'_>) -> Self {
        match self.base_url.parse::<BaseUrl>() {
            Err(problem) => refuse("/base_url", problem),
            Ok(url) => {
                self.base_url = url.to_string();
                if !url.is_https() && !self.authentication.is_none() && !self.allow_private_addresses {
                    let problem = "must be https, since a credential could be read on its way; or set \
                                   `allow_private_addresses` if the network is trusted";
                    refuse("/base_url", problem.to_owned());
                }
                if !url.is_https() && self.ca_certificates.is_some() {
                    refuse("/ca_certificates", "needs a base_url with https".to_owned());
                }
            }
        }
        if let Authentication::Basic { username, .. } = &self.authentication
            && (username.is_empty() || username.contains(|letter: char| letter == ':' || letter.is_control()))
        {
            let problem = "must be a name without colon and control characters (RFC 7617)".to_owned();
            refuse("/authentication/username", problem);
        }
        if let Some(Err(problem)) = self.ca_certificates.as_deref().map(tls::certificate_authorities) {
            refuse("/ca_certificates", problem);
        }
        check_ranges(
            &[
                ("/connect_timeout_ms", self.connect_timeout_ms, 1, 60_000),
                ("/request_timeout_ms", self.request_timeout_ms, 1, 300_000),
                ("/max_idle_connections", self.max_idle_connections as u64, 0, 1_000),
                ("/idle_timeout_ms", self.idle_timeout_ms, 1, 600_000),
            ],
            refuse,
        );
        self
    }

    /// Where secrets of this configuration are sent, and in whose name.
    pub(super) fn recipient(&self) -> String {
        format!("{} {:?}", self.base_url, self.authentication.clone().map(&mut |_, _| ()))
    }
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

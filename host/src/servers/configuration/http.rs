//! The configuration of an HTTP or HTTPS server.

use http::{HeaderName, Uri, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::certificates::{self, ClientCertificate};
use super::secrets::{SecretField, SecretForm, SecretPlace, Told};
use super::{Refuse, check_ranges, default_connect_timeout_ms, default_request_timeout_ms};
use crate::servers::base_url::BaseUrl;
use crate::servers::pacing::PacingConfiguration;

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
    /// The certificate by which the host shows who it is in TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate<S>>,
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
    /// How much it is asked at most, by all targets together.
    #[serde(default, skip_serializing_if = "PacingConfiguration::is_default")]
    pub pacing: PacingConfiguration,
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
    /// By a header of its own.
    Header {
        /// Its name.
        #[schema(example = "X-Api-Key")]
        name: String,
        #[serde(default, skip_serializing_if = "Told::is_left_out")]
        value: S,
    },
    /// By an access token that the host gets with the client credentials grant of OAuth 2.0 (RFC 6749, section 4.4).
    #[serde(rename = "oauth2_client_credentials")]
    ClientCredentials {
        /// Where tokens are given.
        #[schema(example = "https://login.example.org/oauth2/token")]
        token_url: String,
        client_id: String,
        #[serde(default, skip_serializing_if = "Told::is_left_out")]
        client_secret: S,
        /// What is asked for, parted by spaces.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
        /// How id and secret are sent.
        #[serde(default)]
        client_authentication: ClientAuthentication,
    },
    /// By a signature of each request with OAuth 1.0a (RFC 5849).
    #[serde(rename = "oauth1")]
    OAuth1 {
        consumer_key: String,
        #[serde(default, skip_serializing_if = "Told::is_left_out")]
        consumer_secret: S,
        /// In whose name, if not the consumer's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        access_token: Option<AccessToken<S>>,
        #[serde(default)]
        signature: SignatureMethod,
    },
}

/// A token of OAuth 1.0a with its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, bound(serialize = "S: Told", deserialize = "S: Deserialize<'de> + Default"))]
pub struct AccessToken<S = SecretPlace> {
    pub token: String,
    #[serde(default, skip_serializing_if = "Told::is_left_out")]
    pub secret: S,
}

/// How a client of OAuth 2.0 sends its id and secret (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// In the header Authorization.
    #[default]
    Basic,
    /// In the form.
    Body,
}

/// How requests are signed (RFC 5849, section 3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignatureMethod {
    HmacSha1,
    #[default]
    HmacSha256,
}

const PASSWORD: SecretField =
    SecretField { name: "password", pointer: "/authentication/password", form: SecretForm::Line };
const TOKEN: SecretField =
    SecretField { name: "token", pointer: "/authentication/token", form: SecretForm::Token };
const HEADER_VALUE: SecretField =
    SecretField { name: "header_value", pointer: "/authentication/value", form: SecretForm::Line };
const CLIENT_SECRET: SecretField =
    SecretField { name: "client_secret", pointer: "/authentication/client_secret", form: SecretForm::Line };
const CONSUMER_SECRET: SecretField = SecretField {
    name: "consumer_secret",
    pointer: "/authentication/consumer_secret",
    form: SecretForm::Line,
};
const TOKEN_SECRET: SecretField = SecretField {
    name: "token_secret",
    pointer: "/authentication/access_token/secret",
    form: SecretForm::Line,
};
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
            Self::Header { name, value } => {
                Authentication::Header { name, value: secret(HEADER_VALUE, value) }
            }
            Self::ClientCredentials { token_url, client_id, client_secret, scope, client_authentication } => {
                let client_secret = secret(CLIENT_SECRET, client_secret);
                Authentication::ClientCredentials {
                    token_url,
                    client_id,
                    client_secret,
                    scope,
                    client_authentication,
                }
            }
            Self::OAuth1 { consumer_key, consumer_secret, access_token, signature } => {
                let consumer_secret = secret(CONSUMER_SECRET, consumer_secret);
                let access_token = access_token.map(|AccessToken { token, secret: of_token }| AccessToken {
                    token,
                    secret: secret(TOKEN_SECRET, of_token),
                });
                Authentication::OAuth1 { consumer_key, consumer_secret, access_token, signature }
            }
        }
    }

    /// Whether it speaks to another server than the one it is for, and that by https.
    pub(in crate::servers) fn is_elsewhere_by_https(&self) -> bool {
        matches!(self, Self::ClientCredentials { token_url, .. } if token_url.starts_with("https:"))
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
            client_certificate: self.client_certificate.map(|own| own.map(secret)),
            allow_private_addresses: self.allow_private_addresses,
            connect_timeout_ms: self.connect_timeout_ms,
            request_timeout_ms: self.request_timeout_ms,
            max_idle_connections: self.max_idle_connections,
            idle_timeout_ms: self.idle_timeout_ms,
            pacing: self.pacing,
        }
    }
}

/// Checks a URL at which tokens are given; the text says what is wrong with it.
pub(in crate::servers) fn token_url(text: &str) -> Result<Uri, String> {
    let url = url::Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must start with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("must have no user-info and no fragment".to_owned());
    }
    url.as_str().parse().map_err(|error| format!("is no URL: {error}"))
}

/// Headers that the host or HTTP itself sets.
const HEADERS_OF_THE_HOST: [HeaderName; 8] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::TE,
    header::UPGRADE,
    header::EXPECT,
];

impl Authentication {
    fn validate(&self, allow_private: bool, refuse: &mut Refuse<'_>) {
        match self {
            Self::Basic { username, .. }
                if username.is_empty()
                    || username.contains(|letter: char| letter == ':' || letter.is_control()) =>
            {
                let problem = "must be a name without colon and control characters (RFC 7617)".to_owned();
                refuse("/authentication/username", problem);
            }
            Self::Header { name, .. } => match HeaderName::try_from(name.as_str()) {
                Ok(name) if !HEADERS_OF_THE_HOST.contains(&name) => {}
                _ => refuse("/authentication/name", "must be a header that may be set freely".to_owned()),
            },
            Self::ClientCredentials { token_url: url, client_id, .. } => {
                match token_url(url) {
                    Err(problem) => refuse("/authentication/token_url", problem),
                    Ok(url) if url.scheme_str() != Some("https") && !allow_private => {
                        let problem = "must be https, since the secret could be read on its way; or set \
                                       `allow_private_addresses` if the network is trusted";
                        refuse("/authentication/token_url", problem.to_owned());
                    }
                    Ok(_) => {}
                }
                if client_id.is_empty() {
                    refuse("/authentication/client_id", "must not be empty".to_owned());
                }
            }
            Self::OAuth1 { consumer_key, .. } if consumer_key.is_empty() => {
                refuse("/authentication/consumer_key", "must not be empty".to_owned());
            }
            _ => {}
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
        self.authentication.validate(self.allow_private_addresses, refuse);
        if self.client_certificate.is_some() && !self.base_url.starts_with("https:") {
            refuse("/client_certificate", "needs a base_url with https".to_owned());
        }
        certificates::check(self.ca_certificates.as_deref(), self.client_certificate.as_ref(), refuse);
        check_ranges(
            &[
                ("/connect_timeout_ms", self.connect_timeout_ms, 1, 60_000),
                ("/request_timeout_ms", self.request_timeout_ms, 1, 300_000),
                ("/max_idle_connections", self.max_idle_connections as u64, 0, 1_000),
                ("/idle_timeout_ms", self.idle_timeout_ms, 1, 600_000),
            ],
            refuse,
        );
        check_ranges(&self.pacing.ranges(), refuse);
        self
    }

    /// Where secrets of this configuration are sent, and in whose name.
    pub(super) fn recipient(&self) -> String {
        let certificate = self.client_certificate.as_ref().map(|own| &own.certificates);
        let authentication = self.authentication.clone().map(&mut |_, _| ());
        format!("{} {authentication:?} {certificate:?}", self.base_url)
    }
}

fn default_max_idle_connections() -> usize {
    32
}

fn default_idle_timeout_ms() -> u64 {
    30_000
}

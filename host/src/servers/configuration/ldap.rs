//! The configuration of an LDAP directory.

use provender_ldap_names::Dn;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::certificates::{self, ClientCertificate};
use super::secrets::{SecretField, SecretForm, SecretPlace, Told};
use super::{Refuse, check_ranges, default_connect_timeout_ms, default_request_timeout_ms};
use crate::servers::ldap::LdapUrl;
use crate::servers::pacing::PacingConfiguration;

/// An LDAP directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, bound(serialize = "S: Told", deserialize = "S: Deserialize<'de> + Default"))]
pub struct LdapConfiguration<S = SecretPlace> {
    /// `ldap://HOST[:389]` or `ldaps://HOST[:636]`.
    #[schema(example = "ldaps://directory.example.org")]
    pub url: String,
    /// Whether a connection by `ldap://` is secured by StartTLS before anything else is sent.
    #[serde(default)]
    pub start_tls: bool,
    /// DNs (RFC 4514) at or below which plugins may reach entries.
    #[schema(example = json!(["ou=people,dc=example,dc=org"]), min_items = 1)]
    pub base_dns: Vec<String>,
    /// How the host authenticates itself.
    #[serde(default)]
    pub authentication: LdapAuthentication<S>,
    /// What the host shows of itself when TLS is negotiated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate<S>>,
    /// PEM certificates of the authorities to trust instead of those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_certificates: Option<String>,
    /// Whether the server may be at a loopback, private or otherwise not public address.
    #[serde(default)]
    pub allow_private_addresses: bool,
    /// Longest time in milliseconds for name resolution, TCP, TLS and bind together, and to wait for a connection of the
    /// pool.
    #[serde(default = "default_connect_timeout_ms")]
    #[schema(minimum = 1, maximum = 60_000, default = default_connect_timeout_ms)]
    pub connect_timeout_ms: u64,
    /// Longest time in milliseconds for an operation with its answer.
    #[serde(default = "default_request_timeout_ms")]
    #[schema(minimum = 1, maximum = 300_000, default = default_request_timeout_ms)]
    pub request_timeout_ms: u64,
    /// Longest time in milliseconds that an unused connection is kept.
    #[serde(default = "default_idle_timeout_ms")]
    #[schema(minimum = 1, maximum = 600_000, default = default_idle_timeout_ms)]
    pub idle_timeout_ms: u64,
    /// How much it is asked at most, by all targets together.
    #[serde(default, skip_serializing_if = "PacingConfiguration::is_default")]
    pub pacing: PacingConfiguration,
}

/// How the host authenticates itself to a directory. Secrets are written and never given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    deny_unknown_fields,
    bound(serialize = "S: Told", deserialize = "S: Deserialize<'de> + Default")
)]
pub enum LdapAuthentication<S = SecretPlace> {
    /// Anonymously: no bind is sent.
    None {},
    /// By a simple bind (RFC 4513 section 5.1.3).
    Simple {
        /// DN of the entry that the host binds as.
        bind_dn: String,
        #[serde(default, skip_serializing_if = "Told::is_left_out")]
        password: S,
    },
    /// By the client certificate (SASL EXTERNAL, RFC 4422 appendix A).
    External {},
}

pub(in crate::servers) const PASSWORD: SecretField =
    SecretField { name: "password", pointer: "/authentication/password", form: SecretForm::Line };

impl<S> Default for LdapAuthentication<S> {
    fn default() -> Self {
        Self::None {}
    }
}

impl<S> LdapAuthentication<S> {
    fn map<T>(self, secret: &mut impl FnMut(SecretField, S) -> T) -> LdapAuthentication<T> {
        match self {
            Self::None {} => LdapAuthentication::None {},
            Self::External {} => LdapAuthentication::External {},
            Self::Simple { bind_dn, password } => {
                LdapAuthentication::Simple { bind_dn, password: secret(PASSWORD, password) }
            }
        }
    }
}

impl<S> LdapConfiguration<S> {
    /// The same with other secrets.
    pub(super) fn map<T>(self, secret: &mut impl FnMut(SecretField, S) -> T) -> LdapConfiguration<T> {
        LdapConfiguration {
            url: self.url,
            start_tls: self.start_tls,
            base_dns: self.base_dns,
            authentication: self.authentication.map(secret),
            client_certificate: self.client_certificate.map(|own| own.map(secret)),
            ca_certificates: self.ca_certificates,
            allow_private_addresses: self.allow_private_addresses,
            connect_timeout_ms: self.connect_timeout_ms,
            request_timeout_ms: self.request_timeout_ms,
            idle_timeout_ms: self.idle_timeout_ms,
            pacing: self.pacing,
        }
    }
}

impl LdapConfiguration {
    pub(super) fn validate(mut self, refuse: &mut Refuse<'_>) -> Self {
        match self.url.parse::<LdapUrl>() {
            Err(problem) => refuse("/url", problem),
            Ok(url) => {
                self.url = url.to_string();
                self.validate_security(&url, refuse);
            }
        }
        if self.base_dns.is_empty() {
            refuse("/base_dns", "must name at least one DN".to_owned());
        }
        for base in &mut self.base_dns {
            match Dn::parse(base) {
                Ok(dn) if dn.is_root() => refuse("/base_dns", "must not be empty".to_owned()),
                Ok(dn) => *base = dn.to_string(),
                Err(error) => refuse("/base_dns", error.to_string()),
            }
        }
        if let LdapAuthentication::Simple { bind_dn, .. } = &self.authentication {
            match Dn::parse(bind_dn) {
                Ok(dn) if dn.is_root() => {
                    refuse("/authentication/bind_dn", "must not be empty".to_owned());
                }
                Ok(_) => {}
                Err(error) => refuse("/authentication/bind_dn", error.to_string()),
            }
        }
        certificates::check(self.ca_certificates.as_deref(), self.client_certificate.as_ref(), refuse);
        check_ranges(
            &[
                ("/connect_timeout_ms", self.connect_timeout_ms, 1, 60_000),
                ("/request_timeout_ms", self.request_timeout_ms, 1, 300_000),
                ("/idle_timeout_ms", self.idle_timeout_ms, 1, 600_000),
            ],
            refuse,
        );
        check_ranges(&self.pacing.ranges(), refuse);
        self
    }

    fn validate_security(&self, url: &LdapUrl, refuse: &mut Refuse<'_>) {
        let secure = url.is_ldaps() || self.start_tls;
        if url.is_ldaps() && self.start_tls {
            refuse("/start_tls", "is for ldap:// only; ldaps:// is TLS from the beginning".to_owned());
        }
        let simple = matches!(self.authentication, LdapAuthentication::Simple { .. });
        if simple && !secure && !self.allow_private_addresses {
            let problem = "must be ldaps, or with `start_tls`, since a password could be read on its way; or set \
                           `allow_private_addresses` if the network is trusted";
            refuse("/url", problem.to_owned());
        }
        if !secure && self.ca_certificates.is_some() {
            refuse("/ca_certificates", "needs ldaps:// or `start_tls`".to_owned());
        }
        if !secure && self.client_certificate.is_some() {
            refuse("/client_certificate", "needs ldaps:// or `start_tls`".to_owned());
        }
        let external = matches!(self.authentication, LdapAuthentication::External { .. });
        if external && self.client_certificate.is_none() {
            refuse("/authentication", "by SASL EXTERNAL needs a `client_certificate`".to_owned());
        }
    }

    /// Where secrets of this configuration are sent, and in whose name.
    pub(super) fn recipient(&self) -> String {
        let certificates = self.client_certificate.as_ref().map(|client| &client.certificates);
        let authentication = self.authentication.clone().map(&mut |_, _| ());
        format!("{} {} {authentication:?} {certificates:?}", self.url, self.start_tls)
    }
}

fn default_idle_timeout_ms() -> u64 {
    60_000
}

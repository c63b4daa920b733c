//! A server as the flags of `provender server put` say it.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use serde_json::json;

use super::super::input::{SecretArguments, read_json, read_text};
use super::Named;
use super::authentication::{CertificateArguments, HttpArguments};
use super::messaging::MessagingArguments;
use super::sql::SqlArguments;
use crate::administration::ServerInput;
use crate::servers::configuration::secrets::SecretInput;
use crate::servers::configuration::{
    self, ClientCertificate, HttpConfiguration, IdRange, LdapAuthentication, LdapConfiguration, Modes,
};

// What is of one kind of server conflicts with all others: an argument that `requires` one of them passes with another.
const KINDS: [&str; 6] = ["http", "files", "ldap", "sql", "broker", "file"];
pub(super) const NOT_HTTP: [&str; 5] = ["files", "ldap", "sql", "broker", "file"];
const NOT_FILES: [&str; 5] = ["http", "ldap", "sql", "broker", "file"];
const NOT_LDAP: [&str; 5] = ["http", "files", "sql", "broker", "file"];
pub(super) const NOT_SQL: [&str; 5] = ["http", "files", "ldap", "broker", "file"];
pub(super) const NOT_BROKER: [&str; 5] = ["http", "files", "ldap", "sql", "file"];

/// Flags that name a place of a secret that the host can read by itself.
const REFERRED: [&str; 4] = ["password_file", "password_env", "oauth1_token_secret_file", "client_key"];

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("kind").args(KINDS).required(true))]
#[command(group = ArgGroup::new("referred").args(REFERRED).multiple(true))]
pub(in crate::cli) struct PutArguments {
    #[command(flatten)]
    pub(super) named: Named,
    /// The operator's words for it
    #[arg(long, default_value = "", conflicts_with = "file")]
    description: String,
    /// An HTTP server: requests go to this URL and below it
    #[arg(long, value_name = "BASE-URL")]
    http: Option<String>,
    /// A directory of this machine: an absolute path
    #[arg(long, value_name = "DIRECTORY")]
    files: Option<PathBuf>,
    /// Numeric owners that plugins may set: 1000-59999
    #[arg(long, value_name = "LOWEST-HIGHEST", conflicts_with_all = NOT_FILES)]
    owners: Option<IdRange>,
    /// Numeric groups that plugins may set
    #[arg(long, value_name = "LOWEST-HIGHEST", conflicts_with_all = NOT_FILES)]
    groups: Option<IdRange>,
    /// Bits of permission that plugins may set, in octal [default: 0777]
    #[arg(long, value_name = "MODE", conflicts_with_all = NOT_FILES)]
    modes: Option<Modes>,
    /// An LDAP directory: ldaps://HOST, or ldap://HOST, which is secured by StartTLS
    #[arg(long, value_name = "URL", requires = "base_dn")]
    ldap: Option<String>,
    /// A DN at or below which plugins may reach entries; may be given again
    #[arg(long, value_name = "DN", conflicts_with_all = NOT_LDAP)]
    base_dn: Vec<String>,
    /// Authenticate by a simple bind as this DN
    #[arg(long, value_name = "DN", conflicts_with_all = NOT_LDAP)]
    bind_dn: Option<String>,
    /// Authenticate to the directory by the client certificate (SASL EXTERNAL)
    #[arg(long, requires = "client_certificate", conflicts_with = "bind_dn", conflicts_with_all = NOT_LDAP)]
    external: bool,
    #[command(flatten)]
    sql: SqlArguments,
    #[command(flatten)]
    messaging: MessagingArguments,
    /// Read all of it from a JSON file, `-` for standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    http_authentication: HttpArguments,
    #[command(flatten)]
    client_certificate: CertificateArguments,
    #[command(flatten)]
    secret: SecretArguments,
    /// Store where secrets are, and not what they are: the host reads the file, which holds nothing else, or the variable of
    /// its environment when it needs the secret
    #[arg(long, requires = "referred", conflicts_with = "file")]
    by_reference: bool,
    /// PEM file of the authorities to trust instead of those of the system
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "file"])]
    ca_file: Option<PathBuf>,
    /// Allow a loopback or private address
    #[arg(long, conflicts_with_all = ["files", "file"])]
    private: bool,
    /// Longest time for a request with its response
    #[arg(long, value_name = "MILLISECONDS", conflicts_with_all = ["files", "file"])]
    request_timeout_ms: Option<u64>,
}

/// What servers of all kinds but files take.
pub(super) struct Shared {
    pub(super) secret: Option<SecretInput>,
    pub(super) client_certificate: Option<ClientCertificate<SecretInput>>,
    pub(super) ca_certificates: Option<String>,
    pub(super) private: bool,
    pub(super) request_timeout_ms: Option<u64>,
}

impl PutArguments {
    pub(super) fn input(self) -> anyhow::Result<ServerInput> {
        if let Some(file) = &self.file {
            return read_json(file);
        }
        let description = self.description.clone();
        let configuration = if let Some(root) = &self.files {
            let modes = self.modes.unwrap_or_default();
            let (owners, groups) = (self.owners, self.groups);
            let files = json!({ "root": root, "modes": modes, "owners": owners, "groups": groups });
            configuration::ServerInput::Files(serde_json::from_value(files)?)
        } else {
            let shared = Shared {
                secret: self.secret.input(self.by_reference)?,
                client_certificate: self.client_certificate.read(self.by_reference)?,
                ca_certificates: self.ca_file.as_deref().map(read_text).transpose()?,
                private: self.private,
                request_timeout_ms: self.request_timeout_ms,
            };
            self.reached(shared)?
        };
        Ok(ServerInput { id: None, description, configuration })
    }

    /// A server that is reached over a network, or at least as if.
    fn reached(self, shared: Shared) -> anyhow::Result<configuration::ServerInput> {
        Ok(if self.sql.are_given() {
            configuration::ServerInput::Sql(self.sql.configuration(shared)?)
        } else if self.messaging.are_given() {
            let username = self.http_authentication.username;
            configuration::ServerInput::Messaging(self.messaging.configuration(username, shared)?)
        } else if self.ldap.is_some() {
            configuration::ServerInput::Ldap(self.ldap_configuration(shared)?)
        } else {
            configuration::ServerInput::Http(self.http_configuration(shared)?)
        })
    }

    fn http_configuration(self, shared: Shared) -> anyhow::Result<HttpConfiguration<SecretInput>> {
        let mut http: HttpConfiguration<SecretInput> =
            serde_json::from_value(json!({ "base_url": self.http }))?;
        http.authentication = self.http_authentication.authentication(shared.secret, self.by_reference)?;
        http.client_certificate = shared.client_certificate;
        http.allow_private_addresses = shared.private;
        http.ca_certificates = shared.ca_certificates;
        if let Some(timeout) = shared.request_timeout_ms {
            http.request_timeout_ms = timeout;
        }
        Ok(http)
    }

    fn ldap_configuration(self, shared: Shared) -> anyhow::Result<LdapConfiguration<SecretInput>> {
        let start_tls = self.ldap.as_ref().is_some_and(|url| !url.to_ascii_lowercase().starts_with("ldaps:"));
        let mut ldap: LdapConfiguration<SecretInput> = serde_json::from_value(
            json!({ "url": self.ldap, "base_dns": self.base_dn, "start_tls": start_tls }),
        )?;
        ldap.authentication = match (self.bind_dn, shared.secret) {
            (Some(bind_dn), password) => {
                LdapAuthentication::Simple { bind_dn, password: password.unwrap_or_default() }
            }
            (None, Some(_)) => anyhow::bail!("a password is of no use without --bind-dn DN"),
            (None, None) if self.external => LdapAuthentication::External {},
            (None, None) => LdapAuthentication::None {},
        };
        ldap.client_certificate = shared.client_certificate;
        ldap.allow_private_addresses = shared.private;
        ldap.ca_certificates = shared.ca_certificates;
        if let Some(timeout) = shared.request_timeout_ms {
            ldap.request_timeout_ms = timeout;
        }
        Ok(ldap)
    }
}

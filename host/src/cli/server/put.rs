//! A server as the flags of `provender server put` say it.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use serde_json::json;

use super::super::input::{SecretArguments, read_json, read_text};
use super::Named;
use super::authentication::{CertificateArguments, HttpArguments};
use crate::administration::ServerInput;
use crate::servers::configuration::secrets::SecretInput;
use crate::servers::configuration::{
    self, HttpConfiguration, IdRange, LdapAuthentication, LdapConfiguration, Modes,
};

/// Flags that name a place of a secret that the host can read by itself.
const REFERRED: [&str; 4] = ["password_file", "password_env", "oauth1_token_secret_file", "client_key"];

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("kind").args(["http", "files", "ldap", "file"]).required(true))]
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
    #[arg(long, value_name = "LOWEST-HIGHEST", requires = "files")]
    owners: Option<IdRange>,
    /// Numeric groups that plugins may set
    #[arg(long, value_name = "LOWEST-HIGHEST", requires = "files")]
    groups: Option<IdRange>,
    /// Bits of permission that plugins may set, in octal [default: 0777]
    #[arg(long, value_name = "MODE", requires = "files")]
    modes: Option<Modes>,
    /// An LDAP directory: ldaps://HOST, or ldap://HOST, which is secured by StartTLS
    #[arg(long, value_name = "URL", requires = "base_dn")]
    ldap: Option<String>,
    /// A DN at or below which plugins may reach entries; may be given again
    #[arg(long, value_name = "DN", requires = "ldap")]
    base_dn: Vec<String>,
    /// Authenticate by a simple bind as this DN
    #[arg(long, value_name = "DN", requires = "ldap")]
    bind_dn: Option<String>,
    /// Authenticate to the directory by the client certificate (SASL EXTERNAL)
    #[arg(long, requires_all = ["ldap", "client_certificate"], conflicts_with = "bind_dn")]
    external: bool,
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

impl PutArguments {
    pub(super) fn input(self) -> anyhow::Result<ServerInput> {
        if let Some(file) = &self.file {
            return read_json(file);
        }
        let description = self.description.clone();
        let configuration = match (&self.files, &self.ldap) {
            (Some(root), _) => {
                let modes = self.modes.unwrap_or_default();
                let (owners, groups) = (self.owners, self.groups);
                let files = json!({ "root": root, "modes": modes, "owners": owners, "groups": groups });
                configuration::ServerInput::Files(serde_json::from_value(files)?)
            }
            (None, Some(_)) => configuration::ServerInput::Ldap(self.ldap_configuration()?),
            (None, None) => configuration::ServerInput::Http(self.http_configuration()?),
        };
        Ok(ServerInput { id: None, description, configuration })
    }

    fn http_configuration(self) -> anyhow::Result<HttpConfiguration<SecretInput>> {
        let secret = self.secret.input(self.by_reference)?;
        let mut http: HttpConfiguration<SecretInput> =
            serde_json::from_value(json!({ "base_url": self.http }))?;
        http.authentication = self.http_authentication.authentication(secret, self.by_reference)?;
        http.client_certificate = self.client_certificate.read(self.by_reference)?;
        http.allow_private_addresses = self.private;
        http.ca_certificates = authorities(self.ca_file.as_deref())?;
        if let Some(timeout) = self.request_timeout_ms {
            http.request_timeout_ms = timeout;
        }
        Ok(http)
    }

    fn ldap_configuration(self) -> anyhow::Result<LdapConfiguration<SecretInput>> {
        let secret = self.secret.input(self.by_reference)?;
        let start_tls = self.ldap.as_ref().is_some_and(|url| !url.to_ascii_lowercase().starts_with("ldaps:"));
        let mut ldap: LdapConfiguration<SecretInput> = serde_json::from_value(
            json!({ "url": self.ldap, "base_dns": self.base_dn, "start_tls": start_tls }),
        )?;
        ldap.authentication = match self.bind_dn {
            Some(bind_dn) => LdapAuthentication::Simple { bind_dn, password: secret.unwrap_or_default() },
            None if secret.is_some() => anyhow::bail!("a password is of no use without --bind-dn DN"),
            None if self.external => LdapAuthentication::External {},
            None => LdapAuthentication::None {},
        };
        ldap.client_certificate = self.client_certificate.read(self.by_reference)?;
        ldap.allow_private_addresses = self.private;
        ldap.ca_certificates = authorities(self.ca_file.as_deref())?;
        if let Some(timeout) = self.request_timeout_ms {
            ldap.request_timeout_ms = timeout;
        }
        Ok(ldap)
    }
}

fn authorities(file: Option<&Path>) -> anyhow::Result<Option<String>> {
    file.map(read_text).transpose()
}

//! How the host shows a server who it is.

use std::path::PathBuf;

use anyhow::Context;
use clap::{ArgGroup, Args};

use super::super::input::{first_line, read_text, reference};
use super::put::NOT_HTTP;
use crate::servers::configuration::secrets::SecretInput;
use crate::servers::configuration::{
    AccessToken, Authentication, ClientAuthentication, ClientCertificate, SignatureMethod,
};

/// Ways to authenticate in requests, of which one can be chosen.
const WAYS: [&str; 5] = ["username", "bearer", "header", "oauth2_token_url", "oauth1_consumer"];

/// How the host authenticates itself in requests; the secret of each way is given as the password.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("http_authentication").args(WAYS))]
pub(super) struct HttpArguments {
    /// Authenticate by user name and password
    #[arg(long, value_name = "NAME", conflicts_with_all = ["files", "ldap", "sql", "file"])]
    pub(super) username: Option<String>,
    /// Authenticate by a bearer token
    #[arg(long, conflicts_with_all = NOT_HTTP)]
    bearer: bool,
    /// Authenticate by a header of this name; its value is given as the password
    #[arg(long, value_name = "NAME", conflicts_with_all = NOT_HTTP)]
    header: Option<String>,
    /// Authenticate by OAuth 2.0 with client credentials, by tokens from this URL; the client's secret is given as the
    /// password
    #[arg(long, value_name = "URL", requires = "client_id", conflicts_with_all = NOT_HTTP)]
    oauth2_token_url: Option<String>,
    /// Who the host is where tokens are given
    #[arg(long, value_name = "ID", requires = "oauth2_token_url")]
    client_id: Option<String>,
    /// What tokens are asked for, parted by spaces
    #[arg(long, requires = "oauth2_token_url")]
    scope: Option<String>,
    /// Send id and secret of the client in the form, and not in a header
    #[arg(long, requires = "oauth2_token_url")]
    client_secret_in_form: bool,
    /// Sign requests by OAuth 1.0a as this consumer, whose secret is given as the password
    #[arg(long, value_name = "KEY", conflicts_with_all = NOT_HTTP)]
    oauth1_consumer: Option<String>,
    /// Sign in the name of whom this access token is of
    #[arg(long, value_name = "TOKEN", requires = "oauth1_consumer")]
    oauth1_token: Option<String>,
    /// File whose first line is the secret of the access token
    #[arg(long, value_name = "FILE", requires = "oauth1_token")]
    oauth1_token_secret_file: Option<PathBuf>,
    /// Sign with HMAC-SHA1 in place of HMAC-SHA256
    #[arg(long, requires = "oauth1_consumer")]
    hmac_sha1: bool,
}

/// The certificate of the host.
#[derive(Debug, Args)]
pub(super) struct CertificateArguments {
    /// PEM file of the certificate by which the host shows who it is in TLS, then those that lead to its authority
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "file"])]
    client_certificate: Option<PathBuf>,
    /// PEM file of the key of the certificate, without password
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    client_key: Option<PathBuf>,
}

impl HttpArguments {
    pub(super) fn authentication(
        self,
        secret: Option<SecretInput>,
        by_reference: bool,
    ) -> anyhow::Result<Authentication<SecretInput>> {
        let access_token = self.access_token(by_reference)?;
        let is_given = secret.is_some();
        let secret = secret.unwrap_or_default();
        Ok(if let Some(username) = self.username {
            Authentication::Basic { username, password: secret }
        } else if self.bearer {
            Authentication::Bearer { token: secret }
        } else if let Some(name) = self.header {
            Authentication::Header { name, value: secret }
        } else if let (Some(token_url), Some(client_id)) = (self.oauth2_token_url, self.client_id) {
            let client_authentication = if self.client_secret_in_form {
                ClientAuthentication::Body
            } else {
                ClientAuthentication::Basic
            };
            Authentication::ClientCredentials {
                token_url,
                client_id,
                client_secret: secret,
                scope: self.scope,
                client_authentication,
            }
        } else if let Some(consumer_key) = self.oauth1_consumer {
            let signature =
                if self.hmac_sha1 { SignatureMethod::HmacSha1 } else { SignatureMethod::HmacSha256 };
            Authentication::OAuth1 { consumer_key, consumer_secret: secret, access_token, signature }
        } else if is_given {
            anyhow::bail!(
                "a password is of no use without a way to authenticate: --username NAME, --bearer, --header NAME, \
                 --oauth2-token-url URL or --oauth1-consumer KEY"
            )
        } else {
            Authentication::None {}
        })
    }

    fn access_token(&self, by_reference: bool) -> anyhow::Result<Option<AccessToken<SecretInput>>> {
        let Some(token) = self.oauth1_token.clone() else { return Ok(None) };
        let secret = match &self.oauth1_token_secret_file {
            None => SecretInput::Kept,
            Some(file) if by_reference => reference(file)?,
            Some(file) => {
                let secret = first_line(&read_text(file)?);
                SecretInput::Text(secret.with_context(|| format!("file `{}`", file.display()))?)
            }
        };
        Ok(Some(AccessToken { token, secret }))
    }
}

impl CertificateArguments {
    pub(super) fn read(&self, by_reference: bool) -> anyhow::Result<Option<ClientCertificate<SecretInput>>> {
        let Some(file) = &self.client_certificate else { return Ok(None) };
        let private_key = match &self.client_key {
            None => SecretInput::Kept,
            Some(key) if by_reference => reference(key)?,
            Some(key) => SecretInput::Text(read_text(key)?.into()),
        };
        Ok(Some(ClientCertificate { certificates: read_text(file)?, private_key }))
    }
}

//! Certificates in the configuration of a server: those that the host trusts, and its own.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Refuse;
use super::secrets::{SecretField, SecretForm, SecretPlace, Secrets, Told};
use crate::servers::{ServerError, tls};

/// A certificate of the host with its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, bound(serialize = "S: Told", deserialize = "S: Deserialize<'de> + Default"))]
pub struct ClientCertificate<S = SecretPlace> {
    /// PEM: the certificate, then those that lead to its authority.
    pub certificates: String,
    /// PEM, without password.
    #[serde(default, skip_serializing_if = "Told::is_left_out")]
    pub private_key: S,
}

const KEY: SecretField = SecretField {
    name: "client_certificate_key",
    pointer: "/client_certificate/private_key",
    form: SecretForm::Text,
};

impl<S> ClientCertificate<S> {
    /// The same with another secret.
    pub(super) fn map<T>(self, secret: &mut impl FnMut(SecretField, S) -> T) -> ClientCertificate<T> {
        ClientCertificate { certificates: self.certificates, private_key: secret(KEY, self.private_key) }
    }
}

impl ClientCertificate {
    /// With its key.
    pub(in crate::servers) fn with_key<'s>(
        &'s self,
        secrets: &'s Secrets,
    ) -> Result<(&'s str, &'s SecretString), ServerError> {
        let key = secrets.get(KEY.name).ok_or(ServerError::MissingSecret { field: KEY.name })?;
        Ok((&self.certificates, key))
    }
}

/// Refuses what is no certificate.
pub(super) fn check(authorities: Option<&str>, own: Option<&ClientCertificate>, refuse: &mut Refuse<'_>) {
    if let Some(Err(problem)) = authorities.map(tls::certificate_authorities) {
        refuse("/ca_certificates", problem);
    }
    if let Some(Err(problem)) = own.map(|own| tls::certificate_chain(&own.certificates)) {
        refuse("/client_certificate/certificates", problem);
    }
}

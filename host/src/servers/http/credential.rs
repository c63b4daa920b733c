//! What a request carries so that the counterpart knows the host: a header that is always the same, a token that is asked
//! for, or a signature.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, header};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::oauth1::Signer;
use super::oauth2::TokenSource;
use crate::servers::ServerError;
use crate::servers::configuration::{Authentication, Secrets};

/// How the requests of a server are authenticated.
pub(super) enum Credential {
    None,
    Header(HeaderName, HeaderValue),
    Token(TokenSource),
    Signature(Signer),
}

impl Credential {
    /// The credential of a server, and the texts that a counterpart could send back and a plugin must not see.
    pub(super) fn of(
        authentication: &Authentication,
        secrets: &Secrets,
    ) -> Result<(Self, Vec<SecretString>), ServerError> {
        let secret = |field: &'static str| secrets.get(field).ok_or(ServerError::MissingSecret { field });
        let text = |text: String| SecretString::from(text);
        Ok(match authentication {
            Authentication::None {} => (Self::None, Vec::new()),
            Authentication::Basic { username, .. } => {
                let password = secret("password")?;
                let pair = Zeroizing::new(format!("{username}:{}", password.expose_secret()));
                let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
                let whole = text(format!("Basic {}", *encoded));
                let credential = Self::Header(header::AUTHORIZATION, sensitive("password", &whole)?);
                (credential, vec![text((*encoded).clone()), password.clone(), text((*pair).clone()), whole])
            }
            Authentication::Bearer { .. } => {
                let (value, blanked) = bearer("token", secret("token")?)?;
                (Self::Header(header::AUTHORIZATION, value), blanked)
            }
            Authentication::Header { name, .. } => {
                let value = secret("header_value")?;
                let name = HeaderName::try_from(name.as_str())
                    .map_err(|error| ServerError::Unusable { problem: format!("header name: {error}") })?;
                (Self::Header(name, sensitive("header_value", value)?), vec![value.clone()])
            }
            Authentication::ClientCredentials {
                token_url, client_id, scope, client_authentication, ..
            } => {
                let client = (client_id.as_str(), secret("client_secret")?, *client_authentication);
                let (source, blanked) = TokenSource::new(token_url, client, scope.as_deref())?;
                (Self::Token(source), blanked)
            }
            Authentication::OAuth1 { consumer_key, access_token, signature, .. } => {
                let consumer_secret = secret("consumer_secret")?;
                let token = match access_token {
                    Some(token) => Some((token.token.clone(), secret("token_secret")?)),
                    None => None,
                };
                let blanked = [Some(consumer_secret), token.as_ref().map(|(_, secret)| *secret)];
                let blanked = blanked.into_iter().flatten().cloned().collect();
                let signer = Signer::new(*signature, consumer_key, consumer_secret, token);
                (Self::Signature(signer), blanked)
            }
        })
    }
}

/// The value of a header that stays out of Debug output and out of HTTP/2's tables of repeated headers.
pub(super) fn sensitive(field: &str, text: &SecretString) -> Result<HeaderValue, ServerError> {
    let mut value = HeaderValue::try_from(text.expose_secret()).map_err(|_| ServerError::Unusable {
        problem: format!("the {field} holds what no header can carry"),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The value of Authorization for a bearer token (RFC 6750), and what is to be blanked: with the word before it, a token
/// that is too short to be blanked by itself is blanked too.
pub(super) fn bearer(
    field: &str,
    token: &SecretString,
) -> Result<(HeaderValue, Vec<SecretString>), ServerError> {
    let whole = SecretString::from(format!("Bearer {}", token.expose_secret()));
    Ok((sensitive(field, &whole)?, vec![token.clone(), whole]))
}

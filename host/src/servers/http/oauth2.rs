//! Access tokens by the client credentials grant of OAuth 2.0 (RFC 6749, section 4.4).
//!
//! A token is asked for when it is first needed, and again shortly before it ends or when the counterpart refuses it. All
//! requests of a server share it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::credential::{bearer, sensitive};
use super::echo::Blanks;
use super::{Exchange, HttpError};
use crate::servers::ServerError;
use crate::servers::configuration::{ClientAuthentication, token_url};

/// Largest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// How long before its end a token is no longer used: longer than a request is on its way.
const MARGIN: Duration = Duration::from_secs(30);
/// Longest word of an error that is repeated.
const MAX_ERROR_BYTES: usize = 64;

/// Gets tokens, and keeps the one in force.
pub(super) struct TokenSource {
    url: Uri,
    /// Value of Authorization, where the client authenticates itself so.
    authorization: Option<HeaderValue>,
    form: Zeroizing<String>,
    /// Held while a token is asked for, so that one is asked for once.
    token: Mutex<Option<Arc<Token>>>,
}

/// A token in force.
pub(super) struct Token {
    pub(super) authorization: HeaderValue,
    /// What a counterpart must not hand to a plugin.
    pub(super) blanks: Blanks,
    ends: Option<Instant>,
}

/// An answer with a token (section 5.1).
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

/// An answer without one (section 5.2).
#[derive(Deserialize)]
struct Refused {
    error: String,
}

impl TokenSource {
    /// Gets tokens at `url` for a client: its id, its secret, and how it shows them. With it come the texts that a
    /// counterpart could send back and a plugin must not see.
    pub(super) fn new(
        url: &str,
        (client_id, client_secret, client_authentication): (&str, &SecretString, ClientAuthentication),
        scope: Option<&str>,
    ) -> Result<(Self, Vec<SecretString>), ServerError> {
        let url = token_url(url)
            .map_err(|problem| ServerError::Unusable { problem: format!("token_url {problem}") })?;
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if let Some(scope) = scope {
            form.append_pair("scope", scope);
        }
        let (mut authorization, mut blanked) = (None, vec![client_secret.clone()]);
        match client_authentication {
            ClientAuthentication::Body => {
                form.append_pair("client_id", client_id)
                    .append_pair("client_secret", client_secret.expose_secret());
            }
            ClientAuthentication::Basic => {
                // Both are encoded as in a form first (section 2.3.1).
                let form_encoded =
                    |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = Zeroizing::new(format!(
                    "{}:{}",
                    form_encoded(client_id),
                    form_encoded(client_secret.expose_secret())
                ));
                let encoded = SecretString::from(STANDARD.encode(pair.as_bytes()));
                let whole = SecretString::from(format!("Basic {}", encoded.expose_secret()));
                authorization = Some(sensitive("client_secret", &whole)?);
                blanked.push(encoded);
            }
        }
        let form = Zeroizing::new(form.finish());
        Ok((Self { url, authorization, form, token: Mutex::default() }, blanked))
    }

    /// The token in force, or a new one.
    pub(super) async fn token(&self, exchange: &Exchange<'_>) -> Result<Arc<Token>, HttpError> {
        let mut kept = self.token.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| token.ends.is_none_or(|ends| Instant::now() < ends))
        {
            return Ok(Arc::clone(token));
        }
        let token = Arc::new(self.ask(exchange).await?);
        *kept = Some(Arc::clone(&token));
        Ok(token)
    }

    /// The counterpart refused a token: it is not used again.
    pub(super) async fn refused(&self, refused: &Arc<Token>) {
        let mut kept = self.token.lock().await;
        if kept.as_ref().is_some_and(|token| Arc::ptr_eq(token, refused)) {
            *kept = None;
        }
    }

    async fn ask(&self, exchange: &Exchange<'_>) -> Result<Token, HttpError> {
        let mut request = Request::new(Full::new(Bytes::copy_from_slice(self.form.as_bytes())));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, form);
        if let Some(authorization) = &self.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let asked = Instant::now();
        let (answer, _turn) = exchange.send(request).await?;
        self.granted(answer, asked, exchange.deadline).await
    }

    async fn granted(
        &self,
        answer: Response<Incoming>,
        asked: Instant,
        deadline: Instant,
    ) -> Result<Token, HttpError> {
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect();
        let body = tokio::time::timeout_at(deadline, body).await;
        let body = body.map_err(|_| self.unavailable("its answer was not there in time"))?;
        let body = body.map_err(|_| self.unavailable("its answer breaks off, or is too large"))?.to_bytes();
        if !status.is_success() {
            return Err(self.refusal(status, &body));
        }
        let granted: Granted = serde_json::from_slice(&body)
            .map_err(|_| self.unavailable("its answer is no token by RFC 6749, section 5.1"))?;
        if !granted.token_type.eq_ignore_ascii_case("bearer") {
            return Err(self.unavailable("it grants a token of another type than bearer"));
        }
        let token = SecretString::from(granted.access_token);
        let (authorization, blanked) = bearer("access token", &token)
            .map_err(|_| self.unavailable("its token holds what no header can carry"))?;
        let ends = granted.expires_in.map(|seconds| {
            let life = Duration::from_secs(seconds.min(u64::from(u32::MAX)));
            asked + life.saturating_sub(MARGIN.min(life / 2))
        });
        Ok(Token { authorization, blanks: Blanks::of(blanked), ends })
    }

    /// What an answer without a token means. Of its text only the word of the error is repeated: the rest may hold
    /// anything.
    fn refusal(&self, status: StatusCode, body: &[u8]) -> HttpError {
        let word = serde_json::from_slice::<Refused>(body).ok().map(|refused| refused.error);
        let word = word.filter(|word| {
            word.len() <= MAX_ERROR_BYTES
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        });
        let reason = match word {
            Some(word) => format!("it answers {status} with error {word}"),
            None => format!("it answers {status}"),
        };
        if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
            return HttpError::NotAuthenticated { server: self.url.to_string(), reason };
        }
        self.unavailable(&reason)
    }

    fn unavailable(&self, reason: &str) -> HttpError {
        HttpError::NoToken { server: self.url.to_string(), reason: reason.to_owned() }
    }
}

//! Calls of a webhook: a JSON document, signed as the Standard Webhooks specification describes.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use jiff::Timestamp;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::administration::{Administration, signing_key};
use crate::provisioning::{NotificationMessage, WebhookSettings};
use crate::servers::LiveServer;
use crate::servers::http::{HttpLimits, MAX_RESPONSE_HEADER_BYTES, OutgoingRequest};

/// What is read of an answer, of which only the status counts.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// The document that a webhook gets.
#[derive(Serialize)]
struct Payload<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Timestamp,
    data: &'a NotificationMessage,
}

/// Calls the webhook of a collaboration. An error says what is wrong, and holds no secret.
pub(super) async fn call(
    administration: &Administration,
    settings: &WebhookSettings,
    message: &NotificationMessage,
    timeout: Duration,
) -> Result<(), String> {
    let co = &message.co;
    let secret = administration.webhook_secret(co).await.map_err(|error| error.to_string())?;
    let server = administration.server_live(co, &settings.server).await.map_err(|error| error.to_string())?;
    let LiveServer::Http(server) = server else {
        return Err(format!("server `{}` is not of kind `http`", settings.server));
    };
    let path = settings.path.as_deref().unwrap_or(server.base_url().path());
    let path = if path.is_empty() { "/" } else { path };
    let path_and_query: PathAndQuery = path.parse().map_err(|error| format!("path {path:?}: {error}"))?;
    let payload = Payload { kind: "provisioning.notifications", timestamp: message.at, data: message };
    let body = serde_json::to_vec(&payload).map_err(|error| error.to_string())?;
    let headers = headers(&secret, message, &body, Timestamp::now())?;
    let request = OutgoingRequest { method: Method::POST, path_and_query, headers, body: Bytes::from(body) };
    let limits = HttpLimits {
        max_response_bytes: MAX_RESPONSE_BYTES,
        max_response_header_bytes: MAX_RESPONSE_HEADER_BYTES,
        timeout,
    };
    let answer = server.send(request, &limits).await.map_err(|error| error.to_string())?;
    match answer.status.is_success() {
        true => Ok(()),
        false => Err(format!("{} answers {}", server.base_url(), answer.status)),
    }
}

fn headers(
    secret: &SecretString,
    message: &NotificationMessage,
    body: &[u8],
    now: Timestamp,
) -> Result<HeaderMap, String> {
    let (id, seconds) = (message.id.to_string(), now.as_second().to_string());
    let signature = signature(secret, &id, &seconds, body)?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in
        [("webhook-id", id), ("webhook-timestamp", seconds), ("webhook-signature", signature)]
    {
        let value = HeaderValue::try_from(value).map_err(|error| error.to_string())?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(headers)
}

/// HMAC-SHA256 over id, time and body (Standard Webhooks, "Signature scheme").
fn signature(secret: &SecretString, id: &str, seconds: &str, body: &[u8]) -> Result<String, String> {
    let key = signing_key(secret.expose_secret())?;
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key));
    for piece in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
        context.update(piece);
    }
    Ok(format!("v1,{}", STANDARD.encode(context.sign().as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn a_document_is_signed_as_the_specification_shows() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = br#"{"test": 2432232314}"#;
        let signed = signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body).unwrap();
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}

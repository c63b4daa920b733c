//! Where the notifications of a collaboration go, and how far they got.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::uri::PathAndQuery;
use jiff::Timestamp;
use lettre::Address;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

use super::error::{AdministrationError, Kind, Problems};
use super::{Administration, known_collaboration};
use crate::provisioning::{Channel, EmailSettings, NotificationSettings, WebhookSettings};
use crate::servers::configuration::secrets::secret_text;
use crate::servers::secret::{SealedSecret, SecretKey};
use crate::store::{NotificationSettingsRow, StoreError, Transaction};

/// Most addresses of one collaboration.
const MAX_RECIPIENTS: usize = 50;
/// Bytes of a signing key (Standard Webhooks, "Signature scheme").
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const KEY_PREFIX: &str = "whsec_";
const SECRET: &str = "webhook_secret";

/// Where notifications go, as an operator writes it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationSettingsInput {
    #[serde(default)]
    #[schema(required = false)]
    pub email: EmailSettings,
    /// None: no webhook is called.
    #[schema(required = false)]
    pub webhook: Option<WebhookInput>,
}

/// A webhook with its secret.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookInput {
    /// `id` of a server of kind `http` in the collaboration.
    pub server: String,
    /// Path from the root of the server's origin, below its base URL; the path of the base URL when it is left out.
    #[serde(default)]
    pub path: Option<String>,
    /// The key of the signatures: 24 to 64 bytes in base64, with or without `whsec_` before it. Never given back; one
    /// that is left out stays as it is stored.
    #[serde(default, deserialize_with = "secret_text")]
    #[schema(value_type = Option<String>, write_only, format = Password)]
    pub secret: Option<SecretString>,
}

/// Where notifications go, and how far each channel is.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct NotificationDelivery {
    #[serde(flatten)]
    pub settings: NotificationSettings,
    /// Those that ever had something to tell.
    pub channels: Vec<ChannelReport>,
}

/// How far a channel is.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ChannelReport {
    pub channel: Channel,
    /// The last time that a message was taken.
    pub delivered: Option<Timestamp>,
    /// Attempts so far to deliver the message that is under way.
    pub attempts: Option<u32>,
    /// When something is to be done next.
    pub due: Option<Timestamp>,
    /// Why the last message is not delivered.
    pub problem: Option<String>,
}

impl Administration {
    /// Where the notifications of a collaboration go.
    pub async fn notification_delivery(&self, co: &str) -> Result<NotificationDelivery, AdministrationError> {
        let settings = self.store.notification_settings(co).await?.settings;
        let channels = self.store.notification_channels(co).await?.into_iter();
        let report = |(channel, state): (Channel, crate::store::ChannelState)| ChannelReport {
            channel,
            delivered: state.delivered,
            attempts: state.under_way.map(|under_way| under_way.attempts),
            due: state.due,
            problem: state.problem,
        };
        Ok(NotificationDelivery { settings, channels: channels.map(report).collect() })
    }

    /// Says where the notifications of a collaboration go, in place of what was said before.
    pub async fn put_notification_settings(
        &self,
        co: &str,
        input: NotificationSettingsInput,
    ) -> Result<NotificationDelivery, AdministrationError> {
        let mut problems = Problems::default();
        check_recipients(&input.email.recipients, &mut problems);
        let (webhook, secret) = match input.webhook {
            Some(WebhookInput { server, path, secret }) => (Some(WebhookSettings { server, path }), secret),
            None => (None, None),
        };
        let sealed = match &secret {
            Some(secret) => self.sealed(co, secret, &mut problems)?,
            None => None,
        };
        let settings = NotificationSettings { email: input.email, webhook };
        let owner = co.to_owned();
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    known_collaboration(transaction, &owner).await?;
                    let mut secrets = transaction.notification_settings(&owner).await?.secrets;
                    if let Some(webhook) = &settings.webhook {
                        check_webhook(transaction, &owner, webhook, &mut problems).await?;
                        secrets.extend(sealed.map(|sealed| (SECRET.to_owned(), sealed)));
                        if !secrets.contains_key(SECRET) {
                            problems
                                .add("/webhook/secret", "is missing; give 24 to 64 random bytes in base64");
                        }
                    } else {
                        secrets.clear();
                    }
                    if !problems.is_empty() {
                        return Err(problems.refusal(Kind::NotificationSettings, &owner));
                    }
                    let row = NotificationSettingsRow { settings, secrets };
                    Ok(transaction.put_notification_settings(&owner, &row).await?)
                })
            })
            .await?;
        self.notification_delivery(co).await
    }

    fn sealed(
        &self,
        co: &str,
        secret: &SecretString,
        problems: &mut Problems,
    ) -> Result<Option<String>, AdministrationError> {
        if let Err(problem) = signing_key(secret.expose_secret()) {
            problems.add("/webhook/secret", problem);
            return Ok(None);
        }
        let sealed = self.servers.secret_key().seal(&belongs_to(co), secret);
        let sealed = sealed.map_err(|error| unusable(co, error.to_string()))?;
        let text = serde_json::to_value(&sealed).ok().and_then(|sealed| sealed.as_str().map(str::to_owned));
        Ok(text)
    }

    /// The key of the signatures of a collaboration's webhook.
    pub(crate) async fn webhook_secret(&self, co: &str) -> Result<SecretString, AdministrationError> {
        let row = self.store.notification_settings(co).await?;
        open_webhook_secret(self.servers.secret_key(), co, &row).map_err(|problem| unusable(co, problem))
    }
}

/// Opens the key of the signatures of a collaboration's webhook.
pub(crate) fn open_webhook_secret(
    key: &SecretKey,
    co: &str,
    row: &NotificationSettingsRow,
) -> Result<SecretString, String> {
    let sealed = row.secrets.get(SECRET).ok_or("the secret is missing: set it again")?;
    let sealed: SealedSecret =
        serde_json::from_value(Value::String(sealed.clone())).map_err(|error| error.to_string())?;
    key.open(&belongs_to(co), &sealed).map_err(|error| error.to_string())
}

fn unusable(co: &str, problem: String) -> AdministrationError {
    AdministrationError::Unusable { id: format!("webhook of {co}"), problem }
}

fn belongs_to(co: &str) -> String {
    format!("secret of the webhook of {co:?}")
}

/// The bytes of a signing key. An error does not quote it.
pub(crate) fn signing_key(secret: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let text = secret.trim().strip_prefix(KEY_PREFIX).unwrap_or(secret.trim());
    let key = STANDARD.decode(text).map(Zeroizing::new).map_err(|_| "is not base64".to_owned())?;
    match KEY_BYTES.contains(&key.len()) {
        true => Ok(key),
        false => Err(format!("has {} bytes; give 24 to 64 random bytes in base64", key.len())),
    }
}

fn check_recipients(recipients: &[String], problems: &mut Problems) {
    if recipients.len() > MAX_RECIPIENTS {
        problems.add("/email/recipients", format!("has {}; at most {MAX_RECIPIENTS}", recipients.len()));
    }
    for (index, recipient) in recipients.iter().enumerate() {
        if let Err(error) = recipient.parse::<Address>() {
            let problem = format!("{recipient:?} is no email address: {error}");
            problems.add(format!("/email/recipients/{index}"), problem);
        }
    }
}

async fn check_webhook(
    transaction: &mut Transaction<'_>,
    co: &str,
    webhook: &WebhookSettings,
    problems: &mut Problems,
) -> Result<(), StoreError> {
    let id = &webhook.server;
    match transaction.server(co, id).await? {
        None => problems.add("/webhook/server", format!("there is no server `{id}`; create it first")),
        Some(server) if server.configuration.get("kind").and_then(Value::as_str) != Some("http") => {
            problems.add("/webhook/server", format!("server `{id}` is not of kind `http`"));
        }
        Some(_) => {}
    }
    if let Some(path) = &webhook.path
        && !(path.starts_with('/') && path.parse::<PathAndQuery>().is_ok())
    {
        problems
            .add("/webhook/path", format!("is {path:?}, but must be a path such as \"/hooks/provisioning\""));
    }
    Ok(())
}

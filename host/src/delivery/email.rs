//! Mails to the administrators of a collaboration.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use jiff::Timestamp;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};

use super::text;
use crate::configuration::{SMTP_PASSWORD_VARIABLE, SmtpConfiguration, SmtpSecurity};
use crate::provisioning::{EmailSettings, NotificationMessage};
use crate::registry::record::{GroupType, Membership, Record, RecordKind, Status};
use crate::store::{Store, StoreError};

/// Most people who get a mail.
const MAX_RECIPIENTS: usize = 50;
/// Members of a group read at once.
const PAGE: u32 = 500;

/// Sends mails through the configured server.
pub(super) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Mailer {
    /// None when no server is configured.
    pub(super) fn new(configuration: &SmtpConfiguration, timeout: Duration) -> anyhow::Result<Option<Self>> {
        let Some(host) = &configuration.host else { return Ok(None) };
        let from = configuration.from.as_deref().context("`smtp.from` is missing: say who sends mails")?;
        let from: Mailbox = from.parse().with_context(|| format!("`smtp.from` is {from:?}"))?;
        let (tls, port) = match configuration.security {
            SmtpSecurity::Starttls => (Tls::Required(tls_parameters(host, configuration)?), 587),
            SmtpSecurity::Tls => (Tls::Wrapper(tls_parameters(host, configuration)?), 465),
            SmtpSecurity::None => (Tls::None, 25),
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host.as_str())
            .port(configuration.port.unwrap_or(port))
            .tls(tls)
            .timeout(Some(timeout));
        if let Some(user) = &configuration.user {
            if configuration.security == SmtpSecurity::None {
                bail!(
                    "`smtp.security` is \"none\", which would show the password; choose \"starttls\" or \"tls\""
                );
            }
            let password = password(configuration)?.expose_secret().to_owned();
            transport = transport.credentials(Credentials::new(user.clone(), password));
        }
        Ok(Some(Self { transport: transport.build(), from }))
    }

    /// Sends a message to each recipient who does not have it yet. Whoever takes it is added to `reached`, and so is an
    /// address that the server refuses for good, which must not keep the others from being told.
    pub(super) async fn send(
        &self,
        message: &NotificationMessage,
        recipients: &[String],
        reached: &mut Vec<String>,
    ) -> Result<(), String> {
        let mut problem = None;
        for recipient in recipients {
            if reached.contains(recipient) {
                continue;
            }
            let mail = match self.compose(message, recipient) {
                Ok(mail) => mail,
                Err(error) => {
                    tracing::warn!(co = message.co, recipient, %error, "a mail cannot be addressed");
                    reached.push(recipient.clone());
                    continue;
                }
            };
            match self.transport.send(mail).await {
                Ok(_) => reached.push(recipient.clone()),
                Err(error) if error.is_permanent() => {
                    tracing::warn!(co = message.co, recipient, %error, "a mail was refused");
                    reached.push(recipient.clone());
                }
                Err(error) => problem = Some(format!("{recipient}: {}", with_source(&error))),
            }
        }
        problem.map_or(Ok(()), Err)
    }

    fn compose(&self, message: &NotificationMessage, recipient: &str) -> anyhow::Result<Message> {
        let to: Address = recipient.parse()?;
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        let mail = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(format!("[Provender] {}", text::headline(message)))
            .date(SystemTime::from(message.at))
            // The same in every attempt, so that mail systems can drop what they have.
            .message_id(Some(format!("<{}@{}>", message.id, self.from.email.domain())))
            // Nobody is to answer that they are on holiday (RFC 3834).
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .header(ContentType::TEXT_PLAIN);
        Ok(mail.body(text::mail(message))?)
    }
}

fn tls_parameters(host: &str, configuration: &SmtpConfiguration) -> anyhow::Result<TlsParameters> {
    let mut parameters = TlsParameters::builder(host.to_owned());
    if let Some(file) = &configuration.ca_file {
        let name = || format!("`smtp.ca_file` {}", file.display());
        let pem = std::fs::read(file).with_context(name)?;
        let authority = Certificate::from_pem(&pem).with_context(name)?;
        parameters = parameters.certificate_store(CertificateStore::None).add_root_certificate(authority);
    }
    Ok(parameters.build_rustls()?)
}

fn password(configuration: &SmtpConfiguration) -> anyhow::Result<SecretString> {
    if let Some(password) = &configuration.password {
        return Ok(password.clone());
    }
    let missing =
        || format!("`smtp.user` needs a password: set `smtp.password_file` or {SMTP_PASSWORD_VARIABLE}");
    let file = configuration.password_file.as_deref().with_context(missing)?;
    let name = || format!("`smtp.password_file` {}", file.display());
    let text = std::fs::read_to_string(file).with_context(name)?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(SecretString::from(line)),
        _ => bail!("{} is empty; write the password in its first line", name()),
    }
}

fn with_source(error: &lettre::transport::smtp::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) if !error.to_string().contains(&source.to_string()) => format!("{error}: {source}"),
        _ => error.to_string(),
    }
}

/// Who gets the mails of a collaboration: those who are configured, else the verified addresses of those who are in its
/// admins group now.
pub(super) async fn recipients(
    store: &Store,
    co: &str,
    settings: &EmailSettings,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    if !settings.recipients.is_empty() {
        return Ok(settings.recipients.iter().take(MAX_RECIPIENTS).cloned().collect());
    }
    let mut addresses = BTreeSet::new();
    for (group, document) in store.groups_of_type(co, GroupType::Admins).await? {
        // That of a unit has administrators of the unit only.
        if document.cou.is_some() || document.status != Status::Active {
            continue;
        }
        let mut after: Option<String> = None;
        while addresses.len() < MAX_RECIPIENTS {
            let page = store.members_of_group(co, &group, after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.person.clone());
            let members = page.into_iter().filter(|membership| is_member(membership, now));
            let ids: Vec<String> = members.map(|membership| membership.person).collect();
            for stored in store.records_by_id(co, RecordKind::Person, &ids).await? {
                addresses.extend(addresses_of(&stored.record));
            }
        }
    }
    Ok(addresses.into_iter().take(MAX_RECIPIENTS).collect())
}

fn is_member(membership: &Membership, now: Timestamp) -> bool {
    membership.member
        && membership.valid_from.is_none_or(|from| from <= now)
        && membership.valid_through.is_none_or(|through| now < through)
}

fn addresses_of(record: &Record) -> Vec<String> {
    match record {
        Record::Person(person) if person.status.is_in_force() => {
            let verified = person.email_addresses.iter().filter(|address| address.verified);
            verified.map(|address| address.mail.clone()).collect()
        }
        _ => Vec::new(),
    }
}

//! By which ways people are told of notifications, and what is said once for several of them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{FailureClass, Notification, NotificationEvent};

/// A way to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The log of the host, and syslog.
    Log,
    Email,
    Webhook,
}

impl Channel {
    /// The word in API, CLI and store.
    pub fn word(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Email => "email",
            Self::Webhook => "webhook",
        }
    }
}

/// Where the notifications of a collaboration go.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NotificationSettings {
    pub email: EmailSettings,
    /// None: no webhook is called.
    pub webhook: Option<WebhookSettings>,
}

/// Who gets mails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmailSettings {
    pub enabled: bool,
    /// Addresses. None here: the verified email addresses of the members of the collaboration's admins group.
    #[schema(max_items = 50, example = json!(["identity-team@example.org"]))]
    pub recipients: Vec<String>,
}

impl Default for EmailSettings {
    fn default() -> Self {
        Self { enabled: true, recipients: Vec::new() }
    }
}

/// What is called with a JSON document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// `id` of a server of kind `http` in the collaboration.
    pub server: String,
    /// Path from the root of the server's origin, below its base URL; the path of the base URL when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "/hooks/provisioning")]
    pub path: Option<String>,
}

impl NotificationSettings {
    /// The channels to which events are written.
    pub fn channels(&self) -> Vec<Channel> {
        let email = self.email.enabled.then_some(Channel::Email);
        let webhook = self.webhook.as_ref().map(|_| Channel::Webhook);
        [Some(Channel::Log), email, webhook].into_iter().flatten().collect()
    }
}

/// What is said at once of all notifications that a channel of a collaboration has to tell of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NotificationMessage {
    /// The same in every attempt to deliver it.
    pub id: Uuid,
    pub co: String,
    pub at: Timestamp,
    /// How many of each kind.
    pub counts: Vec<EventCount>,
    /// The first of them.
    pub notifications: Vec<ToldNotification>,
}

/// How many notifications of a target are told for one reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventCount {
    pub event: NotificationEvent,
    pub target: String,
    pub class: FailureClass,
    pub count: u64,
}

/// A notification, and what there is to tell of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ToldNotification {
    pub event: NotificationEvent,
    pub notification: Notification,
}

impl NotificationMessage {
    /// How many notifications are told for a reason, at all targets.
    pub fn count(&self, event: NotificationEvent) -> u64 {
        self.counts.iter().filter(|count| count.event == event).map(|count| count.count).sum()
    }

    /// How many are told and not listed.
    pub fn left_out(&self) -> u64 {
        let all: u64 = self.counts.iter().map(|count| count.count).sum();
        all.saturating_sub(self.notifications.len() as u64)
    }
}

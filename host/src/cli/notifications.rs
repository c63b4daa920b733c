//! `provender notifications`: what administrators are to know, and how they are told.

use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use uuid::Uuid;

use super::answer::{Answer, Table, printable, utc, utc_or_dash, word};
use super::input::{SecretArguments, actor, known_collaboration};
use crate::administration::{NotificationDelivery, NotificationSettingsInput, WebhookInput};
use crate::host::Host;
use crate::monitoring;
use crate::provisioning::{EmailSettings, Notification, NotificationSettings, NotificationState};
use crate::store::NotificationFilter;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List notifications, the newest first
    #[command(after_help = "\
Examples:
  provender notifications list --co physics
  provender notifications list --co physics --state resolved --target directory --limit 5")]
    List(ListArguments),
    /// Note that you know of a notification: nobody is reminded of it, its end is told
    #[command(after_help = "\
Example:
  provender notifications acknowledge --co physics 0198c5a2-7f3e-7c2b-9a4f-2f6d1c0b9e77")]
    Acknowledge {
        /// id of notifications
        #[arg(required = true)]
        ids: Vec<Uuid>,
        /// The collaboration
        #[arg(long)]
        co: String,
    },
    /// Show where notifications go, and how far each channel is
    #[command(after_help = "\
Example:
  provender notifications settings --co physics")]
    Settings {
        /// The collaboration
        #[arg(long)]
        co: String,
    },
    /// Say where notifications go, in place of what was said before
    #[command(after_help = "\
Examples:
  provender notifications set --co physics --email identity-team@example.org
  provender notifications set --co physics --webhook chat --path /hooks/1 --password-file webhook.key

Without --email, mails go to the verified addresses of the members of the collaboration's admins group.")]
    Set(SetArguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct SetArguments {
    /// The collaboration
    #[arg(long)]
    co: String,
    /// Addresses that get mails
    #[arg(long, value_name = "ADDRESS")]
    email: Vec<String>,
    /// Send no mails
    #[arg(long, conflicts_with = "email")]
    no_email: bool,
    /// id of the server of kind http that is called
    #[arg(long, value_name = "ID")]
    webhook: Option<String>,
    /// Path of the call [default: that of the server's base URL]
    #[arg(long, value_name = "PATH", requires = "webhook")]
    path: Option<String>,
    /// The key of the webhook's signatures, 24 to 64 bytes in base64; stays as it is when it is left out
    #[command(flatten)]
    secret: SecretArguments,
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArguments {
    /// The collaboration
    #[arg(long)]
    co: String,
    /// Only those of this state [default: those that are not resolved]
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only those of this target
    #[arg(long, value_name = "ID")]
    target: Option<String>,
    /// Only those before this one
    #[arg(long, value_name = "ID")]
    before: Option<Uuid>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Open,
    Acknowledged,
    Resolved,
    All,
}

pub(super) async fn run(command: Command, host: &Host) -> anyhow::Result<Answer> {
    match command {
        Command::List(arguments) => list(arguments, host).await,
        Command::Acknowledge { ids, co } => acknowledge(&ids, &co, host).await,
        Command::Settings { co } => {
            known_collaboration(host, &co).await?;
            shown(&host.administration.notification_delivery(&co).await?)
        }
        Command::Set(arguments) => set(arguments, host).await,
    }
}

async fn list(arguments: ListArguments, host: &Host) -> anyhow::Result<Answer> {
    known_collaboration(host, &arguments.co).await?;
    let states: &[Option<NotificationState>] = match arguments.state {
        None => &[Some(NotificationState::Open), Some(NotificationState::Acknowledged)],
        Some(State::Open) => &[Some(NotificationState::Open)],
        Some(State::Acknowledged) => &[Some(NotificationState::Acknowledged)],
        Some(State::Resolved) => &[Some(NotificationState::Resolved)],
        Some(State::All) => &[None],
    };
    let mut found = Vec::new();
    for state in states {
        let filter = NotificationFilter { state: *state, target: arguments.target.clone(), subject: None };
        let page =
            host.store.notifications(&arguments.co, &filter, arguments.before, arguments.limit).await?;
        found.extend(page);
    }
    found.sort_by_key(|notification| std::cmp::Reverse(notification.id));
    found.truncate(arguments.limit as usize);
    let mut table =
        Table::new(&["id", "state", "target", "kind", "subject", "failures", "first", "last", "why"]);
    for notification in &found {
        table.row(row(notification));
    }
    Answer::new(&found, table.or("no notifications"))
}

fn row(notification: &Notification) -> [String; 9] {
    let state = match &notification.acknowledged_by {
        Some(by) if notification.state == NotificationState::Acknowledged => format!("acknowledged by {by}"),
        _ => word(&notification.state),
    };
    [
        notification.id.to_string(),
        state,
        notification.target.clone(),
        word(&notification.subject.kind),
        notification.subject.id.clone(),
        notification.count.to_string(),
        utc(notification.first),
        utc(notification.last),
        format!("{}: {}", notification.class.word(), notification.message),
    ]
}

async fn acknowledge(ids: &[Uuid], co: &str, host: &Host) -> anyhow::Result<Answer> {
    known_collaboration(host, co).await?;
    let mut acknowledged = Vec::with_capacity(ids.len());
    for id in ids {
        let notification = monitoring::acknowledge(&host.store, co, *id, &actor()).await?;
        acknowledged.push(notification.with_context(|| format!("there is no notification {id} in `{co}`"))?);
    }
    let line = |notification: &Notification| {
        let Notification { target, subject, state, .. } = notification;
        format!("{} `{}` at `{target}`: {}\n", word(&subject.kind), printable(&subject.id), word(state))
    };
    Answer::new(&acknowledged, acknowledged.iter().map(line).collect::<String>())
}

async fn set(arguments: SetArguments, host: &Host) -> anyhow::Result<Answer> {
    let SetArguments { co, email, no_email, webhook, path, secret } = arguments;
    let secret = secret.read()?;
    let input = NotificationSettingsInput {
        email: EmailSettings { enabled: !no_email, recipients: email },
        webhook: webhook.map(|server| WebhookInput { server, path, secret }),
    };
    shown(&host.administration.put_notification_settings(&co, input).await?)
}

fn shown(delivery: &NotificationDelivery) -> anyhow::Result<Answer> {
    let NotificationSettings { email, webhook } = &delivery.settings;
    let email = match (email.enabled, email.recipients.is_empty()) {
        (false, _) => "nobody".to_owned(),
        (true, true) => "the collaboration's admins group".to_owned(),
        (true, false) => email.recipients.join(", "),
    };
    let webhook = webhook.as_ref().map_or_else(
        || "none".to_owned(),
        |webhook| match &webhook.path {
            Some(path) => format!("server `{}`, {path}", webhook.server),
            None => format!("server `{}`", webhook.server),
        },
    );
    let mut text = Table::of_fields([("email", email), ("webhook", webhook)]).to_string();
    let mut table = Table::new(&["channel", "delivered", "attempts", "due", "problem"]);
    for report in &delivery.channels {
        table.row([
            word(&report.channel),
            utc_or_dash(report.delivered),
            report.attempts.unwrap_or_default().to_string(),
            utc_or_dash(report.due),
            report.problem.clone().unwrap_or_default(),
        ]);
    }
    text.push_str(&format!("\n{}", table.or("nothing was to be told so far")));
    Answer::new(delivery, text)
}

//! Brings what is in the outbox to people: one message at a time in each channel of a collaboration, made of all that there
//! is to tell, and tried until it is taken. At least once, also after a crash, and never in the way of provisioning.

mod email;
mod pacing;
mod text;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::administration::Administration;
use crate::configuration::{Configuration, NotificationConfiguration};
use crate::provisioning::{Channel, NotificationEvent, NotificationMessage};
use crate::store::{ChannelState, DueChannel, Store, StoreError, Transaction, UnderWay};
use crate::syslog::Syslog;
use email::Mailer;
use pacing::{Pace, later, next_attempt};

/// How often the outbox is looked at.
const POLL: Duration = Duration::from_millis(500);
/// Deliveries at once: a counterpart that does not answer holds up few others, for the longest time of a delivery.
const AT_ONCE: u32 = 8;
/// Channels read from the store at once.
const PAGE: u32 = 100;
/// Notifications that a message lists; the others are counted.
const LISTED: u32 = 100;

/// Delivers messages.
pub struct Deliverer {
    store: Store,
    administration: Administration,
    mailer: Option<Mailer>,
    syslog: Syslog,
    pace: NotificationConfiguration,
    slots: Arc<Semaphore>,
}

/// How an attempt to deliver ended.
enum Sent {
    Taken,
    /// There is nobody to tell.
    ToNobody(&'static str),
    Failed(String),
}

impl Deliverer {
    /// An error says what is wrong with the configuration of the SMTP server.
    pub fn new(
        store: Store,
        administration: Administration,
        syslog: Syslog,
        configuration: &Configuration,
    ) -> anyhow::Result<Self> {
        let pace = configuration.notifications.clone();
        let mailer = Mailer::new(&configuration.smtp, Duration::from_secs(pace.timeout_s))?;
        let slots = Arc::new(Semaphore::new(AT_ONCE as usize));
        Ok(Self { store, administration, mailer, syslog, pace, slots })
    }

    /// Delivers until it is stopped.
    pub async fn run(self: Arc<Self>) {
        // What waits was told to do so by the configuration of before.
        let awoken = self.store.write(|transaction| {
            Box::pin(async move { transaction.awaken_waiting_channels(Timestamp::now()).await })
        });
        if let Err(error) = awoken.await {
            tracing::error!(%error, "outbox of notifications cannot be written");
        }
        loop {
            match self.store.due_channels(Timestamp::now(), PAGE).await {
                Ok(due) => {
                    for channel in due {
                        let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return };
                        let this = Arc::clone(&self);
                        tokio::spawn(async move {
                            this.tell(&channel).await;
                            drop(slot);
                        });
                    }
                }
                Err(StoreError::Closed) => return,
                Err(error) => tracing::error!(%error, "outbox of notifications cannot be read"),
            }
            if self.slots.is_closed() {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Begins no more deliveries, and waits for those under way.
    pub async fn stop(&self) {
        // The longest time of a delivery bounds the wait; the semaphore is fair, so that nothing begins meanwhile.
        let ended = self.slots.acquire_many(AT_ONCE);
        let _ = tokio::time::timeout(self.timeout(), ended).await;
        self.slots.close();
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(self.pace.timeout_s)
    }

    fn pace_of(&self, channel: Channel) -> Pace {
        let interval = match channel {
            Channel::Log => self.pace.log_interval_s,
            Channel::Email => self.pace.email_interval_s,
            Channel::Webhook => self.pace.webhook_interval_s,
        };
        Pace { settle: Duration::from_secs(self.pace.settle_s), interval: Duration::from_secs(interval) }
    }

    /// Delivers what one channel has to tell, if it is time.
    async fn tell(&self, due: &DueChannel) {
        let told = async {
            let Some(mut under_way) = self.claim(due).await? else { return Ok(()) };
            let sent = self.send(due.channel, &mut under_way).await;
            report(due, &under_way, &sent);
            self.finish(due, under_way, sent).await
        };
        match told.await {
            Ok(()) | Err(StoreError::Closed) => {}
            Err(error) => tracing::error!(
                co = due.co, channel = due.channel.word(), %error, "outbox of notifications cannot be written"
            ),
        }
    }

    /// Takes the message of a channel, or makes one, so that nobody else delivers it meanwhile.
    async fn claim(&self, due: &DueChannel) -> Result<Option<UnderWay>, StoreError> {
        let (due, pace) = (due.clone(), self.pace_of(due.channel));
        // Longer than the attempt may take. Whoever finds the channel due then goes on where this process was killed.
        let lease = 2 * self.timeout();
        self.store
            .write(move |transaction| {
                Box::pin(async move { claim(transaction, &due, pace, lease, Timestamp::now()).await })
            })
            .await
    }

    async fn send(&self, channel: Channel, under_way: &mut UnderWay) -> Sent {
        let sending = async {
            match channel {
                Channel::Log => self.log(&under_way.message),
                Channel::Email => self.mail(under_way).await,
                Channel::Webhook => self.call(&under_way.message).await,
            }
        };
        let seconds = self.pace.timeout_s;
        let late = |_| Sent::Failed(format!("not delivered within {seconds} s"));
        tokio::time::timeout(self.timeout(), sending).await.unwrap_or_else(late)
    }

    fn log(&self, message: &NotificationMessage) -> Sent {
        let [opened, reminders, resolved] =
            [NotificationEvent::Opened, NotificationEvent::Reminder, NotificationEvent::Resolved]
                .map(|event| message.count(event));
        tracing::warn!(co = message.co, opened, reminders, resolved, "notifications");
        self.syslog.error(&text::line(message));
        Sent::Taken
    }

    async fn mail(&self, under_way: &mut UnderWay) -> Sent {
        let Some(mailer) = &self.mailer else { return Sent::ToNobody("no SMTP server is configured") };
        let message = &under_way.message;
        let recipients = async {
            let settings = self.store.notification_settings(&message.co).await?.settings;
            if !settings.email.enabled {
                return Ok(Vec::new());
            }
            email::recipients(&self.store, &message.co, &settings.email, Timestamp::now()).await
        };
        match recipients.await {
            Err(error) => Sent::Failed(error.to_string()),
            Ok(none) if none.is_empty() => Sent::ToNobody(
                "no recipients are configured, and no administrator has a verified email address",
            ),
            Ok(recipients) => match mailer.send(message, &recipients, &mut under_way.reached).await {
                Ok(()) => Sent::Taken,
                Err(problem) => Sent::Failed(problem),
            },
        }
    }

    async fn call(&self, message: &NotificationMessage) -> Sent {
        let settings = match self.store.notification_settings(&message.co).await {
            Ok(row) => row.settings,
            Err(error) => return Sent::Failed(error.to_string()),
        };
        let Some(webhook) = settings.webhook else { return Sent::ToNobody("no webhook is configured") };
        match webhook::call(&self.administration, &webhook, message, self.timeout()).await {
            Ok(()) => Sent::Taken,
            Err(problem) => Sent::Failed(problem),
        }
    }

    /// Notes how an attempt ended, unless somebody else has taken the message over.
    async fn finish(&self, due: &DueChannel, under_way: UnderWay, sent: Sent) -> Result<(), StoreError> {
        let (due, first_retry) = (due.clone(), Duration::from_secs(self.pace.retry_s));
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let state = transaction.notification_channel(&due.co, due.channel).await?;
                    let own = |held: &UnderWay| {
                        held.message.id == under_way.message.id && held.attempts == under_way.attempts
                    };
                    if !state.under_way.as_ref().is_some_and(own) {
                        return Ok(());
                    }
                    let state = after(state, under_way, sent, first_retry, Timestamp::now());
                    transaction.put_notification_channel(&due.co, due.channel, &state).await
                })
            })
            .await
    }
}

async fn claim(
    transaction: &mut Transaction<'_>,
    DueChannel { co, channel }: &DueChannel,
    pace: Pace,
    lease: Duration,
    now: Timestamp,
) -> Result<Option<UnderWay>, StoreError> {
    let mut state = transaction.notification_channel(co, *channel).await?;
    if state.due.is_none_or(|due| due > now) {
        return Ok(None);
    }
    if state.under_way.is_none() {
        let first = transaction.first_event(co, *channel).await?;
        let next = first.map(|first| pace.next_message(first, state.composed));
        if next.is_none_or(|next| next > now) {
            state.due = next;
            transaction.put_notification_channel(co, *channel, &state).await?;
            return Ok(None);
        }
        let (counts, notifications) = transaction.events(co, *channel, LISTED).await?;
        transaction.remove_events(co, *channel).await?;
        let message =
            NotificationMessage { id: Uuid::now_v7(), co: co.clone(), at: now, counts, notifications };
        state.composed = Some(now);
        state.under_way = Some(UnderWay { message, attempts: 0, reached: Vec::new() });
    }
    let claimed =
        state.under_way.take().map(|known| UnderWay { attempts: known.attempts.saturating_add(1), ..known });
    state.under_way.clone_from(&claimed);
    state.due = Some(later(now, lease));
    transaction.put_notification_channel(co, *channel, &state).await?;
    Ok(claimed)
}

/// Where a channel is after an attempt.
fn after(
    state: ChannelState,
    under_way: UnderWay,
    sent: Sent,
    first_retry: Duration,
    now: Timestamp,
) -> ChannelState {
    // What waits meanwhile is looked for at once.
    let idle = ChannelState { due: Some(now), under_way: None, ..state };
    match sent {
        Sent::Taken => ChannelState { delivered: Some(now), problem: None, ..idle },
        Sent::ToNobody(reason) => ChannelState { problem: Some(reason.to_owned()), ..idle },
        Sent::Failed(problem) => {
            let problem = Some(problem);
            match next_attempt(under_way.message.at, under_way.attempts, first_retry, now) {
                Some(next) => ChannelState { due: Some(next), under_way: Some(under_way), problem, ..idle },
                None => {
                    let channel = &under_way.message;
                    tracing::error!(co = channel.co, message = %channel.id, "notifications given up");
                    ChannelState { problem, ..idle }
                }
            }
        }
    }
}

fn report(due: &DueChannel, under_way: &UnderWay, sent: &Sent) {
    let DueChannel { co, channel } = due;
    let (channel, message, attempt) = (channel.word(), under_way.message.id, under_way.attempts);
    match sent {
        Sent::Taken => tracing::debug!(co, channel, %message, attempt, "notifications delivered"),
        Sent::ToNobody(reason) => tracing::debug!(co, channel, %message, reason, "notifications for nobody"),
        Sent::Failed(problem) => {
            tracing::warn!(co, channel, %message, attempt, problem, "notifications not delivered; tried again");
        }
    }
}

//! The outbox of notifications: what each channel has still to tell, and the message that it has under way.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::notifications::{COLUMNS, notification_columns, notification_of};
use super::rows::{ManyRows, document, json, timestamp, unsigned, uuid, word};
use super::{Store, StoreError, Transaction};
use crate::provisioning::{Channel, EventCount, NotificationEvent, NotificationMessage, ToldNotification};

const CHANNELS: &str = "notification_channels";
const EVENTS: &str = "notification_events";

/// Something that a channel is still to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingEvent {
    pub channel: Channel,
    pub notification: Uuid,
    pub event: NotificationEvent,
}

/// A channel that has something to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DueChannel {
    pub co: String,
    pub channel: Channel,
}

/// A message that is to be delivered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnderWay {
    pub message: NotificationMessage,
    /// So far; the one that runs is one of them.
    pub attempts: u32,
    /// Recipients that have it already.
    pub reached: Vec<String>,
}

/// How far a channel of a collaboration is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChannelState {
    /// When there is something to do, or another process may try; none when there is nothing.
    pub due: Option<Timestamp>,
    /// When the last message was composed.
    pub composed: Option<Timestamp>,
    pub under_way: Option<UnderWay>,
    /// The last time that a message was taken.
    pub delivered: Option<Timestamp>,
    /// Why the last attempt failed; none after a success.
    pub problem: Option<String>,
}

const QUEUE: ManyRows = ManyRows {
    head: "INSERT INTO notification_events (co, channel, id, notification, event)",
    columns: 5,
    tail: "",
};
const AWAKEN: ManyRows = ManyRows {
    head: "INSERT INTO notification_channels (co, channel, due)",
    columns: 3,
    tail: "ON CONFLICT (co, channel) DO UPDATE SET due = COALESCE(notification_channels.due, excluded.due)",
};
pub(super) const WITHDRAW: ManyRows = ManyRows {
    head: "DELETE FROM notification_events WHERE (co, notification) IN (",
    columns: 2,
    tail: ") RETURNING channel, notification, event",
};

impl Store {
    /// Channels that have something to do, those that wait longest first.
    pub async fn due_channels(&self, now: Timestamp, limit: u32) -> Result<Vec<DueChannel>, StoreError> {
        let rows = sqlx::query(
            "SELECT co, channel FROM notification_channels WHERE due <= $1 ORDER BY due LIMIT $2",
        )
        .bind(now.as_microsecond())
        .bind(i64::from(limit))
        .fetch_all(&mut *self.reader().await?)
        .await?;
        rows.iter()
            .map(|row| {
                let co: String = row.try_get(0)?;
                let channel = word(CHANNELS, &co, row.try_get(1)?)?;
                Ok(DueChannel { co, channel })
            })
            .collect()
    }

    /// How far the channels of a collaboration are; those that never had anything to tell are left out.
    pub async fn notification_channels(&self, co: &str) -> Result<Vec<(Channel, ChannelState)>, StoreError> {
        let rows = sqlx::query(
            "SELECT channel, due, composed, document, delivered, problem FROM notification_channels \
             WHERE co = $1 ORDER BY channel",
        )
        .bind(co)
        .fetch_all(&mut *self.reader().await?)
        .await?;
        rows.iter().map(|row| Ok((word(CHANNELS, co, row.try_get(0)?)?, state_of(co, row)?))).collect()
    }
}

impl Transaction<'_> {
    /// Gives channels something to tell, not before `due`.
    pub async fn queue_events(
        &mut self,
        co: &str,
        events: &[WaitingEvent],
        due: Timestamp,
    ) -> Result<(), StoreError> {
        let dialect = self.dialect;
        QUEUE
            .execute(self.in_collaboration(co).await?, dialect, events, |query, waiting| {
                let query = query.bind(co).bind(waiting.channel.word());
                let query = query.bind(Uuid::now_v7().as_bytes().as_slice());
                query.bind(waiting.notification.as_bytes().as_slice()).bind(event_word(waiting.event))
            })
            .await?;
        let mut channels: Vec<Channel> = events.iter().map(|waiting| waiting.channel).collect();
        channels.sort_unstable();
        channels.dedup();
        AWAKEN
            .execute(self.in_collaboration(co).await?, dialect, &channels, |query, channel| {
                query.bind(co).bind(channel.word()).bind(due.as_microsecond())
            })
            .await?;
        Ok(())
    }

    /// Takes back what is still to be told of these notifications.
    pub async fn withdraw_events(
        &mut self,
        co: &str,
        notifications: &[Uuid],
    ) -> Result<Vec<WaitingEvent>, StoreError> {
        let dialect = self.dialect;
        let rows = WITHDRAW
            .execute(self.in_collaboration(co).await?, dialect, notifications, |query, id| {
                query.bind(co).bind(id.as_bytes().as_slice())
            })
            .await?;
        rows.iter()
            .map(|row| {
                Ok(WaitingEvent {
                    channel: word(EVENTS, co, row.try_get(0)?)?,
                    notification: uuid(EVENTS, row.try_get(1)?)?,
                    event: word(EVENTS, co, row.try_get(2)?)?,
                })
            })
            .collect()
    }

    /// Makes all channels due that wait for their time and have no message under way.
    pub async fn awaken_waiting_channels(&mut self, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE notification_channels SET due = $1 WHERE document IS NULL AND due > $2")
            .bind(now.as_microsecond())
            .bind(now.as_microsecond())
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    /// How far a channel is.
    pub async fn notification_channel(
        &mut self,
        co: &str,
        channel: Channel,
    ) -> Result<ChannelState, StoreError> {
        let row = sqlx::query(
            "SELECT channel, due, composed, document, delivered, problem FROM notification_channels \
             WHERE co = $1 AND channel = $2",
        )
        .bind(co)
        .bind(channel.word())
        .fetch_optional(self.in_collaboration(co).await?)
        .await?;
        row.as_ref().map(|row| state_of(co, row)).transpose().map(Option::unwrap_or_default)
    }

    /// Stores how far a channel is.
    pub async fn put_notification_channel(
        &mut self,
        co: &str,
        channel: Channel,
        state: &ChannelState,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO notification_channels \
             (co, channel, due, composed, document, delivered, problem) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (co, channel) DO UPDATE SET \
             due = excluded.due, composed = excluded.composed, document = excluded.document, \
             delivered = excluded.delivered, problem = excluded.problem",
        )
        .bind(co)
        .bind(channel.word())
        .bind(state.due.map(Timestamp::as_microsecond))
        .bind(state.composed.map(Timestamp::as_microsecond))
        .bind(state.under_way.as_ref().map(json).transpose()?)
        .bind(state.delivered.map(Timestamp::as_microsecond))
        .bind(state.problem.as_deref())
        .execute(self.in_collaboration(co).await?)
        .await?;
        Ok(())
    }

    /// Since when a channel has something to tell, to the millisecond; none when it has nothing.
    pub async fn first_event(&mut self, co: &str, channel: Channel) -> Result<Option<Timestamp>, StoreError> {
        let first: Option<Vec<u8>> = sqlx::query_scalar(
            "SELECT id FROM notification_events WHERE co = $1 AND channel = $2 ORDER BY id LIMIT 1",
        )
        .bind(co)
        .bind(channel.word())
        .fetch_optional(self.in_collaboration(co).await?)
        .await?;
        let Some(id) = first.map(|id| uuid(EVENTS, &id)).transpose()? else { return Ok(None) };
        let (seconds, nanoseconds) = id.get_timestamp().map(|at| at.to_unix()).unwrap_or_default();
        let microseconds = i64::try_from(seconds).unwrap_or(0) * 1_000_000 + i64::from(nanoseconds / 1_000);
        timestamp(EVENTS, co, microseconds).map(Some)
    }

    /// What a channel has to tell: how much of what, and the first of it.
    pub async fn events(
        &mut self,
        co: &str,
        channel: Channel,
        limit: u32,
    ) -> Result<(Vec<EventCount>, Vec<ToldNotification>), StoreError> {
        let connection = self.in_collaboration(co).await?;
        let counted = sqlx::query(
            "SELECT e.event, n.target, n.class, COUNT(*) FROM notification_events e \
             JOIN notifications n ON n.co = e.co AND n.id = e.notification \
             WHERE e.co = $1 AND e.channel = $2 GROUP BY e.event, n.target, n.class \
             ORDER BY e.event, n.target, n.class",
        )
        .bind(co)
        .bind(channel.word())
        .fetch_all(&mut *connection)
        .await?;
        let listed = sqlx::query(concat!(
            "SELECT ",
            notification_columns!("n"),
            ", e.event FROM notification_events e JOIN notifications n ON n.co = e.co AND n.id = e.notification \
             WHERE e.co = $1 AND e.channel = $2 ORDER BY e.id LIMIT $3"
        ))
        .bind(co)
        .bind(channel.word())
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await?;
        let counts = counted.iter().map(|row| count_of(co, row)).collect::<Result<_, _>>()?;
        let told = listed.iter().map(|row| {
            let event = word(EVENTS, co, row.try_get(COLUMNS)?)?;
            Ok(ToldNotification { event, notification: notification_of(row)? })
        });
        Ok((counts, told.collect::<Result<_, StoreError>>()?))
    }

    /// Removes all that a channel has to tell.
    pub async fn remove_events(&mut self, co: &str, channel: Channel) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM notification_events WHERE co = $1 AND channel = $2")
            .bind(co)
            .bind(channel.word())
            .execute(self.in_collaboration(co).await?)
            .await?;
        Ok(())
    }
}

fn count_of(co: &str, row: &AnyRow) -> Result<EventCount, StoreError> {
    Ok(EventCount {
        event: word(EVENTS, co, row.try_get(0)?)?,
        target: row.try_get(1)?,
        class: word(EVENTS, co, row.try_get(2)?)?,
        count: unsigned(row.try_get(3)?),
    })
}

fn state_of(co: &str, row: &AnyRow) -> Result<ChannelState, StoreError> {
    let moment = |column: usize| -> Result<Option<Timestamp>, StoreError> {
        let at: Option<i64> = row.try_get(column)?;
        at.map(|at| timestamp(CHANNELS, co, at)).transpose()
    };
    let message: Option<&str> = row.try_get(3)?;
    Ok(ChannelState {
        due: moment(1)?,
        composed: moment(2)?,
        under_way: message.map(|message| document(CHANNELS, co, message)).transpose()?,
        delivered: moment(4)?,
        problem: row.try_get(5)?,
    })
}

fn event_word(event: NotificationEvent) -> &'static str {
    match event {
        NotificationEvent::Opened => "opened",
        NotificationEvent::Reminder => "reminder",
        NotificationEvent::Resolved => "resolved",
    }
}

//! What channels are to tell of notifications that changed: put into the outbox, or taken out again when it is over before
//! it was told.

use std::collections::HashSet;

use jiff::Timestamp;
use uuid::Uuid;

use crate::provisioning::{Channel, NotificationEvent};
use crate::store::{StoreError, Transaction, WaitingEvent};

/// Puts what there is to tell into the outbox of each channel.
pub(super) async fn announce(
    transaction: &mut Transaction<'_>,
    co: &str,
    told: &[(Uuid, NotificationEvent)],
    now: Timestamp,
) -> Result<(), StoreError> {
    let told = lasting(told);
    if told.is_empty() {
        return Ok(());
    }
    let resolved: Vec<Uuid> =
        told.iter().filter(|(_, event)| *event == NotificationEvent::Resolved).map(|(id, _)| *id).collect();
    let withdrawn = transaction.withdraw_events(co, &resolved).await?;
    let channels = transaction.notification_settings(co).await?.settings.channels();
    let events = to_tell(&told, &withdrawn, &channels);
    if events.is_empty() {
        return Ok(());
    }
    transaction.queue_events(co, &events, now).await
}

/// Without those that were opened and resolved within one transaction.
fn lasting(told: &[(Uuid, NotificationEvent)]) -> Vec<(Uuid, NotificationEvent)> {
    let with = |event: NotificationEvent| -> HashSet<Uuid> {
        told.iter().filter(|(_, told)| *told == event).map(|(id, _)| *id).collect()
    };
    let (opened, resolved) = (with(NotificationEvent::Opened), with(NotificationEvent::Resolved));
    let short_lived = |id: &Uuid| opened.contains(id) && resolved.contains(id);
    told.iter().filter(|(id, _)| !short_lived(id)).copied().collect()
}

/// What each channel is to tell. A channel that had not told yet that a notification was opened has nothing to tell of its
/// end either.
fn to_tell(
    told: &[(Uuid, NotificationEvent)],
    withdrawn: &[WaitingEvent],
    channels: &[Channel],
) -> Vec<WaitingEvent> {
    let untold: HashSet<(Channel, Uuid)> = withdrawn
        .iter()
        .filter(|waiting| waiting.event == NotificationEvent::Opened)
        .map(|waiting| (waiting.channel, waiting.notification))
        .collect();
    let each = |(notification, event): &(Uuid, NotificationEvent)| {
        let (notification, event) = (*notification, *event);
        channels.iter().map(move |channel| WaitingEvent { channel: *channel, notification, event })
    };
    told.iter()
        .flat_map(each)
        .filter(|waiting| !untold.contains(&(waiting.channel, waiting.notification)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::NotificationEvent::{Opened, Reminder, Resolved};
    use super::*;

    const CHANNELS: [Channel; 2] = [Channel::Log, Channel::Email];

    fn waiting(channel: Channel, id: u128, event: NotificationEvent) -> WaitingEvent {
        WaitingEvent { channel, notification: Uuid::from_u128(id), event }
    }

    #[test]
    fn what_is_opened_and_resolved_at_once_is_not_told() {
        let id = Uuid::from_u128;
        let told =
            [(id(1), Opened), (id(2), Reminder), (id(1), Resolved), (id(2), Resolved), (id(3), Opened)];
        assert_eq!(lasting(&told), [(id(2), Reminder), (id(2), Resolved), (id(3), Opened)]);
    }

    #[test]
    fn a_channel_tells_the_end_only_of_what_it_told_to_have_begun() {
        let resolved = [(Uuid::from_u128(1), Resolved)];
        for (withdrawn, expected) in [
            (vec![], vec![Channel::Log, Channel::Email]),
            (vec![waiting(Channel::Email, 1, Opened)], vec![Channel::Log]),
            (vec![waiting(Channel::Log, 1, Opened), waiting(Channel::Email, 1, Opened)], vec![]),
            // A reminder that was not told leaves something to be ended.
            (vec![waiting(Channel::Email, 1, Reminder)], vec![Channel::Log, Channel::Email]),
            (vec![waiting(Channel::Email, 2, Opened)], vec![Channel::Log, Channel::Email]),
        ] {
            let expected: Vec<_> =
                expected.into_iter().map(|channel| waiting(channel, 1, Resolved)).collect();
            assert_eq!(to_tell(&resolved, &withdrawn, &CHANNELS), expected, "{withdrawn:?}");
        }
    }
}

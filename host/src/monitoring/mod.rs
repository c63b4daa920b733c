//! What those who look after subjects are to know: the history of each subject, and notifications.
//!
//! What is worth telling is decided in `provisioning`; here it is written, together with the outcomes it follows from.
//! How it reaches people is the matter of `delivery`.

mod announcement;
mod retention;

use std::collections::HashMap;

use jiff::Timestamp;
use uuid::Uuid;

use crate::provisioning::{Ended, Notification, NotificationEvent, notify};
use crate::registry::record::SubjectKey;
use crate::store::{Store, StoreError, Transaction};
use announcement::announce;

pub(crate) use retention::keep_for_so_long;

/// Writes what follows from the ends of invocations of one collaboration, in the order they ended.
pub(crate) async fn record(
    transaction: &mut Transaction<'_>,
    co: &str,
    ends: Vec<Ended<'_>>,
) -> Result<(), StoreError> {
    transaction.append_history(co, &ends).await?;
    let places: Vec<(&str, &SubjectKey)> = ends.iter().map(|end| (end.target, end.subject)).collect();
    let known = transaction.unresolved_notifications(co, &places).await?;
    let mut unresolved: HashMap<(String, SubjectKey), Notification> =
        known.into_iter().map(|known| ((known.target.clone(), known.subject.clone()), known)).collect();
    let mut changed: Vec<Notification> = Vec::new();
    let mut told: Vec<(Uuid, NotificationEvent)> = Vec::new();
    for end in &ends {
        let place = (end.target.to_owned(), end.subject.clone());
        let known = unresolved.remove(&place);
        let Some((notification, event)) = notify(known.as_ref(), end, Uuid::now_v7) else { continue };
        told.extend(event.map(|event| (notification.id, event)));
        if notification.resolved.is_none() {
            unresolved.insert(place, notification.clone());
        }
        changed.push(notification);
    }
    if changed.is_empty() {
        return Ok(());
    }
    // A resolved notification comes before the one that takes its place, so that there is never more than one.
    transaction.put_notifications(co, &changed).await?;
    announce(transaction, co, &told, Timestamp::now()).await
}

/// Resolves the notifications of a target that goes away in this transaction.
pub(crate) async fn target_deleted(
    transaction: &mut Transaction<'_>,
    co: &str,
    target: &str,
) -> Result<(), StoreError> {
    let now = Timestamp::now();
    let resolved = transaction.resolve_notifications_of_target(co, target, now).await?;
    let told: Vec<_> = resolved.into_iter().map(|id| (id, NotificationEvent::Resolved)).collect();
    announce(transaction, co, &told, now).await
}

/// Notes that somebody knows of a notification, and gives it as it is now; none when there is no such notification.
pub async fn acknowledge(
    store: &Store,
    co: &str,
    id: Uuid,
    by: &str,
) -> Result<Option<Notification>, StoreError> {
    let (co, by) = (co.to_owned(), by.to_owned());
    store
        .write(move |transaction| {
            Box::pin(async move {
                let Some(known) = transaction.notification(&co, id).await? else { return Ok(None) };
                let acknowledged = known.acknowledge(&by, Timestamp::now());
                transaction.put_notifications(&co, std::slice::from_ref(&acknowledged)).await?;
                Ok(Some(acknowledged))
            })
        })
        .await
}

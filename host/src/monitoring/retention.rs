//! Removes what was kept for long enough.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::configuration::RetentionConfiguration;
use crate::store::{Store, StoreError};

const INTERVAL: Duration = Duration::from_secs(600);
const PAGE: u32 = 1_000;

/// Removes old history and notifications until the store is closed.
pub(crate) async fn keep_for_so_long(store: Store, retention: RetentionConfiguration) {
    loop {
        match remove_page(&store, &retention).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(StoreError::Closed) => return,
            Err(error) => tracing::error!(%error, "old history and notifications not removed"),
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Removes some of it, and tells whether there may be more.
async fn remove_page(store: &Store, retention: &RetentionConfiguration) -> Result<bool, StoreError> {
    let history = days_ago(retention.keep_history_days);
    let notifications = days_ago(retention.keep_notifications_days);
    let removed = store
        .write(move |transaction| {
            Box::pin(async move {
                let entries = transaction.prune_history(history, PAGE).await?;
                let resolved = transaction.prune_notifications(notifications, PAGE).await?;
                Ok::<_, StoreError>(entries.max(resolved))
            })
        })
        .await?;
    Ok(removed >= u64::from(PAGE))
}

fn days_ago(days: u32) -> Timestamp {
    let kept = SignedDuration::from_hours(24 * i64::from(days));
    Timestamp::now().checked_sub(kept).unwrap_or(Timestamp::MIN)
}

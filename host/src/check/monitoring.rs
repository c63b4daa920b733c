//! History, notifications, and what is still to be told of them.

use super::report::Check;
use super::{finished, report};
use crate::administration::open_webhook_secret;
use crate::servers::secret::SecretKey;
use crate::store::{Defect, Snapshot, StoreError, Table};

pub(super) async fn checks(snapshot: &mut Snapshot, key: Option<&SecretKey>) -> Vec<Check> {
    let notifications = Check::new(
        "notifications",
        "of each subject that failed last at a target, and told by channels that wake",
    );
    let webhooks = Check::new("webhooks", "have a secret that opens, and a server");
    vec![
        finished(notifications, async |check| self::notifications(check, snapshot).await).await,
        finished(webhooks, async |check| self::webhooks(check, snapshot, key).await).await,
    ]
}

async fn webhooks(
    check: &mut Check,
    snapshot: &mut Snapshot,
    key: Option<&SecretKey>,
) -> Result<(), StoreError> {
    for (co, row) in snapshot.checked_notification_settings().await? {
        check.examine(1);
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                check.broken(error.to_string());
                continue;
            }
        };
        let Some(webhook) = &row.settings.webhook else { continue };
        let servers = snapshot.checked_servers(&co).await?;
        if !servers.iter().flatten().any(|server| server.id == webhook.server) {
            check.broken(format!("webhook of {co} has the server {}, which is not there", webhook.server));
        }
        match key.map(|key| open_webhook_secret(key, &co, &row)) {
            None => check.broken(format!("webhook of {co}: there is no key that opens its secret")),
            Some(Err(problem)) => check.broken(format!("webhook of {co}: {problem}")),
            Some(Ok(_)) => {}
        }
    }
    Ok(())
}

async fn notifications(check: &mut Check, snapshot: &mut Snapshot) -> Result<(), StoreError> {
    check.examine(snapshot.count(Table::Notifications).await?);
    for (defect, problem) in [
        (Defect::NotificationWithoutTarget, "has a notification, and the target is gone"),
        (Defect::NotificationWithoutFailure, "has a notification, and did not fail last"),
        (Defect::FailureWithoutNotification, "failed last, and has no notification"),
        (Defect::EventWithoutNotification, "has to tell of a notification that is not there"),
        (Defect::EventWithoutWaking, "has something to tell and never wakes up"),
        (Defect::HistoryWithoutRecord, "has a history, but there is no such record"),
    ] {
        report(check, snapshot, defect, problem).await?;
    }
    Ok(())
}

//! History, notifications, and what is still to be told of them.

use super::report::Check;
use super::{finished, report};
use crate::store::{Defect, Snapshot, StoreError, Table};

pub(super) async fn checks(snapshot: &mut Snapshot) -> Vec<Check> {
    let notifications = Check::new(
        "notifications",
        "of each subject that failed last at a target, and told by channels that wake",
    );
    vec![finished(notifications, async |check| self::notifications(check, snapshot).await).await]
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

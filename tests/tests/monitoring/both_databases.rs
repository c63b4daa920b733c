//! The way of a notification on SQLite and on PostgreSQL, from a failure to its removal by age.

use jiff::{SignedDuration, Timestamp};
use provender::store::{NotificationFilter, StoreError};
use provender_tests::postgres;
use provender_tests::smtp::SmtpReceiver;

use super::delivery::{fail, host, mailing, settings, succeed};
use super::*;

async fn a_notification_is_opened_told_resolved_and_removed(database: Option<String>) {
    let smtp = SmtpReceiver::start().await;
    let host = host(|configuration| {
        configuration.database_url = database;
        mailing(configuration, smtp.port());
    })
    .await;
    settings(&host, json!({"email": {"recipients": ["team@example.org"]}})).await;
    fail(&host).await;
    smtp.wait_for(1).await;
    succeed(&host).await;
    smtp.wait_for(2).await;
    host.misbehaving_target("t", failing("conflict", "uid is taken")).await;
    host.put(person_key("anna"), named("anna", "Anni")).await;
    host.put(group_key("staff"), group("staff")).await;
    host.host.administration.delete_target(CO, "t").await.unwrap();
    host.misbehaving_target("open", failing("transient", "no answer")).await;
    host.put(person_key("anna"), named("anna", "Ann")).await;
    host.assert_healthy().await;

    let store = &host.host.store;
    let notifications =
        async || store.notifications(CO, &NotificationFilter::default(), None, 100).await.unwrap();
    assert_eq!(notifications().await.len(), 4);
    assert_eq!(store.history(CO, &person_key("anna"), None, 100).await.unwrap().len(), 8);
    let (past, future) =
        (Timestamp::now() - SignedDuration::from_hours(1), Timestamp::now() + SignedDuration::from_hours(1));
    for (before, removed) in [(past, (0, 0)), (future, (5, 3))] {
        let pruned = store.write(move |transaction| {
            Box::pin(async move {
                let entries = transaction.prune_history(before, 100).await?;
                Ok::<_, StoreError>((entries, transaction.prune_notifications(before, 100).await?))
            })
        });
        assert_eq!(pruned.await.unwrap(), removed, "before {before}");
    }
    let left = notifications().await;
    assert_eq!((left.len(), left[0].target.as_str()), (1, "open"), "what is open stays");
    let changes = store.history(CO, &person_key("anna"), None, 100).await.unwrap();
    assert_eq!(changes.len(), 4, "changes of the record stay");
    host.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_is_opened_told_resolved_and_removed_on_sqlite() {
    a_notification_is_opened_told_resolved_and_removed(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_is_opened_told_resolved_and_removed_on_postgresql() {
    let database = postgres::fresh_database().await.unwrap();
    a_notification_is_opened_told_resolved_and_removed(Some(database)).await;
}

//! Notifications, as the ends of invocations open and resolve them.

use provender::monitoring::acknowledge;
use provender::provisioning::{Notification, NotificationState, Resolution};
use provender::store::NotificationFilter;

use super::*;

async fn notifications(host: &TestHost) -> Vec<Notification> {
    host.host.store.notifications(CO, &NotificationFilter::default(), None, 100).await.unwrap()
}

async fn only(host: &TestHost) -> Notification {
    let found = notifications(host).await;
    let [notification] = &found[..] else { panic!("one notification: {found:#?}") };
    host.assert_healthy().await;
    notification.clone()
}

/// A person who fails at a target `t`.
async fn failed() -> (TestHost, SubjectKey) {
    let host = TestHost::start().await;
    host.misbehaving_target("t", failing("conflict", "uid is taken")).await;
    host.put(person_key("anna"), person("anna")).await;
    (host, person_key("anna"))
}

#[tokio::test]
async fn failures_of_a_subject_at_a_target_are_one_notification_until_it_succeeds() {
    let (host, anna) = failed().await;
    let opened = only(&host).await;
    assert_eq!(
        (opened.state, opened.count, opened.class),
        (NotificationState::Open, 1, FailureClass::Conflict)
    );
    assert_eq!((opened.target.as_str(), &opened.subject), ("t", &anna));

    host.misbehaving_target("t", failing("transient", "no answer")).await;
    host.put(anna.clone(), named("anna", "Anne")).await;
    let again = only(&host).await;
    assert_eq!((again.id, again.count, again.first), (opened.id, 2, opened.first));
    assert_eq!((again.class, again.message.as_str()), (FailureClass::Transient, "no answer"));
    assert!(again.last > opened.last && again.invocation != opened.invocation);

    host.misbehaving_target("t", json!([])).await;
    host.put(anna.clone(), named("anna", "Anya")).await;
    let resolved = only(&host).await;
    assert_eq!(
        (resolved.state, resolved.resolution),
        (NotificationState::Resolved, Some(Resolution::Provisioned))
    );
    assert_eq!((resolved.id, resolved.count), (opened.id, 2));

    host.misbehaving_target("t", failing("conflict", "uid is taken")).await;
    host.put(anna.clone(), named("anna", "Ann")).await;
    let found = notifications(&host).await;
    assert_eq!(found.len(), 2, "a failure after a success is another one");
    assert_eq!((found[0].state, found[0].count), (NotificationState::Open, 1));
    host.assert_healthy().await;
}

#[tokio::test]
async fn one_that_is_acknowledged_stays_so_while_it_goes_on_to_fail() {
    let (host, anna) = failed().await;
    let opened = only(&host).await;
    let known = acknowledge(&host.host.store, CO, opened.id, "key 1f (help desk)").await.unwrap().unwrap();
    assert_eq!(known.state, NotificationState::Acknowledged);
    host.put(anna.clone(), named("anna", "Anne")).await;
    let again = only(&host).await;
    assert_eq!((again.state, again.count), (NotificationState::Acknowledged, 2));
    assert_eq!(again.acknowledged_by.as_deref(), Some("key 1f (help desk)"));
    host.misbehaving_target("t", json!([])).await;
    host.put(anna, named("anna", "Anya")).await;
    let resolved = only(&host).await;
    assert_eq!(resolved.state, NotificationState::Resolved);
    let late = acknowledge(&host.host.store, CO, opened.id, "somebody else").await.unwrap().unwrap();
    assert_eq!(late, resolved, "what is over stays as it is");
    assert_eq!(acknowledge(&host.host.store, CO, uuid::Uuid::nil(), "x").await.unwrap(), None);
}

#[tokio::test]
async fn a_notification_ends_with_the_subject_at_the_target() {
    for (steps, resolution) in [
        (json!([]), Resolution::Removed),
        (json!([{"do": "finish", "outcome": "skipped", "reason": "never there"}]), Resolution::Skipped),
    ] {
        let (host, anna) = failed().await;
        host.misbehaving_target("t", steps).await;
        host.delete(&anna).await;
        let resolved = only(&host).await;
        assert_eq!((resolved.state, resolved.resolution), (NotificationState::Resolved, Some(resolution)));
    }
}

#[tokio::test]
async fn a_notification_ends_with_the_target() {
    let (host, _) = failed().await;
    host.misbehaving_target("other", failing("permanent", "no")).await;
    host.put(group_key("staff"), group("staff")).await;
    host.host.administration.delete_target(CO, "t").await.unwrap();
    let found = notifications(&host).await;
    assert_eq!(found.len(), 3);
    for notification in found {
        let expected = (notification.target == "t").then_some(Resolution::TargetDeleted);
        assert_eq!(notification.resolution, expected, "{notification:?}");
    }
    host.assert_healthy().await;
}

#[tokio::test]
async fn each_target_and_each_subject_has_a_notification_of_its_own() {
    let host = TestHost::start().await;
    for target in ["a", "b"] {
        host.misbehaving_target(target, failing("conflict", "no")).await;
    }
    host.put(person_key("x"), person("x")).await;
    host.put(group_key("x"), group("x")).await;
    assert_eq!(notifications(&host).await.len(), 4);
    let of = |filter: NotificationFilter| {
        let store = host.host.store.clone();
        async move { store.notifications(CO, &filter, None, 100).await.unwrap().len() }
    };
    let all = NotificationFilter::default();
    assert_eq!(of(NotificationFilter { target: Some("a".to_owned()), ..all.clone() }).await, 2);
    assert_eq!(of(NotificationFilter { subject: Some(group_key("x")), ..all.clone() }).await, 2);
    assert_eq!(of(NotificationFilter { state: Some(NotificationState::Resolved), ..all }).await, 0);
    host.assert_healthy().await;
}

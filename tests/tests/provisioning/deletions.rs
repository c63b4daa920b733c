//! What a deletion delivers: the record that the target was given last.

use super::*;

/// A target that reports, with a filter in front of it.
async fn marked(host: &TestHost, mark: &str, steps: Value) {
    host.misbehaving_filter("f", json!({"do": "mark", "name": mark})).await;
    host.misbehaving_target_with("t", steps, json!({"filters": ["f"]})).await;
}

fn report() -> Value {
    json!([{"do": "report"}])
}

fn fail() -> Value {
    json!([{"do": "fail", "failure": "transient", "message": "no answer"}])
}

#[tokio::test]
async fn a_deletion_delivers_what_was_provisioned_last_and_runs_no_filter_on_it() {
    let host = TestHost::start().await;
    let anna = person_key("anna");
    marked(&host, "first", report()).await;
    host.put(anna.clone(), person("anna")).await;
    marked(&host, "second", report()).await;

    let done = host.delete(&anna).await;
    let told = deleted(&done[0]);
    assert!(told.contains(&"extension first 0".to_owned()), "as the plugin got it: {told:?}");
    assert!(!told.iter().any(|line| line.contains("second")), "{told:?}");
    assert!(host.host.pipeline.replay(CO, done[0].id).await.unwrap().equal);
    host.assert_healthy().await;
}

#[tokio::test]
async fn a_person_of_a_status_that_is_not_provisioned_is_deleted_as_last_provisioned() {
    let host = TestHost::start().await;
    let anna = person_key("anna");
    host.misbehaving_target("t", report()).await;
    host.put(anna.clone(), person("anna")).await;
    let done = host.put(anna.clone(), of_status("anna", Status::Pending)).await;
    let told = deleted(&done[0]);
    assert!(told.contains(&"identifier anna".to_owned()), "no skeleton: {told:?}");
    assert_eq!(done[0].delivery.not_eligible, Some(NotEligible::Status { status: Status::Pending }));
    let asked = host.host.pipeline.provision(CO, "t", &anna).await.unwrap();
    assert_eq!(left_out(&asked), NotEligible::Status { status: Status::Pending });
}

#[tokio::test]
async fn a_subject_whose_provisioning_failed_may_be_there_and_is_deleted() {
    let host = TestHost::start().await;
    let anna = person_key("anna");
    marked(&host, "tried", fail()).await;
    host.put(anna.clone(), person("anna")).await;
    assert!(host.service("t", &anna).await.unwrap().held);
    host.misbehaving_target("t", report()).await;
    let done = host.delete(&anna).await;
    let told = deleted(&done[0]);
    assert!(told.contains(&"extension tried 0".to_owned()), "what was tried: {told:?}");
}

#[tokio::test]
async fn an_update_that_fails_does_not_change_what_a_deletion_delivers() {
    let host = TestHost::start().await;
    let anna = person_key("anna");
    marked(&host, "delivered", report()).await;
    host.put(anna.clone(), person("anna")).await;
    marked(&host, "tried", fail()).await;
    host.put(anna.clone(), named("anna", "Anne")).await;
    marked(&host, "later", report()).await;
    let done = host.delete(&anna).await;
    let told = deleted(&done[0]);
    assert!(told.contains(&"extension delivered 0".to_owned()), "{told:?}");
}

#[tokio::test]
async fn a_deletion_that_fails_is_sent_again_with_the_same_record() {
    let host = TestHost::start().await;
    let anna = person_key("anna");
    marked(&host, "delivered", report()).await;
    host.put(anna.clone(), person("anna")).await;
    marked(&host, "delivered", fail()).await;
    host.delete(&anna).await;
    let service = host.service("t", &anna).await.unwrap();
    assert_eq!((service.status, service.held), (ServiceStatus::Failed, true));
    marked(&host, "later", report()).await;
    let done = host.host.pipeline.provision(CO, "t", &anna).await.unwrap();
    assert!(deleted(&done).contains(&"extension delivered 0".to_owned()));
    let done = host.host.pipeline.provision(CO, "t", &anna).await.unwrap();
    assert_eq!(left_out(&done), NotEligible::Deleted);
}

#[tokio::test]
async fn a_group_is_deleted_without_the_membership_that_it_was_last_provisioned_for() {
    let host = TestHost::start().await;
    host.misbehaving_target("t", report()).await;
    host.put(group_key("staff"), group("staff")).await;
    host.put(person_key("anna"), person("anna")).await;
    host.put_membership(membership("staff", "anna")).await;
    let done = host.delete(&group_key("staff")).await;
    let told = deleted(of(&done, &group_key("staff")));
    assert!(!told.iter().any(|line| line.starts_with("because")), "{told:?}");
}

#[tokio::test]
async fn a_record_that_a_filter_drops_is_deleted_where_it_is() {
    let host = TestHost::start().await;
    let anna = person_key("anna");
    marked(&host, "delivered", report()).await;
    host.put(anna.clone(), person("anna")).await;
    host.misbehaving_filter("f", json!({"do": "drop", "reason": "no consent"})).await;
    let done = host.put(anna.clone(), named("anna", "Anne")).await;
    assert!(deleted(&done[0]).contains(&"extension delivered 0".to_owned()));
    let dropped = NotEligible::Filter { filter: "f".to_owned(), message: "no consent".to_owned() };
    assert_eq!(done[0].delivery.not_eligible, Some(dropped.clone()));
    let replayed = host.host.pipeline.replay(CO, done[0].id).await.unwrap();
    assert!(replayed.equal, "{replayed:#?}");
    assert_eq!(replayed.steps.len(), 2);

    let done = host.put(anna.clone(), named("anna", "Anna")).await;
    assert_eq!(left_out(&done[0]), dropped);
    let service = host.service("t", &anna).await.unwrap();
    assert_eq!((service.status, service.not_eligible), (ServiceStatus::Removed, Some(dropped)));
    host.assert_healthy().await;
}

#[tokio::test]
async fn a_filter_that_ends_in_an_unknown_way_deletes_nothing() {
    let host = TestHost::start().await;
    let anna = person_key("anna");
    marked(&host, "delivered", report()).await;
    host.put(anna.clone(), person("anna")).await;
    let other = json!({"do": "other", "name": "example.org/later", "json": "1"});
    host.misbehaving_filter("f", other).await;
    let done = host.put(anna.clone(), named("anna", "Anne")).await;
    assert_eq!((done[0].delivery.sent, &done[0].delivery.not_eligible), (None, &None));
    assert!(host.service("t", &anna).await.unwrap().held);
}

//! The whole way of a change on a host whose store is PostgreSQL.

use provender::host::Host;
use provender::provisioning::{Action, ServiceStatus};
use provender_tests::host::{CO, TestHost, lines};
use provender_tests::people::{group, group_key, membership, person, person_key};
use provender_tests::postgres::fresh_database;
use serde_json::json;

async fn host_on_postgres() -> TestHost {
    let url = fresh_database().await.expect("a database");
    TestHost::start_with(|configuration| configuration.database_url = Some(url)).await
}

#[tokio::test]
async fn records_are_provisioned_from_the_first_write_to_the_removal_and_over_a_restart() {
    let test = host_on_postgres().await;
    let file = test.changelog("changelog", json!({})).await;
    test.put(group_key("staff"), group("staff")).await;
    test.put(person_key("anna"), person("anna")).await;
    test.put_membership(membership("staff", "anna")).await;
    assert_eq!(
        test.service("changelog", &person_key("anna")).await.unwrap().status,
        ServiceStatus::Provisioned
    );

    let test = test.restart().await;
    test.delete(&person_key("anna")).await;
    assert_eq!(test.service("changelog", &person_key("anna")).await.unwrap().status, ServiceStatus::Removed);

    let actions: Vec<_> = test.invocations("changelog").await.iter().map(|it| it.action).collect();
    assert_eq!(
        actions,
        [Action::Added, Action::Added, Action::Updated, Action::Updated, Action::Deleted, Action::Updated]
    );
    let written = lines(&file);
    let last_of_anna = written.iter().rfind(|line| line["subject"]["id"] == "anna").unwrap();
    assert_eq!(last_of_anna["action"], "deleted");
    assert_eq!(last_of_anna["document"]["memberships"][0]["group"]["name"], "Group staff");
}

#[tokio::test]
async fn a_second_host_on_the_same_database_works_beside_the_first() {
    let test = host_on_postgres().await;
    test.changelog("changelog", json!({})).await;
    test.put(person_key("anna"), person("anna")).await;
    let second = Host::start(test.host.configuration.clone()).await.unwrap();
    assert!(test.host.executes() && second.executes());
    let outcome = second.pipeline.provision(CO, "changelog", &person_key("anna")).await.unwrap();
    assert!(outcome.finished.is_some());
    second.stop().await;
}

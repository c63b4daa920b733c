//! What goes wrong has its class, leaves nothing half done, and is made good by the queue.

use provender::provisioning::FailureClass;
use provender::servers::sql::Transaction;
use provender_tests::host::{CO, TestHost};
use provender_tests::people::{group, group_key, membership, person, person_key};
use provender_tests::relay::Conduct;
use provender_tests::waiting::eventually;
use serde_json::json;

use super::databases::{Database, TABLES};
use super::{applied, failed, host_with, unprepared};

#[tokio::test]
async fn a_wrong_password_and_missing_tables_are_for_the_operator() {
    let database = Database::mariadb().await;
    let host = host_with(&database, json!({}), json!({})).await;
    let mut wrong = database.configuration.clone();
    wrong["authentication"]["password"] = json!("wr0ng-secret");
    host.server("database", wrong).await;
    let (class, message) = failed(&host.put(person_key("anna"), person("anna")).await);
    assert_eq!(class, FailureClass::Authentication, "{message}");
    assert!(!message.contains("wr0ng"), "{message}");

    for database in Database::all().await {
        let host = TestHost::start().await;
        unprepared(&host, &database, json!({}), json!({})).await;
        let told = host.host.pipeline.check_target(CO, "people").await.unwrap();
        assert_eq!(told, ["the tables are not there yet"]);
        let (class, message) = failed(&host.put(person_key("anna"), person("anna")).await);
        assert_eq!(class, FailureClass::Configuration, "{message}");
        assert!(message.contains("prepare"), "{message}");
    }
}

#[tokio::test]
async fn the_queue_brings_a_database_up_to_date_that_was_down_or_cut_off() {
    for database in [Database::postgresql().await, Database::mariadb().await] {
        let settings = json!({"mode": "queue_on_error", "retry_interval_s": 1, "max_retry": 100});
        let host = host_with(&database, json!({}), settings).await;
        let relay = database.relay.as_ref().unwrap();
        applied(&host.put(group_key("staff"), group("staff")).await);

        relay.conduct(Conduct::Closed);
        let (class, message) = failed(&host.put(person_key("anna"), person("anna")).await);
        assert_eq!(class, FailureClass::Transient, "{message}");
        relay.conduct(Conduct::CutsAnswers);
        let (class, message) = failed(&host.put(person_key("béla"), person("béla")).await);
        assert_eq!(class, FailureClass::Transient, "{message}");
        let before = database.content(TABLES).await;
        assert!(before["co_people"].is_empty(), "{before:?}");
        relay.conduct(Conduct::Faithful);
        eventually("the people are there", async || {
            (database.content(&["co_people"]).await["co_people"].len() == 2).then_some(())
        })
        .await;
        // Once more, by somebody: the same again.
        let after = database.content(TABLES).await;
        applied(&host.put_membership(membership("staff", "anna")).await);
        applied(&host.delete_membership("staff", "anna").await);
        assert_eq!(after, database.content(TABLES).await);
    }
}

#[tokio::test]
async fn a_lock_of_somebody_else_is_waited_for_and_then_tried_again() {
    let database = Database::sqlite();
    let settings = json!({"mode": "queue_on_error", "retry_interval_s": 1, "max_retry": 100});
    let host = host_with(&database, json!({}), settings).await;
    let mut lease = database.direct().lease().await.unwrap();
    lease.begin(Transaction::ReadWrite).await.unwrap();
    let (class, message) = failed(&host.put(person_key("anna"), person("anna")).await);
    assert_eq!(class, FailureClass::Transient, "{message}");
    lease.roll_back().await;
    eventually("the person is there", async || {
        (database.content(&["co_people"]).await["co_people"].len() == 1).then_some(())
    })
    .await;
}

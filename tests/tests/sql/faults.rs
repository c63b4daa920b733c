//! What goes wrong has its class, leaves nothing half done, and is made good by the queue.

use provender::provisioning::{FailureClass, ServiceStatus};
use provender::registry::record::Record;
use provender::servers::sql::{Lease, Transaction};
use provender_tests::host::{CO, TestHost};
use provender_tests::mariadb::PASSWORD;
use provender_tests::people::{group, group_key, membership, person, person_key, plain_person};
use provender_tests::relay::Conduct;
use provender_tests::waiting::eventually;
use serde_json::json;

use super::databases::{Content, Database, LIMITS, Own, TABLES};
use super::{applied, failed, host_with, unprepared};

#[tokio::test]
async fn a_wrong_password_and_missing_tables_are_for_the_operator() {
    let database = Database::mariadb().await;
    let host = host_with(&database, json!({}), json!({})).await;
    applied(&host.put(group_key("staff"), group("staff")).await);
    let kept = std::fs::read_dir(&host.host.configuration.data_directory).unwrap();
    for file in kept.map(|file| file.unwrap().path()).filter(|path| path.is_file()) {
        let content = std::fs::read(&file).unwrap();
        let found = content.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes());
        assert!(!found, "the password is in {}", file.display());
    }
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
        assert_eq!(told.findings, ["the tables are not there yet"]);
        let (class, message) = failed(&host.put(person_key("anna"), person("anna")).await);
        assert_eq!(class, FailureClass::Configuration, "{message}");
        assert!(message.contains("prepare"), "{message}");
    }
}

/// With a queue that tries again soon.
fn queued() -> serde_json::Value {
    json!({"mode": "queue_on_error", "retry_interval_s": 1, "max_retry": 100})
}

async fn people(database: &Database, count: usize) {
    eventually("the people are there", async || {
        (database.content(&["co_people"]).await["co_people"].len() == count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_queue_brings_a_database_up_to_date_that_was_down_or_cut_off() {
    for database in [Database::postgresql().await, Database::mariadb().await] {
        let host = host_with(&database, json!({}), queued()).await;
        let relay = database.relay.as_ref().unwrap();
        applied(&host.put(group_key("staff"), group("staff")).await);

        relay.conduct(Conduct::Closed);
        let (class, message) = failed(&host.put(person_key("anna"), person("anna")).await);
        assert_eq!(class, FailureClass::Transient, "{message}");
        relay.conduct(Conduct::CutsAnswers);
        let (class, message) = failed(&host.put(person_key("bela"), person("bela")).await);
        assert_eq!(class, FailureClass::Transient, "{message}");
        let before = database.content(TABLES).await;
        assert!(before["co_people"].is_empty(), "{before:?}");
        relay.conduct(Conduct::Faithful);
        people(&database, 2).await;
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
    let host = host_with(&database, json!({}), queued()).await;
    let mut lease = database.direct().lease().await.unwrap();
    lease.begin(Transaction::ReadWrite).await.unwrap();
    let (class, message) = failed(&host.put(person_key("anna"), person("anna")).await);
    assert_eq!(class, FailureClass::Transient, "{message}");
    lease.roll_back().await;
    people(&database, 1).await;
}

/// Somebody else, who writes to the row of a person until told otherwise.
async fn somebody_at(database: &Database, person: &str) -> Lease {
    let server = database.direct();
    let mut lease = server.lease().await.unwrap();
    lease.begin(Transaction::ReadWrite).await.unwrap();
    let update =
        format!("UPDATE {} SET timezone = 'UTC' WHERE id = '{person}'", database.quoted("co_people"));
    assert_eq!(lease.execute(&update, &[]).await, Ok(1));
    lease
}

#[tokio::test]
async fn a_server_that_is_down_at_the_start_or_killed_in_a_transaction_is_brought_up_to_date() {
    for own in Own::both() {
        let database = own.database().await;
        let host = host_with(&database, json!({}), queued()).await;
        applied(&host.put(person_key("anna"), person("anna")).await);

        own.kill();
        let host = host.restart().await;
        let (class, message) = failed(&host.put(person_key("bela"), person("bela")).await);
        assert_eq!(class, FailureClass::Transient, "{message}");
        own.resume();
        people(&database, 2).await;

        let somebody = somebody_at(&database, "anna").await;
        let (done, ()) = tokio::join!(host.put(person_key("anna"), renamed("anna")), async {
            database.somebody_waits().await;
            own.kill();
        });
        let (class, message) = failed(&done);
        assert_eq!(class, FailureClass::Transient, "{message}");
        drop(somebody);
        own.resume();
        eventually("the new name is there", async || {
            database.content(&["names"]).await["names"].concat().contains("Renamed").then_some(())
        })
        .await;
    }
}

fn renamed(id: &str) -> Record {
    let mut person = plain_person(id);
    person.names[0].given = Some("Renamed".to_owned());
    Record::Person(Box::new(person))
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_made_again_and_leaves_the_same() {
    for database in [Database::postgresql().await, Database::mariadb().await] {
        let host = host_with(&database, json!({}), queued()).await;
        let relay = database.relay.as_ref().unwrap();
        applied(&host.put(group_key("staff"), group("staff")).await);
        relay.conduct(Conduct::CutsAnswersTo("COMMIT"));
        let (class, message) = failed(&host.put(person_key("anna"), person("anna")).await);
        assert_eq!(class, FailureClass::Transient, "{message}");
        people(&database, 1).await;
        let committed: Content = database.content(TABLES).await;
        relay.conduct(Conduct::Faithful);
        eventually("it is told to be there", async || {
            let service = host.service("people", &person_key("anna")).await?;
            (service.status == ServiceStatus::Provisioned).then_some(())
        })
        .await;
        assert_eq!(database.content(TABLES).await, committed, "{}", database.dialect);
    }
}

#[tokio::test]
async fn a_server_that_is_slow_is_not_waited_for_longer_than_configured() {
    for mut database in [Database::postgresql().await, Database::mariadb().await] {
        let host = host_with(&database, json!({}), queued()).await;
        database.configuration["statement_timeout_ms"] = json!(300);
        database.configuration["connect_timeout_ms"] = json!(300);
        host.server("database", database.configuration.clone()).await;
        let relay = database.relay.as_ref().unwrap();
        relay.conduct(Conduct::Silent);
        let (class, message) = failed(&host.put(person_key("anna"), person("anna")).await);
        assert_eq!(class, FailureClass::Transient, "{message}");
        assert!(message.contains("within 300 ms"), "{message}");
        relay.conduct(Conduct::Faithful);
        people(&database, 1).await;
    }
}

#[tokio::test]
async fn a_call_that_loses_a_deadlock_is_made_again_at_once() {
    for database in [Database::postgresql().await, Database::mariadb().await] {
        let direct = database.direct();
        let mut setup = direct.lease().await.unwrap();
        setup.execute("CREATE TABLE ballast (id INT PRIMARY KEY)", &[]).await.unwrap();
        if database.dialect == "postgresql" {
            // Who waited for so long looks whether it is a deadlock, and gives way: those who connect from now on.
            let name = database.direct["database"].as_str().unwrap();
            let own = format!("ALTER DATABASE {name} SET deadlock_timeout = '2s'");
            setup.execute(&own, &[]).await.unwrap();
            setup.execute("SET deadlock_timeout = '1min'", &[]).await.unwrap();
        }
        let host = host_with(&database, json!({}), json!({})).await;
        applied(&host.put(person_key("anna"), person("anna")).await);

        let mut somebody = setup;
        somebody.begin(Transaction::ReadWrite).await.unwrap();
        // MariaDB has the transaction give way that changed less.
        let ballast: Vec<String> = (0..300).map(|number| format!("({number})")).collect();
        let ballast = format!("INSERT INTO ballast VALUES {}", ballast.join(", "));
        somebody.execute(&ballast, &[]).await.unwrap();
        let update = |table: &str| format!("UPDATE {} SET modified = NULL", database.quoted(table));
        somebody.execute(&update("names"), &[]).await.unwrap();
        let (done, ()) = tokio::join!(host.put(person_key("anna"), renamed("anna")), async {
            database.somebody_waits().await;
            // The row that the call wrote before.
            somebody.execute(&update("co_people"), &[]).await.unwrap();
            somebody.roll_back().await;
        });
        applied(&done);
        let transcript = host.transcript(&done[0]).await.to_string();
        assert!(transcript.contains("serialization") || transcript.contains("Serialization"), "{transcript}");
        let names = database.content(&["names"]).await.remove("names").unwrap();
        assert!(names.len() == 1 && names[0].contains("Renamed"), "{names:?}");
        let kept = direct.lease().await.unwrap().query("SELECT id FROM ballast", &[], LIMITS).await.unwrap();
        assert_eq!(kept.rows.len(), 0);
    }
}

//! Opening a database: a new one, one that is there, one that must be refused.

use std::os::unix::fs::PermissionsExt;

use provender::store::{Store, StoreError};
use sqlx::Executor;
use tokio::task::JoinSet;

use crate::database::Database;
use crate::samples::{at, change, person, person_key, put_records};

on_both_databases!(
    a_store_that_is_opened_again_has_everything,
    a_database_of_a_newer_version_is_refused,
    a_new_database_may_be_opened_by_several_at_once,
    one_at_a_time_holds_the_executor_lock,
);

async fn a_store_that_is_opened_again_has_everything(database: Database) {
    let store = database.open_with_collaboration().await;
    put_records(&store, "co", vec![(person_key("p"), person("Ada"))]).await;
    store
        .write::<_, StoreError, _>(|transaction| {
            Box::pin(async move { transaction.append_changes("co", &[change(person_key("p"))], at(1)).await })
        })
        .await
        .unwrap();
    let (collaborations, changes) =
        (store.collaborations().await.unwrap(), store.changes("co", 0, 9).await.unwrap());
    store.close().await;

    let store = database.open().await;
    assert_eq!(store.collaborations().await.unwrap(), collaborations);
    assert_eq!(store.changes("co", 0, 9).await.unwrap(), changes);
    assert_eq!(store.record("co", &person_key("p")).await.unwrap().unwrap().record, person("Ada"));
}

async fn a_database_of_a_newer_version_is_refused(database: Database) {
    database.open().await.close().await;
    let applied = if database.is_sqlite() { "x'00'" } else { "'\\x00'::bytea" };
    let newer = format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (999, 'from the future', TRUE, {applied}, 1)"
    );
    database.connect().await.execute(sqlx::AssertSqlSafe(newer)).await.unwrap();
    let error = Store::open(&database.url).await.unwrap_err();
    assert!(matches!(error, StoreError::NewerSchema { found: 999, .. }), "{error:?}");
    assert!(error.to_string().contains("use the newer program"), "{error}");
}

async fn a_new_database_may_be_opened_by_several_at_once(database: Database) {
    let mut openings = JoinSet::new();
    for _ in 0..8 {
        let url = database.url.clone();
        openings.spawn(async move { Store::open(&url).await.unwrap().collaborations().await.unwrap().len() });
    }
    assert_eq!(openings.join_all().await, [0; 8]);
}

async fn one_at_a_time_holds_the_executor_lock(database: Database) {
    let (store, other) = (database.open().await, database.open().await);
    let mut lock = store.try_lock_executor().await.unwrap().unwrap();
    lock.check().await.unwrap();
    assert!(store.try_lock_executor().await.unwrap().is_none());
    assert!(other.try_lock_executor().await.unwrap().is_none());
    drop(lock);
    crate::database::until(async || other.try_lock_executor().await.unwrap().is_some()).await;
}

#[tokio::test]
async fn a_lost_session_is_a_lost_lock() {
    let database = Database::postgres().await;
    let store = database.open().await;
    let mut lock = store.try_lock_executor().await.unwrap().unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted \
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    database.connect().await.execute(end).await.unwrap();
    crate::database::until(async || lock.check().await.is_err()).await;
    crate::database::until(async || store.try_lock_executor().await.unwrap().is_some()).await;
}

#[tokio::test]
async fn a_symbolic_link_to_a_database_leads_to_the_same_lock() {
    let directory = tempfile::tempdir().unwrap();
    let (path, link) = (directory.path().join("provender.db"), directory.path().join("link.db"));
    let store = Store::open(&format!("sqlite:{}", path.display())).await.unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let linked = Store::open(&format!("sqlite:{}", link.display())).await.unwrap();
    let lock = store.try_lock_executor().await.unwrap();
    assert!(lock.is_some() && linked.try_lock_executor().await.unwrap().is_none());
}

#[tokio::test]
async fn a_new_sqlite_file_is_for_its_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("odd name %20?#é.db");
    let store = Store::open(&format!("sqlite://{}", path.display())).await.unwrap();
    crate::database::create_collaboration(&store, "co").await;
    let _lock = store.try_lock_executor().await.unwrap().unwrap();
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        assert!(file.file_name().to_str().unwrap().starts_with("odd name %20?#é.db"), "{file:?}");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
    assert!(path.exists());
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_refused_without_its_password() {
    let nobody_listens = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let closed = format!("postgres://me:hunter2@{nobody_listens}/co?password=hunter2");
    for (url, says) in [
        ("mysql://me:hunter2@localhost/co", "\"mysql\""),
        ("provender.db", "sqlite:PATH"),
        ("sqlite::memory:", "path of a file"),
        ("sqlite:", "path of a file"),
        ("sqlite:/nowhere/at/all.db", "/nowhere/at/all.db"),
        ("postgres://me:hunter2@localhost:port/co", "port"),
        (&closed, &format!("postgres://{nobody_listens}/co")),
    ] {
        let error = Store::open(url).await.unwrap_err().to_string();
        assert!(error.contains(says), "{url}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

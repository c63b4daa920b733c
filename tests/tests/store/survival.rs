//! What a process that is killed leaves behind.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use provender::store::{InvocationFilter, Store, StoreError};
use tokio::task::JoinSet;

use crate::database::{Database, until};
use crate::samples::{at, change, person, person_key, planned};

on_both_databases!(
    a_killed_writer_leaves_every_acknowledged_write_and_no_change_without_its_work,
    a_killed_process_holds_no_executor_lock,
);

/// Tells the child where its store is.
const URL: &str = "PROVENDER_TEST_STORE_URL";

/// This test binary again, with one of the tests below that are for children only.
fn child(test: &str, database: &Database) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(URL, &database.url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (child, output)
}

async fn store_of_the_parent() -> Store {
    let url = std::env::var(URL).expect("only for children of the tests in this file");
    Store::open(&url).await.unwrap()
}

async fn a_killed_writer_leaves_every_acknowledged_write_and_no_change_without_its_work(database: Database) {
    let store = database.open_with_collaboration().await;
    store.close().await;
    let mut acknowledged = HashSet::new();
    for writes_before_the_kill in [1, 17, 60, 150] {
        let (mut child, output) = child("survival::a_child_writes_until_it_is_killed", &database);
        let mut seen = 0;
        for line in output.lines() {
            // What was acknowledged before the kill and is still in the pipe counts as well.
            if let Some(id) = line.unwrap().strip_prefix("acknowledged ") {
                acknowledged.insert(id.to_owned());
                seen += 1;
            }
            if seen == writes_before_the_kill {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(seen >= writes_before_the_kill, "the child ended by itself after {seen} writes");
        database.wait_until_unused().await;
        check(&database, &acknowledged).await;
    }
}

async fn check(database: &Database, acknowledged: &HashSet<String>) {
    let store = database.open().await;
    let changes = store.changes("co", 0, u32::MAX).await.unwrap();
    let changed: HashSet<String> = changes.iter().map(|change| change.subject.id.clone()).collect();
    assert!(changed.is_superset(acknowledged), "lost: {:?}", acknowledged.difference(&changed));
    assert!(changes.iter().map(|change| change.sequence).eq(1..=changes.len() as i64));
    let invocations = store.invocations("co", &InvocationFilter::default(), None, u32::MAX).await.unwrap();
    let mut followed: Vec<i64> = invocations.iter().map(|invocation| invocation.change.unwrap()).collect();
    followed.sort_unstable();
    assert!(followed.into_iter().eq(1..=changes.len() as i64));
    for id in changed {
        assert!(store.record("co", &person_key(&id)).await.unwrap().is_some(), "{id}");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child of a_killed_writer_..."]
async fn a_child_writes_until_it_is_killed() {
    let store = store_of_the_parent().await;
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let store = store.clone();
        writers.spawn(async move {
            for number in 0.. {
                let id = format!("{}-{writer}-{number}", std::process::id());
                write_person(&store, id.clone()).await.unwrap();
                println!("\nacknowledged {id}");
            }
        });
    }
    writers.join_all().await;
}

/// A record, its change, and the work that follows from it.
async fn write_person(store: &Store, id: String) -> Result<(), StoreError> {
    store
        .write(move |transaction| {
            Box::pin(async move {
                transaction.put_records("co", &[(person_key(&id), person(&id))], at(0)).await?;
                for sequence in transaction.append_changes("co", &[change(person_key(&id))], at(0)).await? {
                    let mut work = planned("t", person_key(&id));
                    work.change = Some(sequence);
                    transaction.plan_invocations("co", &[work], at(0)).await?;
                }
                Ok(())
            })
        })
        .await
}

async fn a_killed_process_holds_no_executor_lock(database: Database) {
    let store = database.open().await;
    let (mut child, mut output) = child("survival::a_child_holds_the_executor_lock", &database);
    let mut line = String::new();
    while !line.contains("locked") {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "the child ended without the lock");
    }
    assert!(store.try_lock_executor().await.unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    until(async || store.try_lock_executor().await.unwrap().is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child of a_killed_process_..."]
async fn a_child_holds_the_executor_lock() {
    let store = store_of_the_parent().await;
    let _lock = store.try_lock_executor().await.unwrap().expect("the lock is free");
    println!("\nlocked");
    std::future::pending::<()>().await;
}

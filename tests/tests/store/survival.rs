//! What a process that is killed leaves behind.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use provender::store::InvocationFilter;

use crate::database::Database;
use crate::samples::person_key;

on_both_databases!(a_killed_writer_leaves_every_acknowledged_write_and_no_change_without_its_work,);

/// A process on the same database.
fn child(database: &Database) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_store-child"))
        .args(["write", &database.url])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (child, output)
}

async fn a_killed_writer_leaves_every_acknowledged_write_and_no_change_without_its_work(database: Database) {
    let store = database.open_with_collaboration().await;
    store.close().await;
    let mut acknowledged = HashSet::new();
    for writes_before_the_kill in [1, 17, 60, 150] {
        let (mut child, output) = child(&database);
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

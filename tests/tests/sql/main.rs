//! Databases: the capability by itself, and the plugin `sql` in a host, against PostgreSQL, MariaDB and SQLite.

mod capability;
mod databases;
mod faults;
mod life;
mod preview;

use provender::provisioning::{FailureClass, Invocation, InvocationOutcome};
use provender_tests::host::{CO, TestHost};
use serde_json::{Value, json};

use self::databases::Database;

/// A host with a target `people` of the plugin, prepared.
async fn host_with(database: &Database, configuration: Value, settings: Value) -> TestHost {
    let host = TestHost::start().await;
    unprepared(&host, database, configuration, settings).await;
    host.host.pipeline.prepare_target(CO, "people").await.expect("prepared tables");
    host
}

async fn unprepared(host: &TestHost, database: &Database, configuration: Value, settings: Value) {
    host.install_bundled("sql").await;
    host.server("database", database.configuration.clone()).await;
    let mut target =
        json!({"plugin": "sql", "slots": {"database": "database"}, "configuration": configuration});
    if let (Value::Object(target), Value::Object(settings)) = (&mut target, settings) {
        target.extend(settings);
    }
    host.target("people", target).await;
}

/// That invocations ended well.
fn applied(done: &[Invocation]) {
    assert!(!done.is_empty());
    for one in done {
        assert!(matches!(one.outcome, Some(InvocationOutcome::Applied { .. })), "{:?}", one.outcome);
    }
}

fn failed(done: &[Invocation]) -> (FailureClass, String) {
    match done.last().and_then(|done| done.outcome.clone()) {
        Some(InvocationOutcome::Failed { class, message, .. }) => (class, message),
        other => panic!("did not fail: {other:?}"),
    }
}

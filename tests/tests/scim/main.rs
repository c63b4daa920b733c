//! The plugin `scim`: against a real server through a whole life, with large groups, and against one that is faulty in ways
//! that no honest server is.

mod faults;
mod large_groups;
mod life;
mod preview;
mod server;
mod users;

use provender::provisioning::{FailureClass, Invocation, InvocationOutcome};
use provender_tests::host::TestHost;
use serde_json::{Value, json};

/// A host with a target at a SCIM server.
async fn host_at(base_url: &str, configuration: Value) -> TestHost {
    let host = TestHost::start().await;
    host.install_bundled("scim").await;
    let server = json!({
        "kind": "http", "base_url": base_url, "allow_private_addresses": true,
        "authentication": {"kind": "bearer", "token": provender_tests::scim::TOKEN},
    });
    host.server("scim", server).await;
    let target = json!({"plugin": "scim", "slots": {"service": "scim"}, "configuration": configuration});
    host.target("t", target).await;
    host
}

fn went_well(done: &[Invocation]) {
    assert!(!done.is_empty());
    for done in done {
        assert!(!matches!(done.outcome, Some(InvocationOutcome::Failed { .. })), "{:?}", done.outcome);
    }
}

fn failed(done: &[Invocation]) -> (FailureClass, String, Option<u32>) {
    match &done[0].outcome {
        Some(InvocationOutcome::Failed { class, message, retry_after_seconds, .. }) => {
            (*class, message.clone(), *retry_after_seconds)
        }
        other => panic!("did not fail: {other:?}"),
    }
}

//! The people of benches, "p0", "p1" and so on: how they come into the registry, and how they are provisioned as all subjects
//! of a job are.

use jiff::Timestamp;
use provender::provisioning::{Action, PlannedInvocation};
use provender::registry::import::{ImportOptions, import};
use provender::registry::write::WriteOptions;
use provender::store::StoreError;
use serde_json::json;
use uuid::Uuid;

use crate::host::{CO, TestHost, by_test};
use crate::people::person_key;

const PLANNED_AT_ONCE: usize = 500;

/// Imports people with email addresses of a domain. Nothing is provisioned yet.
pub async fn import_quietly(test: &TestHost, people: usize, domain: &str) {
    let lines: String = (0..people)
        .map(|number| {
            let record = json!({
                "meta": {"id": format!("p{number}")},
                "names": [{"given": "Ágnes", "family": format!("Kovács {number}"), "primary": true}],
                "email_addresses": [{"mail": format!("p{number}@{domain}")}],
                "identifiers": [{"identifier": format!("p{number}"), "type": "uid"}],
            });
            json!({"kind": "person", "record": record}).to_string() + "\n"
        })
        .collect();
    let quietly = WriteOptions { provision: false, ..by_test() };
    let options = ImportOptions::default();
    let summary = import(&test.host.registry, CO, lines.as_bytes(), &options, &quietly, |_| {}).await;
    assert_eq!(summary.expect("an import").stopped_at, None);
}

/// Plans everybody as a reprovisioning does, and waits until all of it ran.
pub async fn provision_all(test: &TestHost, target: &str, people: usize) {
    let everybody: Vec<usize> = (0..people).collect();
    for batch in everybody.chunks(PLANNED_AT_ONCE) {
        let plan = |number: &usize| {
            let person = person_key(&format!("p{number}"));
            PlannedInvocation::new(Uuid::now_v7(), target, person, Action::ReprovisionRequested)
        };
        let mut work: Vec<PlannedInvocation> = batch.iter().map(plan).collect();
        let stored: Result<Vec<PlannedInvocation>, StoreError> = test
            .host
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    transaction.plan_invocations(CO, &mut work, Timestamp::now()).await?;
                    Ok(work)
                })
            })
            .await;
        test.host.pipeline.submit(CO, &stored.expect("a stored plan"));
    }
    test.host.pipeline.idle().await;
}

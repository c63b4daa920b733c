//! A whole provisioning on SQLite: planned, subject read, filter, provisioner, outcome and transcript committed.

use std::sync::Arc;

use provender::registry::record::Record;
use provender_tests::guests::MAPPING;
use provender_tests::host::{CO, TestHost, by_test};
use provender_tests::people::{group, group_key, membership, person_key, plain_person};
use serde_json::json;

use provender_tests::bench::measure::Contender;

/// A host with the target, the filter and one person.
pub(crate) async fn start() -> Arc<TestHost> {
    let test = TestHost::start_with(|configuration| configuration.sandbox.instances = 64).await;
    test.install_bundled("group-name").await;
    let filter = json!({"plugin": "group-name", "configuration": {"identifier_type": "posix"}});
    let filter = serde_json::from_value(filter).expect("a filter");
    test.host.administration.put_filter(CO, "names", filter).await.expect("a stored filter");
    for number in 0..8 {
        let id = format!("g{number}");
        test.put(group_key(&id), group(&id)).await;
    }
    test.put(person_key("anna"), Record::Person(Box::new(plain_person("anna")))).await;
    for number in 0..8 {
        let member = membership(&format!("g{number}"), "anna");
        test.host.registry.put_membership(CO, member, &by_test()).await.expect("a membership");
    }
    let plugin = test.install(MAPPING).await;
    let target = json!({
        "plugin": plugin.digest, "filters": ["names"], "mode": "manual",
        "configuration": {"identifier_type": "uid"},
    });
    test.target("accounts", target).await;
    Arc::new(test)
}

/// One provisioning that somebody asks for and waits for.
pub(crate) fn contender(name: &'static str, host: &Arc<TestHost>) -> Contender {
    let host = Arc::clone(host);
    let call = move || {
        let host = Arc::clone(&host);
        async move {
            host.host.pipeline.provision(CO, "accounts", &person_key("anna")).await.expect("an outcome");
        }
    };
    Contender::new(name, call).slow()
}

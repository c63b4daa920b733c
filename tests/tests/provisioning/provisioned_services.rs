//! What a subject's page shows.

use super::*;

#[tokio::test]
async fn never_provisioned_failed_and_removed_are_told_apart() {
    let host = TestHost::start().await;
    let anna = person_key("anna");
    host.misbehaving_target("t", json!([])).await;
    assert_eq!(host.service("t", &anna).await, None, "never");

    host.put(anna.clone(), person("anna")).await;
    let service = host.service("t", &anna).await.unwrap();
    assert_eq!((service.status, service.failed, service.message), (ServiceStatus::Provisioned, None, None));
    let first = service.provisioned.unwrap();

    host.misbehaving_target("t", json!([{"do": "fail", "failure": "conflict", "message": "uid is taken"}]))
        .await;
    host.put(anna.clone(), named("anna", "Anne")).await;
    let service = host.service("t", &anna).await.unwrap();
    assert_eq!(service.status, ServiceStatus::Failed, "never provisioned while an error is newer");
    assert_eq!(service.failure_class, Some(FailureClass::Conflict));
    assert_eq!(service.message.as_deref(), Some("uid is taken"));
    assert_eq!(service.provisioned, Some(first), "when it last was is still known");
    assert!(service.failed.unwrap() > first);

    host.misbehaving_target("t", json!([{"do": "finish", "outcome": "unchanged"}])).await;
    host.put(anna.clone(), named("anna", "Anna")).await;
    let service = host.service("t", &anna).await.unwrap();
    assert_eq!((service.status, service.failed, service.message), (ServiceStatus::Provisioned, None, None));
    assert!(service.provisioned.unwrap() > first);

    host.delete(&anna).await;
    assert_eq!(host.service("t", &anna).await.unwrap().status, ServiceStatus::Removed);
}

#[tokio::test]
async fn a_page_tells_what_is_newer_than_what_was_sent() {
    use provender::provisioning::ServiceState;
    let host = TestHost::start().await;
    let anna = person_key("anna");
    host.misbehaving_target("t", json!([])).await;
    host.misbehaving_target_with("by-hand", json!([]), json!({"mode": "manual"})).await;
    let page = async || -> Vec<(String, ServiceState)> {
        let services = host.host.pipeline.services(CO, &anna).await.unwrap().unwrap();
        services.into_iter().map(|service| (service.target, service.status)).collect()
    };
    let expect =
        |t: ServiceState, by_hand: ServiceState| vec![("t".to_owned(), t), ("by-hand".to_owned(), by_hand)];
    host.put(anna.clone(), person("anna")).await;
    assert_eq!(page().await, expect(ServiceState::Provisioned, ServiceState::Never));
    host.host.pipeline.provision(CO, "by-hand", &anna).await.unwrap();
    assert_eq!(page().await, expect(ServiceState::Provisioned, ServiceState::Provisioned));
    host.put(anna.clone(), named("anna", "Anne")).await;
    assert_eq!(page().await, expect(ServiceState::Provisioned, ServiceState::Stale));
    let quietly = WriteOptions { provision: false, ..by_test() };
    host.host.registry.put(CO, anna.clone(), named("anna", "Panni"), &quietly).await.unwrap();
    assert_eq!(page().await, expect(ServiceState::Stale, ServiceState::Stale));
    host.put(anna.clone(), named("anna", "Anna")).await;
    assert_eq!(page().await, expect(ServiceState::Provisioned, ServiceState::Stale));
}

#[tokio::test]
async fn a_page_tells_what_is_newer_of_the_groups_that_the_record_shows() {
    use provender::provisioning::ServiceState::{self, Provisioned, Stale};
    let host = TestHost::start().await;
    let anna = person_key("anna");
    host.misbehaving_target("t", json!([])).await;
    for id in ["staff", "other"] {
        host.put(group_key(id), group(id)).await;
    }
    host.put(anna.clone(), person("anna")).await;
    host.put_membership(membership("staff", "anna")).await;
    let state =
        async || -> ServiceState { host.host.pipeline.services(CO, &anna).await.unwrap().unwrap()[0].status };
    let quietly = WriteOptions { provision: false, ..by_test() };
    let changed = |id: &str, change: fn(&mut Group)| {
        let Record::Group(mut changed) = group(id) else { panic!("a group") };
        change(&mut changed);
        (group_key(id), Record::Group(changed))
    };
    let rename = |group: &mut Group| group.name = "Another name".to_owned();
    let suspend = |group: &mut Group| group.status = Status::Suspended;

    assert_eq!(state().await, Provisioned);
    for (what, (key, record), expected) in [
        ("a group of others", changed("other", rename), Provisioned),
        ("what reaches no member", changed("staff", |group| group.open = true), Provisioned),
        ("the name", changed("staff", rename), Stale),
        ("the status", changed("staff", suspend), Stale),
        ("the status, back", changed("staff", |_| ()), Stale),
    ] {
        host.put_as(key, record, &quietly).await;
        assert_eq!(state().await, expected, "{what}");
        host.host.pipeline.provision(CO, "t", &anna).await.unwrap();
        assert_eq!(state().await, Provisioned, "{what}");
    }
    let (key, renamed) = changed("staff", rename);
    host.put(key.clone(), renamed).await;
    assert_eq!(state().await, Provisioned, "a change that is sent");
    host.host.registry.delete(CO, &key, &quietly).await.unwrap();
    assert_eq!(state().await, Stale, "the group is gone");
    host.host.pipeline.provision(CO, "t", &anna).await.unwrap();
    assert_eq!(state().await, Provisioned);
}

#[tokio::test]
async fn what_is_under_way_is_queued() {
    use provender::provisioning::ServiceState;
    let receiver = Receiver::start().await;
    let host = TestHost::start().await;
    let web = json!({"kind": "http", "base_url": receiver.url(), "allow_private_addresses": true});
    host.server("web", web).await;
    let steps = json!([{"do": "request", "slot": "web", "url": "/x"}]);
    host.misbehaving_target_with("t", steps, json!({"slots": {"web": "web"}})).await;
    receiver.hold();
    let anna = person_key("anna");
    let written = host.host.registry.put(CO, anna.clone(), person("anna"), &by_test()).await.unwrap();
    host.host.pipeline.submit(CO, &written.planned);
    receiver.wait_for(1).await;
    let services = host.host.pipeline.services(CO, &anna).await.unwrap().unwrap();
    assert_eq!(services[0].status, ServiceState::Queued);
    let waiting = services[0].waiting.clone().unwrap();
    assert_eq!((waiting.invocation, waiting.attempt), (Some(written.planned[0].id), 1));
    receiver.release();
    host.host.pipeline.outcomes(CO, &[written.planned[0].id]).await.unwrap();
    let services = host.host.pipeline.services(CO, &anna).await.unwrap().unwrap();
    assert_eq!(services[0].status, ServiceState::Provisioned);
}

#[tokio::test]
async fn a_removal_that_fails_is_a_failure() {
    let host = TestHost::start().await;
    let anna = person_key("anna");
    host.misbehaving_target("t", json!([])).await;
    host.put(anna.clone(), person("anna")).await;
    host.misbehaving_target("t", json!([{"do": "panic", "message": "boom"}])).await;
    host.delete(&anna).await;
    let service = host.service("t", &anna).await.unwrap();
    assert_eq!((service.status, service.failure_class), (ServiceStatus::Failed, Some(FailureClass::Trap)));
    assert_eq!(service.removed, None);
}

#[tokio::test]
async fn every_blame_has_its_class() {
    let host = TestHost::start().await;
    let folder = host.folder("folder");
    host.server("folder", json!({"kind": "files", "root": folder})).await;
    let few = |word: &str, value: u64| json!({"limits": {word: value}, "slots": {"folder": "folder"}});
    let fail = |class: &str| json!([{"do": "fail", "failure": class, "message": "why"}]);
    for (steps, settings, class) in [
        (fail("transient"), json!({}), FailureClass::Transient),
        (fail("rate-limited"), json!({}), FailureClass::RateLimited),
        (fail("authentication"), json!({}), FailureClass::Authentication),
        (fail("configuration"), json!({}), FailureClass::Configuration),
        (fail("invalid-data"), json!({}), FailureClass::InvalidData),
        (fail("conflict"), json!({}), FailureClass::Conflict),
        (fail("permanent"), json!({}), FailureClass::Permanent),
        (
            json!([{"do": "fail", "failure": "other", "name": "x", "json": "1"}]),
            json!({}),
            FailureClass::Other,
        ),
        (json!([{"do": "panic", "message": "boom"}]), json!({}), FailureClass::Trap),
        (json!([{"do": "loop"}]), few("fuel", 1_000_000), FailureClass::OutOfFuel),
        (
            json!([{"do": "allocate", "bytes": 100 << 20, "piece": 1 << 20}]),
            few("memory_bytes", 8 << 20),
            FailureClass::MemoryLimit,
        ),
        (
            json!([{"do": "sleep", "milliseconds": 3_600_000}]),
            few("deadline_ms", 100),
            FailureClass::Deadline,
        ),
        (
            json!([{"do": "file", "operation": "remove", "path": "f"}]),
            few("effects", 10),
            FailureClass::EffectRefused,
        ),
        (
            json!([{"do": "file", "operation": "list", "path": ".", "times": 11}]),
            few("effects", 10),
            FailureClass::BudgetExceeded,
        ),
        (json!([]), few("record_bytes", 10), FailureClass::BudgetExceeded),
    ] {
        host.misbehaving_target_with("t", steps.clone(), settings).await;
        host.put(person_key("anna"), named("anna", &format!("{class:?}{}", steps.to_string().len()))).await;
        let service = host.service("t", &person_key("anna")).await.unwrap();
        assert_eq!((service.status, service.failure_class), (ServiceStatus::Failed, Some(class)), "{steps}");
    }
}

#[tokio::test]
async fn a_subject_larger_than_the_limit_is_not_given_to_the_plugin() {
    let host = TestHost::start().await;
    host.misbehaving_target_with("t", json!([]), json!({"limits": {"record_bytes": 300}})).await;
    let done = host.put(person_key("anna"), person("anna")).await;
    let (class, message) = failed(done[0].outcome.as_ref());
    assert_eq!(class, FailureClass::BudgetExceeded);
    assert!(message.starts_with("limit `record_bytes` is 300, the subject has "), "{message}");
    assert_eq!(host.transcript(&done[0]).await, json!(null));
}

#[tokio::test]
async fn a_limit_of_the_host_holds_for_all_targets_unless_a_target_has_its_own() {
    let host = TestHost::start_with(|configuration| {
        configuration.limits.insert("memory_bytes".to_owned(), 8 << 20);
    })
    .await;
    let steps = json!([{"do": "allocate", "bytes": 16 << 20, "piece": 1 << 20}]);
    host.misbehaving_target("small", steps.clone()).await;
    host.misbehaving_target_with("large", steps, json!({"limits": {"memory_bytes": 64 << 20}})).await;
    let done = host.put(person_key("anna"), person("anna")).await;
    let (class, message) = failed(done[0].outcome.as_ref());
    assert_eq!(class, FailureClass::MemoryLimit);
    assert!(message.contains("limit is 8388608, asked for "), "{message}");
    assert_eq!(history(&done[1]), ["16 pieces of 1048576 bytes"]);
    assert!(done[1].usage.memory_bytes > 16 << 20, "{:?}", done[1].usage);
}

#[tokio::test]
async fn what_a_plugin_says_is_bounded() {
    let host = TestHost::start().await;
    host.misbehaving_target(
        "t",
        json!([{"do": "finish", "outcome": "applied", "lines": 1_000, "characters": 1_000}]),
    )
    .await;
    let done = host.put(person_key("anna"), person("anna")).await;
    let told = history(&done[0]);
    assert_eq!(told.len(), 32);
    assert!(told.iter().all(|line| line.chars().count() == 256));
    let message = "x".repeat(10_000);
    host.misbehaving_target("t", json!([{"do": "fail", "failure": "permanent", "message": message}])).await;
    let done = host.put(person_key("anna"), named("anna", "Anne")).await;
    assert_eq!(failed(done[0].outcome.as_ref()).1.chars().count(), 1_000);
}

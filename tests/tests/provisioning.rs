//! From a change to its outcome: a host on SQLite, plugins in the sandbox, and what is known of it afterwards.

use std::collections::HashMap;

use provender::pipeline::ProvisionError;
use provender::provisioning::{Action, FailureClass, InvocationOutcome, InvocationState, ServiceStatus};
use provender::registry::record::{Record, Status};
use provender::registry::write::WriteOptions;
use provender_tests::host::{CO, TestHost, by_test, history, lines};
use provender_tests::people::{group, group_key, membership, person, person_key, plain_person};
use provender_tests::receiver::{Answer, Receiver};
use serde_json::{Value, json};

fn failed(outcome: Option<&InvocationOutcome>) -> (FailureClass, String) {
    match outcome {
        Some(InvocationOutcome::Failed { class, message, .. }) => (*class, message.clone()),
        other => panic!("did not fail: {other:?}"),
    }
}

fn named(id: &str, given: &str) -> Record {
    let mut person = plain_person(id);
    person.names[0].given = Some(given.to_owned());
    Record::Person(Box::new(person))
}

fn of_status(id: &str, status: Status) -> Record {
    let mut person = plain_person(id);
    person.status = status;
    Record::Person(Box::new(person))
}

mod automatic_mode {
    use super::*;

    #[tokio::test]
    async fn a_change_is_provisioned_and_its_outcome_kept() {
        let host = TestHost::start().await;
        let log = host.changelog("log", json!({})).await;
        let done = host.put(person_key("anna"), person("anna")).await;
        let [invocation] = &done[..] else { panic!("one invocation: {done:?}") };
        assert_eq!((invocation.action, invocation.state), (Action::Added, InvocationState::Finished));
        assert_eq!((invocation.attempt, invocation.change), (1, Some(1)));
        assert_eq!(invocation.outcome, Some(InvocationOutcome::Applied { history: Vec::new() }));
        assert!(invocation.usage.fuel > 0 && invocation.usage.effects == 1, "{:?}", invocation.usage);

        let [line] = &lines(&log)[..] else { panic!("one line") };
        assert_eq!(
            (&line["action"], &line["document"]["metadata"]["id"]),
            (&json!("added"), &json!("anna")),
            "{line}"
        );
        let transcript = host.transcript(invocation).await;
        assert_eq!(
            (&transcript[0]["step"], &transcript[0]["plugin"]),
            (&json!("provisioner"), &json!("changelog"))
        );
        assert_eq!(transcript[0]["effects"][0]["operation"], "append");
    }

    #[tokio::test]
    async fn the_action_follows_from_the_status_before_and_after() {
        let host = TestHost::start().await;
        host.misbehaving_target("t", json!([{"do": "report"}])).await;
        for (status, action) in [
            (Status::Active, Action::Added),
            (Status::Active, Action::Updated),
            (Status::GracePeriod, Action::EnteredGracePeriod),
            (Status::Expired, Action::Expired),
            (Status::Active, Action::Unexpired),
            (Status::Pending, Action::Deleted),
            (Status::Active, Action::Added),
        ] {
            let record = match (status, action) {
                (_, Action::Updated) => named("anna", "Anne"),
                (status, _) => of_status("anna", status),
            };
            let [invocation] = &host.put(person_key("anna"), record).await[..] else { panic!("{status:?}") };
            assert_eq!(invocation.action, action, "{status:?}");
            let word = format!("{action:?}, attempt 1");
            assert_eq!(history(invocation)[1].replace("Action::", ""), word);
        }
    }

    #[tokio::test]
    async fn a_write_that_changes_nothing_provisions_nothing() {
        let host = TestHost::start().await;
        host.misbehaving_target("t", json!([])).await;
        assert_eq!(host.put(person_key("anna"), person("anna")).await.len(), 1);
        assert_eq!(host.put(person_key("anna"), person("anna")).await.len(), 0);
        assert_eq!(host.host.store.changes(CO, 0, 10).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn targets_are_called_in_ascending_order() {
        let receiver = Receiver::start().await;
        let host = TestHost::start().await;
        host.server(
            "web",
            json!({"kind": "http", "base_url": receiver.url(), "allow_private_addresses": true}),
        )
        .await;
        for (id, order) in [("late", 30), ("early", 10), ("middle", 20)] {
            let settings = json!({"order": order, "slots": {"web": "web"}});
            host.misbehaving_target_with(
                id,
                json!([{"do": "request", "slot": "web", "url": format!("/{id}")}]),
                settings,
            )
            .await;
        }
        let done = host.put(person_key("anna"), person("anna")).await;
        assert_eq!(
            done.iter().map(|done| done.target.as_str()).collect::<Vec<_>>(),
            ["early", "middle", "late"]
        );
        let paths: Vec<_> = receiver.received().into_iter().map(|request| request.path).collect();
        assert_eq!(paths, ["/early", "/middle", "/late"]);
    }

    #[tokio::test]
    async fn a_target_that_fails_harms_no_other() {
        let host = TestHost::start().await;
        host.misbehaving_target("crashes", json!([{"do": "panic", "message": "boom"}])).await;
        host.misbehaving_target_with(
            "loops",
            json!([{"do": "loop"}]),
            json!({"limits": {"fuel": 10_000_000}}),
        )
        .await;
        host.misbehaving_target("works", json!([])).await;
        let done = host.put(person_key("anna"), person("anna")).await;
        assert_eq!(failed(done[0].outcome.as_ref()).0, FailureClass::Trap);
        assert_eq!(failed(done[1].outcome.as_ref()).0, FailureClass::OutOfFuel);
        assert_eq!(done[2].outcome, Some(InvocationOutcome::Applied { history: Vec::new() }));
    }

    #[tokio::test]
    async fn a_plugin_that_cannot_be_loaded_harms_no_other() {
        let host = TestHost::start().await;
        host.misbehaving_target("broken", json!([])).await;
        host.changelog("works", json!({})).await;
        let digest = host.host.catalog.find("misbehaving").await.unwrap().digest;
        let mut row = host.host.store.plugin(&digest).await.unwrap().unwrap();
        row.size_bytes = 4;
        host.host
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    transaction.put_plugin(&row, b"\0asm").await?;
                    Ok::<_, provender::store::StoreError>(())
                })
            })
            .await
            .unwrap();
        let host = host.restart().await;
        let done = host.put(person_key("anna"), person("anna")).await;
        let (class, message) = failed(done[0].outcome.as_ref());
        assert_eq!(class, FailureClass::Configuration, "{message}");
        assert!(
            message.contains("target `broken` cannot be called") && message.contains("misbehaving"),
            "{message}"
        );
        assert_eq!(done[1].outcome, Some(InvocationOutcome::Applied { history: Vec::new() }));
    }

    #[tokio::test]
    async fn subjects_go_beside_each_other_and_each_in_its_own_order() {
        let receiver = Receiver::start().await;
        let host = TestHost::start().await;
        host.server(
            "web",
            json!({"kind": "http", "base_url": receiver.url(), "allow_private_addresses": true}),
        )
        .await;
        let request = json!([{"do": "request", "slot": "web", "url": "/x"}]);
        host.misbehaving_target_with("t", request, json!({"slots": {"web": "web"}})).await;
        receiver.hold();
        let mut planned = Vec::new();
        for (id, given) in [("anna", "1"), ("anna", "2"), ("bob", "1")] {
            let written =
                host.host.registry.put(CO, person_key(id), named(id, given), &by_test()).await.unwrap();
            host.host.pipeline.submit(CO, &written.planned);
            planned.extend(written.planned.into_iter().map(|planned| planned.id));
        }
        assert_eq!(receiver.wait_for(2).await.len(), 2, "one of each subject, not two of the same");
        receiver.release();
        let done = host.host.pipeline.outcomes(CO, &planned).await.unwrap();
        assert!(done[0].finished < done[1].finished);
        assert_eq!(receiver.received().len(), 3);
    }

    #[tokio::test]
    async fn many_changes_are_each_provisioned_once() {
        let host = TestHost::start().await;
        let log = host.changelog("log", json!({})).await;
        for number in 0..150 {
            let id = format!("p{number}");
            let written = host.host.registry.put(CO, person_key(&id), person(&id), &by_test()).await.unwrap();
            // As when another process wrote: this one finds what is planned by itself.
            if number % 2 == 0 {
                host.host.pipeline.submit(CO, &written.planned);
            }
        }
        provender_tests::waiting::eventually("all invocations", async || {
            host.host.store.unfinished_invocations(1, None).await.unwrap().is_empty().then_some(())
        })
        .await;
        let mut times: HashMap<String, usize> = HashMap::new();
        for line in lines(&log) {
            *times.entry(line["subject"]["id"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        assert_eq!(times.len(), 150);
        assert!(times.values().all(|times| *times == 1), "{times:?}");
    }

    #[tokio::test]
    async fn a_write_without_provisioning_is_stored_and_noted_and_no_more() {
        let host = TestHost::start().await;
        host.misbehaving_target("t", json!([])).await;
        let quiet = WriteOptions { actor: "test".to_owned(), provision: false };
        let written = host.host.registry.put(CO, person_key("anna"), person("anna"), &quiet).await.unwrap();
        assert!(written.planned.is_empty());
        assert!(host.host.store.record(CO, &person_key("anna")).await.unwrap().is_some());
        let changes = host.host.store.changes(CO, 0, 10).await.unwrap();
        assert_eq!(changes.iter().map(|change| change.provision).collect::<Vec<_>>(), [false]);
        assert!(host.invocations("t").await.is_empty());
    }
}

mod manual_and_disabled_modes {
    use super::*;

    #[tokio::test]
    async fn a_manual_target_is_called_only_when_asked_for() {
        let host = TestHost::start().await;
        host.misbehaving_target_with("t", json!([{"do": "report"}]), json!({"mode": "manual"})).await;
        assert!(host.put(person_key("anna"), person("anna")).await.is_empty());
        let invocation = host.host.pipeline.provision(CO, "t", &person_key("anna")).await.unwrap();
        assert_eq!((invocation.action, invocation.change), (Action::ReprovisionRequested, None));
        assert!(history(&invocation)[1].contains("ReprovisionRequested"), "{:?}", history(&invocation));
        assert_eq!(host.service("t", &person_key("anna")).await.unwrap().status, ServiceStatus::Provisioned);
    }

    #[tokio::test]
    async fn an_automatic_target_can_be_asked_too() {
        let host = TestHost::start().await;
        host.misbehaving_target("t", json!([])).await;
        host.put(group_key("staff"), group("staff")).await;
        let invocation = host.host.pipeline.provision(CO, "t", &group_key("staff")).await.unwrap();
        assert_eq!(invocation.outcome, Some(InvocationOutcome::Applied { history: Vec::new() }));
    }

    #[tokio::test]
    async fn a_disabled_target_is_never_called() {
        let host = TestHost::start().await;
        host.misbehaving_target_with("t", json!([]), json!({"mode": "disabled"})).await;
        assert!(host.put(person_key("anna"), person("anna")).await.is_empty());
        let error = host.host.pipeline.provision(CO, "t", &person_key("anna")).await.unwrap_err();
        assert!(matches!(error, ProvisionError::Disabled(_)));
        assert_eq!(error.to_string(), "target `t` is disabled; set its mode to automatic or manual first");
    }

    #[tokio::test]
    async fn what_is_not_there_is_named() {
        let host = TestHost::start().await;
        host.misbehaving_target("t", json!([])).await;
        let error = host.host.pipeline.provision(CO, "other", &person_key("anna")).await.unwrap_err();
        assert_eq!(error.to_string(), "there is no target `other`");
        let error = host.host.pipeline.provision(CO, "t", &person_key("anna")).await.unwrap_err();
        assert_eq!(error.to_string(), "there is no person `anna` and never was");
    }
}

mod what_is_provisioned {
    use super::*;

    #[tokio::test]
    async fn a_membership_reaches_the_person_and_the_group_with_its_cause() {
        let host = TestHost::start().await;
        host.put(person_key("anna"), person("anna")).await;
        host.put(group_key("staff"), group("staff")).await;
        host.misbehaving_target("t", json!([{"do": "report"}])).await;
        let done = host.put_membership(membership("staff", "anna")).await;
        let told: Vec<String> = done.iter().flat_map(|done| history(done)[2..].to_vec()).collect();
        assert!(told.contains(&"in group staff named Group staff".to_owned()), "{told:?}");
        assert!(told.contains(&"group staff named Group staff".to_owned()), "{told:?}");
        assert!(told.contains(&"because anna is in".to_owned()), "{told:?}");
    }

    #[tokio::test]
    async fn a_deleted_person_is_provisioned_with_the_last_known_record() {
        let host = TestHost::start().await;
        host.put(group_key("staff"), group("staff")).await;
        host.put(person_key("anna"), person("anna")).await;
        host.put_membership(membership("staff", "anna")).await;
        host.misbehaving_target("t", json!([{"do": "report"}])).await;
        host.host.pipeline.provision(CO, "t", &person_key("anna")).await.unwrap();

        let done = host.delete(&person_key("anna")).await;
        let of_anna = done.iter().find(|done| done.subject == person_key("anna")).unwrap();
        assert_eq!(of_anna.action, Action::Deleted);
        let told = history(of_anna);
        assert!(told[1].contains("Deleted"), "{told:?}");
        for expected in ["person anna", "in group staff named Group staff", "identifier anna"] {
            assert!(told.iter().any(|line| line == expected), "{expected}: {told:?}");
        }
        let service = host.service("t", &person_key("anna")).await.unwrap();
        assert_eq!(service.status, ServiceStatus::Removed);
        assert!(service.removed > service.provisioned);
    }

    #[tokio::test]
    async fn a_subject_that_a_target_never_had_is_not_removed_there() {
        let host = TestHost::start().await;
        host.put(person_key("anna"), person("anna")).await;
        host.misbehaving_target("t", json!([])).await;
        let done = host.delete(&person_key("anna")).await;
        let expected = "the target was never called for this subject".to_owned();
        assert_eq!(done[0].outcome, Some(InvocationOutcome::Skipped { reason: expected }));
    }

    #[tokio::test]
    async fn a_person_who_is_back_is_added_again() {
        let host = TestHost::start().await;
        host.misbehaving_target("t", json!([])).await;
        host.put(person_key("anna"), person("anna")).await;
        host.delete(&person_key("anna")).await;
        let done = host.put(person_key("anna"), person("anna")).await;
        assert_eq!(done[0].action, Action::Added);
        assert_eq!(host.service("t", &person_key("anna")).await.unwrap().status, ServiceStatus::Provisioned);
    }

    #[tokio::test]
    async fn a_kind_that_the_plugin_does_not_handle_is_never_offered_to_it() {
        let host = TestHost::start().await;
        host.changelog("log", json!({})).await;
        host.misbehaving_target("t", json!([])).await;
        let service = provender::registry::record::Service { name: "wiki".to_owned(), ..Default::default() };
        let key = provender::registry::record::SubjectKey {
            kind: provender::registry::record::RecordKind::Service,
            id: "wiki".to_owned(),
        };
        let done = host.put(key, Record::Service(Box::new(service))).await;
        let of_t = done.iter().find(|done| done.target == "t");
        if let Some(done) = of_t {
            assert!(matches!(done.outcome, Some(InvocationOutcome::Skipped { .. })), "{done:?}");
        }
        assert_eq!(done[0].outcome, Some(InvocationOutcome::Applied { history: Vec::new() }));
    }

    #[tokio::test]
    async fn a_retry_reads_the_record_of_the_moment() {
        let receiver = Receiver::start().await;
        let host = TestHost::start().await;
        host.server(
            "web",
            json!({"kind": "http", "base_url": receiver.url(), "allow_private_addresses": true}),
        )
        .await;
        let steps = json!([{"do": "request", "slot": "web", "url": "/x"}, {"do": "report"}]);
        host.misbehaving_target_with("t", steps, json!({"slots": {"web": "web"}})).await;
        receiver.hold();
        let mut ids = Vec::new();
        for name in ["One", "Two"] {
            let Record::Group(mut record) = group("g") else { panic!("a group") };
            record.name = name.to_owned();
            let written =
                host.host.registry.put(CO, group_key("g"), Record::Group(record), &by_test()).await.unwrap();
            host.host.pipeline.submit(CO, &written.planned);
            ids.extend(written.planned.iter().map(|planned| planned.id));
        }
        receiver.wait_for(1).await;
        receiver.release();
        let done = host.host.pipeline.outcomes(CO, &ids).await.unwrap();
        assert_eq!(history(&done[1])[3], "group g named Two");
    }

    #[tokio::test]
    async fn look_ups_answer_from_the_collaboration() {
        let host = TestHost::start().await;
        host.put(group_key("staff"), group("staff")).await;
        let steps = json!([
            {"do": "look-up", "group": "staff", "times": 1},
            {"do": "look-up", "group": "nobody", "times": 1},
        ]);
        host.misbehaving_target("t", steps).await;
        let done = host.put(person_key("anna"), person("anna")).await;
        let told = history(&done[0]);
        assert_eq!(told[0], "Group staff");
        assert!(told[1].starts_with("failed: ") && told[1].contains("nobody"), "{told:?}");
        let transcript = host.transcript(&done[0]).await;
        assert_eq!(transcript[0]["effects"][0]["capability"], "registry");
    }
}

mod provisioned_services {
    use super::*;

    #[tokio::test]
    async fn never_provisioned_failed_and_removed_are_told_apart() {
        let host = TestHost::start().await;
        let anna = person_key("anna");
        host.misbehaving_target("t", json!([])).await;
        assert_eq!(host.service("t", &anna).await, None, "never");

        host.put(anna.clone(), person("anna")).await;
        let service = host.service("t", &anna).await.unwrap();
        assert_eq!(
            (service.status, service.failed, service.message),
            (ServiceStatus::Provisioned, None, None)
        );
        let first = service.provisioned.unwrap();

        host.misbehaving_target(
            "t",
            json!([{"do": "fail", "failure": "conflict", "message": "uid is taken"}]),
        )
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
        assert_eq!(
            (service.status, service.failed, service.message),
            (ServiceStatus::Provisioned, None, None)
        );
        assert!(service.provisioned.unwrap() > first);

        host.delete(&anna).await;
        assert_eq!(host.service("t", &anna).await.unwrap().status, ServiceStatus::Removed);
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
        assert_eq!(
            (service.status, service.failure_class),
            (ServiceStatus::Failed, Some(FailureClass::Trap))
        );
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
            host.put(person_key("anna"), named("anna", &format!("{class:?}{}", steps.to_string().len())))
                .await;
            let service = host.service("t", &person_key("anna")).await.unwrap();
            assert_eq!(
                (service.status, service.failure_class),
                (ServiceStatus::Failed, Some(class)),
                "{steps}"
            );
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
        assert_eq!(host.transcript(&done[0]).await, json!([]));
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
        host.misbehaving_target("t", json!([{"do": "fail", "failure": "permanent", "message": message}]))
            .await;
        let done = host.put(person_key("anna"), named("anna", "Anne")).await;
        assert_eq!(failed(done[0].outcome.as_ref()).1.chars().count(), 1_000);
    }
}

mod filters {
    use super::*;

    #[tokio::test]
    async fn filters_run_in_their_order_each_with_its_own_configuration() {
        let host = TestHost::start().await;
        for name in ["first", "second", "third"] {
            host.misbehaving_filter(name, json!({"do": "mark", "name": name})).await;
        }
        host.misbehaving_target_with(
            "t",
            json!([{"do": "report"}]),
            json!({"filters": ["third", "first", "second"]}),
        )
        .await;
        let done = host.put(person_key("anna"), person("anna")).await;
        let marks: Vec<_> = history(&done[0]).iter().filter(|line| line.starts_with("extension")).collect();
        assert_eq!(marks, ["extension third 0", "extension first 1", "extension second 2"]);
        let transcript = host.transcript(&done[0]).await;
        let steps: Vec<_> =
            transcript.as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
        assert_eq!(steps, ["filter", "filter", "filter", "provisioner"]);
    }

    #[tokio::test]
    async fn the_bundled_filter_puts_an_identifier_in_place_of_the_name() {
        let host = TestHost::start().await;
        host.install_bundled("group-name").await;
        let filter = json!({"plugin": "group-name", "configuration": {"identifier_type": "posix"}});
        let filter = serde_json::from_value(filter).unwrap();
        host.host.administration.put_filter(CO, "posix-names", filter).await.unwrap();
        host.misbehaving_target_with(
            "filtered",
            json!([{"do": "report"}]),
            json!({"filters": ["posix-names"]}),
        )
        .await;
        host.misbehaving_target("unfiltered", json!([{"do": "report"}])).await;
        let done = host.put(group_key("staff"), group("staff")).await;
        assert_eq!(history(&done[0])[2], "group staff named px-staff");
        assert_eq!(history(&done[1])[2], "group staff named Group staff");
    }

    async fn with_filter(host: &TestHost, step: Value, limits: Value) -> Option<InvocationOutcome> {
        host.misbehaving_filter("f", step.clone()).await;
        let settings = json!({"filters": ["f"], "limits": limits});
        host.misbehaving_target_with("t", json!([{"do": "report"}]), settings).await;
        let given = format!("{}{}", step["do"].as_str().unwrap(), step.to_string().len());
        host.put(person_key("anna"), named("anna", &given)).await.remove(0).outcome
    }

    #[tokio::test]
    async fn a_filter_that_gives_back_another_subject_fails_the_invocation() {
        let host = TestHost::start().await;
        let (class, message) =
            failed(with_filter(&host, json!({"do": "another-id"}), json!({})).await.as_ref());
        assert_eq!(class, FailureClass::Permanent);
        assert_eq!(
            message,
            "filter gave back person `anna-of-another` for person `anna`; a subject keeps its kind and id"
        );
        let (_, message) =
            failed(with_filter(&host, json!({"do": "another-kind"}), json!({})).await.as_ref());
        assert_eq!(message, "filter gave back group `` for person `anna`; a subject keeps its kind and id");
    }

    #[tokio::test]
    async fn a_filter_that_gives_back_too_large_a_subject_fails_the_invocation() {
        let host = TestHost::start().await;
        let enlarge = json!({"do": "enlarge", "bytes": 5 << 20});
        let (class, message) = failed(with_filter(&host, enlarge, json!({})).await.as_ref());
        assert_eq!(class, FailureClass::BudgetExceeded);
        assert!(message.starts_with("limit `record_bytes` is 4194304, the subject has "), "{message}");
        let enlarge = json!({"do": "enlarge", "bytes": 20 << 20});
        let limits = json!({"bytes_out": 1 << 20, "memory_bytes": 1 << 30, "fuel": 10_000_000_000_u64});
        let (class, message) = failed(with_filter(&host, enlarge, limits).await.as_ref());
        assert_eq!(class, FailureClass::BudgetExceeded, "{message}");
        assert!(message.contains("`record_bytes`"), "{message}");
    }

    #[tokio::test]
    async fn a_filter_that_crashes_loops_or_fails_is_named() {
        let host = TestHost::start().await;
        for (step, class) in [
            (json!({"do": "panic", "message": "boom"}), FailureClass::Trap),
            (json!({"do": "loop"}), FailureClass::OutOfFuel),
            (json!({"do": "fail", "message": "why"}), FailureClass::Permanent),
        ] {
            let outcome = with_filter(&host, step, json!({"fuel": 10_000_000})).await;
            let Some(InvocationOutcome::Failed { class: found, filter, .. }) = outcome else {
                panic!("{outcome:?}")
            };
            assert_eq!((found, filter.as_deref()), (class, Some("f")));
        }
    }

    #[tokio::test]
    async fn a_subject_that_a_filter_drops_is_skipped() {
        let host = TestHost::start().await;
        let outcome = with_filter(&host, json!({"do": "drop", "reason": "no consent"}), json!({})).await;
        assert_eq!(outcome, Some(InvocationOutcome::Skipped { reason: "filter `f`: no consent".to_owned() }));
        let other = json!({"do": "other", "name": "example.org/later", "json": "1"});
        let outcome = with_filter(&host, other, json!({})).await;
        assert_eq!(
            outcome,
            Some(InvocationOutcome::Skipped { reason: "filter `f`: example.org/later: 1".to_owned() })
        );
        assert_eq!(host.service("t", &person_key("anna")).await.unwrap().status, ServiceStatus::Never);
    }
}

mod state {
    use super::*;

    fn set(value: &str) -> Value {
        json!({"do": "state", "operation": "set", "key": "k", "value": value})
    }

    async fn stored(host: &TestHost, id: &str) -> Option<String> {
        let value = host.host.store.plugin_state(CO, "t", Some(&person_key(id)), "k").await.unwrap();
        value.map(|value| String::from_utf8(value).unwrap())
    }

    #[tokio::test]
    async fn state_is_committed_with_the_outcome() {
        let host = TestHost::start().await;
        host.misbehaving_target("t", json!([set("one")])).await;
        host.put(person_key("anna"), person("anna")).await;
        assert_eq!(stored(&host, "anna").await.as_deref(), Some("one"));
        assert_eq!(stored(&host, "bob").await, None, "of one subject");
        let get = json!([{"do": "state", "operation": "get", "key": "k"}]);
        host.misbehaving_target("t", get).await;
        assert_eq!(history(&host.put(person_key("anna"), named("anna", "Anne")).await[0]), ["one"]);
        assert_eq!(history(&host.put(person_key("bob"), person("bob")).await[0]), ["nothing"]);
    }

    #[tokio::test]
    async fn state_of_a_call_that_fails_or_traps_is_not_committed() {
        let host = TestHost::start().await;
        host.misbehaving_target("t", json!([set("kept")])).await;
        host.put(person_key("anna"), person("anna")).await;
        for (number, end) in [
            json!({"do": "fail", "failure": "transient", "message": "later"}),
            json!({"do": "panic", "message": "boom"}),
            json!({"do": "request", "url": "http://example.org/"}),
        ]
        .into_iter()
        .enumerate()
        {
            host.misbehaving_target("t", json!([set("lost"), end])).await;
            let done = host.put(person_key("anna"), named("anna", &number.to_string())).await;
            failed(done[0].outcome.as_ref());
            assert_eq!(stored(&host, "anna").await.as_deref(), Some("kept"), "{end}");
        }
    }

    #[tokio::test]
    async fn a_subject_sees_nothing_of_the_state_of_another_but_that_of_the_target() {
        let host = TestHost::start().await;
        let steps = json!([
            set("mine"),
            {"do": "state", "operation": "set", "key": "shared", "value": "ours", "of-target": true},
        ]);
        host.misbehaving_target("t", steps).await;
        host.put(person_key("anna"), person("anna")).await;
        let steps = json!([
            {"do": "state", "operation": "get", "key": "k"},
            {"do": "state", "operation": "keys"},
            {"do": "state", "operation": "get", "key": "shared", "of-target": true},
        ]);
        host.misbehaving_target("t", steps.clone()).await;
        host.misbehaving_target("another", steps).await;
        let done = host.put(person_key("bob"), person("bob")).await;
        assert_eq!(history(&done[0]), ["nothing", "", "ours"]);
        assert_eq!(history(&done[1]), ["nothing", "", "nothing"], "state is of one target");
    }

    #[tokio::test]
    async fn state_goes_with_its_target() {
        let host = TestHost::start().await;
        host.misbehaving_target("t", json!([set("one")])).await;
        host.put(person_key("anna"), person("anna")).await;
        host.host.administration.delete_target(CO, "t").await.unwrap();
        assert_eq!(stored(&host, "anna").await, None);
        assert_eq!(host.service("t", &person_key("anna")).await, None);
    }
}

mod identifiers {
    use super::*;

    async fn written(host: &TestHost) -> Vec<String> {
        let stored = host.host.store.record(CO, &person_key("anna")).await.unwrap().unwrap();
        let Record::Person(person) = stored.record else { panic!("a person") };
        let of_target =
            person.identifiers.into_iter().filter(|of| of.provisioning_target.as_deref() == Some("t"));
        of_target.map(|identifier| identifier.identifier).collect()
    }

    #[tokio::test]
    async fn identifiers_are_written_back_without_provisioning_again() {
        let host = TestHost::start().await;
        let give = |ids: &[&str]| json!([{"do": "finish", "outcome": "applied", "identifiers": ids}]);
        host.misbehaving_target("t", give(&["1", "2"])).await;
        let log = host.changelog("log", json!({})).await;
        host.put(person_key("anna"), person("anna")).await;
        assert_eq!(written(&host).await, ["1", "2"]);
        host.host.pipeline.idle().await;
        assert_eq!(host.invocations("t").await.len(), 1, "what a target writes back provisions nothing");
        assert_eq!(lines(&log).len(), 1);
        let changes = host.host.store.changes(CO, 0, 10).await.unwrap();
        let last = changes.last().unwrap();
        assert_eq!(
            (last.actor.as_str(), last.provision, &last.parts[..]),
            ("target:t", false, &["identifiers".to_owned()][..])
        );

        host.misbehaving_target("t", give(&["2"])).await;
        host.put(person_key("anna"), named("anna", "Anne")).await;
        assert_eq!(written(&host).await, ["2"], "in place of those it stored before");
    }

    #[tokio::test]
    async fn a_write_from_outside_leaves_identifiers_of_a_target_alone() {
        let host = TestHost::start().await;
        host.misbehaving_target("t", json!([{"do": "finish", "outcome": "applied", "identifiers": ["1"]}]))
            .await;
        host.put(person_key("anna"), person("anna")).await;
        host.misbehaving_target("t", json!([{"do": "finish", "outcome": "unchanged"}])).await;
        host.put(person_key("anna"), named("anna", "Anne")).await;
        assert_eq!(written(&host).await, ["1"]);
    }
}

mod syslog {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[tokio::test]
    async fn a_failed_automatic_provisioning_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("log");
        let received = UnixDatagram::bind(&socket).unwrap();
        received.set_nonblocking(true).unwrap();
        let host = TestHost::start_with(|configuration| {
            configuration.syslog.enabled = true;
            configuration.syslog.socket = socket;
        })
        .await;
        host.misbehaving_target(
            "t",
            json!([{"do": "fail", "failure": "conflict", "message": "uid is taken"}]),
        )
        .await;
        host.put(person_key("anna"), person("anna")).await;
        // Nobody needs to be told what the one who asked is answered.
        host.host.pipeline.provision(CO, "t", &person_key("anna")).await.unwrap();
        host.misbehaving_target("t", json!([])).await;
        host.put(person_key("anna"), named("anna", "Anne")).await;
        host.host.stop().await;
        // The last one to go waits until everything is sent.
        drop(host);
        let mut lines = Vec::new();
        let mut line = [0; 4096];
        while let Ok(length) = received.recv(&mut line) {
            lines.push(String::from_utf8_lossy(&line[..length]).into_owned());
        }
        let [line] = &lines[..] else { panic!("one line: {lines:?}") };
        assert!(line.starts_with("<27>"), "facility daemon, severity err: {line}");
        assert!(
            line.ends_with(
                "provisioning of person anna to target t of physics failed (conflict): uid is taken"
            ),
            "{line}"
        );
    }
}

mod the_bundled_api_plugin {
    use super::*;

    async fn host_with_api(receiver: &Receiver) -> TestHost {
        let host = TestHost::start().await;
        host.install_bundled("api").await;
        let server = json!({
            "kind": "http", "base_url": receiver.url(), "allow_private_addresses": true,
            "authentication": {"kind": "bearer", "token": "s3cr3t"},
        });
        host.server("web", server).await;
        let manifest = host.host.catalog.find("api").await.unwrap();
        let slot = &manifest.slots[0].name;
        host.target(
            "t",
            json!({"plugin": "api", "slots": {slot: "web"}, "configuration": {"identifier_type": "uid"}}),
        )
        .await;
        host
    }

    #[tokio::test]
    async fn failures_of_the_counterpart_have_their_class() {
        let receiver = Receiver::start().await;
        let host = host_with_api(&receiver).await;
        for (status, class) in [
            (401, FailureClass::Authentication),
            (403, FailureClass::Authentication),
            (409, FailureClass::Conflict),
            (429, FailureClass::RateLimited),
            (503, FailureClass::Transient),
        ] {
            receiver.answer(move |_| Answer::new(status, "").header("retry-after", "7"));
            let done = host.put(person_key("anna"), named("anna", &status.to_string())).await;
            let Some(InvocationOutcome::Failed { class: found, retry_after_seconds, .. }) = &done[0].outcome
            else {
                panic!("{status}: {:?}", done[0].outcome)
            };
            assert_eq!(*found, class, "{status}");
            if matches!(class, FailureClass::RateLimited | FailureClass::Transient) {
                assert_eq!(*retry_after_seconds, Some(7), "{status}");
            }
        }
    }

    #[tokio::test]
    async fn a_person_is_put_and_removed_by_its_identifier() {
        let receiver = Receiver::start().await;
        let host = host_with_api(&receiver).await;
        host.put(person_key("anna"), person("anna")).await;
        receiver.answer(|_| Answer::new(404, ""));
        let done = host.delete(&person_key("anna")).await;
        assert!(!matches!(done[0].outcome, Some(InvocationOutcome::Failed { .. })), "{:?}", done[0].outcome);
        let requests: Vec<_> = receiver
            .received()
            .into_iter()
            .map(|request| format!("{} {}", request.method, request.path))
            .collect();
        assert_eq!(requests.len(), 2, "{requests:?}");
        assert!(requests[0].starts_with("PUT /") && requests[1].starts_with("DELETE /"), "{requests:?}");
        assert!(requests.iter().all(|request| request.ends_with("/anna")), "{requests:?}");
        assert!(
            receiver
                .received()
                .iter()
                .all(|request| request.header("authorization") == Some("Bearer s3cr3t"))
        );
    }
}

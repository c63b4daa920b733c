//! Data filters on the way to a target.

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
        transcript["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["filter", "filter", "filter", "provisioner"]);
}

#[tokio::test]
async fn the_bundled_filter_puts_an_identifier_in_place_of_the_name() {
    let host = TestHost::start().await;
    host.install_bundled("group-name").await;
    let filter = json!({"plugin": "group-name", "configuration": {"identifier_type": "posix"}});
    let filter = serde_json::from_value(filter).unwrap();
    host.host.administration.put_filter(CO, "posix-names", filter).await.unwrap();
    host.misbehaving_target_with("filtered", json!([{"do": "report"}]), json!({"filters": ["posix-names"]}))
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
    let (class, message) = failed(with_filter(&host, json!({"do": "another-id"}), json!({})).await.as_ref());
    assert_eq!(class, FailureClass::Permanent);
    assert_eq!(
        message,
        "filter gave back person `anna-of-another` for person `anna`; a subject keeps its kind and id"
    );
    let (_, message) = failed(with_filter(&host, json!({"do": "another-kind"}), json!({})).await.as_ref());
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
    assert_eq!(host.service("t", &person_key("anna")).await.unwrap().status, ServiceStatus::NotEligible);
}

#[tokio::test]
async fn a_suspended_filter_is_passed_over_and_a_filter_is_not_offered_other_kinds() {
    let host = TestHost::start().await;
    let plugin = host.install(provender_tests::guests::MISBEHAVING_FILTER).await.digest;
    let drop = json!({"filter": {"do": "drop", "reason": "no consent"}});
    let put = async |suspended: bool| {
        let input = json!({"plugin": plugin, "configuration": drop, "suspended": suspended});
        let input = serde_json::from_value(input).unwrap();
        host.host.administration.put_filter(CO, "f", input).await.unwrap();
    };
    put(false).await;
    let file = host.changelog("log", json!({"filters": ["f"]})).await;
    host.put(person_key("anna"), person("anna")).await;
    assert_eq!(lines(&file).len(), 0);
    let service = provender::registry::record::Service { name: "wiki".to_owned(), ..Default::default() };
    let key = SubjectKey { kind: RecordKind::Service, id: "wiki".to_owned() };
    host.put(key, Record::Service(Box::new(service))).await;
    assert_eq!(lines(&file).len(), 1, "the filter knows people and groups only");
    put(true).await;
    host.put(person_key("anna"), named("anna", "Anne")).await;
    assert_eq!(lines(&file).len(), 2);
}

#[tokio::test]
async fn what_a_filter_changed_is_in_the_invocation() {
    let host = TestHost::start().await;
    host.misbehaving_filter("mark", json!({"do": "mark", "name": "m"})).await;
    host.misbehaving_target_with("t", json!([]), json!({"filters": ["mark"]})).await;
    let done = host.put(person_key("anna"), person("anna")).await;
    let changed = host.transcript(&done[0]).await["steps"][0]["changed"].clone();
    assert_eq!(changed, json!([{"path": "extensions[0]", "after": {"name": "m", "json": "0"}}]));
}

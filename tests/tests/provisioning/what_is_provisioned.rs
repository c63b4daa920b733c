//! What the plugin gets, and why.

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
    assert_eq!(left_out(&done[0]), NotEligible::Deleted);
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
    host.server("web", json!({"kind": "http", "base_url": receiver.url(), "allow_private_addresses": true}))
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
    assert_eq!(transcript["steps"][0]["transcript"]["effects"][0]["capability"], "registry");
}

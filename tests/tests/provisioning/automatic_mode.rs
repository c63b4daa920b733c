//! What follows from a change by itself.

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
        (&transcript["steps"][0]["step"], &transcript["steps"][0]["plugin"]),
        (&json!("provisioner"), &json!("changelog"))
    );
    assert_eq!(transcript["steps"][0]["transcript"]["effects"][0]["operation"], "append");
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
    host.server("web", json!({"kind": "http", "base_url": receiver.url(), "allow_private_addresses": true}))
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
    assert_eq!(done.iter().map(|done| done.target.as_str()).collect::<Vec<_>>(), ["early", "middle", "late"]);
    let paths: Vec<_> = receiver.received().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/early", "/middle", "/late"]);
}

#[tokio::test]
async fn a_target_that_fails_harms_no_other() {
    let host = TestHost::start().await;
    host.misbehaving_target("crashes", json!([{"do": "panic", "message": "boom"}])).await;
    host.misbehaving_target_with("loops", json!([{"do": "loop"}]), json!({"limits": {"fuel": 10_000_000}}))
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
    host.server("web", json!({"kind": "http", "base_url": receiver.url(), "allow_private_addresses": true}))
        .await;
    let request = json!([{"do": "request", "slot": "web", "url": "/x"}]);
    host.misbehaving_target_with("t", request, json!({"slots": {"web": "web"}})).await;
    receiver.hold();
    let mut planned = Vec::new();
    for (id, given) in [("anna", "1"), ("anna", "2"), ("bob", "1")] {
        let written = host.host.registry.put(CO, person_key(id), named(id, given), &by_test()).await.unwrap();
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
    let quiet = WriteOptions { provision: false, ..WriteOptions::by("test") };
    let written = host.host.registry.put(CO, person_key("anna"), person("anna"), &quiet).await.unwrap();
    assert!(written.planned.is_empty());
    assert!(host.host.store.record(CO, &person_key("anna")).await.unwrap().is_some());
    let changes = host.host.store.changes(CO, 0, 10).await.unwrap();
    assert_eq!(changes.iter().map(|change| change.provision).collect::<Vec<_>>(), [false]);
    assert!(host.invocations("t").await.is_empty());
}

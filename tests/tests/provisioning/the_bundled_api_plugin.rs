//! The plugin `api` against a receiver.

use super::*;

async fn configure_server(host: &TestHost, receiver: &Receiver) {
    let server = json!({
        "kind": "http", "base_url": receiver.url(), "allow_private_addresses": true,
        "authentication": {"kind": "bearer", "token": "s3cr3t"},
    });
    host.server("web", server).await;
}

async fn host_with_api(receiver: &Receiver) -> TestHost {
    let host = TestHost::start().await;
    host.install_bundled("api").await;
    configure_server(&host, receiver).await;
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
        // Configured anew, the server has forgotten that it asked to be left alone.
        configure_server(&host, &receiver).await;
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
        receiver.received().iter().all(|request| request.header("authorization") == Some("Bearer s3cr3t"))
    );
}

#[tokio::test]
async fn a_counterpart_that_asks_to_be_left_alone_gets_no_request_of_any_subject() {
    let receiver = Receiver::start().await;
    let host = host_with_api(&receiver).await;
    receiver.answer(|_| Answer::new(429, "").header("retry-after", "300"));
    host.put(person_key("anna"), person("anna")).await;
    receiver.answer(|_| Answer::new(200, ""));
    let done = host.put(person_key("bob"), person("bob")).await;
    let Some(InvocationOutcome::Failed { class, message, retry_after_seconds, .. }) = &done[0].outcome else {
        panic!("{:?}", done[0].outcome)
    };
    assert_eq!(*class, FailureClass::Transient);
    assert!(message.contains("asked to be left alone"), "{message}");
    assert!((1..=300).contains(&retry_after_seconds.unwrap()), "{retry_after_seconds:?}");
    assert_eq!(receiver.received().len(), 1);
}

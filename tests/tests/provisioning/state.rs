//! What a plugin remembers.

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

//! What a counterpart gives back.

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
    host.misbehaving_target("t", json!([{"do": "finish", "outcome": "applied", "identifiers": ["1"]}])).await;
    host.put(person_key("anna"), person("anna")).await;
    host.misbehaving_target("t", json!([{"do": "finish", "outcome": "unchanged"}])).await;
    host.put(person_key("anna"), named("anna", "Anne")).await;
    assert_eq!(written(&host).await, ["1"]);
}

//! What follows only when asked for, or never.

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
    assert_eq!(error.to_string(), "target `t` is disabled; set another mode first");
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

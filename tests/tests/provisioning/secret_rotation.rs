//! Secrets that are in files or in the environment, and secrets that are replaced while the host runs.

use std::path::Path;

use provender_tests::waiting::eventually;

use super::*;

fn server(url: &str, token: &Value) -> Value {
    json!({
        "kind": "http", "base_url": url, "allow_private_addresses": true,
        "authentication": {"kind": "bearer", "token": token},
    })
}

async fn host_with(receiver: &Receiver, token: &Value) -> TestHost {
    let host = TestHost::start().await;
    host.server("web", server(&receiver.url(), token)).await;
    let steps = json!([{"do": "request", "slot": "web", "url": "/"}]);
    host.misbehaving_target_with("t", steps, json!({"slots": {"web": "web"}})).await;
    host
}

/// What the counterpart gets of the next provisioning.
async fn token_sent(host: &TestHost, receiver: &Receiver) -> Option<String> {
    let before = receiver.received().len();
    host.put(person_key("anna"), named("anna", &before.to_string())).await;
    let received = receiver.received();
    let [request] = &received[before..] else { return None };
    request.header("authorization").map(|value| value.replace("Bearer ", ""))
}

/// As an operator or an orchestrator does it: never half written.
fn replace(file: &Path, secret: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, secret).unwrap();
    std::fs::rename(new, file).unwrap();
}

#[tokio::test]
async fn a_secret_in_a_file_is_read_anew_when_the_file_is_another_one() {
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "first-token\n").unwrap();
    let host = host_with(&receiver, &json!({"file": file})).await;
    assert_eq!(token_sent(&host, &receiver).await.as_deref(), Some("first-token"));
    let shown = host.host.administration.server(CO, "web").await.unwrap();
    let shown = serde_json::to_value(&shown.configuration).unwrap();
    assert_eq!(shown["authentication"]["token"], json!({"file": file}));

    replace(&file, "other-token\n");
    eventually("the other token at the counterpart", async || {
        token_sent(&host, &receiver).await.filter(|token| token == "other-token")
    })
    .await;

    std::fs::remove_file(&file).unwrap();
    let message = eventually("a failure without the file", async || {
        let done = host.put(person_key("anna"), named("anna", &uuid::Uuid::now_v7().to_string())).await;
        match &done[0].outcome {
            Some(InvocationOutcome::Failed { class: FailureClass::Configuration, message, .. }) => {
                Some(message.clone())
            }
            _ => None,
        }
    })
    .await;
    assert!(message.contains("server `web`") && message.contains(file.to_str().unwrap()), "{message}");
    assert!(!message.contains("other-token"), "{message}");
    replace(&file, "third-token");
    assert_eq!(token_sent(&host, &receiver).await.as_deref(), Some("third-token"));
}

#[tokio::test]
async fn a_secret_in_the_environment_is_used_and_a_new_one_takes_effect_with_the_next_call() {
    let receiver = Receiver::start().await;
    let host = host_with(&receiver, &json!({"environment": "CARGO_MANIFEST_DIR"})).await;
    let in_environment = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    assert_eq!(token_sent(&host, &receiver).await, Some(in_environment));
    for token in ["second-token", "third-token"] {
        host.server("web", server(&receiver.url(), &json!(token))).await;
        assert_eq!(token_sent(&host, &receiver).await.as_deref(), Some(token));
    }
}

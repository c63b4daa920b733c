//! Servers, filters and targets as operators configure them: what is refused, and with which words.

use provender::administration::{AdministrationError, ServerInput};
use provender_tests::guests::MISBEHAVING;
use provender_tests::host::{CO, TestHost};
use serde_json::{Value, json};

async fn refusal(host: &TestHost, input: Value) -> String {
    let error = host.try_target("directory", input).await.unwrap_err();
    assert!(host.host.administration.targets(CO).await.unwrap().is_empty(), "what is refused is not stored");
    error.to_string()
}

#[tokio::test]
async fn a_configuration_that_the_schema_refuses_is_refused_with_its_json_pointer() {
    let host = TestHost::start().await;
    host.install(MISBEHAVING).await;
    let text =
        refusal(&host, json!({"plugin": "misbehaving", "configuration": {"provision": 7, "more": []}})).await;
    assert!(text.starts_with("target `directory` cannot be stored: "), "{text}");
    assert!(text.contains("/configuration/provision ") && text.contains("more"), "{text}");
}

#[tokio::test]
async fn a_plugin_that_is_not_installed_is_refused_with_those_that_are() {
    let host = TestHost::start().await;
    let text = refusal(&host, json!({"plugin": "ldap"})).await;
    assert!(
        text.contains("/plugin plugin `ldap` is not installed; no plugin is: install one first"),
        "{text}"
    );
    host.install(MISBEHAVING).await;
    let text = refusal(&host, json!({"plugin": "ldap"})).await;
    assert!(text.contains("misbehaving@0.1.0"), "{text}");
}

#[tokio::test]
async fn a_filter_is_no_provisioner_and_a_provisioner_no_filter() {
    let host = TestHost::start().await;
    host.misbehaving_filter("marks", json!({"do": "mark", "name": "m"})).await;
    host.install(MISBEHAVING).await;
    let text =
        refusal(&host, json!({"plugin": "misbehaving-filter", "configuration": {"filter": {"do": "loop"}}}))
            .await;
    assert!(
        text.contains("/plugin plugin `misbehaving-filter` is a data-filter; name a provisioner here"),
        "{text}"
    );
    let input = serde_json::from_value(json!({"plugin": "misbehaving"})).unwrap();
    let error = host.host.administration.put_filter(CO, "f", input).await.unwrap_err().to_string();
    assert!(
        error.contains("/plugin plugin `misbehaving` is a provisioner; name a data-filter here"),
        "{error}"
    );
}

#[tokio::test]
async fn a_slot_that_is_needed_must_be_bound_to_a_server_of_its_kind() {
    let host = TestHost::start().await;
    host.install_bundled("changelog").await;
    let text = refusal(&host, json!({"plugin": "changelog"})).await;
    assert!(
        text.contains("/slots plugin `changelog` needs a server of kind `files` in slot `log`; bind one"),
        "{text}"
    );
    let text = refusal(&host, json!({"plugin": "changelog", "slots": {"log": "nowhere"}})).await;
    assert!(text.contains("/slots/log there is no server `nowhere`; create it first"), "{text}");
    host.server("web", json!({"kind": "http", "base_url": "https://example.org"})).await;
    let text = refusal(&host, json!({"plugin": "changelog", "slots": {"log": "web"}})).await;
    assert!(
        text.contains("/slots/log server `web` is of kind `http`, but slot `log` needs one of kind `files`"),
        "{text}"
    );
    let text = refusal(&host, json!({"plugin": "changelog", "slots": {"log": "web", "tree": "web"}})).await;
    assert!(text.contains("/slots/tree plugin `changelog` has no slot `tree`; it has log"), "{text}");
}

#[tokio::test]
async fn limits_are_raised_up_to_their_maximum_and_no_further() {
    let host = TestHost::start().await;
    host.install(MISBEHAVING).await;
    let text = refusal(&host, json!({"plugin": "misbehaving", "limits": {"deadline_ms": 600_001}})).await;
    assert!(
        text.contains("/limits/deadline_ms limit `deadline_ms` is 600001, but must be from 1 to 600000"),
        "{text}"
    );
    let text = refusal(&host, json!({"plugin": "misbehaving", "limits": {"cpu": 1}})).await;
    assert!(text.contains("/limits/cpu limit `cpu` does not exist; there are fuel, memory_bytes"), "{text}");
    host.try_target("directory", json!({"plugin": "misbehaving", "limits": {"deadline_ms": 600_000}}))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_filter_that_is_not_there_is_refused() {
    let host = TestHost::start().await;
    host.install(MISBEHAVING).await;
    let text = refusal(&host, json!({"plugin": "misbehaving", "filters": ["nowhere"]})).await;
    assert!(text.contains("/filters/0 there is no filter `nowhere`; create it first"), "{text}");
}

#[tokio::test]
async fn what_a_target_uses_is_not_removed() {
    let host = TestHost::start().await;
    host.misbehaving_filter("marks", json!({"do": "mark", "name": "m"})).await;
    host.changelog("log", json!({"filters": ["marks"]})).await;
    let administration = &host.host.administration;
    let error = administration.delete_filter(CO, "marks").await.unwrap_err();
    assert!(matches!(error, AdministrationError::InUse { .. }), "{error}");
    assert_eq!(error.to_string(), "filter `marks` is in use by target log; take it out of there first");
    let error = administration.delete_server(CO, "folder-of-log").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "server `folder-of-log` is in use by target log; take it out of there first"
    );
    administration.delete_target(CO, "log").await.unwrap();
    administration.delete_filter(CO, "marks").await.unwrap();
    administration.delete_server(CO, "folder-of-log").await.unwrap();
}

#[tokio::test]
async fn targets_are_called_in_the_order_they_were_made_unless_told_otherwise() {
    let host = TestHost::start().await;
    for (id, settings) in [("c", json!({})), ("a", json!({})), ("b", json!({"order": 0}))] {
        host.misbehaving_target_with(id, json!([]), settings).await;
    }
    let targets = host.host.administration.targets(CO).await.unwrap();
    let order: Vec<_> = targets.iter().map(|target| (target.id.as_str(), target.order)).collect();
    assert_eq!(order, [("b", 0), ("c", 1), ("a", 2)]);
}

#[tokio::test]
async fn a_server_is_refused_with_all_that_is_wrong_with_it() {
    let host = TestHost::start().await;
    for (configuration, complaint) in [
        (json!({"kind": "http", "base_url": "ftp://example.org"}), "/base_url"),
        (json!({"kind": "http", "base_url": "https://user:pw@example.org"}), "/base_url"),
        (
            json!({"kind": "http", "base_url": "http://example.org", "authentication": {"kind": "bearer", "token": "x"}}),
            "/base_url must be https",
        ),
        (
            json!({"kind": "http", "base_url": "https://example.org", "request_timeout_ms": 0}),
            "/request_timeout_ms",
        ),
        (json!({"kind": "files", "root": "relative"}), "/root"),
        (json!({"kind": "files", "root": "/there/is/no/such/folder"}), "/root"),
    ] {
        let input: ServerInput = serde_json::from_value(json!({"configuration": configuration})).unwrap();
        let error = host.host.administration.put_server(CO, "s", input).await.unwrap_err().to_string();
        assert!(
            error.contains("server `s` cannot be stored: ") && error.contains(complaint),
            "{configuration}: {error}"
        );
    }
}

#[tokio::test]
async fn secrets_are_kept_encrypted_and_never_shown() {
    let host = TestHost::start().await;
    host.server(
        "web",
        json!({"kind": "http", "base_url": "https://example.org", "authentication": {"kind": "bearer", "token": "s3cr3t"}}),
    )
    .await;
    let shown = serde_json::to_string(&host.host.administration.server(CO, "web").await.unwrap()).unwrap();
    assert!(shown.contains("bearer") && !shown.contains("s3cr3t"), "{shown}");
    let data = host.folder("data");
    host.host.stop().await;
    for file in std::fs::read_dir(data).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        let found = bytes.windows(6).any(|window| window == b"s3cr3t");
        assert!(!found, "{} holds the secret", path.display());
    }
}

#[tokio::test]
async fn a_secret_that_is_left_out_stays_as_it_is() {
    use provender_tests::receiver::Receiver;
    let receiver = Receiver::start().await;
    let host = TestHost::start().await;
    let server = |token: Value| {
        let mut configuration = json!({
            "kind": "http", "base_url": receiver.url(), "allow_private_addresses": true,
            "authentication": {"kind": "bearer"},
        });
        if token.is_string() {
            configuration["authentication"]["token"] = token;
        }
        configuration
    };
    host.server("web", server(json!("s3cr3t"))).await;
    host.server("web", server(Value::Null)).await;
    receiver.expect_the_operator();
    let lines = host.host.administration.check_server(CO, "web").await.unwrap();
    assert!(lines[0].contains("answers 200"), "{lines:?}");
    assert_eq!(receiver.received()[0].header("authorization"), Some("Bearer s3cr3t"));
}

#[tokio::test]
async fn a_server_is_checked_where_it_is() {
    let host = TestHost::start().await;
    let root = host.folder("root");
    host.server("files", json!({"kind": "files", "root": root})).await;
    assert_eq!(
        host.host.administration.check_server(CO, "files").await.unwrap(),
        ["the root is there and can be written"]
    );
    std::fs::remove_dir(&root).unwrap();
    let error = host.host.administration.check_server(CO, "files").await.unwrap_err().to_string();
    assert!(error.starts_with("server `files` does not answer as it should: "), "{error}");
}

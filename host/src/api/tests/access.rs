//! Who may do what.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{Api, person};
use crate::api::{Exposure, ServeError, keys, openapi, serve};

#[tokio::test]
async fn a_new_host_on_loopback_needs_no_key_until_there_is_one() {
    let api = Api::start().await;
    api.put("/cos/demo/people/a", person("Ada")).await.with(201);
    assert_eq!(api.get("/cos/demo/changes").await.with(200)["items"][0]["actor"], "local");

    let key = api.key(None, true).await;
    let refused = api.get("/cos").await;
    assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"provender\""));
    let (kind, body) = refused.problem(401);
    assert_eq!(kind, "unauthenticated");
    assert!(body["detail"].as_str().unwrap().contains("provender key create"), "{body}");
    api.call("GET", "/cos").key(&key).send().await.with(200);
}

#[tokio::test]
async fn a_page_in_a_browser_is_not_the_user_of_the_machine() {
    let api = Api::start().await;
    for (name, value) in [("origin", "https://example.org"), ("host", "rebound.example.org")] {
        api.call("GET", "/cos").header(name, value).send().await.with(401);
    }
    api.call("GET", "/cos").header("host", "localhost:8470").send().await.with(200);
}

#[tokio::test]
async fn on_the_network_every_request_needs_a_key() {
    let api = Api::start_on(Exposure::Network, |_| {}).await;
    api.get("/cos").await.with(401);
    api.get("/healthz").await.with(200);
    let ready = api.get("/readyz").await.with(200);
    assert_eq!(ready, json!({"ready": true, "store": true, "worker": true}));
}

#[tokio::test]
async fn a_removed_or_altered_key_is_refused() {
    let api = Api::start().await;
    let key = api.key(None, true).await;
    let other = api.key(None, true).await;
    for wrong in ["pvk_0_0".to_owned(), format!("{key}x"), key.to_uppercase(), String::new()] {
        api.call("GET", "/cos").key(&wrong).send().await.with(401);
    }
    api.call("GET", "/cos").header("authorization", "Basic YTpi").send().await.with(401);
    let id = key.split('_').nth(1).unwrap();
    keys::delete(&api.host.store, id).await.unwrap();
    api.call("GET", "/cos").key(&key).send().await.with(401);
    api.call("GET", "/cos").key(&other).send().await.with(200);
}

/// Method and path of every operation below `/api/v1`, with ids filled in.
fn operations(co: &str) -> Vec<(String, String)> {
    let api = serde_json::to_value(openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        let Some(path) = path.strip_prefix("/api/v1") else { continue };
        let path = path
            .replace("{co}", co)
            .replace("/invocations/{id}", "/invocations/0192f0c1-2222-7333-8444-555566667777")
            .replace("/notifications/{id}", "/notifications/0192f0c1-2222-7333-8444-555566667777")
            .replace("{digest}", "0123456789abcdef")
            .replace(['{', '}'], "");
        let methods = ["get", "put", "post", "patch", "delete"];
        for method in methods.into_iter().filter(|method| item.get(*method).is_some()) {
            operations.push((method.to_uppercase(), path.clone()));
        }
    }
    assert!(operations.len() > 45, "{}", operations.len());
    operations
}

#[tokio::test]
async fn every_operation_needs_a_key_that_allows_it() {
    let api = Api::start().await;
    let other = json!({"id": "other", "name": "Other"});
    api.call("POST", "/cos").json(&other).send().await.with(201);
    let of_other = api.key(Some("other"), true).await;
    let read_only = api.key(None, false).await;
    let full = api.key(None, true).await;
    for (method, path) in operations("demo") {
        let label = format!("{method} {path}");
        let call = || api.call(&method, &path);
        assert_eq!(call().send().await.status, 401, "{label} without a key");
        if path.starts_with("/cos/demo") {
            assert_eq!(
                call().key(&of_other).send().await.status,
                404,
                "{label} with a key of another collaboration"
            );
        } else if method != "GET" {
            assert_eq!(call().key(&of_other).send().await.status, 403, "{label} without a platform key");
        }
        if method != "GET" {
            let (kind, problem) = call().key(&read_only).send().await.problem(403);
            assert_eq!(kind, "forbidden");
            assert!(problem["detail"].as_str().unwrap().contains("full access"), "{label}: {problem}");
        }
        let surprise = api.call(&method, &format!("{path}?surprise=1")).key(&full).send().await;
        assert_eq!(surprise.status, 400, "{label} with an unknown parameter");
        assert!(surprise.body["detail"].as_str().unwrap().contains("surprise"), "{label}: {}", surprise.body);
    }
}

#[tokio::test]
async fn a_collaboration_that_is_not_there_looks_like_one_that_is_not_shown() {
    let api = Api::start().await;
    let key = api.key(Some("demo"), true).await;
    let of = |path: &'static str| api.call("GET", path).key(&key).send();
    let (hidden, missing) =
        (of("/cos/hidden/people").await.with(404), of("/cos/missing/people").await.with(404));
    assert_eq!(hidden.to_string().replace("hidden", "missing"), missing.to_string());
    let listed = of("/cos").await.with(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed["items"][0]["id"], "demo");
}

#[tokio::test]
async fn a_key_of_a_collaboration_does_everything_there_but_reach_into_the_host() {
    let api = Api::start().await;
    let key = api.key(Some("demo"), true).await;
    let put = |path: &'static str, body: Value| api.call("PUT", path).key(&key).json(&body).send();
    put("/cos/demo", json!({"name": "Renamed"})).await.with(200);
    put("/cos/demo/people/a", person("Ada")).await.with(201);
    put(
        "/cos/demo/servers/web",
        json!({"configuration": {"kind": "http", "base_url": "https://example.org"}}),
    )
    .await
    .with(201);
    let root = api.directory.path().to_str().unwrap();
    for configuration in [
        json!({"kind": "files", "root": root}),
        json!({"kind": "http", "base_url": "http://10.0.0.1", "allow_private_addresses": true}),
    ] {
        let (kind, _) =
            put("/cos/demo/servers/inside", json!({"configuration": configuration})).await.problem(403);
        assert_eq!(kind, "forbidden");
    }
    let changes = api.call("GET", "/cos/demo/changes").key(&key).send().await.with(200);
    let id = key.split('_').nth(1).unwrap();
    assert_eq!(changes["items"][0]["actor"], format!("key {id}"));
}

/// A configuration of each place of a secret, with the pointer to it.
fn with_secret_at_each_place() -> Vec<(&'static str, Value)> {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    let http = |authentication: Value| json!({"kind": "http", "base_url": "https://example.org", "authentication": authentication});
    let client = json!({
        "kind": "oauth2_client_credentials", "token_url": "https://login.example.org", "client_id": "p",
    });
    let consumer = json!({
        "kind": "oauth1", "consumer_key": "p", "consumer_secret": "x", "access_token": {"token": "t", "secret": "x"},
    });
    let mut with_certificate = http(json!({"kind": "none"}));
    with_certificate["client_certificate"] = json!({"certificates": certificate.pem()});
    let directory = json!({
        "kind": "ldap", "url": "ldaps://example.org", "base_dns": ["dc=x"],
        "authentication": {"kind": "simple", "bind_dn": "cn=x"},
    });
    vec![
        ("/authentication/password", http(json!({"kind": "basic", "username": "p"}))),
        ("/authentication/token", http(json!({"kind": "bearer"}))),
        ("/authentication/value", http(json!({"kind": "header", "name": "x-api-key"}))),
        ("/authentication/client_secret", http(client)),
        ("/authentication/consumer_secret", http(consumer.clone())),
        ("/authentication/access_token/secret", http(consumer)),
        ("/client_certificate/private_key", with_certificate),
        ("/authentication/password", directory),
    ]
}

#[tokio::test]
async fn a_secret_in_the_surroundings_of_the_host_is_referred_to_with_a_platform_key_alone() {
    let api = Api::start().await;
    let (of_co, platform) = (api.key(Some("demo"), true).await, api.key(None, true).await);
    let put = |key: &str, configuration: &Value| {
        let call = api.call("PUT", "/cos/demo/servers/s").key(key);
        call.json(&json!({"configuration": configuration})).send()
    };
    for (pointer, configuration) in with_secret_at_each_place() {
        for reference in [json!({"file": "/run/secrets/x"}), json!({"environment": "X"})] {
            let mut referring = configuration.clone();
            let (place, field) = pointer.rsplit_once('/').unwrap();
            referring.pointer_mut(place).unwrap()[field] = reference.clone();
            let (kind, problem) = put(&of_co, &referring).await.problem(403);
            assert_eq!(
                (kind.as_str(), &problem["detail"]),
                (
                    "forbidden",
                    &json!(
                        "the API key is for collaboration `demo` only; a secret in the files or the environment of \
                         the host needs one for the platform"
                    )
                ),
                "{pointer}"
            );
            api.call("GET", "/cos/demo/servers/s").key(&platform).send().await.with(404);
            let stored = put(&platform, &referring).await.with(201);
            assert_eq!(stored["configuration"].pointer(pointer), Some(&reference));
            api.call("DELETE", "/cos/demo/servers/s").key(&platform).send().await.with(204);
        }
    }
}

#[tokio::test]
async fn a_reference_that_is_left_out_stays_where_it_is_sent_to_the_same_alone() {
    let api = Api::start().await;
    let (of_co, platform) = (api.key(Some("demo"), true).await, api.key(None, true).await);
    let put = |key: &str, base_url: &str, authentication: Value| {
        let configuration = json!({"kind": "http", "base_url": base_url, "authentication": authentication});
        let call = api.call("PUT", "/cos/demo/servers/s").key(key);
        call.json(&json!({"configuration": configuration})).send()
    };
    let referring = json!({"kind": "bearer", "token": {"file": "/run/secrets/x"}});
    put(&platform, "https://example.org", referring.clone()).await.with(201);
    let kept = put(&of_co, "https://example.org", json!({"kind": "bearer"})).await.with(200);
    assert_eq!(kept["configuration"]["authentication"], referring);
    let (_, elsewhere) =
        put(&of_co, "https://elsewhere.example.org", json!({"kind": "bearer"})).await.problem(422);
    assert_eq!(elsewhere["errors"][0]["pointer"], "/configuration/authentication/token", "{elsewhere}");
    // What is shown can be written back by who may set it.
    let shown = api.call("GET", "/cos/demo/servers/s").key(&of_co).send().await.with(200);
    let back = |key: &str| api.call("PUT", "/cos/demo/servers/s").key(key).json(&shown).send();
    back(&of_co).await.with(403);
    back(&platform).await.with(200);
}

#[tokio::test]
async fn the_api_does_not_start_on_the_network_without_a_key() {
    let api = Api::start().await;
    let listen = async || TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], 0))).await.unwrap();
    let refused = serve(Arc::clone(&api.host), listen().await, std::future::pending()).await.unwrap_err();
    assert!(matches!(refused, ServeError::KeyNeeded(_)));
    assert!(refused.to_string().contains("provender key create"), "{refused}");

    api.key(None, true).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(serve(Arc::clone(&api.host), listen().await, async {
        let _ = stopped.await;
    }));
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}

//! The whole memory of a plugin after it used what it was granted: no secret of a server that is bound to it is there.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provender::servers::configuration::LdapConfiguration;
use provender::servers::connector::SystemResolver;
use provender::servers::ldap::LdapServer;
use provender_tests::calls::{TestCall, history, http_server};
use provender_tests::receiver::Receiver;
use provender_tests::relay::Relay;
use provender_tests::slapd::{BASE, BIND_DN, PASSWORD as OF_DIRECTORY, Slapd};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::secrets::{PASSWORD, TOKEN, USER, echo, spellings};

/// Texts as the guest takes them: not as they are, or it would find what it was told.
fn search(known: &[&str], secrets: &[Vec<u8>]) -> Value {
    const MASK: u8 = 0xa5;
    let texts = known.iter().map(|text| text.as_bytes()).chain(secrets.iter().map(Vec::as_slice));
    let masked: Vec<Vec<u8>> = texts.map(|text| text.iter().map(|byte| byte ^ MASK).collect()).collect();
    json!({"do": "search-memory", "masked": masked, "mask": MASK})
}

/// What a plugin noted that took these steps, and then found of the texts by their numbers.
async fn searched(call: TestCall) -> (String, String) {
    let mut notes = history(call.limit("fuel", 50_000_000_000).provision().await);
    let found = notes.pop().unwrap();
    (notes.join("\n"), found.split_once(" in ").unwrap().0.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_a_web_server_is_in_the_memory_of_a_plugin() {
    let receiver = Receiver::start().await;
    receiver.answer(echo);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("note"), "what the file holds").unwrap();
    // Those that hold the shortest are found with it.
    let mut secrets = spellings();
    secrets.retain(|text| !text.contains("c4n4ry") || text == "c4n4ry");
    let secrets: Vec<Vec<u8>> = secrets.into_iter().map(String::into_bytes).collect();
    let authority = receiver.address().to_string();
    for (authentication, given) in [
        (json!({"kind": "basic", "username": USER}), &[("password", PASSWORD)][..]),
        (json!({"kind": "bearer"}), &[("token", TOKEN)]),
        (json!({"kind": "header", "name": "x-api-key"}), &[("header_value", TOKEN)]),
        (
            json!({
                "kind": "oauth2_client_credentials", "token_url": format!("{}/token", receiver.url()), "client_id": USER,
            }),
            &[("client_secret", PASSWORD)],
        ),
        (
            json!({"kind": "oauth1", "consumer_key": USER, "access_token": {"token": "public"}}),
            &[("consumer_secret", PASSWORD), ("token_secret", TOKEN)],
        ),
    ] {
        let server = json!({
            "base_url": receiver.url(), "allow_private_addresses": true, "authentication": authentication,
        });
        let server = http_server(server, given, &[]);
        // Told with the binding, in the answer, and in the file.
        let known = [receiver.url(), "/login?token=".to_owned(), "what the file holds".to_owned()];
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let steps = json!([
            {"do": "report"},
            {"do": "observe"},
            {"do": "request", "slot": "web", "url": "/echo"},
            {"do": "raw-request", "authority": authority, "path": "/x"},
            {"do": "file", "operation": "list", "path": "."},
            {"do": "file", "operation": "read", "path": "note"},
            search(&known, &secrets),
        ]);
        let call = TestCall::of(steps).web("web", &server, &[]).folder("folder", folder.path(), &[]);
        let (notes, found) = searched(call).await;
        assert!(notes.contains("200 [") && notes.contains("/login?token="), "{authentication}: {notes}");
        assert_eq!(found, "[0, 1, 2]", "{authentication}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_a_directory_is_in_the_memory_of_a_plugin() {
    let slapd = Slapd::start();
    let plain = Relay::to("ldap", slapd.address()).await;
    let tls: SocketAddr = slapd.ldaps_url().trim_start_matches("ldaps://").parse().unwrap();
    let tls = Relay::to("ldaps", tls).await;
    let (certificates, key) = &slapd.client;
    let der = STANDARD.decode(key.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap();
    // Of the key, the number itself; and the first line of its text.
    let secrets = [b"canary-of".to_vec(), der[36..60].to_vec(), key.lines().nth(1).unwrap().into()];
    let simple = json!({"kind": "simple", "bind_dn": BIND_DN});
    for (url, authentication, certificate, given, is_answered) in [
        (format!("ldap://{}", plain.address()), &simple, None, ("password", OF_DIRECTORY), true),
        (format!("ldap://{}", plain.address()), &simple, None, ("password", "canary-of-nobody"), false),
        (
            format!("ldaps://{}", tls.address()),
            &json!({"kind": "external"}),
            Some(json!({"certificates": certificates})),
            ("client_certificate_key", key.as_str()),
            true,
        ),
    ] {
        let configuration: LdapConfiguration = serde_json::from_value(json!({
            "url": url, "base_dns": [BASE], "allow_private_addresses": true, "authentication": authentication,
            "client_certificate": certificate, "ca_certificates": certificate.is_some().then_some(&slapd.ca),
        }))
        .unwrap();
        let given = [(given.0.to_owned(), SecretString::from(given.1))].into();
        let server = Arc::new(LdapServer::new(&configuration, &given, Arc::new(SystemResolver)).unwrap());
        // The filter, and what only the answer has.
        let known = ["(objectClass=organizationalUnit)", "ou=groups,"];
        let steps = json!([
            {"do": "report"},
            {"do": "directory", "base": BASE, "filter": known[0]},
            search(&known, &secrets),
        ]);
        let (notes, found) = searched(TestCall::of(steps).directory(&server)).await;
        assert_eq!(notes.contains("ou=groups,ou=physics"), is_answered, "{url}: {notes}");
        assert_eq!(found, if is_answered { "[0, 1]" } else { "[0]" }, "{url}: {notes}");
    }
}

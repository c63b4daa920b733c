//! Servers by the flags of `provender server put`: what is stored, and that it opens the counterpart.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provender_tests::receiver::{Answer, Receiver};
use rcgen::{CertificateParams, KeyPair};

use super::*;

const HTTPS: &str = "https://people.example.org";

/// The arguments of a command that configures the server `s` of `physics`.
fn put<'a>(flags: &[&'a str]) -> Vec<&'a str> {
    [&["server", "put", "s", "--co", "physics"], flags].concat()
}

/// A program with a collaboration and files of secrets.
fn with_secrets() -> Program {
    let program = program();
    program.output(&["co", "create", "physics", "--name", "Physics", "--no-automatic-groups"]);
    program.file("password", "s3cr3t\n");
    program.file("token-secret", "s3cr3t-of-token\n");
    program
}

#[test]
fn every_way_to_authenticate_has_flags() {
    let program = with_secrets();
    let password = ["--password-file", "password"];
    let file = program.folder().canonicalize().unwrap().join("password");
    for (flags, stored, place) in [
        (&["--header", "X-Api-Key"][..], json!({"kind": "header", "name": "X-Api-Key"}), "header X-Api-Key"),
        (
            &["--oauth2-token-url", "https://login.example.org/t", "--client-id", "p", "--scope", "a b"],
            json!({
                "kind": "oauth2_client_credentials", "token_url": "https://login.example.org/t", "client_id": "p",
                "scope": "a b", "client_authentication": "basic",
            }),
            "OAuth 2.0, client p, token from https://login.example.org/t",
        ),
        (
            &[
                "--oauth2-token-url",
                "https://l.example.org",
                "--client-id",
                "p",
                "--client-secret-in-form",
                "--by-reference",
            ],
            json!({
                "kind": "oauth2_client_credentials", "token_url": "https://l.example.org", "client_id": "p",
                "client_secret": {"file": file}, "client_authentication": "body",
            }),
            "OAuth 2.0, client p",
        ),
        (
            &["--oauth1-consumer", "k", "--hmac-sha1"],
            json!({"kind": "oauth1", "consumer_key": "k", "signature": "hmac_sha1"}),
            "OAuth 1.0a, consumer k",
        ),
        (
            &["--oauth1-consumer", "k", "--oauth1-token", "t", "--oauth1-token-secret-file", "token-secret"],
            json!({
                "kind": "oauth1", "consumer_key": "k", "access_token": {"token": "t"}, "signature": "hmac_sha256",
            }),
            "OAuth 1.0a, consumer k",
        ),
        (&["--bearer", "--by-reference"], json!({"kind": "bearer", "token": {"file": file}}), "bearer"),
    ] {
        let shown = program.json(&put(&[&["--http", HTTPS], flags, &password].concat()));
        assert_eq!(shown["configuration"]["authentication"], stored, "{flags:?}");
        assert!(!shown.to_string().contains("s3cr3t"));
        assert_contains(&program.output(&["server", "list", "--co", "physics"]), &[place]);
    }
    let by_name = ["--http", HTTPS, "--username", "anna", "--password-env", "NOT_SET_HERE", "--by-reference"];
    let shown = program.json(&put(&by_name));
    assert_eq!(shown["configuration"]["authentication"]["password"], json!({"environment": "NOT_SET_HERE"}));
}

#[test]
fn a_server_is_shown_the_certificate_of_its_client() {
    let program = with_secrets();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    program.file("certificate.pem", certificate.pem());
    program.file("key.pem", key.serialize_pem());
    let with_certificate = ["--client-certificate", "certificate.pem", "--client-key", "key.pem"];
    let ldap = ["--ldap", "ldaps://ldap.example.org", "--base-dn", "dc=example,dc=org", "--external"];
    for (flags, authentication) in [(&["--http", HTTPS][..], "none"), (&ldap, "external")] {
        let shown = program.json(&put(&[flags, &with_certificate].concat()));
        let shown = &shown["configuration"];
        assert_eq!(shown["authentication"]["kind"], authentication);
        assert_eq!(shown["client_certificate"], json!({"certificates": certificate.pem()}));
        let by_reference = program.json(&put(&[flags, &with_certificate, &["--by-reference"]].concat()));
        let file = program.folder().canonicalize().unwrap().join("key.pem");
        assert_eq!(by_reference["configuration"]["client_certificate"]["private_key"], json!({"file": file}));
    }
    let described = program.output(&["server", "show", "s", "--co", "physics"]);
    assert_contains(&described, &["client certificate", "yes"]);
}

#[test]
fn flags_that_do_not_belong_together_are_refused() {
    let program = with_secrets();
    for (flags, complaint) in [
        (&["--http", HTTPS, "--bearer", "--header", "X"][..], "cannot be used with"),
        (&["--http", HTTPS, "--oauth2-token-url", HTTPS], "--client-id"),
        (&["--http", HTTPS, "--oauth1-token", "t"], "--oauth1-consumer"),
        (&["--http", HTTPS, "--bearer", "--by-reference"], "--password-file"),
        (&["--http", HTTPS, "--client-key", "k"], "--client-certificate"),
        (&["--files", "/tmp", "--header", "X"], "cannot be used with"),
        (&["--http", HTTPS, "--bind-dn", "cn=x"], "cannot be used with"),
    ] {
        let ended = program.run(&put(flags));
        assert_eq!(ended.code, 2, "{flags:?}: {}", ended.stderr);
        assert_contains(&ended.stderr, &[complaint]);
    }
    let without_way = program.error(&put(&["--http", HTTPS, "--password-file", "password"]));
    assert_contains(&without_way, &["of no use", "--header NAME", "--oauth2-token-url URL"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_flags_say_opens_the_counterpart() {
    let receiver = Receiver::start().await;
    receiver.expect_the_operator();
    receiver.answer(|request| match request.path.as_str() {
        "/token" => Answer::new(200, r#"{"access_token": "given", "token_type": "bearer"}"#),
        _ => Answer::new(204, ""),
    });
    let program = with_secrets();
    let (url, token_url) = (receiver.url(), format!("{}/token", receiver.url()));
    let headers = |name: &str| -> Vec<String> {
        receiver.received().iter().filter_map(|request| request.header(name).map(str::to_owned)).collect()
    };
    let check = |flags: &[&str]| {
        program
            .output(&put(&[&["--http", &url, "--private", "--password-file", "password"], flags].concat()));
        program.output(&["server", "check", "s", "--co", "physics"])
    };
    assert_contains(&check(&["--header", "X-Api-Key"]), &["answers 204"]);
    assert_eq!(headers("x-api-key"), ["s3cr3t"]);
    let oauth2 = ["--oauth2-token-url", &token_url, "--client-id", "p", "--by-reference"];
    check(&oauth2);
    // Read anew, by every process.
    program.file("password", "rotated");
    program.output(&["server", "check", "s", "--co", "physics"]);
    let basic = |secret: &str| format!("Basic {}", STANDARD.encode(format!("p:{secret}")));
    let bearer = "Bearer given".to_owned();
    assert_eq!(headers("authorization"), [basic("s3cr3t"), bearer.clone(), basic("rotated"), bearer]);
    check(&["--oauth1-consumer", "k", "--oauth1-token", "t", "--oauth1-token-secret-file", "token-secret"]);
    let signed = headers("authorization").pop().unwrap();
    assert_contains(&signed, &["OAuth ", "oauth_consumer_key=\"k\"", "oauth_token=\"t\"", "HMAC-SHA256"]);
}

use secrecy::ExposeSecret;
use serde_json::json;
use utoipa::ToSchema;

use super::*;
use crate::servers::secret::SecretError;

fn key() -> SecretKey {
    SecretKey::from_base64("KioqKioqKioqKioqKioqKioqKioqKioqKioqKioqKio=").unwrap()
}

fn input(value: serde_json::Value) -> ServerInput {
    serde_json::from_value(value).unwrap()
}

fn stored(value: serde_json::Value) -> StoredServer {
    input(value).seal(&key(), "demo", "directory", None).unwrap()
}

fn problems(value: serde_json::Value) -> Vec<InvalidField> {
    match input(value).seal(&key(), "demo", "directory", None) {
        Err(ServerError::Invalid(InvalidConfiguration(fields))) => fields,
        other => panic!("{other:?}"),
    }
}

fn basic(base_url: &str, username: &str, password: Option<&str>) -> serde_json::Value {
    let mut authentication = json!({ "kind": "basic", "username": username });
    if let Some(password) = password {
        authentication["password"] = password.into();
    }
    json!({ "kind": "http", "base_url": base_url, "authentication": authentication })
}

#[test]
fn a_short_configuration_gets_the_defaults() {
    let server = stored(json!({ "kind": "http", "base_url": "HTTPS://Example.org/api/" }));
    assert_eq!(
        serde_json::to_value(&server.configuration).unwrap(),
        json!({
            "kind": "http",
            "base_url": "https://example.org/api",
            "authentication": { "kind": "none" },
            "allow_private_addresses": false,
            "connect_timeout_ms": 10_000,
            "request_timeout_ms": 30_000,
            "max_idle_connections": 32,
            "idle_timeout_ms": 30_000,
        })
    );
    assert!(server.secrets.is_empty());
}

#[test]
fn secrets_are_sealed_and_not_part_of_what_is_shown() {
    let token = json!({ "kind": "http", "base_url": "https://example.org",
                        "authentication": { "kind": "bearer", "token": "hunter2" } });
    for (value, field) in
        [(basic("https://example.org", "anna", Some("hunter2")), "password"), (token, "token")]
    {
        let server = stored(value.clone());
        let all = serde_json::to_string(&server).unwrap();
        assert!(!all.contains("hunter2"), "{all}");
        assert!(!format!("{server:?} {:?}", input(value)).contains("hunter2"));
        assert!(!serde_json::to_string(&server.configuration).unwrap().contains(field));

        let again: StoredServer = serde_json::from_str(&all).unwrap();
        assert_eq!(again, server);
        let secrets = again.open(&key(), "demo", "directory").unwrap();
        assert_eq!(secrets[field].expose_secret(), "hunter2");
        assert!(!format!("{secrets:?}").contains("hunter2"));
        for (co, id) in [("other", "directory"), ("demo", "other")] {
            assert!(matches!(
                again.open(&key(), co, id),
                Err(ServerError::Secret(SecretError::Damaged { .. }))
            ));
        }
    }
}

#[test]
fn what_is_shown_can_be_written_back_and_keeps_the_secret() {
    let before = stored(basic("https://example.org", "anna", Some("hunter2")));
    let mut shown = serde_json::to_value(&before.configuration).unwrap();
    shown["request_timeout_ms"] = 5.into();
    let after = input(shown).seal(&key(), "demo", "directory", Some(&before)).unwrap();
    assert_eq!(after.secrets, before.secrets);
    assert_ne!(after.configuration, before.configuration);
}

#[test]
fn a_secret_is_not_kept_for_another_url_or_user() {
    let before = stored(basic("https://example.org", "anna", Some("hunter2")));
    for changed in [
        basic("https://evil.example", "anna", None),
        basic("https://example.org:8443", "anna", None),
        basic("https://example.org/other", "anna", None),
        basic("https://example.org", "bert", None),
        json!({ "kind": "http", "base_url": "https://example.org", "authentication": { "kind": "bearer" } }),
    ] {
        let error =
            input(changed.clone()).seal(&key(), "demo", "directory", Some(&before)).unwrap_err().to_string();
        assert!(error.contains("is required"), "{changed}: {error}");
    }
    let none = json!({ "kind": "http", "base_url": "https://example.org" });
    let after = input(none).seal(&key(), "demo", "directory", Some(&before)).unwrap();
    assert!(after.secrets.is_empty(), "a secret that is not needed is not kept");
}

fn sql(other: serde_json::Value) -> serde_json::Value {
    let mut sql = json!({ "kind": "sql", "dialect": "postgresql", "host": "db.example.org", "database": "people",
                          "schemas": ["public"], "authentication": { "kind": "trusted", "user": "provender" } });
    for (field, value) in other.as_object().unwrap() {
        sql[field] = value.clone();
    }
    sql
}

#[test]
fn each_wrong_field_is_named_by_its_pointer() {
    let https = "https://example.org";
    let bearer = |token: &str| json!({ "kind": "http", "base_url": https, "authentication": { "kind": "bearer", "token": token } });
    let with =
        |field: &str, value: serde_json::Value| json!({ "kind": "http", "base_url": https, field: value });
    for (value, pointer, part) in [
        (json!({ "kind": "http", "base_url": "example.org" }), "/base_url", "must start with http"),
        (json!({ "kind": "http", "base_url": "https://a:b@example.org" }), "/base_url", "authentication"),
        (basic("http://example.org", "anna", Some("x")), "/base_url", "must be https"),
        (basic(https, "", Some("x")), "/authentication/username", "RFC 7617"),
        (basic(https, "an:na", Some("x")), "/authentication/username", "RFC 7617"),
        (basic(https, "anna", None), "/authentication/password", "is required"),
        (basic(https, "anna", Some("x\n")), "/authentication/password", "line end"),
        (bearer("two words"), "/authentication/token", "visible ASCII"),
        (bearer(""), "/authentication/token", "visible ASCII"),
        (with("connect_timeout_ms", json!(0)), "/connect_timeout_ms", "1 to 60000"),
        (with("request_timeout_ms", json!(300_001)), "/request_timeout_ms", "1 to 300000"),
        (with("max_idle_connections", json!(1_001)), "/max_idle_connections", "0 to 1000"),
        (with("idle_timeout_ms", json!(0)), "/idle_timeout_ms", "1 to 600000"),
        (with("ca_certificates", json!("")), "/ca_certificates", "holds no certificate"),
        (with("ca_certificates", json!("-----BEGIN PRIVATE KEY-----")), "/ca_certificates", "private key"),
        (
            with("ca_certificates", json!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
            "/ca_certificates",
            "certificate 1 cannot be used",
        ),
        (
            with("ca_certificates", json!("-----BEGIN CERTIFICATE-----\nAAAA\n")),
            "/ca_certificates",
            "certificate 1 is not PEM",
        ),
        (json!({ "kind": "ldap", "url": "http://x", "base_dns": ["dc=x"] }), "/url", "must start with ldap"),
        (json!({ "kind": "ldap", "url": "ldaps://x", "base_dns": [] }), "/base_dns", "at least one"),
        (json!({ "kind": "ldap", "url": "ldaps://x", "base_dns": ["people"] }), "/base_dns", "no attribute"),
        (
            json!({ "kind": "ldap", "url": "ldaps://x", "base_dns": ["dc=x"], "start_tls": true }),
            "/start_tls",
            "ldap:// only",
        ),
        (
            json!({ "kind": "ldap", "url": "ldap://x", "base_dns": ["dc=x"],
                    "authentication": { "kind": "simple", "bind_dn": "cn=x", "password": "hunter2" } }),
            "/url",
            "start_tls",
        ),
        (
            json!({ "kind": "ldap", "url": "ldaps://x", "base_dns": ["dc=x"],
                    "authentication": { "kind": "simple", "bind_dn": "cn=x" } }),
            "/authentication/password",
            "is required",
        ),
        (
            json!({ "kind": "ldap", "url": "ldaps://x", "base_dns": ["dc=x"],
                    "authentication": { "kind": "external" } }),
            "/authentication",
            "client_certificate",
        ),
        (sql(json!({ "schemas": [] })), "/schemas", "must name the schemas"),
        (sql(json!({ "schemas": ["pg_catalog"] })), "/schemas", "belongs to the server"),
        (sql(json!({ "host": "a/b" })), "/host", "name or the address"),
        (sql(json!({ "path": "/tmp/x" })), "/path", "sqlite only"),
        (sql(json!({ "tls": "off" })), "/tls", "allow_private_addresses"),
        (sql(json!({ "authentication": null })), "/authentication", "who the host is"),
        (
            sql(json!({ "authentication": { "kind": "password", "user": "x" } })),
            "/authentication/password",
            "is required",
        ),
        (sql(json!({ "pacing": { "max_connections": 0 } })), "/pacing/max_connections", "1 to 10000"),
        (json!({ "kind": "sql", "dialect": "sqlite", "path": "people.db" }), "/path", "absolute path"),
        (
            json!({ "kind": "sql", "dialect": "sqlite", "path": "/tmp/people.db", "host": "x" }),
            "/host",
            "not for sqlite",
        ),
        (
            json!({ "kind": "messaging", "broker": {"kind": "nats"}, "addresses": [], "topics": ["t"] }),
            "/addresses",
            "at least one",
        ),
        (
            json!({ "kind": "messaging", "broker": {"kind": "nats"}, "addresses": ["nats://x"], "topics": ["t"] }),
            "/addresses",
            "HOST:PORT",
        ),
        (
            json!({ "kind": "messaging", "broker": {"kind": "nats"}, "addresses": ["x"], "topics": ["t*t"] }),
            "/topics",
            "only at its end",
        ),
        (
            json!({ "kind": "messaging", "broker": {"kind": "mqtt"}, "addresses": ["x"], "topics": ["t"],
                    "tls": true, "authentication": { "kind": "token", "token": "hunter2" } }),
            "/authentication",
            "NATS only",
        ),
        (
            json!({ "kind": "messaging", "broker": {"kind": "amqp"}, "addresses": ["x"], "topics": ["t"], "tls": true,
                    "authentication": { "kind": "password", "username": "x", "password": "hunter2",
                                        "mechanism": "scram_sha_256" } }),
            "/authentication/mechanism",
            "Kafka only",
        ),
        (
            json!({ "kind": "messaging", "broker": {"kind": "kafka"}, "addresses": ["x"], "topics": ["t"],
                    "authentication": { "kind": "password", "username": "x", "password": "hunter2" } }),
            "/tls",
            "allow_private_addresses",
        ),
        (json!({ "kind": "files", "root": "relative" }), "/root", "absolute"),
        (json!({ "kind": "files", "root": "/does/not/exist" }), "/root", "create the directory first"),
        (json!({ "kind": "files", "root": "/dev/null" }), "/root", "is not a directory"),
    ] {
        let found = problems(value.clone());
        assert_eq!(found.len(), 1, "{value}: {found:?}");
        assert_eq!(found[0].pointer, pointer, "{value}: {found:?}");
        assert!(found[0].problem.contains(part), "{value}: {found:?}");
    }
    let error = InvalidConfiguration(problems(
        json!({ "kind": "http", "base_url": "x", "connect_timeout_ms": 0, "idle_timeout_ms": 0 }),
    ));
    assert_eq!(error.0.len(), 3);
    assert!(
        error.to_string().starts_with("invalid server configuration: /base_url must start with http"),
        "{error}"
    );
}

#[test]
fn a_credential_may_go_in_clear_where_the_operator_says_the_network_is_private() {
    let mut value = basic("http://127.0.0.1:8080", "anna", Some("x"));
    value["allow_private_addresses"] = true.into();
    assert!(input(value).seal(&key(), "demo", "directory", None).is_ok());
}

#[test]
fn what_is_unknown_is_refused_and_a_secret_is_never_quoted() {
    for value in [
        json!({ "kind": "ldap", "base_url": "x" }),
        json!({ "kind": "ldap", "url": "ldap://x", "base_dns": [], "authentication": { "kind": "simple", "bind_dn": "cn=x", "password": 4711 } }),
        json!({ "kind": "files", "root": "/", "base_url": "x" }),
        json!({ "kind": "http", "base_url": "x", "conect_timeout_ms": 1 }),
        json!({ "kind": "http", "base_url": "x", "authentication": { "kind": "none", "token": "hunter2" } }),
        json!({ "kind": "http", "base_url": "x", "authentication": { "kind": "bearer", "tokn": "hunter2" } }),
        json!({ "kind": "http", "base_url": "x", "authentication": { "kind": "bearer", "token": 4711 } }),
        json!({ "kind": "http", "base_url": "x", "authentication": { "kind": "bearer", "token": ["hunter2"] } }),
    ] {
        let error = serde_json::from_value::<ServerInput>(value.clone()).unwrap_err().to_string();
        assert!(!error.contains("hunter2") && !error.contains("4711"), "{value}: {error}");
    }
    let secret_among_what_is_shown = json!({ "kind": "http", "base_url": "x", "authentication": { "kind": "bearer", "token": "hunter2" } });
    assert!(serde_json::from_value::<ServerConfiguration>(secret_among_what_is_shown).is_err());
}

fn validator<T: ToSchema>() -> jsonschema::Validator {
    let mut components = Vec::new();
    T::schemas(&mut components);
    let components: BTreeMap<_, _> = components.into_iter().collect();
    let mut schema = serde_json::to_value(T::schema()).unwrap();
    schema["components"] = json!({ "schemas": components });
    jsonschema::validator_for(&schema).unwrap()
}

#[test]
fn the_schemas_accept_what_is_read_and_tell_the_types_apart() {
    assert_eq!(
        (ServerInput::name(), <ServerConfiguration>::name()),
        ("ServerConfigurationInput".into(), "ServerConfiguration".into())
    );
    let (input, shown) = (validator::<ServerInput>(), validator::<ServerConfiguration>());
    let secret = basic("https://example.org", "anna", Some("x"));
    let files = json!({ "kind": "files", "root": "/srv" });
    for value in [&secret, &files, &basic("https://example.org", "anna", None)] {
        assert!(input.is_valid(value), "{value}");
    }
    assert!(shown.is_valid(&files));
    assert!(shown.is_valid(&serde_json::to_value(stored(secret.clone()).configuration).unwrap()));
    let shown = serde_json::to_string(&<Authentication as utoipa::PartialSchema>::schema()).unwrap();
    assert!(
        !shown.contains("SecretInput") && !shown.contains("writeOnly"),
        "of a secret, only its place: {shown}"
    );
    assert!(!input.is_valid(&json!({ "kind": "files", "root": "/srv", "base_url": "x" })));
    assert!(!input.is_valid(&json!({ "root": "/srv" })));
}

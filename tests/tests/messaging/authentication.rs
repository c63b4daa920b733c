//! Whom brokers let in: each way to authenticate, as it is right and as it is wrong.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Method;
use provender::capabilities::contract::messaging::Error;
use provender::servers::configuration::messaging::MessagingConfiguration;
use provender::servers::connector::SystemResolver;
use provender::servers::messaging::MessagingServer;
use provender_tests::brokers::{Entry, GuardedKafka, Listener, Mosquitto, Nats, PASSWORD, RabbitMq, USER};
use provender_tests::process::Program;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::TOPIC;
use crate::capability::{message, publish};

/// What no broker knows.
const WRONG: &str = "canary-of-nobody";

/// What the host shows.
#[derive(Clone, Copy, Debug)]
enum Shown<'a> {
    Nothing,
    Password(&'a str),
    /// A password, by a mechanism of Kafka.
    By(&'a str, &'a str),
    Token(&'a str),
    Certificate(&'a (String, String)),
}

/// A broker at an address.
struct Place<'a> {
    broker: Value,
    address: SocketAddr,
    /// By TLS with this authority.
    ca: Option<&'a str>,
}

impl Place<'_> {
    fn server(&self, shown: Shown<'_>) -> Arc<MessagingServer> {
        let mut configuration = json!({
            "broker": self.broker, "addresses": [self.address.to_string()], "topics": [TOPIC],
            "allow_private_addresses": true, "tls": self.ca.is_some(), "ca_certificates": self.ca,
        });
        let (authentication, secret) = match shown {
            Shown::Nothing => (json!({"kind": "none"}), None),
            Shown::Password(password) => {
                (json!({"kind": "password", "username": USER}), Some(("password", password)))
            }
            Shown::By(mechanism, password) => (
                json!({"kind": "password", "username": USER, "mechanism": mechanism}),
                Some(("password", password)),
            ),
            Shown::Token(token) => (json!({"kind": "token"}), Some(("token", token))),
            Shown::Certificate((certificates, key)) => {
                configuration["client_certificate"] = json!({"certificates": certificates});
                (json!({"kind": "none"}), Some(("client_certificate_key", key.as_str())))
            }
        };
        configuration["authentication"] = authentication;
        let configuration: MessagingConfiguration = serde_json::from_value(configuration).unwrap();
        let secrets = secret.map(|(name, secret)| (name.to_owned(), SecretString::from(secret)));
        let secrets = secrets.into_iter().collect();
        Arc::new(MessagingServer::new(&configuration, &secrets, Arc::new(SystemResolver)).unwrap())
    }

    /// Publishes as `right`, and is refused as the others, with a text that has this in it.
    async fn lets_in(&self, right: Shown<'_>, wrong: &[(Shown<'_>, &str)]) {
        for (shown, part) in wrong {
            let refused = publish(&self.server(*shown), message(TOPIC, "k", "wrong")).await;
            let Err(Error::Authentication(text)) = refused else {
                panic!("{} {shown:?}: {refused:?}", self.broker)
            };
            assert!(text.contains(part), "{} {shown:?}: {text}", self.broker);
            assert!(!text.contains(WRONG) && !text.contains("PRIVATE"), "{text}");
        }
        publish(&self.server(right), message(TOPIC, "k", "right")).await.unwrap();
    }
}

fn bodies(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|found| found["body"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn nats_lets_in_by_a_token_and_by_a_client_certificate() {
    let mut by_token = Nats::start_for(Entry::Token);
    by_token.stream("ALL", &[TOPIC], json!({}));
    let place = Place { broker: json!({"kind": "nats"}), address: by_token.address(), ca: None };
    let refused = "Authorization Violation";
    place
        .lets_in(
            Shown::Token(PASSWORD),
            &[
                (Shown::Token(WRONG), refused),
                (Shown::Password(PASSWORD), refused),
                (Shown::Nothing, refused),
            ],
        )
        .await;
    assert_eq!(bodies(&by_token.messages("ALL")), ["right"]);

    let mut by_certificate = Nats::start_for(Entry::Certificate);
    by_certificate.stream("ALL", &[TOPIC], json!({}));
    let certificates = &by_certificate.certificates;
    let place = Place {
        broker: json!({"kind": "nats"}),
        address: by_certificate.address(),
        ca: Some(&certificates.ca),
    };
    place
        .lets_in(
            Shown::Certificate(&certificates.client),
            &[
                (Shown::Nothing, "`client_certificate`"),
                (Shown::Password(PASSWORD), "`client_certificate`"),
                (Shown::Certificate(&by_token.certificates.client), "`client_certificate`"),
                (Shown::Certificate(&certificates.client_named("nobody")), refused),
            ],
        )
        .await;
    assert_eq!(bodies(&by_certificate.messages("ALL")), ["right"]);
}

#[tokio::test]
async fn mosquitto_lets_in_by_a_client_certificate() {
    let (mut mosquitto, stranger) = (Mosquitto::start(), Mosquitto::start());
    let certificates = &mosquitto.certificates;
    let place = Place {
        broker: json!({"kind": "mqtt"}),
        address: mosquitto.certificate_address(),
        ca: Some(&certificates.ca),
    };
    place
        .lets_in(
            Shown::Certificate(&certificates.client),
            &[
                (Shown::Nothing, "set `client_certificate`"),
                (Shown::Password(PASSWORD), "set `client_certificate`"),
                (Shown::Certificate(&stranger.certificates.client), "set another `client_certificate`"),
            ],
        )
        .await;
    // The broker knows who it is, and that they may do nothing.
    let nobody = place.server(Shown::Certificate(&certificates.client_named("nobody")));
    let denied = publish(&nobody, message(TOPIC, "k", "wrong")).await;
    assert!(matches!(&denied, Err(Error::Denied(_))), "{denied:?}");
    assert_eq!(bodies(&mosquitto.messages()), ["right"]);
}

#[tokio::test]
async fn rabbitmq_lets_in_by_a_client_certificate() {
    let (rabbitmq, stranger) = (RabbitMq::shared(), Nats::start());
    let name = "by-certificate";
    rabbitmq.exchange(name);
    rabbitmq.queue(name, name, "#", json!({}));
    let certificates = &rabbitmq.certificates;
    let broker = json!({"kind": "amqp", "exchange": name});
    let place = Place { broker: broker.clone(), address: rabbitmq.tls_address(), ca: Some(&certificates.ca) };
    place
        .lets_in(
            Shown::Certificate(&certificates.client),
            &[
                (Shown::Nothing, "EXTERNAL"),
                (Shown::Certificate(&certificates.client_named("nobody")), "EXTERNAL"),
                (Shown::Certificate(&stranger.certificates.client), "set another `client_certificate`"),
            ],
        )
        .await;
    // By TLS alone there is a certificate.
    let plain = Place { broker, address: rabbitmq.address(), ca: None };
    let help = "it knows PLAIN, and here not EXTERNAL; set `authentication`";
    plain.lets_in(Shown::Password(PASSWORD), &[(Shown::Nothing, help)]).await;
    assert_eq!(bodies(&rabbitmq.messages(name)), ["right", "right"]);
}

const MECHANISMS: [(&str, &str); 3] =
    [("plain", "PLAIN"), ("scram_sha_256", "SCRAM-SHA-256"), ("scram_sha_512", "SCRAM-SHA-512")];
const BY_CERTIFICATE: Listener =
    Listener { certificate: Some("cert"), client_certificate: true, mechanisms: &[] };
const BY_SASL: Listener = Listener {
    certificate: Some("cert"),
    client_certificate: false,
    mechanisms: &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
};
const WITHOUT_TLS: Listener =
    Listener { certificate: None, client_certificate: false, mechanisms: &["SCRAM-SHA-512"] };

#[tokio::test]
async fn kafka_lets_in_by_a_client_certificate_and_by_each_mechanism() {
    let mut kafka = GuardedKafka::start(&[BY_CERTIFICATE, BY_SASL, WITHOUT_TLS]);
    kafka.kafka().topic(TOPIC, 1);
    let (ca, client) = (kafka.certificates.ca.clone(), kafka.certificates.client.clone());
    let broker = json!({"kind": "kafka"});
    let place = Place { broker: broker.clone(), address: kafka.listener(0), ca: Some(&ca) };
    let stranger = Nats::start().certificates.client;
    place
        .lets_in(
            Shown::Certificate(&client),
            &[
                (Shown::Nothing, "set `client_certificate`"),
                (Shown::Certificate(&stranger), "set another `client_certificate`"),
            ],
        )
        .await;
    assert_eq!(bodies(&kafka.messages(TOPIC, 0, None)), ["right"]);

    let place = Place { broker: broker.clone(), address: kafka.listener(1), ca: Some(&ca) };
    for (mechanism, _) in MECHANISMS {
        let wrong = (Shown::By(mechanism, WRONG), "SASL_AUTHENTICATION_FAILED");
        place.lets_in(Shown::By(mechanism, PASSWORD), &[wrong]).await;
    }
    for (_, mechanism) in MECHANISMS {
        assert_eq!(bodies(&kafka.messages(TOPIC, 1, Some(mechanism))), ["right"; 4]);
    }

    let place = Place { broker, address: kafka.listener(2), ca: None };
    let help = "UNSUPPORTED_SASL_MECHANISM: the broker knows SCRAM-SHA-512";
    let wrong = [(Shown::By("plain", PASSWORD), help), (Shown::By("scram_sha_256", PASSWORD), help)];
    place.lets_in(Shown::By("scram_sha_512", PASSWORD), &wrong).await;
}

#[tokio::test]
async fn a_wrong_password_of_kafka_fails_as_authentication_and_is_told_nowhere() {
    let mut kafka = GuardedKafka::start(&[BY_SASL]);
    kafka.kafka().topic(TOPIC, 1);
    let program = Program::new(env!("CARGO_BIN_EXE_provender-under-test"));
    program.file(
        "provender.toml",
        "data_directory = \"data\"\n[sandbox]\ninstances = 8\n[syslog]\nenabled = false\n\
         [log]\nfilter = \"trace,cranelift=off,wasmtime=off,wasmparser=off,regalloc2=off\"\n",
    );
    let serving = program.serve().await;
    let api = &serving.api;
    let of_co = |path: &str| format!("/api/v1/cos/physics/{path}");
    let co = json!({"id": "physics", "name": "Physics", "automatic_groups": false});
    api.post("/api/v1/cos", co).await.expect(201);
    let plugin = provender_bundled_plugins::find("api").unwrap().wasm;
    let wasm = [("content-type", "application/wasm")];
    api.request(Method::POST, "/api/v1/plugins", &wasm, plugin.to_vec()).await;
    for (id, _) in MECHANISMS {
        let server = json!({"configuration": {
            "kind": "messaging", "broker": {"kind": "kafka"}, "addresses": [kafka.listener(0).to_string()],
            "topics": [TOPIC], "tls": true, "ca_certificates": kafka.certificates.ca,
            "allow_private_addresses": true,
            "authentication": {"kind": "password", "username": USER, "password": WRONG, "mechanism": id},
        }});
        api.put(&of_co(&format!("servers/{id}")), server).await.expect(201);
        let target = json!({
            "plugin": "api", "slots": {"broker": id},
            "configuration": {"identifier_type": "uid", "topic": TOPIC},
        });
        api.put(&of_co(&format!("targets/{id}")), target).await.expect(201);
    }
    let anna = json!({
        "names": [{"given": "Anna", "primary": true}],
        "identifiers": [{"identifier": "anna", "type": "uid"}],
    });
    let mut told = vec![api.put(&of_co("people/anna"), anna).await.expect(201).to_string()];
    for (id, _) in MECHANISMS {
        let checked = api.post(&of_co(&format!("servers/{id}/check")), json!({})).await;
        told.push(String::from_utf8_lossy(&checked.body).into_owned());
        assert!(told.last().unwrap().contains("SASL_AUTHENTICATION_FAILED"), "{told:?}");
    }
    let invocations = api.get(&of_co("invocations?limit=10")).await.expect(200);
    let classes: Vec<&Value> =
        invocations["items"].as_array().unwrap().iter().map(|item| &item["outcome"]["class"]).collect();
    assert_eq!(classes, ["authentication"; 3], "{invocations}");
    told.push(invocations.to_string());
    let log = serving.stderr();
    assert!(log.contains("DEBUG"), "a log of everything: {log}");
    told.push(log);
    for text in told {
        assert!(!text.contains(WRONG), "{text}");
    }
    assert_eq!(kafka.messages(TOPIC, 0, Some("PLAIN")), Vec::<Value>::new());
}

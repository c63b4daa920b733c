//! Certificates of servers that do not fit: no broker and no directory is told anything then, and the operator is told what
//! does not fit.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use provender::servers::configuration::ldap::LdapConfiguration;
use provender::servers::configuration::messaging::MessagingConfiguration;
use provender::servers::connector::Resolver;
use provender::servers::ldap::{LdapError, LdapServer};
use provender::servers::messaging::{Message, MessagingError, MessagingServer};
use provender_tests::brokers::{Entry, GuardedKafka, Listener, Mosquitto, Nats, PASSWORD, RabbitMq, USER};
use provender_tests::certificates::EXPIRED;
use provender_tests::relay::Relay;
use provender_tests::slapd::{BASE, BIND_DN, PASSWORD as OF_DIRECTORY, Slapd};
use provender_tests::waiting::eventually;
use secrecy::SecretString;
use serde_json::json;

use crate::TOPIC;

/// Every name is one of this machine.
#[derive(Debug)]
struct Here;

impl Resolver for Here {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        async { Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]) }.boxed()
    }
}

/// A server that speaks TLS.
struct Peer<'a> {
    kind: &'static str,
    address: SocketAddr,
    /// Where and by which name it shows a certificate that has expired.
    expired: (SocketAddr, &'static str),
    ca: &'a str,
    /// The authority that signed the certificate that has expired.
    ca_of_expired: &'a str,
}

fn directory(kind: &str, place: &str, ca: &str) -> Arc<LdapServer> {
    let configuration: LdapConfiguration = serde_json::from_value(json!({
        "url": format!("{kind}://{place}"), "start_tls": kind == "ldap", "base_dns": [BASE],
        "allow_private_addresses": true, "ca_certificates": ca,
        "authentication": {"kind": "simple", "bind_dn": BIND_DN},
    }))
    .unwrap();
    let secrets = [("password".to_owned(), SecretString::from(OF_DIRECTORY))].into();
    Arc::new(LdapServer::new(&configuration, &secrets, Arc::new(Here)).unwrap())
}

/// Whether a server is reached by a name, with this authority trusted: the reason why the host refuses it.
async fn reached(kind: &str, name: &str, port: u16, ca: &str) -> Result<(), String> {
    let place = format!("{name}:{port}");
    if let "ldap" | "ldaps" = kind {
        return match directory(kind, &place, ca).lease().await {
            Ok(_) => Ok(()),
            Err(LdapError::Refused(reason)) => Err(reason),
            Err(other) => panic!("{kind} {name}: {other:?}"),
        };
    }
    let mechanism = if kind == "kafka" { "scram_sha_256" } else { "plain" };
    let configuration: MessagingConfiguration = serde_json::from_value(json!({
        "broker": {"kind": kind}, "addresses": [place], "topics": [TOPIC], "tls": true,
        "allow_private_addresses": true, "ca_certificates": ca,
        "authentication": {"kind": "password", "username": USER, "mechanism": mechanism},
    }))
    .unwrap();
    let secrets = [("password".to_owned(), SecretString::from(PASSWORD))].into();
    let server = MessagingServer::new(&configuration, &secrets, Arc::new(Here)).unwrap();
    let message = Message { topic: TOPIC.to_owned(), ..Message::default() };
    match server.publish(vec![message]).await {
        // It is another matter whether there is a place for it.
        Ok(()) | Err(MessagingError::NoSuchTopic(_)) => Ok(()),
        Err(MessagingError::Refused(reason)) => Err(reason),
        Err(other) => panic!("{kind} {name}: {other:?}"),
    }
}

/// The records of TLS (RFC 8446 section 5.1) that a host sent, by type and length, without StartTLS before them.
fn records(mut sent: &[u8]) -> Vec<(u8, usize)> {
    if let [0x30, length, rest @ ..] = sent {
        sent = &rest[usize::from(*length)..];
    }
    let mut records = Vec::new();
    while let [kind, _, _, high, low, rest @ ..] = sent {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        records.push((*kind, length));
        sent = &rest[length..];
    }
    records
}

/// Nothing but a greeting and the good-bye: a change of ciphers that means nothing, and an alert, which is two bytes in 17 of
/// encryption.
fn says_nothing_after(sent: &[u8]) -> bool {
    const CHANGE_CIPHER_SPEC: u8 = 20;
    const ALERT: u8 = 21;
    const HANDSHAKE: u8 = 22;
    const APPLICATION_DATA: u8 = 23;
    match &*records(sent) {
        [(HANDSHAKE, _), rest @ ..] => rest
            .iter()
            .all(|record| matches!(record, (CHANGE_CIPHER_SPEC, 1) | (ALERT, 2) | (APPLICATION_DATA, 19))),
        _ => false,
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_whose_certificate_does_not_fit() {
    let (slapd, old_slapd) = (Slapd::start(), Slapd::start_expired());
    let (nats, old_nats) =
        (Nats::start_for(Entry::PasswordByTls), Nats::start_for(Entry::PasswordByExpiredTls));
    let (mosquitto, rabbitmq) = (Mosquitto::start(), RabbitMq::shared());
    let of_kafka = ["cert", "expired"].map(|certificate| Listener {
        certificate: Some(certificate),
        client_certificate: false,
        mechanisms: &["SCRAM-SHA-256"],
    });
    let mut kafka = GuardedKafka::start(&of_kafka);
    let (old_kafka, new_kafka) = (kafka.listener(1), kafka.listener(0));
    let ldaps = |slapd: &Slapd| slapd.ldaps_url().trim_start_matches("ldaps://").parse().unwrap();
    let peer = |kind, address, expired: SocketAddr, ca, ca_of_expired| Peer {
        kind,
        address,
        expired: (expired, "localhost"),
        ca,
        ca_of_expired,
    };
    let (of_rabbitmq, of_mosquitto) = (&rabbitmq.certificates.ca, &mosquitto.certificates.ca);
    let peers = [
        peer("ldap", slapd.address(), old_slapd.address(), &slapd.ca, &old_slapd.ca),
        peer("ldaps", ldaps(&slapd), ldaps(&old_slapd), &slapd.ca, &old_slapd.ca),
        peer("nats", nats.address(), old_nats.address(), &nats.certificates.ca, &old_nats.certificates.ca),
        peer("mqtt", mosquitto.tls_address(), mosquitto.expired_address(), of_mosquitto, of_mosquitto),
        peer("kafka", new_kafka, old_kafka, &kafka.certificates.ca, &kafka.certificates.ca),
        Peer {
            expired: (rabbitmq.tls_address(), EXPIRED),
            ..peer("amqp", rabbitmq.tls_address(), rabbitmq.tls_address(), of_rabbitmq, of_rabbitmq)
        },
    ];
    for peer in &peers {
        let stranger = if peer.kind == "nats" { of_rabbitmq } else { &nats.certificates.ca };
        let (expired, of_expired) = peer.expired;
        let kind = peer.kind;
        for (address, name, ca, parts) in [
            (peer.address, "localhost", peer.ca, &[][..]),
            (peer.address, "elsewhere.example", peer.ca, &["elsewhere.example", "use the name"]),
            (peer.address, "localhost", stranger, &["issuer", "`ca_certificates`"]),
            (expired, of_expired, peer.ca_of_expired, &["expired", "needs a new certificate"]),
        ] {
            let relay = Relay::to("tls", address).await;
            // The test itself asks, and no plugin.
            relay.expect_the_operator();
            relay.take_sent();
            let right = parts.is_empty();
            let reached = reached(kind, name, relay.address().port(), ca).await;
            match reached {
                Ok(()) => {
                    assert!(right, "{kind} {name} {parts:?}: it is trusted");
                    assert!(!says_nothing_after(&relay.take_sent()), "{kind}: it was told who the host is");
                }
                Err(reason) => {
                    assert!(
                        !right && parts.iter().all(|part| reason.contains(part)),
                        "{kind} {name}: {reason}"
                    );
                    eventually("the end of the connection", async || (relay.open() == 0).then_some(())).await;
                    let sent = relay.take_sent();
                    assert!(says_nothing_after(&sent), "{kind} {name}: {:?}", records(&sent));
                }
            }
        }
    }
}

#[tokio::test]
async fn a_directory_that_misses_a_client_certificate_is_said_to_refuse_the_host() {
    // It is never asked what it speaks behind TLS.
    let listener = Listener { certificate: Some("cert"), client_certificate: true, mechanisms: &[] };
    let mut directory_or_not = GuardedKafka::start(&[listener]);
    let place = directory_or_not.listener(0).to_string();
    let refused = directory("ldaps", &place, &directory_or_not.certificates.ca).lease().await;
    let Err(LdapError::Authentication(text)) = refused.map(|_| ()) else { panic!("it is bound") };
    assert!(text.contains("set `client_certificate`"), "{text}");
}

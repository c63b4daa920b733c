//! Names that lead to addresses where no server may be reached, at once or later.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use insta::assert_snapshot;
use provender::servers::connector::Resolver;
use provender_tests::calls::{TestCall, history, http_server, http_server_resolving};
use provender_tests::counterpart::{Counterpart, answering};
use provender_tests::receiver::Receiver;
use serde_json::json;

use super::{Report, told};

const CLOSING: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";

/// Answers one look-up after another with the next addresses, and fails when there are none left.
#[derive(Debug)]
struct Changing(Mutex<VecDeque<Vec<IpAddr>>>);

impl Changing {
    fn answering(answers: &[&[&str]]) -> Arc<Self> {
        let addresses = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self(Mutex::new(answers.iter().map(addresses).collect())))
    }

    fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Resolver for Changing {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let next = self.0.lock().unwrap().pop_front();
        async move { next.ok_or_else(|| io::Error::other("asked too often")) }.boxed()
    }
}

fn one_request() -> TestCall {
    TestCall::of(json!([{"do": "request", "slot": "web", "url": "/x"}]))
}

#[tokio::test]
async fn an_address_that_the_server_may_not_be_reached_at_is_refused() {
    let receiver = Receiver::start().await;
    let port = receiver.address().port();
    let mut report = Report::default();
    for (host, address, private) in [
        ("127.0.0.1", "", false),
        ("2130706433", "", false),
        ("[::1]", "", false),
        ("[::ffff:127.0.0.1]", "", false),
        ("directory.example", "127.0.0.1", false),
        ("directory.example", "10.1.2.3", false),
        ("directory.example", "169.254.1.1", false),
        ("directory.example", "::ffff:192.168.0.1", false),
        ("directory.example", "64:ff9b::7f00:1", false),
        ("metadata.example", "169.254.169.254", false),
        ("metadata.example", "169.254.169.254", true),
        ("metadata.example", "::ffff:169.254.169.254", true),
        ("[fe80::1]", "", true),
        ("0.0.0.0", "", true),
    ] {
        let names: Vec<_> = [(host, address)].into_iter().filter(|_| !address.is_empty()).collect();
        let server = json!({"base_url": format!("http://{host}:{port}"), "allow_private_addresses": private});
        let end = one_request().web("web", &http_server(server, &[], &names), &[]).provision().await;
        let allowed = if private { ", private addresses allowed" } else { "" };
        report.add(&format!("{host} at {address}{allowed}"), &end, &[(&port.to_string(), "PORT")]);
    }
    assert_eq!(receiver.connections(), 0);
    assert_snapshot!(report.0);
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_later_is_checked_again() {
    let counterpart = Counterpart::start(answering(CLOSING)).await;
    let names = Changing::answering(&[&["127.0.0.1"], &["169.254.169.254"], &["127.0.0.1"]]);
    let server = json!({
        "base_url": format!("http://directory.example:{}", counterpart.address().port()),
        "allow_private_addresses": true,
    });
    let server = http_server_resolving(server, &[], names.clone());
    let mut texts = Vec::new();
    for _ in 0..3 {
        texts.push(told(&one_request().web("web", &server, &[]).provision().await));
    }
    assert_eq!((counterpart.accepted(), names.left()), (2, 0));
    assert_snapshot!(texts.join("\n"));
}

#[tokio::test]
async fn a_connection_goes_to_the_address_that_was_checked() {
    let counterpart = Counterpart::start(answering(CLOSING)).await;
    // A second look-up for the same connection would lead to the metadata service.
    let names = Changing::answering(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let server = json!({
        "base_url": format!("http://directory.example:{}", counterpart.address().port()),
        "allow_private_addresses": true,
    });
    let server = http_server_resolving(server, &[], names.clone());
    assert_eq!(history(one_request().web("web", &server, &[]).provision().await), ["200 ok"]);
    assert_eq!((counterpart.accepted(), names.left()), (1, 1));
}

#[tokio::test]
async fn of_several_addresses_those_that_are_refused_are_never_tried() {
    let counterpart = Counterpart::start(answering(CLOSING)).await;
    let port = counterpart.address().port();
    let server = |base_url| json!({"base_url": base_url, "allow_private_addresses": true});
    for addresses in [
        ["169.254.169.254", "127.0.0.1"],
        ["127.0.0.1", "169.254.169.254"],
        ["fe80::1", "127.0.0.1"],
        ["::ffff:169.254.169.254", "127.0.0.1"],
    ] {
        let names = Changing::answering(&[&addresses]);
        let server = http_server_resolving(server(format!("http://mixed.example:{port}")), &[], names);
        assert_eq!(history(one_request().web("web", &server, &[]).provision().await), ["200 ok"]);
    }
    assert_eq!(counterpart.accepted(), 4);
    let names = Changing::answering(&[&["169.254.169.254", "fe80::1"]]);
    let server = http_server_resolving(server("http://mixed.example".to_owned()), &[], names);
    assert_snapshot!(told(&one_request().web("web", &server, &[]).provision().await));
}

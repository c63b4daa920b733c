//! Result codes that slapd does not give on demand, from a directory that gives nothing else.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use provender::provisioning::FailureClass;
use provender::registry::record::Record;
use provender_tests::host::TestHost;
use provender_tests::people::{person_key, plain_person};
use provender_tests::slapd::{BASE, PASSWORD};
use provender_tests::witness::{Listening, Witnessed};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::configuration;
use crate::life::failure;

/// Tags of requests, in the order in which they come.
const BIND: u8 = 0x60;
const SEARCH: u8 = 0x63;
const ADD: u8 = 0x68;

/// A directory that holds nothing, and answers requests of one kind with a code of its own: both can be changed.
struct Unwilling {
    address: SocketAddr,
    answers: Arc<Mutex<(u8, u8)>>,
}

impl Unwilling {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let witness = Listening::start("ldap", address);
        let answers = Arc::new(Mutex::new((BIND, 0)));
        let of_connections = Arc::clone(&answers);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let stream = Witnessed::accepted(stream, Arc::clone(&witness));
                tokio::spawn(converse(stream, Arc::clone(&of_connections)));
            }
        });
        Self { address, answers }
    }
}

/// Answers each request by its number. Of the length of a request only the two short forms of BER are read.
async fn converse(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin, answers: Arc<Mutex<(u8, u8)>>) {
    let mut head = [0; 2];
    while stream.read_exact(&mut head).await.is_ok() {
        let length = match head[1] {
            0x81 => usize::from(stream.read_u8().await.unwrap()),
            0x82 => usize::from(stream.read_u16().await.unwrap()),
            short => usize::from(short),
        };
        let mut request = vec![0; length];
        stream.read_exact(&mut request).await.unwrap();
        let [0x02, 1, id, tag, ..] = request[..] else { panic!("a number of one byte: {request:?}") };
        let (unwilling_to, code) = *answers.lock().unwrap();
        let code = if tag == unwilling_to { code } else { 0 };
        let answer = match tag {
            BIND => 0x61,
            SEARCH => 0x65,
            ADD => 0x69,
            _ => return,
        };
        let text = b"not now";
        let mut result = vec![0x0a, 1, code, 0x04, 0, 0x04, text.len() as u8];
        result.extend_from_slice(text);
        let mut message = vec![0x02, 1, id, answer, result.len() as u8];
        message.extend_from_slice(&result);
        let mut framed = vec![0x30, message.len() as u8];
        framed.extend_from_slice(&message);
        stream.write_all(&framed).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_directory_is_not_willing_to_do_fails_by_what_helps() {
    let directory = Unwilling::start().await;
    let host = TestHost::start_with(|configuration| configuration.workers.jobs = 0).await;
    host.install_bundled("ldap").await;
    let mut server = configuration(&format!("ldap://{}", directory.address), &json!({"kind": "ldap"}));
    server["authentication"]["password"] = PASSWORD.into();
    let target = json!({
        "plugin": "ldap", "slots": {"directory": "directory"},
        "configuration": {
            "people_base_dn": format!("ou=people,{BASE}"), "object_classes": [], "attributes": {"uid": {}},
        },
    });
    let mut number = 0;
    for (unwilling_to, code, name, class) in [
        (ADD, 51, "busy", FailureClass::Transient),
        (ADD, 52, "unavailable", FailureClass::Transient),
        (ADD, 53, "unwillingToPerform", FailureClass::Configuration),
        (ADD, 11, "adminLimitExceeded: not now; raise the limit", FailureClass::Configuration),
        (SEARCH, 51, "busy", FailureClass::Transient),
        (SEARCH, 52, "unavailable", FailureClass::Transient),
        (SEARCH, 53, "unwillingToPerform", FailureClass::Configuration),
        (SEARCH, 11, "adminLimitExceeded: not now; raise the limit", FailureClass::Configuration),
        (BIND, 51, "busy", FailureClass::Transient),
        (BIND, 52, "unavailable", FailureClass::Transient),
        (BIND, 53, "unwillingToPerform", FailureClass::Authentication),
    ] {
        *directory.answers.lock().unwrap() = (unwilling_to, code);
        // So that there is a new connection, and nothing is known of the failures before.
        host.server("directory", server.clone()).await;
        host.target("t", target.clone()).await;
        number += 1;
        let id = format!("p{number}");
        let person = Record::Person(Box::new(plain_person(&id)));
        let done = host.put(person_key(&id), person).await;
        let (found, message) = failure(&done[0]);
        assert_eq!(found, class, "{unwilling_to:#x} {code}: {message}");
        assert!(message.contains(name) && message.contains("not now"), "{message}");
    }
    *directory.answers.lock().unwrap() = (BIND, 0);
    let person = Record::Person(Box::new(plain_person("willing")));
    let done = host.put(person_key("willing"), person).await;
    provender_tests::host::history(&done[0]);
}

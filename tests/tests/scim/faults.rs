//! Answers that an honest server does not give.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use provender::provisioning::FailureClass;
use provender_tests::people::{person, person_key};
use provender_tests::receiver::{Answer, Received, Receiver};
use serde_json::{Value, json};

use super::{failed, host_at, went_well};

fn list(total: usize, resources: &[Value]) -> Answer {
    answer(200, json!({"totalResults": total, "Resources": resources}))
}

fn answer(status: u16, body: Value) -> Answer {
    Answer::new(status, body.to_string())
}

/// A server that holds nothing, and creates what it is asked to.
fn empty(request: &Received) -> Answer {
    match request.method.as_str() {
        "GET" if request.path.contains("filter=") => list(0, &[]),
        "GET" => answer(404, json!({})),
        "POST" => answer(201, json!({"id": "u1"})),
        _ => answer(204, json!({})),
    }
}

fn requests(receiver: &Receiver) -> Vec<String> {
    let line = |request: Received| {
        format!("{} {}", request.method, request.path.split('?').next().unwrap_or_default())
    };
    receiver.received().into_iter().map(line).collect()
}

#[tokio::test]
async fn a_server_that_ignores_filters_gives_nobody_elses_user() {
    let receiver = Receiver::start().await;
    let others = |start: usize, count: usize| -> Vec<Value> {
        let other = |n: usize| json!({"id": format!("o{n}"), "userName": format!("other{n}"), "externalId": format!("x{n}")});
        (start..start + count).map(other).collect()
    };
    receiver.answer(move |request| match request.method.as_str() {
        // Two pages of everybody, whatever was asked for.
        "GET" if request.path.contains("startIndex=101") => list(150, &others(101, 50)),
        "GET" if request.path.contains("filter=") => list(150, &others(1, 100)),
        _ => empty(request),
    });
    let host = host_at(&receiver.url(), json!({"existing": "adopt", "update": "put"})).await;
    went_well(&host.put(person_key("anna"), person("anna")).await);
    let expected = ["GET /Users", "GET /Users", "GET /Users", "GET /Users", "POST /Users"];
    assert_eq!(requests(&receiver), expected, "two pages by externalId, two by userName");
}

#[tokio::test]
async fn a_user_that_is_there_is_adopted_only_where_that_is_configured() {
    for (existing, expected) in [("adopt", None), ("conflict", Some(FailureClass::Conflict))] {
        let receiver = Receiver::start().await;
        receiver.answer(|request| match request.method.as_str() {
            "GET" if request.path.contains("externalId") => list(0, &[]),
            "GET" if request.path.contains("filter=") => list(1, &[json!({"id": "u7", "userName": "anna"})]),
            "GET" => answer(200, json!({"id": "u7", "userName": "anna", "nickName": "A"})),
            _ => answer(200, json!({})),
        });
        let host = host_at(&receiver.url(), json!({"existing": existing, "update": "put"})).await;
        let done = host.put(person_key("anna"), person("anna")).await;
        match expected {
            Some(class) => assert_eq!(failed(&done).0, class),
            None => {
                went_well(&done);
                let put = receiver.received().pop().unwrap();
                assert_eq!((put.method.as_str(), put.path.as_str()), ("PUT", "/Users/u7"));
                assert_eq!(
                    (&put.json()["nickName"], &put.json()["externalId"]),
                    (&json!("A"), &json!("anna"))
                );
            }
        }
    }
}

#[tokio::test]
async fn a_change_that_somebody_elses_comes_before_is_made_to_what_is_there_then() {
    let receiver = Receiver::start().await;
    let host = host_at(&receiver.url(), json!({"update": "patch"})).await;
    receiver.answer(empty);
    went_well(&host.put(person_key("anna"), person("anna")).await);
    let patches = Arc::new(AtomicUsize::new(0));
    receiver.answer({
        let patches = Arc::clone(&patches);
        move |request| match request.method.as_str() {
            "GET" => answer(200, json!({"id": "u1", "userName": "old"}))
                .header("etag", format!("W/\"{}\"", patches.load(Ordering::SeqCst))),
            _ if patches.fetch_add(1, Ordering::SeqCst) == 0 => answer(412, json!({})),
            _ => answer(204, json!({})),
        }
    });
    let mut changed = person("anna");
    if let provender::registry::record::Record::Person(anna) = &mut changed {
        anna.names[0].given = Some("New".to_owned());
    }
    went_well(&host.put(person_key("anna"), changed).await);
    let sent = receiver.received();
    let etags: Vec<_> = sent.iter().filter_map(|request| request.header("if-match")).collect();
    assert_eq!(etags, ["W/\"0\"", "W/\"1\""]);
}

#[tokio::test]
async fn a_server_that_does_not_say_what_it_created_is_asked() {
    for (created, looked_up) in
        [(Answer::new(201, "").header("location", "http://x.example/Users/u9"), 0), (Answer::new(201, ""), 1)]
    {
        let receiver = Receiver::start().await;
        let is_there = AtomicUsize::new(0);
        receiver.answer(move |request| match request.method.as_str() {
            "POST" => {
                is_there.store(1, Ordering::SeqCst);
                created.clone()
            }
            "GET" if is_there.load(Ordering::SeqCst) == 1 => {
                list(1, &[json!({"id": "u9", "userName": "anna", "externalId": "anna"})])
            }
            _ => empty(request),
        });
        let host = host_at(&receiver.url(), json!({"update": "put"})).await;
        went_well(&host.put(person_key("anna"), person("anna")).await);
        let after = requests(&receiver).len() - 3;
        assert_eq!(after, looked_up);
        receiver.answer(|_| answer(204, json!({})));
        went_well(&host.delete(&person_key("anna")).await);
        assert_eq!(requests(&receiver).last().unwrap(), "DELETE /Users/u9");
    }
}

#[tokio::test]
async fn what_a_server_cannot_do_now_is_told_with_the_time_to_wait() {
    let problem = |kind: &str| json!({"status": "400", "scimType": kind, "detail": "why"});
    let faults = [
        (429, json!({}), FailureClass::RateLimited, Some(7)),
        (503, json!({}), FailureClass::Transient, Some(7)),
        (401, json!({}), FailureClass::Authentication, None),
        (400, problem("invalidValue"), FailureClass::InvalidData, None),
        (409, problem("uniqueness"), FailureClass::Conflict, None),
        (400, problem("mutability"), FailureClass::Permanent, None),
    ];
    for (status, body, class, wait) in faults {
        // A host leaves a server alone that asked for it, so each fault has a server of its own.
        let receiver = Receiver::start().await;
        let host = host_at(&receiver.url(), json!({"update": "put"})).await;
        let fault = answer(status, body).header("retry-after", "7");
        receiver.answer(move |request| if request.method == "POST" { fault.clone() } else { empty(request) });
        let (found, message, retry_after) = failed(&host.put(person_key("anna"), person("anna")).await);
        assert_eq!((found, retry_after), (class, wait), "{status}: {message}");
        assert!(status != 400 || message.contains("why"), "{message}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_patch_is_sent_whole_resources() {
    let receiver = Receiver::start().await;
    let host = host_at(&receiver.url(), json!({})).await;
    let read = json!({"id": "u1", "userName": "anna", "externalId": "anna", "schemas": []});
    receiver.answer(move |request| match request.path.as_str() {
        "/ServiceProviderConfig" => answer(200, json!({"patch": {"supported": false}})),
        path if request.method == "GET" && path.contains("filter=externalId") => {
            list(1, std::slice::from_ref(&read))
        }
        _ if request.method == "GET" => answer(200, read.clone()),
        _ => answer(200, json!({})),
    });
    went_well(&host.put(person_key("anna"), person("anna")).await);
    let expected = ["GET /Users", "GET /Users/u1", "GET /ServiceProviderConfig", "PUT /Users/u1"];
    assert_eq!(requests(&receiver), expected);
}

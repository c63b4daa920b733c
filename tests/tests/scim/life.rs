//! From the first provisioning to the last, and what the server holds after each.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use provender::provisioning::JobStatus;
use provender::registry::record::{Identifier, Record, Status};
use provender_tests::host::{CO, TestHost};
use provender_tests::people::{group, group_key, membership, person_key, plain_person};
use provender_tests::relay::Relay;
use provender_tests::scim::{TOKEN, tenant};
use serde_json::{Value, json};

use super::{failed, host_at, went_well};

/// What the server answers to a GET.
pub(super) fn get(address: SocketAddr, path: &str) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nAuthorization: Bearer {TOKEN}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{head}");
    serde_json::from_str(body).unwrap()
}

/// The whole content: users and groups by name, without what the server adds, members by the name of the user.
pub(super) fn content(address: SocketAddr, tenant: &str) -> Value {
    let list = |of: &str| {
        get(address, &format!("{tenant}/{of}"))["Resources"].as_array().cloned().unwrap_or_default()
    };
    let users = list("Users");
    let name_of = |id: &Value| {
        let user = users.iter().find(|user| user["id"] == *id).expect("members are users");
        user["userName"].clone()
    };
    let mut shown: Vec<Value> = users
        .iter()
        .map(|user| {
            json!([
                user["userName"],
                user["externalId"],
                user["active"],
                user["displayName"],
                user["name"],
                user["emails"],
                user["title"]
            ])
        })
        .collect();
    shown.sort_by_key(Value::to_string);
    let mut groups: Vec<Value> = list("Groups")
        .iter()
        .map(|group| {
            let members = group["members"].as_array().into_iter().flatten();
            let mut members: Vec<Value> = members.map(|member| name_of(&member["value"])).collect();
            members.sort_by_key(Value::to_string);
            json!([group["displayName"], group["externalId"], members])
        })
        .collect();
    groups.sort_by_key(Value::to_string);
    json!({ "users": shown, "groups": groups })
}

fn user(id: &str, user_name: &str, active: bool, given: &str) -> Value {
    let name = json!({"formatted": format!("{given} Kovács"), "familyName": "Kovács", "givenName": given});
    let email = json!([{"value": format!("{id}@example.org"), "type": "work", "primary": true}]);
    json!([user_name, id, active, format!("{given} Kovács"), name, email, null])
}

fn record(id: &str, user_name: &str, given: &str, status: Status) -> Record {
    let mut person = plain_person(id);
    person.status = status;
    person.names[0].given = Some(given.to_owned());
    person.identifiers = vec![Identifier {
        identifier: user_name.to_owned(),
        identifier_type: "uid".to_owned(),
        ..Identifier::default()
    }];
    Record::Person(Box::new(person))
}

async fn put(host: &TestHost, id: &str, user_name: &str, given: &str, status: Status) {
    went_well(&host.put(person_key(id), record(id, user_name, given, status)).await);
}

async fn live(configuration: Value) {
    let (server, tenant) = tenant().unwrap();
    let relay = Relay::to("http", server).await;
    let host = host_at(&format!("http://{}{tenant}", relay.address()), configuration).await;
    let check = host.host.pipeline.check_target(CO, "t").await.unwrap();
    assert!(check.findings[0].contains("PATCH supported"), "{check:?}");
    host.host.pipeline.prepare_target(CO, "t").await.unwrap();
    let holds = |users: Value, groups: Value| {
        assert_eq!(content(server, &tenant), json!({ "users": users, "groups": groups }));
    };
    let ben = r#"b"e\n or userName pr"#;
    went_well(&host.put(group_key("staff"), group("staff")).await);
    put(&host, "anna", "anna", "Zoë 山", Status::Active).await;
    put(&host, "ben", ben, "Ben", Status::Active).await;
    let of_ben = user("ben", ben, true, "Ben");
    holds(json!([user("anna", "anna", true, "Zoë 山"), of_ben]), json!([["Group staff", "staff", []]]));

    went_well(&host.put_membership(membership("staff", "anna")).await);
    went_well(&host.put_membership(membership("staff", "ben")).await);
    let both = json!([["Group staff", "staff", ["anna", ben]]]);
    holds(json!([user("anna", "anna", true, "Zoë 山"), of_ben]), both);
    // Renamed: the same user, by the id that the server gave.
    put(&host, "anna", "anna2", "Anna", Status::Active).await;
    let both = json!([["Group staff", "staff", ["anna2", ben]]]);
    holds(json!([user("anna", "anna2", true, "Anna"), of_ben]), both);
    went_well(&host.delete_membership("staff", "ben").await);
    let one = json!([["Group staff", "staff", ["anna2"]]]);
    holds(json!([user("anna", "anna2", true, "Anna"), of_ben]), one.clone());
    for (status, active) in [(Status::Suspended, false), (Status::Active, true)] {
        put(&host, "ben", ben, "Ben", status).await;
        holds(json!([user("anna", "anna2", true, "Anna"), user("ben", ben, active, "Ben")]), one.clone());
    }
    // Somebody else's name is in the way, and is told so.
    let (class, message, _) =
        failed(&host.put(person_key("eve"), record("eve", "ANNA2", "Eve", Status::Active)).await);
    assert_eq!(format!("{class:?}"), "Conflict", "{message}");
    host.delete(&person_key("eve")).await;

    went_well(&host.delete(&person_key("ben")).await);
    holds(json!([user("anna", "anna2", true, "Anna")]), one.clone());
    put(&host, "ben", ben, "Ben", Status::Active).await;
    holds(json!([user("anna", "anna2", true, "Anna"), of_ben]), one.clone());

    let job = host.ended(host.reprovision_all("t").await.id).await;
    assert_eq!(job.status, JobStatus::Complete, "{job:?}");
    holds(json!([user("anna", "anna2", true, "Anna"), of_ben]), one);
    went_well(&host.delete(&group_key("staff")).await);
    went_well(&host.delete(&person_key("anna")).await);
    holds(json!([of_ben]), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn users_and_groups_follow_a_whole_life_by_patch() {
    live(json!({"update": "patch"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_and_groups_follow_a_whole_life_by_put() {
    live(json!({"update": "put"})).await;
}

//! What a user can be beside the plain one of a whole life: one with the enterprise extension, and one that is kept.

use std::net::SocketAddr;

use provender::registry::record::{Identifier, Record, Role};
use provender_tests::host::TestHost;
use provender_tests::people::{group, group_key, membership, person, person_key, plain_person};
use provender_tests::relay::Relay;
use provender_tests::scim::tenant;
use serde_json::{Value, json};

use super::life::{content, get};
use super::{failed, host_at, went_well};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn employee(number: Option<&str>, organization: Option<&str>, department: Option<&str>) -> Record {
    let mut person = plain_person("anna");
    person.identifiers.extend(number.map(|number| Identifier {
        identifier: number.to_owned(),
        identifier_type: "employee-number".to_owned(),
        ..Identifier::default()
    }));
    if organization.or(department).is_some() {
        person.roles.push(Role {
            affiliation: Some("staff".to_owned()),
            organization: organization.map(str::to_owned),
            department: department.map(str::to_owned),
            ..Role::default()
        });
    }
    Record::Person(Box::new(person))
}

/// A host at a tenant of its own, and a way to see what that holds.
async fn host(configuration: Value) -> (TestHost, SocketAddr, String, Relay) {
    let (server, tenant) = tenant().unwrap();
    let relay = Relay::to("http", server).await;
    let host = host_at(&format!("http://{}{tenant}", relay.address()), configuration).await;
    (host, server, tenant, relay)
}

#[tokio::test(flavor = "multi_thread")]
async fn employee_number_organization_and_department_are_kept_by_the_enterprise_extension() {
    for update in ["patch", "put"] {
        let configuration =
            json!({"update": update, "enterprise": true, "employee_number_type": "employee-number"});
        let (host, server, tenant, _relay) = host(configuration).await;
        let check = host.host.pipeline.check_target(provender_tests::host::CO, "t").await.unwrap();
        assert!(!check.findings.iter().any(|line| line.contains("does not name")), "{check:?}");
        for (number, organization, department) in [
            (Some("0815"), Some("CERN — \"ß\""), Some("Физика")),
            (Some("0816"), Some("CERN — \"ß\""), Some("Theory")),
            (Some("0816"), Some("ESO"), None),
            (None, None, None),
            (None, None, Some("Theory")),
        ] {
            went_well(&host.put(person_key("anna"), employee(number, organization, department)).await);
            let users = get(server, &format!("{tenant}/Users"));
            let user = &users["Resources"][0];
            let mut expected = serde_json::Map::new();
            for (name, value) in
                [("employeeNumber", number), ("organization", organization), ("department", department)]
            {
                expected.extend(value.map(|value| (name.to_owned(), json!(value))));
            }
            let expected = if expected.is_empty() { Value::Null } else { expected.into() };
            assert_eq!(user[ENTERPRISE], expected, "{update}");
            assert_eq!((&users["totalResults"], &user["userName"]), (&json!(1), &json!("anna")));
        }
        // As it is: nothing is sent.
        let again = host.host.pipeline.provision(provender_tests::host::CO, "t", &person_key("anna")).await;
        let outcome = again.unwrap().outcome;
        assert!(
            matches!(outcome, Some(provender::provisioning::InvocationOutcome::Unchanged)),
            "{update}: {outcome:?}"
        );
    }
}

/// Name, `active` and the names of groups of all users.
fn users(server: SocketAddr, tenant: &str) -> Value {
    let content = content(server, tenant);
    let users = content["users"].as_array().unwrap();
    json!({
        "users": users.iter().map(|user| json!([user[0], user[2]])).collect::<Vec<_>>(),
        "groups": content["groups"].as_array().unwrap().iter().map(|group| group[2].clone()).collect::<Vec<_>>(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_deleted_stays_inactive_where_that_is_configured_and_comes_back_as_the_same() {
    for update in ["patch", "put"] {
        let (host, server, tenant, _relay) =
            host(json!({"update": update, "on_deletion": "deactivate"})).await;
        let holds = |expected: Value| assert_eq!(users(server, &tenant), expected, "{update}");
        went_well(&host.put(group_key("staff"), group("staff")).await);
        for id in ["anna", "ben"] {
            went_well(&host.put(person_key(id), person(id)).await);
            went_well(&host.put_membership(membership("staff", id)).await);
        }
        let id = get(server, &format!("{tenant}/Users?filter=userName%20eq%20%22anna%22"));
        let id = id["Resources"][0]["id"].clone();

        went_well(&host.delete(&person_key("anna")).await);
        holds(json!({"users": [["anna", false], ["ben", true]], "groups": [["ben"]]}));
        // The name is still hers.
        let mut eve = plain_person("eve");
        eve.identifiers[0].identifier = "anna".to_owned();
        let eve = Record::Person(Box::new(eve));
        let (class, message, _) = failed(&host.put(person_key("eve"), eve).await);
        assert_eq!(format!("{class:?}"), "Conflict", "{message}");
        host.delete(&person_key("eve")).await;
        holds(json!({"users": [["anna", false], ["ben", true]], "groups": [["ben"]]}));

        went_well(&host.put(person_key("anna"), person("anna")).await);
        went_well(&host.put_membership(membership("staff", "anna")).await);
        holds(json!({"users": [["anna", true], ["ben", true]], "groups": [["anna", "ben"]]}));
        let again = get(server, &format!("{tenant}/Users?filter=userName%20eq%20%22anna%22"));
        assert_eq!(again["Resources"][0]["id"], id);
        went_well(&host.delete(&person_key("ben")).await);
        holds(json!({"users": [["anna", true], ["ben", false]], "groups": [["anna"]]}));
    }
}

//! The data filters that come with the host, on their way to a target that writes down what it gets.

use super::*;

/// The record that the changelog got of a subject last.
async fn got(host: &TestHost, plugin: &str, configuration: Value, key: SubjectKey, record: Record) -> Value {
    host.install_bundled(plugin).await;
    let filter = serde_json::from_value(json!({"plugin": plugin, "configuration": configuration})).unwrap();
    host.host.administration.put_filter(CO, "f", filter).await.unwrap();
    let file = host.changelog("log", json!({"filters": ["f"]})).await;
    let done = host.put(key, record).await;
    for done in &done {
        assert!(matches!(done.outcome, Some(InvocationOutcome::Applied { .. })), "{done:?}");
    }
    lines(&file).pop().expect("a line")
}

#[tokio::test]
async fn the_data_scrubber_takes_attributes_out_and_keeps_people_back() {
    let host = TestHost::start().await;
    let rules = json!({"rules": [{"attribute": "email_address", "type": "official"}]});
    let line = got(&host, "data-scrubber", rules, person_key("anna"), person("anna")).await.to_string();
    assert!(line.contains("Kov") && !line.contains("anna@example.org"), "{line}");

    let rules = json!({"rules": [{"attribute": "url", "presence": "required"}]});
    let filter = serde_json::from_value(json!({"plugin": "data-scrubber", "configuration": rules})).unwrap();
    host.host.administration.put_filter(CO, "f", filter).await.unwrap();
    let done = host.put(person_key("bela"), person("bela")).await;
    let why = NotEligible::Filter { filter: "f".to_owned(), message: "has no URL".to_owned() };
    assert_eq!(left_out(&done[0]), why);
}

#[tokio::test]
async fn the_elector_gives_the_elected_entry_a_type_of_its_own() {
    let host = TestHost::start().await;
    let election = json!({
        "attribute": "email_address", "outbound_type": "Elected", "replacement": "replace",
        "precedences": [{"type": "list"}, {"type": "official"}],
    });
    let line = got(&host, "elector", election, person_key("anna"), person("anna")).await.to_string();
    assert!(line.contains("elected") && line.contains("anna@example.org"), "{line}");
}

#[tokio::test]
async fn the_group_filter_leaves_out_groups_and_memberships_in_them() {
    let host = TestHost::start().await;
    host.put(person_key("anna"), person("anna")).await;
    host.put(group_key("secret"), group("secret")).await;
    let rules = json!({"rules": [{"name_pattern": "^Group secret$", "presence": "not_permitted"}]});
    got(&host, "group-filter", rules, group_key("staff"), group("staff")).await;
    host.misbehaving_target_with("t", json!([{"do": "report"}]), json!({"filters": ["f"]})).await;
    host.put_membership(membership("staff", "anna")).await;
    let done = host.put_membership(membership("secret", "anna")).await;
    for done in &done {
        match done.subject.kind {
            RecordKind::Group => {
                assert!(left_out(done).to_string().contains("which is not permitted"));
            }
            _ if done.target == "t" => {
                let groups: Vec<_> =
                    history(done).iter().filter(|line| line.starts_with("in group")).collect();
                assert_eq!(groups, ["in group staff named Group staff"]);
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_pattern_that_is_none_fails_as_a_configuration_and_names_the_filter() {
    let host = TestHost::start().await;
    host.install_bundled("group-filter").await;
    let rules = json!({"rules": [{"name_pattern": "(", "presence": "optional"}]});
    let filter = serde_json::from_value(json!({"plugin": "group-filter", "configuration": rules})).unwrap();
    host.host.administration.put_filter(CO, "f", filter).await.unwrap();
    host.misbehaving_target_with("t", json!([]), json!({"filters": ["f"]})).await;
    let done = host.put(group_key("staff"), group("staff")).await;
    let Some(InvocationOutcome::Failed { class, filter, location, .. }) = &done[0].outcome else {
        panic!("{:?}", done[0])
    };
    assert_eq!((*class, filter.as_deref()), (FailureClass::Configuration, Some("f")));
    assert_eq!(location.as_deref(), Some("/rules/0/name_pattern"));
    let service = host.service("t", &group_key("staff")).await.unwrap();
    assert_eq!((service.held, service.filter.as_deref()), (false, Some("f")), "nothing was sent");
}

//! Who is provisioned to a target: its provisioning group, the source it skips, the status of people.

use super::*;

fn not_in(group: &str) -> NotEligible {
    NotEligible::Group { group: group.to_owned() }
}

/// A host with two groups and a target of people in one of them.
async fn host_of_staff(settings: Value) -> TestHost {
    let host = TestHost::start().await;
    for id in ["staff", "guests"] {
        host.put(group_key(id), group(id)).await;
    }
    let mut with_group = json!({"provisioning_group": "staff"});
    with_group.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    host.misbehaving_target_with("t", json!([{"do": "report"}]), with_group).await;
    host
}

#[tokio::test]
async fn whoever_joins_the_provisioning_group_is_sent_and_whoever_leaves_it_is_deleted_once() {
    let host = host_of_staff(json!({})).await;
    let anna = person_key("anna");
    let done = host.put(anna.clone(), person("anna")).await;
    assert_eq!(left_out(of(&done, &anna)), not_in("staff"));
    let service = host.service("t", &anna).await.unwrap();
    assert_eq!((service.status, service.not_eligible), (ServiceStatus::NotEligible, Some(not_in("staff"))));

    let done = host.put_membership(membership("staff", "anna")).await;
    assert_eq!(of(&done, &anna).delivery.sent, Some(Action::Updated));
    assert!(host.service("t", &anna).await.unwrap().held);

    let done = host.delete_membership("staff", "anna").await;
    let told = deleted(of(&done, &anna));
    assert!(told.contains(&"in group staff named Group staff".to_owned()), "as it was last there: {told:?}");
    assert_eq!(of(&done, &anna).delivery.not_eligible, Some(not_in("staff")));
    let service = host.service("t", &anna).await.unwrap();
    assert_eq!((service.status, service.held), (ServiceStatus::Removed, false));
    assert_eq!(service.not_eligible, Some(not_in("staff")));

    let done = host.put(anna.clone(), named("anna", "Anne")).await;
    assert_eq!(left_out(of(&done, &anna)), not_in("staff"));
    host.assert_healthy().await;
}

#[tokio::test]
async fn whoever_only_owns_the_provisioning_group_is_not_in_it() {
    let host = host_of_staff(json!({})).await;
    let anna = person_key("anna");
    host.put(anna.clone(), person("anna")).await;
    let owner = Membership { member: false, owner: true, ..membership("staff", "anna") };
    let done = host.put_membership(owner).await;
    assert_eq!(left_out(of(&done, &anna)), not_in("staff"));
}

#[tokio::test]
async fn of_the_groups_only_the_provisioning_group_is_sent() {
    let host = host_of_staff(json!({})).await;
    for (id, sent) in [("staff", true), ("guests", false)] {
        let Record::Group(mut renamed) = group(id) else { panic!("a group") };
        renamed.name = "Another name".to_owned();
        let done = host.put(group_key(id), Record::Group(renamed)).await;
        assert_eq!(of(&done, &group_key(id)).delivery.sent.is_some(), sent, "{id}");
    }
}

#[tokio::test]
async fn email_lists_and_services_do_not_care_for_the_provisioning_group() {
    let host = TestHost::start().await;
    host.put(group_key("staff"), group("staff")).await;
    let file = host.changelog("log", json!({"provisioning_group": "staff", "skip_source": "hr"})).await;
    let service = provender::registry::record::Service { name: "wiki".to_owned(), ..Default::default() };
    let key = SubjectKey { kind: RecordKind::Service, id: "wiki".to_owned() };
    host.put(key, Record::Service(Box::new(service))).await;
    let list = provender::registry::record::EmailList { name: "all".to_owned(), ..Default::default() };
    let key = SubjectKey { kind: RecordKind::EmailList, id: "all".to_owned() };
    host.put(key, Record::EmailList(Box::new(list))).await;
    assert_eq!(lines(&file).len(), 2);
}

#[tokio::test]
async fn suspending_the_provisioning_group_removes_its_members_and_activating_it_brings_them_back() {
    let host = host_of_staff(json!({})).await;
    let anna = person_key("anna");
    host.put(anna.clone(), person("anna")).await;
    host.put_membership(membership("staff", "anna")).await;
    for (status, sent) in [(Status::Suspended, Action::Deleted), (Status::Active, Action::Updated)] {
        let Record::Group(mut staff) = group("staff") else { panic!("a group") };
        staff.status = status;
        let knowingly = WriteOptions { deprovision: true, ..by_test() };
        let done = host.put_as(group_key("staff"), Record::Group(staff), &knowingly).await;
        assert_eq!(of(&done, &anna).delivery.sent, Some(sent), "{status:?}");
    }
    host.assert_healthy().await;
}

#[tokio::test]
async fn a_provisioning_group_is_not_deleted_and_not_suspended_by_accident() {
    let host = host_of_staff(json!({})).await;
    host.misbehaving_target_with("u", json!([]), json!({"provisioning_group": "staff", "mode": "disabled"}))
        .await;
    for id in ["anna", "bela"] {
        host.put(person_key(id), person(id)).await;
    }
    host.put_membership(membership("staff", "anna")).await;
    let knowingly = WriteOptions { deprovision: true, ..by_test() };
    let quietly = WriteOptions { provision: false, ..by_test() };
    let held = "group \"staff\" is the provisioning group of target \"t\" (people there: 1) and of target \"u\" \
                (people there: 0): ";
    for options in [&knowingly, &quietly] {
        let refused = host.host.registry.delete(CO, &group_key("staff"), options).await.unwrap_err();
        assert_eq!(refused.to_string(), format!("{held}give that another group, or none, first"));
    }
    let Record::Group(mut suspended) = group("staff") else { panic!("a group") };
    suspended.status = Status::Suspended;
    let suspended = Record::Group(suspended);
    for options in [&by_test(), &quietly] {
        let refused = host.host.registry.put(CO, group_key("staff"), suspended.clone(), options).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.starts_with(held) && refused.contains("--deprovision"), "{refused}");
    }
    assert!(host.service("t", &person_key("anna")).await.unwrap().held);

    host.put_as(group_key("staff"), suspended.clone(), &knowingly).await;
    assert!(!host.service("t", &person_key("anna")).await.unwrap().held);
    assert!(host.put(group_key("staff"), suspended).await.is_empty(), "it is suspended already");
    host.put(group_key("guests"), group("guests")).await;
    host.delete(&group_key("guests")).await;
    for target in ["t", "u"] {
        host.misbehaving_target_with(target, json!([]), json!({})).await;
    }
    host.delete(&group_key("staff")).await;
    host.assert_healthy().await;
}

#[tokio::test]
async fn people_from_the_skipped_source_are_removed_and_come_back_without_it() {
    let host = host_of_staff(json!({"skip_source": "hr"})).await;
    let anna = person_key("anna");
    host.put(anna.clone(), person("anna")).await;
    host.put_membership(membership("staff", "anna")).await;
    let from_hr = || {
        let mut person = plain_person("anna");
        let identity = OrgIdentity { identity_source: Some("hr".to_owned()), ..OrgIdentity::default() };
        person.org_identities.push(identity);
        Record::Person(Box::new(person))
    };
    let skipped = NotEligible::Source { source: "hr".to_owned() };
    let done = host.put(anna.clone(), from_hr()).await;
    deleted(of(&done, &anna));
    assert_eq!(of(&done, &anna).delivery.not_eligible, Some(skipped.clone()));
    let outcome = host.host.pipeline.provision(CO, "t", &anna).await.unwrap();
    assert_eq!(left_out(&outcome), skipped, "on request, too");

    let done = host.put(anna.clone(), person("anna")).await;
    assert_eq!(of(&done, &anna).delivery.sent, Some(Action::Updated));
}

#[tokio::test]
async fn a_target_that_wants_every_deletion_gets_each() {
    let host = host_of_staff(json!({"always_send_deletions": true})).await;
    let anna = person_key("anna");
    for given in ["Anna", "Anne"] {
        let done = host.put(anna.clone(), named("anna", given)).await;
        deleted(of(&done, &anna));
    }
}

#[tokio::test]
async fn a_target_names_a_group_that_there_is_and_a_source() {
    let host = TestHost::start().await;
    host.install_bundled("changelog").await;
    host.server("files", json!({"kind": "files", "root": host.folder("files")})).await;
    let with = |settings: Value| {
        let mut input = json!({"plugin": "changelog", "slots": {"log": "files"}});
        input.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        input
    };
    for (settings, complaint) in [
        (json!({"provisioning_group": "nobody"}), "there is no group `nobody`"),
        (json!({"skip_source": "nowhere"}), "there is no org identity source \"nowhere\""),
        (json!({"skip_source": ""}), "there is no org identity source \"\""),
    ] {
        let error = host.try_target("t", with(settings)).await.unwrap_err().to_string();
        assert!(error.contains(complaint), "{error}");
    }
    host.put(group_key("staff"), group("staff")).await;
    let chosen = json!({"provisioning_group": "staff", "skip_source": "hr"});
    host.try_target("t", with(chosen)).await.unwrap();
    let refused = host.host.registry.delete_entry::<OrgIdentitySource>(CO, "hr").await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "target \"t\" refers to the org identity source \"hr\": change that first"
    );
}

#[tokio::test]
async fn work_is_planned_only_for_targets_that_handle_the_kind() {
    let host = TestHost::start().await;
    host.misbehaving_target("t", json!([])).await;
    let service = provender::registry::record::Service { name: "wiki".to_owned(), ..Default::default() };
    let key = SubjectKey { kind: RecordKind::Service, id: "wiki".to_owned() };
    let done = host.put(key.clone(), Record::Service(Box::new(service))).await;
    assert_eq!(done, [], "the plugin knows people and groups only");
    let asked = host.host.pipeline.provision(CO, "t", &key).await.unwrap();
    assert_eq!(left_out(&asked), NotEligible::Kind { kind: RecordKind::Service });
    host.assert_healthy().await;
}

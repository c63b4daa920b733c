use super::*;
use crate::provisioning::Action::{Added, Deleted, Updated};
use crate::registry::history::Operation;
use crate::registry::write::{ImportItem, OnError, UnknownGroups, WriteError};

fn put(record: impl Into<Record>) -> ImportItem {
    ImportItem::Put { record: record.into(), memberships: None, unknown_groups: UnknownGroups::Refuse }
}

fn put_with_groups(person: Person, groups: &[&str], unknown_groups: UnknownGroups) -> ImportItem {
    let memberships = groups.iter().map(|group| membership(group, "")).collect();
    ImportItem::Put { record: person.into(), memberships: Some(memberships), unknown_groups }
}

impl Scene {
    async fn import(&self, items: Vec<ImportItem>) -> Vec<Result<Written, WriteError>> {
        self.registry.import(CO, items, OnError::Continue, &options()).await.unwrap()
    }
}

fn operations(results: &[Result<Written, WriteError>]) -> Vec<Option<Operation>> {
    results.iter().map(|result| result.as_ref().unwrap().operation).collect()
}

#[tokio::test]
async fn a_batch_is_carried_out_in_order() {
    let scene = Scene::new().await;
    let mut renamed = person("p1");
    renamed.names[0].given = Some("Zoë".to_owned());
    let results = scene
        .import(vec![
            put(group("g")),
            put(person("p1")),
            put(renamed),
            ImportItem::PutMembership(membership("g", "p1")),
            put(person("p2")),
            ImportItem::Delete(person_key("p2")),
        ])
        .await;
    use Operation::{Created, Deleted as Gone, Updated as Changed};
    let expected = [Created, Created, Changed, Created, Created, Gone].map(Some);
    assert_eq!(operations(&results), expected);

    assert_eq!(scene.person("p1").await.unwrap().names[0].given.as_deref(), Some("Zoë"));
    assert_eq!(scene.person("p2").await, None);
    assert_eq!(scene.groups_of("p1").await, ["g"]);
    let history = scene.history().await;
    assert_eq!(history.iter().map(|change| change.sequence).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    let waiting: Vec<Planned> = [("p1", Added), ("g", Added)]
        .into_iter()
        .flat_map(|(id, action)| ["first", "second"].map(|to| (to.to_owned(), id.to_owned(), action, None)))
        .collect();
    assert_eq!(scene.planned().await, waiting, "each subject once; nothing for what came and went");
}

#[tokio::test]
async fn a_refused_item_harms_no_other() {
    let scene = Scene::new().await;
    let results = scene
        .import(vec![
            put(person("p1")),
            put(Person { names: Vec::new(), ..person("p2") }),
            ImportItem::PutMembership(membership("none", "p1")),
            put_with_groups(person("p3"), &["none"], UnknownGroups::Refuse),
            ImportItem::Delete(person_key("nobody")),
            put(person("p4")),
        ])
        .await;
    let stored: Vec<bool> = results.iter().map(Result::is_ok).collect();
    assert_eq!(stored, [true, false, false, false, false, true]);
    let message = results[3].as_ref().unwrap_err().to_string();
    assert!(message.starts_with("/memberships/0/group: there is no group \"none\""), "{message}");
    assert_eq!(scene.person("p3").await, None);
    assert_eq!(scene.history().await.len(), 2);
}

#[tokio::test]
async fn nothing_is_stored_after_the_item_it_stops_at() {
    let scene = Scene::new().await;
    let items = vec![put(person("p1")), ImportItem::Delete(person_key("nobody")), put(person("p2"))];
    let results = scene.registry.import(CO, items, OnError::Stop, &options()).await.unwrap();
    assert_eq!(results.len(), 2);
    assert!(matches!(results[1], Err(WriteError::NotFound { .. })));
    assert!(scene.person("p1").await.is_some());
    assert_eq!(scene.person("p2").await, None);
}

#[tokio::test]
async fn memberships_that_come_with_a_person_are_all_it_has() {
    let scene = Scene::new().await;
    scene.import(vec![put(group("a")), put(group("b")), put(group("c")), put(person("p1"))]).await;
    let with = |groups: &[&str]| vec![put_with_groups(person("p1"), groups, UnknownGroups::Refuse)];

    let joined = scene.import(with(&["a", "b"])).await.remove(0).unwrap();
    assert_eq!(joined.operation, Some(Operation::Updated));
    assert_eq!(
        planned_for_first(&joined),
        follows([("p1", Updated, None), ("a", Updated, Some("p1")), ("b", Updated, Some("p1"))])
    );
    let moved = scene.import(with(&["b", "c"])).await.remove(0).unwrap();
    assert_eq!(
        planned_for_first(&moved),
        follows([("p1", Updated, None), ("a", Updated, Some("p1")), ("c", Updated, Some("p1"))])
    );
    assert_eq!(scene.groups_of("p1").await, ["b", "c"]);
    assert_eq!(scene.history().await.last().unwrap().parts, ["memberships"]);

    assert_eq!(operations(&scene.import(with(&["b", "c"])).await), [None]);
    assert_eq!(operations(&scene.import(vec![put(person("p1"))]).await), [None]);
    assert_eq!(scene.groups_of("p1").await, ["b", "c"], "not told, not changed");
    scene.import(with(&[])).await;
    assert_eq!(scene.groups_of("p1").await, [""; 0]);
}

#[tokio::test]
async fn a_record_and_its_memberships_are_one_change() {
    let scene = Scene::new().await;
    let results = scene
        .import(vec![put(group("a")), put_with_groups(person("p1"), &["a"], UnknownGroups::Refuse)])
        .await;
    assert_eq!(operations(&results), [Some(Operation::Created); 2]);
    let history = scene.history().await;
    assert_eq!(history.len(), 2);
    assert_eq!(history[1].parts, ["names", "email_addresses", "memberships"]);
}

#[tokio::test]
async fn groups_that_do_not_exist_are_created_or_skipped_as_asked() {
    let scene = Scene::new().await;
    scene.import(vec![put_with_groups(person("p1"), &["a", "a2"], UnknownGroups::Create)]).await;
    assert_eq!(scene.groups_of("p1").await, ["a", "a2"]);
    let Record::Group(created) = scene.store.record(CO, &group_key("a")).await.unwrap().unwrap().record
    else {
        panic!("not a group");
    };
    assert_eq!(created.name, "a");

    scene.import(vec![put_with_groups(person("p2"), &["a", "b"], UnknownGroups::Skip)]).await;
    assert_eq!(scene.groups_of("p2").await, ["a"]);
    assert_eq!(scene.store.record(CO, &group_key("b")).await.unwrap(), None);
}

#[tokio::test]
async fn a_membership_of_somebody_else_is_refused() {
    let scene = Scene::new().await;
    scene.import(vec![put(group("a"))]).await;
    let item = ImportItem::Put {
        record: person("p1").into(),
        memberships: Some(vec![membership("a", "p2")]),
        unknown_groups: UnknownGroups::Refuse,
    };
    let twice = put_with_groups(person("p1"), &["a", "a"], UnknownGroups::Refuse);
    let messages: Vec<String> = scene
        .import(vec![item, twice])
        .await
        .into_iter()
        .map(|result| result.unwrap_err().to_string())
        .collect();
    assert!(messages[0].starts_with("/memberships/0/person: "), "{}", messages[0]);
    assert!(messages[1].starts_with("/memberships/1/group: there are two"), "{}", messages[1]);
}

#[tokio::test]
async fn what_is_gone_may_be_deleted_again() {
    let scene = Scene::new().await;
    scene.import(vec![put(person("p1")), put(group("g")), ImportItem::Delete(person_key("p1"))]).await;
    let leave = || ImportItem::DeleteMembership { group: "g".to_owned(), person: "p1".to_owned() };
    let results = scene.import(vec![ImportItem::Delete(person_key("p1")), leave()]).await;
    assert_eq!(operations(&results), [None, None]);
}

#[tokio::test]
async fn what_is_deleted_and_created_in_one_batch_begins_anew() {
    let scene = Scene::new().await;
    scene.import(vec![put(group("g")), put_with_groups(person("p1"), &["g"], UnknownGroups::Refuse)]).await;
    let results = scene.import(vec![ImportItem::Delete(person_key("p1")), put(person("p1"))]).await;
    assert_eq!(operations(&results), [Some(Operation::Deleted), Some(Operation::Created)]);
    assert_eq!(scene.groups_of("p1").await, [""; 0]);
    assert!(scene.person("p1").await.is_some());
    let last = results[1].as_ref().unwrap();
    assert_eq!(last.planned.iter().filter(|planned| planned.subject == person_key("p1")).count(), 2);
    assert!(last.planned.iter().all(|planned| planned.action == Updated));
}

#[tokio::test]
async fn a_group_takes_the_memberships_of_its_batch_with_it() {
    let scene = Scene::new().await;
    scene.import(vec![put(group("g")), put(person("p1"))]).await;
    let results = scene
        .import(vec![
            ImportItem::PutMembership(membership("g", "p1")),
            ImportItem::Delete(group_key("g")),
            put(group("g")),
        ])
        .await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(scene.groups_of("p1").await, [""; 0]);
}

#[tokio::test]
async fn a_large_group_reaches_all_its_members() {
    let scene = Scene::new().await;
    let people: Vec<String> = (0..1_203).map(|number| format!("p{number:04}")).collect();
    let mut items = vec![put(group("g"))];
    items.extend(people.iter().map(|id| put_with_groups(person(id), &["g"], UnknownGroups::Refuse)));
    scene.registry.import(CO, items, OnError::Stop, &quietly()).await.unwrap();

    let written = scene.registry.delete(CO, &group_key("g"), &options()).await.unwrap();
    let reached: Vec<String> = planned_for_first(&written).into_iter().map(|(id, ..)| id).collect();
    assert_eq!(reached[0], "g");
    assert_eq!(reached[1..], people);
    assert_eq!(scene.planned().await[0].2, Deleted);
}

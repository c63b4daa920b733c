//! What a COmanage Registry delivers, as it is stored and planned.

use serde_json::{Value, json};

use super::*;
use crate::provisioning::Action::{Added, Updated};
use crate::registry::history::Operation;
use crate::registry::ingest::parse_delivery;
use crate::registry::write::Ingested;

fn row(id: u64, revision: u64) -> Value {
    json!({"id": id.to_string(), "lastModified": format!("2026-11-22T15:00:{revision:02}Z"), "revision": revision})
}

fn document(given: (&str, u64), groups: &[&str]) -> Value {
    json!({"meta": {"version": "1.0.0", "objectType": "person"}, "person": {
        "meta": {"id": "bob", "lastModified": "2026-11-22T15:00:00Z"},
        "status": "active",
        "names": [{"meta": row(1, given.1), "given": given.0, "type": "official"}],
        "roles": [{"meta": row(2, 0), "couId": "4", "affiliation": "member", "status": "active"}],
        "members": groups,
    }})
}

fn removal() -> Value {
    json!({"person": {"meta": {"id": "bob", "deleted": true}}})
}

impl Scene {
    async fn deliver(&self, document: Value) -> Ingested {
        let delivery = parse_delivery(document.to_string().as_bytes()).unwrap();
        self.registry.ingest(CO, delivery, &options()).await.unwrap()
    }
}

/// The operation, and what "first" is to do.
#[track_caller]
fn stored(ingested: Ingested) -> (Option<Operation>, Vec<(String, Action)>) {
    let Ingested::Stored { operation, planned, .. } = ingested else { panic!("{ingested:?}") };
    let first = planned.into_iter().filter(|invocation| invocation.target == "first");
    (operation, first.map(|invocation| (invocation.subject.id, invocation.action)).collect())
}

fn told<const N: usize>(rows: [(&str, Action); N]) -> Vec<(String, Action)> {
    rows.map(|(id, action)| (id.to_owned(), action)).to_vec()
}

#[tokio::test]
async fn a_person_comes_with_groups_and_units_and_each_is_provisioned_once() {
    let scene = Scene::new().await;
    let first = scene.deliver(document(("Bob", 0), &["Front desk", "staff", "CO:members:all"])).await;
    let (operation, planned) = stored(first);
    assert_eq!(operation, Some(Operation::Created));
    assert_eq!(planned, told([("bob", Added), ("Front=20desk", Added), ("staff", Added)]));
    assert_eq!(scene.groups_of("bob").await, ["Front=20desk", "staff"]);
    let group = scene.store.record(CO, &group_key("Front=20desk")).await.unwrap().unwrap().record;
    assert!(matches!(&group, Record::Group(group) if group.name == "Front desk"));
    let person = scene.person("bob").await.unwrap();
    assert_eq!((person.roles[0].cou.as_deref(), person.names[0].primary), (Some("4"), true));
    assert!(scene.store.collaboration(CO).await.unwrap().unwrap().has_unit("4"));
}

#[tokio::test]
async fn the_same_document_again_changes_nothing() {
    let scene = Scene::new().await;
    scene.deliver(document(("Bob", 0), &["g"])).await;
    let history = scene.history().await;
    assert_eq!(stored(scene.deliver(document(("Bob", 0), &["g"])).await), (None, Vec::new()));
    assert_eq!(scene.history().await, history);
}

#[tokio::test]
async fn an_older_document_never_takes_the_place_of_a_newer_one() {
    let scene = Scene::new().await;
    scene.deliver(document(("Bob", 0), &["g"])).await;
    scene.deliver(document(("Rob", 1), &["h"])).await;
    let late = scene.deliver(document(("Bob", 0), &["g"])).await;
    assert_eq!(late, Ingested::Stale { row: "name/1".to_owned() });
    assert_eq!(scene.person("bob").await.unwrap().names[0].given.as_deref(), Some("Rob"));
    assert_eq!(scene.groups_of("bob").await, ["h"]);
    assert_eq!(stored(scene.deliver(removal()).await).0, Some(Operation::Deleted));
    assert!(matches!(scene.deliver(document(("Bob", 0), &["g"])).await, Ingested::Stale { .. }));
    assert_eq!(scene.person("bob").await, None);
    let back = scene.deliver(document(("Rob", 1), &["h"])).await;
    assert_eq!(stored(back), (Some(Operation::Created), told([("bob", Added), ("h", Updated)])));
}

#[tokio::test]
async fn memberships_follow_the_documents_and_others_stay() {
    let scene = Scene::new().await;
    scene.put(group("own")).await;
    scene.deliver(document(("Bob", 0), &["g", "h"])).await;
    scene.join("own", "bob").await;
    let moved = stored(scene.deliver(document(("Bob", 0), &["h", "i"])).await);
    assert_eq!(moved.0, Some(Operation::Updated));
    assert_eq!(moved.1, told([("bob", Updated), ("i", Added), ("g", Updated)]));
    assert_eq!(scene.groups_of("bob").await, ["h", "i", "own"]);
    scene.deliver(document(("Bob", 0), &[])).await;
    assert_eq!(scene.groups_of("bob").await, ["own"]);
}

#[tokio::test]
async fn a_removal_of_somebody_unknown_is_done_already() {
    let scene = Scene::new().await;
    assert_eq!(stored(scene.deliver(removal()).await), (None, Vec::new()));
    scene.deliver(document(("Bob", 0), &[])).await;
    scene.deliver(removal()).await;
    assert_eq!(stored(scene.deliver(removal()).await), (None, Vec::new()));
}

#[tokio::test]
async fn a_document_that_is_refused_leaves_nothing_behind() {
    let scene = Scene::new().await;
    let mut nameless = document(("Bob", 0), &["g"]);
    nameless["person"]["names"] = json!([]);
    let delivery = parse_delivery(nameless.to_string().as_bytes()).unwrap();
    let refused = scene.registry.ingest(CO, delivery, &options()).await.unwrap_err();
    assert!(refused.to_string().starts_with("/names"), "{refused}");
    assert_eq!(scene.history().await, []);
    assert_eq!(stored(scene.deliver(document(("Bob", 0), &[])).await).0, Some(Operation::Created));
}

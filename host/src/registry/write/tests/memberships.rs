use super::*;
use crate::provisioning::Action::Updated;
use crate::registry::history::Operation;
use crate::registry::write::WriteError;

#[tokio::test]
async fn a_membership_is_told_to_the_person_and_then_to_the_group() {
    let scene = Scene::new().await;
    scene.put(group("g")).await;
    scene.put(person("p1")).await;
    let written = scene.join("g", "p1").await;

    let both = follows([("p1", Updated, None), ("g", Updated, Some("p1"))]);
    assert_eq!((&written.subject, written.operation), (&person_key("p1"), Some(Operation::Created)));
    assert_eq!(planned_for_first(&written), both);
    let stored = scene.store.membership(CO, "g", "p1").await.unwrap();
    assert_eq!(written.membership, stored);
    assert!(!stored.unwrap().meta.id.is_empty());
    let change = scene.history().await.pop().unwrap();
    assert_eq!((change.operation, &change.parts[..]), (Operation::Updated, &["memberships".to_owned()][..]));

    let again = scene.join("g", "p1").await;
    assert_eq!((again.operation, again.planned.len()), (None, 0));
    assert_eq!(again.membership, written.membership);

    let owner = Membership { owner: true, ..membership("g", "p1") };
    let changed = scene.registry.put_membership(CO, owner, &options()).await.unwrap();
    assert_eq!((changed.operation, planned_for_first(&changed)), (Some(Operation::Updated), both.clone()));
    assert_eq!(changed.membership.unwrap().meta.revision, 1);

    let removed = scene.registry.delete_membership(CO, "g", "p1", &options()).await.unwrap();
    assert_eq!((removed.operation, planned_for_first(&removed)), (Some(Operation::Deleted), both));
    assert_eq!(removed.membership, None);
    assert_eq!(scene.groups_of("p1").await, [""; 0]);
}

#[tokio::test]
async fn a_membership_needs_its_person_and_its_group() {
    let scene = Scene::new().await;
    scene.put(group("g")).await;
    scene.put(person("p1")).await;
    for (of, member, missing) in [("g", "nobody", "person \"nobody\""), ("none", "p1", "group \"none\"")] {
        let refused = scene.registry.put_membership(CO, membership(of, member), &options()).await;
        let message = refused.unwrap_err().to_string();
        assert_eq!(message, format!("there is no {missing} in this collaboration"));
    }
    scene.registry.delete(CO, &group_key("g"), &options()).await.unwrap();
    let refused = scene.registry.put_membership(CO, membership("g", "p1"), &options()).await;
    assert!(matches!(refused, Err(WriteError::NotFound { kind: "group", .. })));
    let refused = scene.registry.delete_membership(CO, "g", "p1", &options()).await;
    assert_eq!(refused.unwrap_err().to_string(), "there is no membership \"g/p1\" in this collaboration");
}

#[tokio::test]
async fn a_membership_of_nothing_is_refused() {
    let scene = Scene::new().await;
    scene.put(group("g")).await;
    scene.put(person("p1")).await;
    let neither = Membership { member: false, ..membership("g", "p1") };
    let refused = scene.registry.put_membership(CO, neither, &options()).await;
    assert!(matches!(refused, Err(WriteError::InvalidRecord(_))));
}

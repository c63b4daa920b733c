use super::*;
use crate::provisioning::Action::{Added, Updated};
use crate::registry::record::{Cou, Role, Status};
use crate::registry::write::WriteError;

const ALL: &str = "CO:members:all";
const ACTIVE: &str = "CO:members:active";

fn collaboration(cous: &[&str]) -> Collaboration {
    let unit = |id: &&str| Cou { id: (*id).to_owned(), name: id.to_uppercase(), parent: None };
    Collaboration {
        id: CO.to_owned(),
        name: "Example".to_owned(),
        cous: cous.iter().map(unit).collect(),
        automatic_groups: true,
        ..Collaboration::default()
    }
}

fn in_lab(status: Status) -> Person {
    let role = Role { cou: Some("lab".to_owned()), status, ..Role::default() };
    Person { roles: vec![role], ..person("p1") }
}

impl Scene {
    async fn automatic(cous: &[&str]) -> Self {
        let scene = Self::new().await;
        scene.keep_groups(cous).await;
        scene
    }

    async fn keep_groups(&self, cous: &[&str]) {
        self.registry.put_collaboration(collaboration(cous)).await.unwrap();
        while self.registry.settle_collaboration(CO).await.unwrap().more {}
    }
}

#[tokio::test]
async fn a_new_collaboration_has_its_groups_at_once() {
    let scene = Scene::new().await;
    let other = Collaboration { id: "other".to_owned(), ..collaboration(&["lab"]) };
    scene.registry.put_collaboration(other).await.unwrap();
    let groups = scene.store.records("other", RecordKind::Group, None, 100).await.unwrap();
    let ids: Vec<String> = groups.into_iter().map(|stored| stored.key.id).collect();
    #[rustfmt::skip]
    assert_eq!(ids, [
        "CO:COU:lab:admins", "CO:COU:lab:approvers", "CO:COU:lab:members:active", "CO:COU:lab:members:all",
        "CO:admins", "CO:approvers", ACTIVE, ALL,
    ]);
    assert_eq!(scene.store.unsettled_collaborations().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn people_are_in_the_groups_that_their_status_and_roles_say() {
    let scene = Scene::automatic(&["lab"]).await;
    let lab = ["CO:COU:lab:members:active", "CO:COU:lab:members:all"];
    let created = scene.put(in_lab(Status::Active)).await;
    assert_eq!(scene.groups_of("p1").await, [lab[0], lab[1], ACTIVE, ALL]);
    let first = planned_for_first(&created);
    assert_eq!(first[0], ("p1".to_owned(), Added, None));
    assert_eq!(first.len(), 5);
    assert!(first[1..].iter().all(|row| row.1 == Updated && row.2.as_deref() == Some("p1")));
    assert_eq!(scene.history().await.last().unwrap().parts.last().unwrap(), "memberships");

    scene.put(in_lab(Status::Suspended)).await;
    assert_eq!(scene.groups_of("p1").await, [lab[1], ACTIVE, ALL]);
    scene.put(Person { status: Status::Suspended, ..in_lab(Status::Active) }).await;
    assert_eq!(scene.groups_of("p1").await, [lab[0], lab[1], ALL]);
    scene.put(Person { status: Status::Deleted, ..person("p1") }).await;
    assert_eq!(scene.groups_of("p1").await, [""; 0]);
}

#[tokio::test]
async fn automatic_groups_and_their_members_are_not_changed_by_hand() {
    let scene = Scene::automatic(&[]).await;
    scene.put(person("p1")).await;
    let kept = |result: Result<Written, WriteError>| match result {
        Err(error @ WriteError::Kept { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let joined = kept(scene.registry.put_membership(CO, membership(ALL, "p1"), &options()).await);
    assert!(joined.contains("follows from the status"), "{joined}");
    kept(scene.registry.delete_membership(CO, ALL, "p1", &options()).await);
    let deleted = kept(scene.registry.delete(CO, &group_key("CO:admins"), &options()).await);
    assert!(deleted.contains("automatic group"), "{deleted}");
    kept(scene.registry.put(CO, group_key(ALL), group(ALL).into(), &options()).await);
    scene.join("CO:admins", "p1").await;
    assert_eq!(scene.groups_of("p1").await, ["CO:admins", ACTIVE, ALL]);
}

#[tokio::test]
async fn people_who_are_there_already_are_brought_in_page_by_page() {
    let scene = Scene::new().await;
    scene.put(Group { meta: meta(ALL), ..group("staff") }).await;
    for number in 0..260 {
        let put = person(&format!("p{number:03}"));
        scene.registry.put(CO, Record::from(put.clone()).key(), put.into(), &quietly()).await.unwrap();
    }
    scene.registry.put_collaboration(collaboration(&[])).await.unwrap();
    assert_eq!(scene.store.unsettled_collaborations().await.unwrap(), [CO]);
    let first = scene.registry.settle_collaboration(CO).await.unwrap();
    assert!(first.more);
    assert_eq!(scene.groups_of("p259").await, [""; 0]);
    let last = scene.registry.settle_collaboration(CO).await.unwrap();
    assert!(!last.more && !last.planned.is_empty());
    assert_eq!(scene.groups_of("p000").await, [ACTIVE, ALL]);
    assert_eq!(scene.groups_of("p259").await, [ACTIVE, ALL]);
    let Record::Group(adopted) = scene.store.record(CO, &group_key(ALL)).await.unwrap().unwrap().record
    else {
        panic!("no group")
    };
    assert_eq!(adopted.group_type, crate::registry::record::GroupType::AllMembers);
    assert_eq!(scene.registry.settle_collaboration(CO).await.unwrap(), Default::default());
}

#[tokio::test]
async fn the_groups_of_a_unit_follow_the_unit() {
    let scene = Scene::automatic(&[]).await;
    scene.put(person("p1")).await;
    scene.keep_groups(&["lab"]).await;
    scene.put(in_lab(Status::Active)).await;
    assert_eq!(scene.groups_of("p1").await.len(), 4);
    let refused = scene.registry.put_collaboration(collaboration(&[])).await.unwrap_err();
    assert!(matches!(&refused, WriteError::InUse { by, .. } if by == "person \"p1\""), "{refused}");
    scene.put(person("p1")).await;
    scene.keep_groups(&[]).await;
    assert_eq!(scene.groups_of("p1").await, [ACTIVE, ALL]);
    let gone = scene.store.record(CO, &group_key("CO:COU:lab:admins")).await.unwrap().unwrap();
    assert!(gone.deleted.is_some());
}

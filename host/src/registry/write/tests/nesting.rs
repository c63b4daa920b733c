use super::*;
use crate::provisioning::Action::Updated;
use crate::registry::history::Operation;
use crate::registry::record::{GroupNesting, NestingMode, Status};
use crate::registry::write::{ImportItem, OnError, UnknownGroups, WriteError};

impl Scene {
    async fn nest(&self, source: &str, group: &str, negate: bool) -> Written {
        let nesting = GroupNesting { group: group.to_owned(), source: source.to_owned(), negate };
        self.registry.nest(CO, nesting, &options()).await.unwrap()
    }

    async fn unnest(&self, source: &str, group: &str) -> Written {
        self.registry.unnest(CO, group, source, &options()).await.unwrap()
    }

    async fn leave(&self, group: &str, person: &str) -> Written {
        self.registry.delete_membership(CO, group, person, &options()).await.unwrap()
    }

    /// Person and the nested group it comes from, of each member of a group.
    async fn members(&self, group: &str) -> Vec<(String, Option<String>)> {
        let members = self.store.members_of_group(CO, group, None, 10_000).await.unwrap();
        members.into_iter().map(|row| (row.person, row.nested_from)).collect()
    }

    async fn nested(&self, group: &str) -> Vec<String> {
        let members = self.members(group).await;
        members.into_iter().filter(|(_, from)| from.is_some()).map(|(person, _)| person).collect()
    }

    async fn with_groups(groups: &[&str], people: &[&str]) -> Self {
        let scene = Self::new().await;
        for id in groups {
            scene.put(group(id)).await;
        }
        for id in people {
            scene.put(person(id)).await;
        }
        scene
    }
}

#[tokio::test]
async fn members_of_a_nested_group_are_members_as_long_as_it_is_nested() {
    let scene = Scene::with_groups(&["s", "t"], &["p1", "p2"]).await;
    scene.join("s", "p1").await;
    let written = scene.nest("s", "t", false).await;
    assert_eq!((&written.subject, written.operation), (&group_key("t"), Some(Operation::Created)));
    assert_eq!(scene.members("t").await, [("p1".to_owned(), Some("s".to_owned()))]);
    let mut planned = written.planned.clone();
    planned.retain(|invocation| invocation.target == "first");
    let subjects: Vec<&str> = planned.iter().map(|invocation| invocation.subject.id.as_str()).collect();
    assert_eq!(subjects, ["p1", "t"]);
    assert!(planned.iter().all(|invocation| invocation.action == Updated));
    assert_eq!(scene.nest("s", "t", false).await.operation, None);

    let joined = scene.join("s", "p2").await;
    assert_eq!(
        planned_for_first(&joined),
        follows([("p2", Updated, None), ("s", Updated, Some("p2")), ("t", Updated, Some("p2"))])
    );
    assert_eq!(scene.nested("t").await, ["p1", "p2"]);
    let left = scene.leave("s", "p1").await;
    assert_eq!(
        planned_for_first(&left),
        follows([("p1", Updated, None), ("s", Updated, Some("p1")), ("t", Updated, Some("p1"))])
    );
    assert_eq!(scene.nested("t").await, ["p2"]);
    scene.unnest("s", "t").await;
    assert_eq!(scene.members("t").await, []);
    let again = scene.registry.unnest(CO, "t", "s", &options()).await.unwrap_err();
    assert_eq!(again.to_string(), "there is no nesting \"t/s\" in this collaboration");
}

#[tokio::test]
async fn a_nested_group_that_is_suspended_counts_for_nothing_until_it_is_active_again() {
    let scene = Scene::with_groups(&["s", "n", "t"], &["p1", "p2"]).await;
    scene.join("s", "p1").await;
    scene.join("s", "p2").await;
    scene.join("n", "p2").await;
    scene.nest("s", "t", false).await;
    scene.nest("n", "t", true).await;
    assert_eq!(scene.nested("t").await, ["p1"]);
    let suspended = |id: &str| Group { status: Status::Suspended, ..group(id) };
    scene.put(suspended("n")).await;
    assert_eq!(scene.nested("t").await, ["p1", "p2"]);
    scene.put(suspended("s")).await;
    assert_eq!(scene.nested("t").await, [""; 0]);
    scene.put(group("n")).await;
    scene.put(group("s")).await;
    assert_eq!(scene.nested("t").await, ["p1"]);
    scene.registry.delete(CO, &group_key("n"), &options()).await.unwrap();
    assert_eq!(scene.nested("t").await, ["p1", "p2"]);
    scene.registry.delete(CO, &group_key("s"), &options()).await.unwrap();
    assert_eq!(scene.nested("t").await, [""; 0]);
}

#[tokio::test]
async fn one_group_may_be_nested_in_several_and_these_in_others() {
    let scene = Scene::with_groups(&["s", "a", "b", "c"], &["p1"]).await;
    scene.nest("b", "c", false).await;
    scene.nest("s", "a", false).await;
    scene.nest("s", "b", false).await;
    let joined = scene.join("s", "p1").await;
    assert_eq!(planned_for_first(&joined).len(), 5);
    for (group, from) in [("a", "s"), ("b", "s"), ("c", "b")] {
        assert_eq!(scene.members(group).await, [("p1".to_owned(), Some(from.to_owned()))], "{group}");
    }
    scene.put(Group { status: Status::Suspended, ..group("b") }).await;
    assert_eq!((scene.nested("b").await.len(), scene.nested("c").await.len()), (1, 0));
    scene.registry.delete(CO, &group_key("b"), &options()).await.unwrap();
    assert_eq!((scene.nested("a").await.len(), scene.members("c").await.len()), (1, 0));
}

#[tokio::test]
async fn a_group_may_ask_for_members_of_all_nested_groups() {
    let scene = Scene::with_groups(&["r", "s"], &["p1", "p2"]).await;
    let asks = |mode| Group { nesting_mode: mode, ..group("t") };
    scene.put(asks(NestingMode::All)).await;
    scene.nest("r", "t", false).await;
    scene.nest("s", "t", false).await;
    scene.join("r", "p1").await;
    scene.join("r", "p2").await;
    scene.join("s", "p2").await;
    assert_eq!(scene.nested("t").await, ["p2"]);
    scene.put(asks(NestingMode::Any)).await;
    assert_eq!(scene.nested("t").await, ["p1", "p2"]);
    scene.put(asks(NestingMode::All)).await;
    assert_eq!(scene.nested("t").await, ["p2"]);
    scene.put(Group { status: Status::Suspended, ..group("s") }).await;
    assert_eq!(scene.nested("t").await, ["p1", "p2"]);
}

#[tokio::test]
async fn a_cycle_of_nestings_is_refused_and_named() {
    let scene = Scene::with_groups(&["a", "b", "c"], &[]).await;
    scene.nest("a", "b", false).await;
    scene.nest("b", "c", false).await;
    let nesting = |group: &str, source: &str| GroupNesting {
        group: group.to_owned(),
        source: source.to_owned(),
        negate: false,
    };
    let refused = scene.registry.nest(CO, nesting("a", "c"), &options()).await.unwrap_err();
    let message = "group \"c\" cannot be nested in \"a\", which is nested in it: a in b in c";
    assert_eq!(refused.to_string(), message);
    let refused = scene.registry.nest(CO, nesting("a", "a"), &options()).await.unwrap_err();
    assert!(matches!(refused, WriteError::InvalidRecord(_)));
    let refused = scene.registry.nest(CO, nesting("a", "x"), &options()).await.unwrap_err();
    assert_eq!(refused.to_string(), "there is no group \"x\" in this collaboration");
}

#[tokio::test]
async fn a_membership_that_comes_from_nesting_is_not_changed_by_hand() {
    let scene = Scene::with_groups(&["s", "t"], &["p1"]).await;
    scene.join("s", "p1").await;
    scene.nest("s", "t", false).await;
    let refused = scene.registry.delete_membership(CO, "t", "p1", &options()).await.unwrap_err();
    let message = "the membership of \"p1\" in group \"t\" follows from the nested group \"s\": \
                   change the membership there";
    assert_eq!(refused.to_string(), message);
    let until = Membership { valid_through: Some(Timestamp::UNIX_EPOCH), ..membership("t", "p1") };
    let refused = scene.registry.put_membership(CO, until, &options()).await.unwrap_err();
    assert_eq!(refused.to_string(), message);
    let made_up = Membership { nested_from: Some("t".to_owned()), ..membership("s", "p1") };
    assert!(matches!(
        scene.registry.put_membership(CO, made_up, &options()).await,
        Err(WriteError::Kept { .. })
    ));

    let owner = Membership { owner: true, ..membership("t", "p1") };
    let written = scene.registry.put_membership(CO, owner, &options()).await.unwrap();
    assert_eq!(written.membership.unwrap().nested_from.as_deref(), Some("s"));
    scene.leave("s", "p1").await;
    let left = scene.store.membership(CO, "t", "p1").await.unwrap().unwrap();
    assert_eq!((left.member, left.owner, left.nested_from), (false, true, None));
    scene.join("s", "p1").await;
    let back = scene.store.membership(CO, "t", "p1").await.unwrap().unwrap();
    assert_eq!((back.member, back.owner, back.nested_from.as_deref()), (true, true, Some("s")));
}

#[tokio::test]
async fn an_import_leaves_nested_memberships_to_the_host() {
    let scene = Scene::with_groups(&["s", "t", "u"], &["p1"]).await;
    scene.nest("s", "t", false).await;
    let put = |memberships| ImportItem::Put {
        record: person("p1").into(),
        memberships: Some(memberships),
        unknown_groups: UnknownGroups::Refuse,
    };
    let import = async |memberships| {
        let items = vec![put(memberships)];
        let mut results = scene.registry.import(CO, items, OnError::Stop, &options()).await.unwrap();
        results.pop().unwrap().unwrap()
    };
    let nested = Membership { nested_from: Some("s".to_owned()), ..membership("t", "p1") };
    import(vec![membership("s", "p1"), nested.clone()]).await;
    assert_eq!(scene.groups_of("p1").await, ["s", "t"]);
    assert_eq!(import(vec![membership("s", "p1"), nested.clone()]).await.operation, None);
    assert_eq!(import(vec![membership("s", "p1")]).await.operation, None);
    import(vec![membership("u", "p1"), nested]).await;
    assert_eq!(scene.groups_of("p1").await, ["u"]);
}

#[tokio::test]
async fn a_membership_by_hand_stands_beside_nesting() {
    let scene = Scene::with_groups(&["s", "t"], &["p1"]).await;
    scene.join("t", "p1").await;
    scene.join("s", "p1").await;
    scene.nest("s", "t", false).await;
    assert_eq!(scene.members("t").await, [("p1".to_owned(), None)]);
    let left = scene.leave("t", "p1").await;
    assert_eq!(scene.members("t").await, [("p1".to_owned(), Some("s".to_owned()))]);
    assert_eq!(planned_for_first(&left), follows([("p1", Updated, None), ("t", Updated, Some("p1"))]));
}

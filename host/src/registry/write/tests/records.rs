use super::*;
use crate::provisioning::Action::{Added, Deleted, EnteredGracePeriod, Updated};
use crate::registry::history::Operation;
use crate::registry::record::{EmailList, Service, Status};
use crate::registry::validate::InvalidRecord;
use crate::registry::write::WriteError;

#[tokio::test]
async fn a_new_record_is_stored_noted_and_planned() {
    let scene = Scene::new().await;
    let written = scene.put(person("p1")).await;

    assert_eq!((written.operation, written.change), (Some(Operation::Created), Some(1)));
    assert_eq!(planned_for_first(&written), follows([("p1", Added, None)]));
    let stored = scene.person("p1").await.unwrap();
    assert_eq!(written.record, Some(stored.clone().into()));
    assert!(stored.names[0].primary, "the only name is the primary one");
    assert!(!stored.names[0].meta.id.is_empty());

    let history = scene.history().await;
    assert_eq!(history.len(), 1);
    let change = &history[0];
    assert_eq!(
        (change.sequence, &change.subject, change.operation),
        (1, &person_key("p1"), Operation::Created)
    );
    assert_eq!((&*change.actor, change.provision, change.at), ("tester", true, stored.meta.created));
    assert_eq!(change.parts, ["names", "email_addresses"]);
    let waiting: Vec<Planned> =
        ["first", "second"].map(|target| (target.to_owned(), "p1".to_owned(), Added, None)).to_vec();
    assert_eq!(scene.planned().await, waiting);
}

#[tokio::test]
async fn an_identical_put_changes_nothing() {
    let scene = Scene::new().await;
    let first = scene.put(person("p1")).await;
    for again in [person("p1"), scene.person("p1").await.unwrap()] {
        let written = scene.put(again).await;
        assert_eq!((written.operation, written.change, written.planned), (None, None, Vec::new()));
        assert_eq!(written.record, first.record);
    }
    assert_eq!(scene.history().await.len(), 1);
    assert_eq!(scene.planned().await.len(), 2);
}

#[tokio::test]
async fn a_changed_record_is_noted_with_the_parts_that_changed() {
    let scene = Scene::new().await;
    scene.put(person("p1")).await;
    let mut changed = person("p1");
    changed.names[0].given = Some("Zoë".to_owned());
    changed.status = Status::GracePeriod;
    let written = scene.put(changed).await;
    assert_eq!(written.operation, Some(Operation::Updated));
    assert_eq!(planned_for_first(&written), follows([("p1", EnteredGracePeriod, None)]));
    assert_eq!(scene.history().await[1].parts, ["status", "names"]);
    let stored = scene.person("p1").await.unwrap();
    assert_eq!(
        [stored.meta.revision, stored.names[0].meta.revision, stored.email_addresses[0].meta.revision],
        [1, 1, 0]
    );
}

#[tokio::test]
async fn a_write_that_is_not_to_be_provisioned_is_noted_and_not_planned() {
    let scene = Scene::new().await;
    scene.put(group("g")).await;
    let before = scene.planned().await;
    let written = scene.registry.put(CO, person_key("p1"), person("p1").into(), &quietly()).await.unwrap();
    assert_eq!((written.change, written.planned), (Some(2), Vec::new()));
    scene.registry.put_membership(CO, membership("g", "p1"), &quietly()).await.unwrap();
    scene.registry.delete(CO, &person_key("p1"), &quietly()).await.unwrap();
    assert_eq!(scene.planned().await, before);
    let noted: Vec<bool> = scene.history().await.iter().map(|change| change.provision).collect();
    assert_eq!(noted, [true, false, false, false]);
}

#[tokio::test]
async fn a_person_who_is_not_provisionable_is_stored_and_not_planned() {
    let scene = Scene::new().await;
    let pending = Person { status: Status::Pending, ..person("p1") };
    assert_eq!(scene.put(pending.clone()).await.planned, []);
    assert_eq!(planned_for_first(&scene.put(person("p1")).await), follows([("p1", Added, None)]));
    assert_eq!(planned_for_first(&scene.put(pending).await), follows([("p1", Deleted, None)]));
}

#[tokio::test]
async fn an_unknown_collaboration_is_named() {
    let scene = Scene::new().await;
    let refused = scene.registry.put("other", person_key("p1"), person("p1").into(), &options()).await;
    assert!(matches!(&refused, Err(WriteError::UnknownCollaboration(co)) if co == "other"), "{refused:?}");
}

#[tokio::test]
async fn an_invalid_record_leaves_nothing_behind() {
    let scene = Scene::new().await;
    let invalid = Person { names: Vec::new(), ..person("p1") };
    let refused = scene.registry.put(CO, person_key("p1"), invalid.into(), &options()).await;
    let Err(WriteError::InvalidRecord(InvalidRecord { problems })) = refused else { panic!("{refused:?}") };
    assert_eq!(problems[0].pointer, "/names");
    assert_eq!((scene.person("p1").await, scene.history().await), (None, Vec::new()));
}

#[tokio::test]
async fn a_record_belongs_where_it_is_put() {
    let scene = Scene::new().await;
    let refused = scene.registry.put(CO, person_key("p2"), person("p1").into(), &options()).await;
    assert!(refused.unwrap_err().to_string().starts_with("/meta/id: the record is \"p2\" here"));
    let refused = scene.registry.put(CO, group_key("p1"), person("p1").into(), &options()).await;
    assert!(matches!(refused, Err(WriteError::InvalidRecord(_))));
    let refused = scene.registry.put(CO, person_key("a/b"), person("").into(), &options()).await;
    assert!(matches!(refused, Err(WriteError::InvalidRecord(_))));
}

#[tokio::test]
async fn a_record_is_changed_where_it_is() {
    let scene = Scene::new().await;
    scene.put(person("p1")).await;
    let add_identifier = |value: &'static str| {
        move |record: Record| {
            let Record::Person(mut person) = record else { panic!("not a person") };
            person.identifiers.push(identifier(value));
            Ok(Record::Person(person))
        }
    };
    let (registry, key, options) = (&scene.registry, person_key("p1"), options());
    let (one, other) = tokio::join!(
        registry.update(CO, key.clone(), add_identifier("one"), &options),
        registry.update(CO, key.clone(), add_identifier("other"), &options),
    );
    assert_eq!([one.unwrap().operation, other.unwrap().operation], [Some(Operation::Updated); 2]);
    assert_eq!(scene.person("p1").await.unwrap().identifiers.len(), 2, "neither change is lost");
}

#[tokio::test]
async fn a_change_that_is_refused_leaves_the_record_as_it_was() {
    let scene = Scene::new().await;
    scene.put(person("p1")).await;
    let refuse = |_| Err(WriteError::InvalidRecord(InvalidRecord::new("/x", "no")));
    assert!(scene.registry.update(CO, person_key("p1"), refuse, &options()).await.is_err());
    let rename = |_| Ok(person("p2").into());
    assert!(scene.registry.update(CO, person_key("p1"), rename, &options()).await.is_err());
    let spoil = |_| Ok(Person::default().into());
    assert!(scene.registry.update(CO, person_key("p1"), spoil, &options()).await.is_err());
    assert_eq!(scene.history().await.len(), 1);

    let missing = scene.registry.update(CO, person_key("p2"), Ok, &options()).await;
    let message = missing.unwrap_err().to_string();
    assert_eq!(message, "there is no person \"p2\" in this collaboration");
}

#[tokio::test]
async fn a_deleted_record_keeps_what_its_removal_needs() {
    let scene = Scene::new().await;
    scene.put(group("g")).await;
    let stored = scene.put(person("p1")).await.record.unwrap();
    scene.join("g", "p1").await;
    let written = scene.registry.delete(CO, &person_key("p1"), &options()).await.unwrap();

    assert_eq!((written.operation, written.record.clone()), (Some(Operation::Deleted), None));
    assert_eq!(planned_for_first(&written), follows([("p1", Deleted, None), ("g", Updated, Some("p1"))]));
    assert_eq!(scene.groups_of("p1").await, [""; 0]);
    let kept = scene.store.record(CO, &person_key("p1")).await.unwrap().unwrap();
    assert!(kept.deleted.is_some());
    assert_eq!(kept.record, stored);
    assert_eq!(kept.last_memberships.len(), 1);

    let again = scene.registry.delete(CO, &person_key("p1"), &options()).await;
    assert!(matches!(again, Err(WriteError::NotFound { kind: "person", .. })));
}

#[tokio::test]
async fn a_deleted_record_can_be_created_anew() {
    let scene = Scene::new().await;
    scene.put(person("p1")).await;
    let mut written_back = person("p1");
    written_back.identifiers =
        vec![Identifier { provisioning_target: Some("first".to_owned()), ..identifier("x") }];
    scene.put(written_back).await;
    scene.registry.delete(CO, &person_key("p1"), &options()).await.unwrap();
    let written = scene.put(person("p1")).await;
    assert_eq!(written.operation, Some(Operation::Created));
    assert_eq!(planned_for_first(&written), follows([("p1", Added, None)]));
    let stored = scene.person("p1").await.unwrap();
    assert_eq!((stored.meta.revision, stored.identifiers.len()), (0, 0));
}

#[tokio::test]
async fn the_groups_of_a_person_are_told_what_concerns_them() {
    let scene = Scene::new().await;
    scene.put(group("g")).await;
    scene.put(person("p1")).await;
    scene.join("g", "p1").await;

    let renamed = Person { timezone: Some("Europe/Rome".to_owned()), ..person("p1") };
    assert_eq!(planned_for_first(&scene.put(renamed).await), follows([("p1", Updated, None)]));
    let identified = Person { identifiers: vec![identifier("zoe")], ..person("p1") };
    let both = follows([("p1", Updated, None), ("g", Updated, Some("p1"))]);
    assert_eq!(planned_for_first(&scene.put(identified.clone()).await), both);
    let suspended = Person { status: Status::Suspended, ..identified };
    assert_eq!(planned_for_first(&scene.put(suspended).await), both);
}

#[tokio::test]
async fn the_members_of_a_group_are_told_what_concerns_them() {
    let scene = Scene::new().await;
    scene.put(group("g")).await;
    for id in ["p2", "p1"] {
        scene.put(person(id)).await;
        scene.join("g", id).await;
    }
    let described = Group { description: Some("new".to_owned()), ..group("g") };
    assert_eq!(planned_for_first(&scene.put(described).await), follows([("g", Updated, None)]));
    let all = follows([("g", Updated, None), ("p1", Updated, None), ("p2", Updated, None)]);
    let renamed = Group { name: "Other".to_owned(), ..group("g") };
    assert_eq!(planned_for_first(&scene.put(renamed.clone()).await), all);
    let suspended = Group { status: Status::Suspended, ..renamed };
    assert_eq!(planned_for_first(&scene.put(suspended).await), all);

    let written = scene.registry.delete(CO, &group_key("g"), &options()).await.unwrap();
    let gone = follows([("g", Deleted, None), ("p1", Updated, None), ("p2", Updated, None)]);
    assert_eq!(planned_for_first(&written), gone);
    assert_eq!(scene.groups_of("p1").await, [""; 0]);
}

#[tokio::test]
async fn lists_and_services_are_provisioned_by_themselves() {
    let scene = Scene::new().await;
    let list = EmailList { meta: meta("l"), name: "l".to_owned(), ..EmailList::default() };
    let service = Service { meta: meta("s"), name: "s".to_owned(), ..Service::default() };
    for record in [Record::EmailList(Box::new(list)), Record::Service(Box::new(service))] {
        let key = record.key();
        assert_eq!(planned_for_first(&scene.put(record).await), follows([(&key.id, Added, None)]));
        let written = scene.registry.delete(CO, &key, &options()).await.unwrap();
        assert_eq!(planned_for_first(&written), follows([(&key.id, Deleted, None)]));
    }
}

#[tokio::test]
async fn an_identifier_that_a_plugin_wrote_back_outlives_a_put_without_it() {
    let scene = Scene::new().await;
    let written_back = Identifier { provisioning_target: Some("first".to_owned()), ..identifier("cn=zoe") };
    scene.put(Person { identifiers: vec![written_back], ..person("p1") }).await;
    assert_eq!(scene.put(person("p1")).await.operation, None);
    assert_eq!(scene.person("p1").await.unwrap().identifiers.len(), 1);
}

#[tokio::test]
async fn a_collaboration_tells_whether_it_is_new() {
    let scene = Scene::new().await;
    let collaboration =
        Collaboration { id: "other".to_owned(), name: "Other".to_owned(), ..Collaboration::default() };
    let put = || scene.registry.put_collaboration(collaboration.clone());
    assert_eq!(put().await.unwrap(), (collaboration.clone(), true));
    assert_eq!(put().await.unwrap(), (collaboration.clone(), false));
    let invalid = Collaboration { name: String::new(), ..collaboration.clone() };
    assert!(matches!(scene.registry.put_collaboration(invalid).await, Err(WriteError::InvalidRecord(_))));
}

//! What follows from a write: whom it reaches, with which action.

use super::*;
use crate::provisioning::Action::{
    Added, AuthenticatorUpdated, Deleted, EnrollmentFinalized, Expired, Pipeline, Unexpired, Updated,
};
use crate::registry::record::{
    Address, Agreement, Authenticator, Cou, Credential, Department, EmailList, OrgIdentity,
    OrgIdentitySource, Reference, Role, Service, Status,
};
use crate::registry::validate::InvalidRecord;
use crate::registry::write::{ImportItem, OnError, UnknownGroups, WriteError};

/// A person in "g" and "h", both groups standard.
async fn member() -> Scene {
    let scene = Scene::new().await;
    for id in ["g", "h"] {
        scene.put(group(id)).await;
    }
    scene.put(person("p")).await;
    for id in ["g", "h"] {
        scene.join(id, "p").await;
    }
    scene
}

impl Scene {
    /// What follows when a person is changed.
    async fn change(
        &self,
        id: &str,
        options: &WriteOptions,
        change: impl FnOnce(&mut Person) + Send + 'static,
    ) -> Written {
        let change = |record: Record| {
            let Record::Person(mut person) = record else { panic!("not a person") };
            change(&mut person);
            Ok(Record::Person(person))
        };
        self.registry.update(CO, person_key(id), change, options).await.unwrap()
    }
}

fn ssh_key(locked: bool) -> Authenticator {
    let credential = Credential::SshKey {
        key_type: "ssh-ed25519".to_owned(),
        key: "AAAA".to_owned(),
        comment: None,
        options: None,
    };
    let authenticator = "login".to_owned();
    Authenticator { meta: meta("k"), authenticator, status: Status::Active, locked, credential }
}

fn pipeline() -> WriteOptions {
    WriteOptions { pipeline: true, ..options() }
}

#[tokio::test]
async fn each_part_of_a_person_reaches_whom_it_concerns() {
    let scene = member().await;
    let alone = follows([("p", Updated, None)]);
    let with_groups = follows([("p", Updated, None), ("g", Updated, Some("p")), ("h", Updated, Some("p"))]);
    let role = || Role { meta: meta("r"), ..Role::default() };
    type Change = Box<dyn FnOnce(&mut Person) + Send>;
    let table: Vec<(&str, Change, &Vec<_>)> = vec![
        ("a name", Box::new(|person| person.names[0].given = Some("Zoë".to_owned())), &alone),
        ("a role", Box::new(move |person| person.roles.push(role())), &alone),
        (
            "an address of a role",
            Box::new(|person| {
                let address = Address { street: Some("1 Main".to_owned()), ..Address::default() };
                person.roles[0].addresses.push(Address { address_type: "office".to_owned(), ..address });
            }),
            &alone,
        ),
        ("an org identity", Box::new(|person| person.org_identities.push(OrgIdentity::default())), &alone),
        ("a new identifier", Box::new(|person| person.identifiers.push(identifier("one"))), &with_groups),
        ("an identifier", Box::new(|person| person.identifiers[0].login = true), &with_groups),
        ("an identifier that goes", Box::new(|person| person.identifiers.clear()), &with_groups),
        ("a status", Box::new(|person| person.status = Status::Suspended), &with_groups),
    ];
    for (what, change, expected) in table {
        assert_eq!(&planned_for_first(&scene.change("p", &options(), change).await), expected, "{what}");
    }
    let expired = scene.change("p", &options(), |person| person.status = Status::Expired).await;
    assert_eq!(planned_for_first(&expired), follows([("p", Expired, None)]), "neither side is in force");
    let back = scene.change("p", &options(), |person| person.status = Status::Active).await;
    assert_eq!(
        planned_for_first(&back),
        follows([("p", Unexpired, None), ("g", Updated, Some("p")), ("h", Updated, Some("p"))])
    );
}

#[tokio::test]
async fn authenticators_have_an_action_of_their_own_as_long_as_nothing_else_changed() {
    let scene = member().await;
    for (what, locked) in [("managed", false), ("locked", true), ("unlocked", false)] {
        let change = move |person: &mut Person| person.authenticators = vec![ssh_key(locked)];
        let written = scene.change("p", &options(), change).await;
        assert_eq!(planned_for_first(&written), follows([("p", AuthenticatorUpdated, None)]), "{what}");
    }
    let reset = scene.change("p", &options(), |person| person.authenticators.clear()).await;
    assert_eq!(planned_for_first(&reset), follows([("p", AuthenticatorUpdated, None)]));
    let more = |person: &mut Person| {
        person.authenticators.push(ssh_key(false));
        person.timezone = Some("Europe/Budapest".to_owned());
    };
    let written = scene.change("p", &options(), more).await;
    assert_eq!(planned_for_first(&written), follows([("p", Updated, None)]));
}

#[tokio::test]
async fn the_end_of_a_pipeline_reaches_the_person_and_the_groups_even_if_it_changes_nothing() {
    let scene = member().await;
    let all = follows([("p", Pipeline, None), ("g", Pipeline, Some("p")), ("h", Pipeline, Some("p"))]);
    scene.change("p", &quietly(), |person| person.timezone = Some("Europe/Budapest".to_owned())).await;
    let same = scene.change("p", &pipeline(), |_| {}).await;
    assert_eq!((same.change, planned_for_first(&same)), (None, all.clone()));
    let named = scene.change("p", &pipeline(), |person| person.names[0].given = Some("Zoë".to_owned())).await;
    assert_eq!(planned_for_first(&named), all);
    let left = scene.registry.delete_membership(CO, "h", "p", &pipeline()).await.unwrap();
    assert_eq!(
        planned_for_first(&left),
        follows([("p", Pipeline, None), ("h", Updated, Some("p")), ("g", Pipeline, Some("p"))]),
        "a group that the person left is none of the person's any more"
    );
    let expired = scene.change("p", &pipeline(), |person| person.status = Status::Expired).await;
    assert_eq!(
        planned_for_first(&expired),
        follows([("p", Expired, None), ("g", Pipeline, Some("p"))]),
        "the status says more"
    );
    let new = scene.registry.put(CO, person_key("q"), person("q").into(), &pipeline()).await.unwrap();
    assert_eq!(planned_for_first(&new), follows([("q", Added, None)]));
    let silent = WriteOptions { provision: false, ..pipeline() };
    assert_eq!(scene.change("p", &silent, |_| {}).await.planned, []);
}

#[tokio::test]
async fn the_end_of_an_enrollment_reaches_the_person_and_the_groups_once_and_stores_nothing() {
    let scene = member().await;
    let history = scene.history().await;
    let finalized = scene.registry.finalize_enrollment(CO, "p", &options()).await.unwrap();
    assert_eq!((finalized.operation, finalized.change), (None, None));
    assert_eq!(
        planned_for_first(&finalized),
        follows([
            ("p", EnrollmentFinalized, None),
            ("g", EnrollmentFinalized, Some("p")),
            ("h", EnrollmentFinalized, Some("p")),
        ])
    );
    assert_eq!(scene.history().await, history);
    let missing = scene.registry.finalize_enrollment(CO, "x", &options()).await;
    assert_eq!(missing.unwrap_err().to_string(), "there is no person \"x\" in this collaboration");
    scene.change("p", &quietly(), |person| person.status = Status::Pending).await;
    let pending = scene.registry.finalize_enrollment(CO, "p", &options()).await.unwrap();
    assert!(planned_for_first(&pending).iter().all(|(id, ..)| id != "p"), "nothing is shown of the person");
}

#[tokio::test]
async fn one_request_raises_one_provisioning_for_each_target_and_subject() {
    let scene = member().await;
    let record: Record = Person { identifiers: vec![identifier("one")], ..person("p") }.into();
    let items = vec![
        ImportItem::Put {
            record,
            memberships: Some(vec![membership("g", "p")]),
            unknown_groups: UnknownGroups::Refuse,
        },
        ImportItem::PutMembership(membership("h", "p")),
    ];
    let written = scene.registry.import(CO, items, OnError::Stop, &options()).await.unwrap();
    let planned: Vec<_> = written.iter().flatten().flat_map(|written| &written.planned).collect();
    let mut pairs: Vec<_> = planned.iter().map(|one| (one.target.clone(), one.subject.id.clone())).collect();
    let count = pairs.len();
    pairs.sort();
    pairs.dedup();
    assert_eq!((count, pairs.len()), (6, 6), "{planned:?}");
}

#[tokio::test]
async fn lists_services_and_departments_are_provisioned_by_themselves() {
    let scene = member().await;
    let list = |name: &str| EmailList {
        meta: meta("l"),
        name: name.to_owned(),
        members_group: Some("g".to_owned()),
        ..EmailList::default()
    };
    let service = |name: &str| Service {
        meta: meta("s"),
        name: name.to_owned(),
        group: Some("g".to_owned()),
        ..Service::default()
    };
    let department = |name: &str| Department {
        meta: meta("d"),
        name: name.to_owned(),
        department_type: "division".to_owned(),
        leadership_group: Some("g".to_owned()),
        ..Department::default()
    };
    let of = |name: &str| {
        [
            Record::EmailList(Box::new(list(name))),
            Record::Service(Box::new(service(name))),
            Record::Department(Box::new(department(name))),
        ]
    };
    for (first, renamed) in of("one").into_iter().zip(of("two")) {
        let key = first.key();
        assert_eq!(planned_for_first(&scene.put(first).await), follows([(&key.id, Added, None)]));
        assert_eq!(planned_for_first(&scene.put(renamed).await), follows([(&key.id, Updated, None)]));
        let written = scene.registry.delete(CO, &key, &options()).await.unwrap();
        assert_eq!(planned_for_first(&written), follows([(&key.id, Deleted, None)]));
    }
}

#[tokio::test]
async fn a_unit_must_be_there_before_something_belongs_to_it() {
    let scene = Scene::new().await;
    let in_unit = || Group { cou: Some("lab".to_owned()), ..group("g") };
    let refused = scene.registry.put(CO, group_key("g"), in_unit().into(), &options()).await;
    let message = refused.unwrap_err().to_string();
    assert_eq!(message, "/cou: there is no unit \"lab\" in this collaboration: create it first");
    let role = Role { cou: Some("lab".to_owned()), ..Role::default() };
    let with_role = Person { roles: vec![role], ..person("p") };
    let refused = scene.registry.put(CO, person_key("p"), with_role.into(), &options()).await;
    assert!(refused.unwrap_err().to_string().starts_with("/roles/0/cou: there is no unit"));

    let lab = Cou { id: "lab".to_owned(), name: "Laboratory".to_owned(), parent: None };
    assert!(scene.registry.put_entry(CO, lab.clone()).await.unwrap());
    assert!(!scene.registry.put_entry(CO, lab).await.unwrap());
    scene.put(in_unit()).await;
    let refused = scene.registry.delete_entry::<Cou>(CO, "lab").await.unwrap_err();
    assert!(matches!(refused, WriteError::InUse { .. }), "{refused}");
    assert_eq!(refused.to_string(), "group \"g\" refers to the unit \"lab\": change that first");
    scene.put(group("g")).await;
    scene.registry.delete_entry::<Cou>(CO, "lab").await.unwrap();
    let gone = scene.registry.delete_entry::<Cou>(CO, "lab").await.unwrap_err();
    assert!(matches!(gone, WriteError::NotFound { kind: "unit", .. }), "{gone}");
}

#[tokio::test]
async fn a_source_that_an_org_identity_names_stays() {
    let scene = Scene::new().await;
    for id in ["h_r", "hxr"] {
        let source = OrgIdentitySource { id: id.to_owned(), description: "Payroll".to_owned() };
        scene.registry.put_entry(CO, source).await.unwrap();
    }
    let identity =
        |source: &str| OrgIdentity { identity_source: Some(source.to_owned()), ..OrgIdentity::default() };
    // Not the same, though a pattern would take it for that.
    scene.put(Person { org_identities: vec![identity("hxr")], ..person("p") }).await;
    scene.put(Person { org_identities: vec![identity("h_r")], ..person("q") }).await;
    let refused = scene.registry.delete_entry::<OrgIdentitySource>(CO, "h_r").await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "person \"q\" refers to the org identity source \"h_r\": change that first"
    );
    scene.registry.delete(CO, &person_key("q"), &options()).await.unwrap();
    scene.registry.delete_entry::<OrgIdentitySource>(CO, "h_r").await.unwrap();
}

#[tokio::test]
async fn everything_that_a_record_refers_to_must_be_there() {
    let scene = Scene::new().await;
    let referring = || {
        let agreement = Agreement { terms: "use".to_owned(), ..Agreement::default() };
        let identity = OrgIdentity { identity_source: Some("hr".to_owned()), ..OrgIdentity::default() };
        let role = Role { cou: Some("lab".to_owned()), ..Role::default() };
        Person {
            roles: vec![Role::default(), role],
            org_identities: vec![identity],
            agreements: vec![agreement],
            ..person("p")
        }
    };
    let refused = scene.registry.put(CO, person_key("p"), referring().into(), &options()).await.unwrap_err();
    let WriteError::InvalidRecord(InvalidRecord { problems }) = refused else { panic!("{refused}") };
    let told: Vec<(&str, &str)> =
        problems.iter().map(|problem| (problem.pointer.as_str(), problem.message.as_str())).collect();
    assert_eq!(
        told,
        [
            ("/roles/1/cou", "there is no unit \"lab\" in this collaboration: create it first"),
            (
                "/org_identities/0/identity_source",
                "there is no org identity source \"hr\" in this collaboration: create it first"
            ),
            (
                "/agreements/0/terms",
                "there are no terms and conditions \"use\" in this collaboration: create them first"
            ),
        ]
    );
    assert_eq!(scene.person("p").await, None);

    let put =
        |unknown_groups| ImportItem::Put { record: referring().into(), memberships: None, unknown_groups };
    for unknown_groups in [UnknownGroups::Refuse, UnknownGroups::Skip] {
        let lines = vec![put(unknown_groups)];
        let imported = scene.registry.import(CO, lines, OnError::Continue, &options()).await.unwrap();
        assert!(imported[0].is_err(), "{unknown_groups:?}");
    }
    let lines = vec![put(UnknownGroups::Create); 2];
    let imported = scene.registry.import(CO, lines, OnError::Stop, &options()).await.unwrap();
    assert!(imported.iter().all(Result::is_ok));
    let collaboration = scene.store.collaboration(CO).await.unwrap().unwrap();
    for (reference, id) in Reference::ALL.into_iter().zip(["lab", "hr", "use"]) {
        assert_eq!(reference.ids(&collaboration), [id], "{reference:?}");
    }
    scene.registry.put_collaboration(collaboration).await.unwrap();
}

#[tokio::test]
async fn what_a_stored_record_names_may_stay_and_be_nowhere() {
    let scene = Scene::new().await;
    let identity = OrgIdentity { identity_source: Some("hr".to_owned()), ..OrgIdentity::default() };
    let put = Person { org_identities: vec![identity], ..person("p") };
    let item = ImportItem::Put {
        record: put.clone().into(),
        memberships: None,
        unknown_groups: UnknownGroups::Create,
    };
    scene.registry.import(CO, vec![item], OnError::Stop, &options()).await.unwrap().remove(0).unwrap();
    // As it was stored before sources were looked at.
    let mut collaboration = scene.store.collaboration(CO).await.unwrap().unwrap();
    collaboration.org_identity_sources.clear();
    scene
        .store
        .write(move |transaction| {
            Box::pin(async move { transaction.put_collaboration(&collaboration).await })
        })
        .await
        .unwrap();
    scene.put(Person { timezone: Some("UTC".to_owned()), ..put }).await;
    assert_eq!(scene.person("p").await.unwrap().timezone.as_deref(), Some("UTC"));
}

#[tokio::test]
async fn a_unit_whose_automatic_group_a_target_provisions_stays() {
    let scene = Scene::new().await;
    let lab = Cou { id: "lab".to_owned(), name: "Laboratory".to_owned(), parent: None };
    let collaboration = Collaboration {
        id: CO.to_owned(),
        name: "Example".to_owned(),
        cous: vec![lab],
        automatic_groups: true,
        ..Collaboration::default()
    };
    scene.registry.put_collaboration(collaboration).await.unwrap();
    scene.registry.settle_collaboration(CO).await.unwrap();
    let set = async |group: Option<&str>| {
        let group = group.map(str::to_owned);
        let chosen = Target { provisioning_group: group, ..target("first", Mode::Automatic, 1) };
        let stored: Result<(), StoreError> = scene
            .store
            .write(move |transaction| Box::pin(async move { transaction.put_target(CO, &chosen).await }))
            .await;
        stored.unwrap();
    };
    set(Some("CO:COU:lab:members:active")).await;
    let refused = scene.registry.delete_entry::<Cou>(CO, "lab").await.unwrap_err();
    assert_eq!(refused.to_string(), "target \"first\" refers to the unit \"lab\": change that first");
    set(None).await;
    scene.registry.delete_entry::<Cou>(CO, "lab").await.unwrap();
}

//! Values to store.

use jiff::Timestamp;
use provender::provisioning::{Action, Filter, Mode, PlannedInvocation, PluginReference, Target};
use provender::registry::history::{NewChange, Operation};
use provender::registry::record::{Group, Membership, Meta, Name, Person, Record, RecordKind, SubjectKey};
use provender::store::{PluginRow, Store, StoreError};
use serde_json::json;
use uuid::Uuid;

/// A point in time that microseconds can tell.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_microsecond(1_700_000_000_000_000 + second * 1_000_000 + 7).unwrap()
}

pub(crate) fn person_key(id: &str) -> SubjectKey {
    SubjectKey { kind: RecordKind::Person, id: id.to_owned() }
}

pub(crate) fn group_key(id: &str) -> SubjectKey {
    SubjectKey { kind: RecordKind::Group, id: id.to_owned() }
}

pub(crate) fn person(given: &str) -> Record {
    let name = Name { given: Some(given.to_owned()), primary: true, ..Name::default() };
    Record::Person(Box::new(Person { names: vec![name], ..Person::default() }))
}

pub(crate) fn group(name: &str) -> Record {
    Record::Group(Box::new(Group { name: name.to_owned(), ..Group::default() }))
}

pub(crate) fn membership(group: &str, person: &str) -> Membership {
    Membership {
        meta: Meta { id: format!("{person} in {group}"), created: at(1), ..Meta::default() },
        group: group.to_owned(),
        person: person.to_owned(),
        member: true,
        owner: false,
        valid_from: Some(at(2)),
        valid_through: None,
        nested_from: None,
    }
}

pub(crate) fn change(subject: SubjectKey) -> NewChange {
    NewChange {
        subject,
        operation: Operation::Updated,
        parts: vec!["names".to_owned(), "roles".to_owned()],
        actor: "key admin".to_owned(),
        provision: true,
    }
}

pub(crate) fn planned(target: &str, subject: SubjectKey) -> PlannedInvocation {
    PlannedInvocation::new(Uuid::now_v7(), target, subject, Action::Updated)
}

pub(crate) fn plugin(digest: &str, name: &str) -> PluginRow {
    PluginRow {
        digest: digest.to_owned(),
        name: name.to_owned(),
        version: "1.2.3".to_owned(),
        world: "provisioner".to_owned(),
        size_bytes: 4,
        installed: at(3),
        manifest: json!({"summary": "Grüße", "imports": ["wasi:io/poll@0.2.6"]}),
    }
}

pub(crate) fn target(id: &str, digest: &str) -> Target {
    Target {
        id: id.to_owned(),
        description: "Directory".to_owned(),
        plugin: PluginReference { name: "directory".to_owned(), digest: digest.to_owned() },
        configuration: json!({"base": "ou=people"}),
        mode: Mode::Manual,
        order: -3,
        filters: vec!["rename".to_owned()],
        slots: [("directory".to_owned(), "ldap".to_owned())].into(),
        limits: [("fuel".to_owned(), 1_000_000)].into(),
        retry_interval_s: 900,
        max_retry: 3,
        backoff: None,
        concurrency: 4,
        automatic_after: None,
        provisioning_group: Some("staff".to_owned()),
        skip_source: Some("hr".to_owned()),
        always_send_deletions: true,
        subject_kinds: Some(vec![RecordKind::Person]),
    }
}

pub(crate) fn filter(id: &str, digest: &str) -> Filter {
    Filter {
        id: id.to_owned(),
        description: "Renames".to_owned(),
        plugin: PluginReference { name: "rename".to_owned(), digest: digest.to_owned() },
        configuration: json!({"prefix": "co-"}),
        suspended: true,
    }
}

pub(crate) async fn put_records(store: &Store, co: &'static str, records: Vec<(SubjectKey, Record)>) {
    store
        .write::<_, StoreError, _>(move |transaction| {
            Box::pin(async move { transaction.put_records(co, &records, at(0)).await })
        })
        .await
        .unwrap();
}

pub(crate) async fn put_memberships(store: &Store, co: &'static str, memberships: Vec<Membership>) {
    store
        .write::<_, StoreError, _>(move |transaction| {
            Box::pin(async move { transaction.put_memberships(co, &memberships, at(0)).await })
        })
        .await
        .unwrap();
}

pub(crate) async fn plan(store: &Store, co: &'static str, mut invocations: Vec<PlannedInvocation>) {
    store
        .write::<_, StoreError, _>(move |transaction| {
            Box::pin(async move { transaction.plan_invocations(co, &mut invocations, at(0)).await })
        })
        .await
        .unwrap();
}

mod automatic;
mod import;
mod ingest;
mod memberships;
mod nesting;
mod nesting_model;
mod records;
mod time;
mod triggers;

use std::collections::BTreeMap;

use jiff::Timestamp;
use tempfile::TempDir;

use super::{Registry, WriteOptions, Written};
use crate::provisioning::{Action, Mode, PluginReference, Target};
use crate::registry::history::Change;
use crate::registry::record::{
    Collaboration, EmailAddress, Group, Identifier, Membership, Meta, Name, Person, Record, RecordKind,
    SubjectKey,
};
use crate::store::{PluginRow, Store, StoreError};

const CO: &str = "co";

/// A registry with a collaboration that has two automatic targets, "first" and "second", and a manual one.
struct Scene {
    store: Store,
    registry: Registry,
    _folder: TempDir,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite:{}/store.db", folder.path().display())).await.unwrap();
        let registry = Registry::new(store.clone());
        let collaboration =
            Collaboration { id: CO.to_owned(), name: "Example".to_owned(), ..Collaboration::default() };
        registry.put_collaboration(collaboration).await.unwrap();
        let plugin = PluginRow {
            digest: "0".repeat(64),
            name: "changelog".to_owned(),
            version: "0.1.0".to_owned(),
            world: "provisioner".to_owned(),
            size_bytes: 1,
            installed: Timestamp::UNIX_EPOCH,
            manifest: serde_json::json!({}),
        };
        store
            .write(move |transaction| {
                Box::pin(async move {
                    transaction.put_plugin(&plugin, b"\0").await?;
                    for target in [
                        target("second", Mode::Automatic, 2),
                        target("by-hand", Mode::Manual, 0),
                        target("first", Mode::Automatic, 1),
                    ] {
                        transaction.put_target(CO, &target).await?;
                    }
                    Ok::<_, StoreError>(())
                })
            })
            .await
            .unwrap();
        Self { store, registry, _folder: folder }
    }

    async fn put(&self, record: impl Into<Record>) -> Written {
        let record = record.into();
        self.registry.put(CO, record.key(), record, &options()).await.unwrap()
    }

    async fn join(&self, group: &str, person: &str) -> Written {
        self.registry.put_membership(CO, membership(group, person), &options()).await.unwrap()
    }

    /// The stored person, if it lives.
    async fn person(&self, id: &str) -> Option<Person> {
        let stored = self.store.record(CO, &person_key(id)).await.unwrap()?;
        match stored.record {
            Record::Person(person) if stored.deleted.is_none() => Some(*person),
            _ => None,
        }
    }

    async fn groups_of(&self, person: &str) -> Vec<String> {
        let memberships = self.store.memberships_of_person(CO, person).await.unwrap();
        memberships.into_iter().map(|found| found.membership.group).collect()
    }

    async fn history(&self) -> Vec<Change> {
        self.store.changes(CO, 0, 10_000).await.unwrap()
    }

    /// What waits to be run.
    async fn planned(&self) -> Vec<Planned> {
        let unfinished = self.store.unfinished_invocations(10_000, None).await.unwrap();
        let planned = unfinished.into_iter().map(|pending| pending.invocation);
        planned.map(|found| (found.target, found.subject.id, found.action, found.cause)).collect()
    }
}

/// Target, subject, action, cause.
type Planned = (String, String, Action, Option<String>);

/// What "first" is to do; "second" is to do the same.
#[track_caller]
fn planned_for_first(written: &Written) -> Vec<(String, Action, Option<String>)> {
    let of = |target: &str| -> Vec<(String, Action, Option<String>)> {
        let planned = written.planned.iter().filter(|invocation| invocation.target == target);
        planned
            .map(|invocation| (invocation.subject.id.clone(), invocation.action, invocation.cause.clone()))
            .collect()
    };
    assert_eq!(of("first"), of("second"));
    assert_eq!(written.planned.len(), 2 * of("first").len());
    assert!(written.planned.iter().all(|invocation| invocation.change == written.change));
    of("first")
}

fn follows<const N: usize>(rows: [(&str, Action, Option<&str>); N]) -> Vec<(String, Action, Option<String>)> {
    rows.map(|(id, action, cause)| (id.to_owned(), action, cause.map(str::to_owned))).to_vec()
}

fn options() -> WriteOptions {
    WriteOptions::by("tester")
}

fn quietly() -> WriteOptions {
    WriteOptions { provision: false, ..options() }
}

fn target(id: &str, mode: Mode, order: i64) -> Target {
    Target {
        id: id.to_owned(),
        description: String::new(),
        plugin: PluginReference { name: "changelog".to_owned(), digest: "0".repeat(64) },
        configuration: serde_json::json!({}),
        mode,
        order,
        filters: Vec::new(),
        slots: BTreeMap::new(),
        limits: BTreeMap::new(),
        retry_interval_s: 900,
        max_retry: 3,
        backoff: None,
        concurrency: 4,
        automatic_after: None,
        ..Target::default()
    }
}

fn person_key(id: &str) -> SubjectKey {
    SubjectKey { kind: RecordKind::Person, id: id.to_owned() }
}

fn group_key(id: &str) -> SubjectKey {
    SubjectKey { kind: RecordKind::Group, id: id.to_owned() }
}

fn meta(id: &str) -> Meta {
    Meta { id: id.to_owned(), ..Meta::default() }
}

fn person(id: &str) -> Person {
    let name = Name {
        given: Some(format!("Given {id}")),
        family: Some("Family".to_owned()),
        name_type: "official".to_owned(),
        ..Name::default()
    };
    let email = EmailAddress {
        mail: format!("{id}@example.org"),
        email_type: "official".to_owned(),
        ..EmailAddress::default()
    };
    Person { meta: meta(id), names: vec![name], email_addresses: vec![email], ..Person::default() }
}

fn identifier(value: &str) -> Identifier {
    Identifier { identifier: value.to_owned(), identifier_type: "uid".to_owned(), ..Identifier::default() }
}

fn group(id: &str) -> Group {
    Group { meta: meta(id), name: format!("Group {id}"), ..Group::default() }
}

fn membership(group: &str, person: &str) -> Membership {
    Membership {
        meta: Meta::default(),
        group: group.to_owned(),
        person: person.to_owned(),
        member: true,
        owner: false,
        valid_from: None,
        valid_through: None,
        nested_from: None,
    }
}

impl From<Person> for Record {
    fn from(person: Person) -> Self {
        Self::Person(Box::new(person))
    }
}

impl From<Group> for Record {
    fn from(group: Group) -> Self {
        Self::Group(Box::new(group))
    }
}

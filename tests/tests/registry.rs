//! The way of a write into the registry, on both databases.

use std::collections::BTreeMap;

use jiff::Timestamp;
use provender::provisioning::{Action, Mode, PluginReference, Target};
use provender::registry::history::Operation;
use provender::registry::import::{ImportOptions, import};
use provender::registry::ingest::parse_delivery;
use provender::registry::record::{Collaboration, Cou, Identifier, Record, RecordKind, SubjectKey};
use provender::registry::write::{Ingested, Registry, WriteOptions};
use provender::store::{PluginRow, Store, StoreError};
use serde_json::json;

const CO: &str = "co";

/// A collaboration with one automatic target.
async fn registry(url: &str) -> (Registry, Store) {
    let store = Store::open(url).await.unwrap();
    let registry = Registry::new(store.clone());
    let collaboration =
        Collaboration { id: CO.to_owned(), name: "CO".to_owned(), ..Collaboration::default() };
    registry.put_collaboration(collaboration).await.unwrap();
    let digest = "0".repeat(64);
    let plugin = PluginRow {
        digest: digest.clone(),
        name: "changelog".to_owned(),
        version: "0.1.0".to_owned(),
        world: "provisioner".to_owned(),
        size_bytes: 1,
        installed: Timestamp::UNIX_EPOCH,
        manifest: json!({}),
    };
    let target = Target {
        id: "target".to_owned(),
        description: String::new(),
        plugin: PluginReference { name: "changelog".to_owned(), digest },
        configuration: json!({}),
        mode: Mode::Automatic,
        order: 1,
        filters: Vec::new(),
        slots: BTreeMap::new(),
        limits: BTreeMap::new(),
        retry_interval_s: 900,
        max_retry: 3,
        backoff: None,
        concurrency: 4,
        automatic_after: None,
        ..Target::default()
    };
    let wrote = store.write(move |transaction| {
        Box::pin(async move {
            transaction.put_plugin(&plugin, b"\0").await?;
            transaction.put_target(CO, &target).await?;
            Ok::<_, StoreError>(())
        })
    });
    wrote.await.unwrap();
    (registry, store)
}

fn options() -> WriteOptions {
    WriteOptions::by("tester")
}

fn person(id: &str) -> SubjectKey {
    SubjectKey { kind: RecordKind::Person, id: id.to_owned() }
}

async fn import_lines(registry: &Registry, lines: &[serde_json::Value]) -> u64 {
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let (read, write) = (ImportOptions::default(), options());
    let summary = import(registry, CO, input.as_bytes(), &read, &write, |_| {}).await.unwrap();
    assert_eq!(summary.stopped_at, None);
    summary.progress.stored
}

/// Creates, joins, leaves and deletes people in batches.
async fn batches_keep_records_memberships_history_and_plan_together(url: &str) {
    let (registry, store) = registry(url).await;
    let mut lines = vec![
        json!({"kind": "group", "record": {"meta": {"id": "g"}, "name": "g"}}),
        json!({"kind": "group", "record": {"meta": {"id": "h"}, "name": "h"}}),
    ];
    lines.extend((0..300).map(|number| {
        json!({"kind": "person", "record": {"meta": {"id": format!("p{number}")}, "names": [{"given": "Ann"}]},
            "memberships": [{"group": "g"}, {"group": "h"}]})
    }));
    assert_eq!(import_lines(&registry, &lines).await, 302);
    assert_eq!(import_lines(&registry, &lines).await, 0);

    let members = store.members_of_group(CO, "g", None, 1_000).await.unwrap();
    assert_eq!(members.len(), 300);
    let changes = store.changes(CO, 0, 1_000).await.unwrap();
    assert_eq!(
        changes.iter().map(|change| change.sequence).collect::<Vec<_>>(),
        (1..=302).collect::<Vec<_>>()
    );
    let planned = store.unfinished_invocations(1_000, None).await.unwrap();
    assert_eq!(planned.len(), 302);
    assert!(planned.iter().all(|pending| pending.invocation.action == Action::Added));

    let lines = [
        json!({"kind": "membership", "delete": {"group": "g", "person": "p0"}}),
        json!({"kind": "person", "delete": "p1"}),
        json!({"kind": "group", "delete": "h"}),
    ];
    assert_eq!(import_lines(&registry, &lines).await, 3);
    assert_eq!(store.members_of_group(CO, "g", None, 1_000).await.unwrap().len(), 298);
    assert_eq!(store.members_of_group(CO, "h", None, 1_000).await.unwrap(), []);
    let deleted = store.record(CO, &person("p1")).await.unwrap().unwrap();
    assert!(deleted.deleted.is_some());
    assert_eq!(deleted.last_memberships.len(), 2);
    let planned = store.unfinished_invocations(1_000, None).await.unwrap();
    // p0, g for its leaving, p1, h, and the 298 others who were in h.
    assert_eq!(planned.len() - 302, 302);
}

/// Changes one person from many sides at once.
async fn no_change_is_lost_among_many_at_once(url: &str) {
    let (registry, store) = registry(url).await;
    let lines = [json!({"kind": "person", "record": {"meta": {"id": "p"}, "names": [{"given": "Ann"}]}})];
    import_lines(&registry, &lines).await;
    let updates = (0..20).map(|number| {
        let registry = registry.clone();
        tokio::spawn(async move {
            let add = move |record| {
                let Record::Person(mut person) = record else { panic!("not a person") };
                person.identifiers.push(Identifier {
                    identifier: format!("i{number}"),
                    identifier_type: "uid".to_owned(),
                    ..Identifier::default()
                });
                Ok(Record::Person(person))
            };
            registry.update(CO, person("p"), add, &options()).await.unwrap().change.unwrap()
        })
    });
    let mut sequences = Vec::new();
    for update in updates.collect::<Vec<_>>() {
        sequences.push(update.await.unwrap());
    }
    sequences.sort_unstable();
    assert_eq!(sequences, (2..=21).collect::<Vec<_>>());
    let stored = store.record(CO, &person("p")).await.unwrap().unwrap();
    let Record::Person(stored) = stored.record else { panic!("not a person") };
    assert_eq!((stored.identifiers.len(), stored.meta.revision), (20, 20));
}

/// Delivers a person as a COmanage Registry does, and takes away what nobody names any more.
async fn deliveries_and_entries_are_stored(url: &str) {
    let (registry, store) = registry(url).await;
    let deliver = async |revision: u64| {
        let document = json!({"person": {
            "meta": {"id": "ada"},
            "names": [{"meta": {"id": "1", "revision": revision}, "given": format!("Ada {revision}")}],
            "roles": [{"meta": {"id": "2"}, "couId": "4"}],
            "members": ["Front desk"],
        }});
        let delivery = parse_delivery(document.to_string().as_bytes()).unwrap();
        registry.ingest(CO, delivery, &options()).await.unwrap()
    };
    assert!(matches!(deliver(1).await, Ingested::Stored { operation: Some(Operation::Created), .. }));
    assert!(matches!(deliver(1).await, Ingested::Stored { operation: None, change: None, .. }));
    assert!(matches!(deliver(2).await, Ingested::Stored { operation: Some(Operation::Updated), .. }));
    assert!(matches!(deliver(1).await, Ingested::Stale { .. }));
    assert_eq!(store.members_of_group(CO, "Front=20desk", None, 10).await.unwrap().len(), 1);

    let refused = registry.delete_entry::<Cou>(CO, "4").await.unwrap_err();
    assert_eq!(refused.to_string(), "person \"ada\" refers to the unit \"4\": change that first");
    registry.delete(CO, &person("ada"), &options()).await.unwrap();
    registry.delete_entry::<Cou>(CO, "4").await.unwrap();
}

macro_rules! on_both_databases {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                let folder = tempfile::tempdir().unwrap();
                super::$test(&format!("sqlite:{}/store.db", folder.path().display())).await;
            })*
        }

        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                super::$test(&provender_tests::postgres::fresh_database().await.unwrap()).await;
            })*
        }
    };
}

on_both_databases!(
    batches_keep_records_memberships_history_and_plan_together,
    no_change_is_lost_among_many_at_once,
    deliveries_and_entries_are_stored,
);

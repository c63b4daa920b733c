//! Plugins, servers, filters, targets and API keys.

use provender::registry::record::{Collaboration, Record, RecordKind, SubjectKey};
use provender::store::{ApiKeyRow, ServerRow, StoreError};
use serde_json::json;

use crate::database::Database;
use crate::samples::{at, filter, person, person_key, plugin, put_records, target};

on_both_databases!(
    a_plugin_is_read_as_it_was_written,
    a_plugin_in_use_is_not_removed,
    a_target_of_an_unknown_plugin_is_refused,
    a_server_counts_its_revisions,
    targets_and_filters_are_read_as_they_were_written,
    users_of_servers_and_filters_are_found,
    every_change_of_a_configuration_raises_its_generation,
    an_api_key_is_read_as_it_was_written,
);

async fn a_plugin_is_read_as_it_was_written(database: Database) {
    let store = database.open().await;
    let component: Vec<u8> = (0..3 << 20).map(|byte: u32| byte.wrapping_mul(2_654_435_761) as u8).collect();
    let mut newer = plugin("d0", "directory");
    newer.installed = at(4);
    let (written, newer_written) = (component.clone(), newer.clone());
    let inside = store
        .write::<_, StoreError, _>(|transaction| {
            Box::pin(async move {
                transaction.put_plugin(&plugin("d1", "directory"), b"old").await?;
                transaction.put_plugin(&plugin("d1", "directory"), &written).await?;
                transaction.put_plugin(&newer_written, b"newer").await?;
                transaction.put_plugin(&plugin("d2", "changelog"), b"").await?;
                transaction.plugin("d1").await
            })
        })
        .await;
    let (changelog, older) = (plugin("d2", "changelog"), plugin("d1", "directory"));
    assert_eq!(inside.unwrap(), Some(older.clone()));
    assert_eq!(store.plugin("d1").await.unwrap(), Some(older.clone()));
    assert_eq!(store.plugins().await.unwrap(), [changelog, older.clone(), newer.clone()]);
    assert_eq!(store.plugins_named("directory").await.unwrap(), [older, newer]);
    assert!(store.plugin_component("d1").await.unwrap() == Some(component));
    assert_eq!(store.plugin_component("d2").await.unwrap(), Some(Vec::new()));
    assert_eq!(store.plugin("d3").await.unwrap(), None);
    assert_eq!(store.plugin_component("d3").await.unwrap(), None);
}

async fn a_plugin_in_use_is_not_removed(database: Database) {
    let store = database.open_with_collaboration().await;
    store
        .write::<_, StoreError, _>(|transaction| {
            Box::pin(async move {
                transaction.put_plugin(&plugin("d1", "directory"), b"wasm").await?;
                transaction.put_plugin(&plugin("d2", "unused"), b"wasm").await?;
                transaction.put_filter("co", &filter("rename", "d1")).await?;
                transaction.put_target("co", &target("ldap", "d1")).await
            })
        })
        .await
        .unwrap();
    assert_eq!(store.plugin_users("d1").await.unwrap(), ["filter co/rename", "target co/ldap"]);
    assert_eq!(store.plugin_users("d2").await.unwrap(), Vec::<String>::new());
    let remove = async |digest: &'static str| {
        store
            .write::<_, StoreError, _>(move |transaction| {
                Box::pin(async move { transaction.remove_plugin(digest).await })
            })
            .await
    };
    let refused = remove("d1").await.unwrap_err();
    assert!(matches!(&refused, StoreError::Conflict(_)), "{refused:?}");
    assert!(refused.to_string().contains("target co/ldap"), "{refused}");
    assert!(remove("d2").await.unwrap());
    assert!(!remove("d2").await.unwrap());
    assert_eq!(store.plugin_component("d2").await.unwrap(), None);
    assert!(store.plugin_component("d1").await.unwrap().is_some());
}

async fn a_target_of_an_unknown_plugin_is_refused(database: Database) {
    let store = database.open_with_collaboration().await;
    let result = store
        .write::<_, StoreError, _>(|transaction| {
            Box::pin(async move { transaction.put_target("co", &target("ldap", "unknown")).await })
        })
        .await;
    assert!(matches!(result, Err(StoreError::Conflict(_))), "{result:?}");
    assert_eq!(store.targets("co").await.unwrap(), []);
}

fn server(id: &str, revision: u64) -> ServerRow {
    ServerRow {
        id: id.to_owned(),
        description: "Répertoire".to_owned(),
        configuration: json!({"kind": "http", "url": "https://example.org/"}),
        secrets: [("password".to_owned(), "sealed".to_owned())].into(),
        revision,
    }
}

async fn a_server_counts_its_revisions(database: Database) {
    let store = database.open_with_collaboration().await;
    let put = async |server: ServerRow| {
        store
            .write::<_, StoreError, _>(|transaction| {
                Box::pin(async move { transaction.put_server("co", &server).await })
            })
            .await
            .unwrap()
    };
    assert_eq!(put(server("b", 1)).await, 1);
    assert_eq!(store.server("co", "b").await.unwrap(), Some(server("b", 1)));
    assert_eq!(put(server("b", 1)).await, 2);
    assert_eq!(put(server("b", 7)).await, 7);
    assert_eq!(put(server("a", 0)).await, 0);
    assert_eq!(store.servers("co").await.unwrap(), [server("a", 0), server("b", 7)]);
    assert_eq!(store.servers("oc").await.unwrap(), []);
    let (inside, deleted, again) = store
        .write::<_, StoreError, _>(|transaction| {
            Box::pin(async move {
                let inside = transaction.server("co", "b").await?;
                let deleted = transaction.delete_server("co", "b").await?;
                Ok((inside, deleted, transaction.delete_server("co", "b").await?))
            })
        })
        .await
        .unwrap();
    assert_eq!((inside, deleted, again), (Some(server("b", 7)), true, false));
    assert_eq!(store.server("co", "b").await.unwrap(), None);
}

async fn targets_and_filters_are_read_as_they_were_written(database: Database) {
    let store = database.open_with_collaboration().await;
    let inside = store
        .write::<_, StoreError, _>(|transaction| {
            Box::pin(async move {
                transaction.put_plugin(&plugin("d1", "directory"), b"wasm").await?;
                transaction.put_plugin(&plugin("d2", "directory"), b"wasm").await?;
                for id in ["b", "a"] {
                    transaction.put_filter("co", &filter(id, "d1")).await?;
                    transaction.put_target("co", &target(id, "d1")).await?;
                }
                transaction.put_filter("co", &filter("b", "d2")).await?;
                transaction.put_target("co", &target("b", "d2")).await?;
                assert_eq!(transaction.filter("co", "b").await?, Some(filter("b", "d2")));
                assert_eq!(transaction.target("co", "b").await?, Some(target("b", "d2")));
                Ok((transaction.targets("co").await?, transaction.filters("co").await?))
            })
        })
        .await
        .unwrap();
    let targets = vec![target("a", "d1"), target("b", "d2")];
    let filters = vec![filter("a", "d1"), filter("b", "d2")];
    assert_eq!(inside, (targets.clone(), filters.clone()));
    assert_eq!(store.targets("co").await.unwrap(), targets);
    assert_eq!(store.filters("co").await.unwrap(), filters);
    assert_eq!(store.target("co", "a").await.unwrap(), Some(target("a", "d1")));
    assert_eq!(store.filter("co", "a").await.unwrap(), Some(filter("a", "d1")));
    assert_eq!(store.target("oc", "a").await.unwrap(), None);
    assert_eq!(store.filter("oc", "a").await.unwrap(), None);
    let deleted = store
        .write::<_, StoreError, _>(|transaction| {
            Box::pin(async move {
                let first = transaction.delete_filter("co", "a").await?;
                Ok((first, transaction.delete_filter("co", "a").await?))
            })
        })
        .await;
    assert_eq!(deleted.unwrap(), (true, false));
    assert_eq!(store.filters("co").await.unwrap(), [filter("b", "d2")]);
}

async fn users_of_servers_and_filters_are_found(database: Database) {
    let store = database.open_with_collaboration().await;
    let inside = store
        .write::<_, StoreError, _>(|transaction| {
            Box::pin(async move {
                transaction.put_plugin(&plugin("d1", "directory"), b"wasm").await?;
                transaction.put_target("co", &target("ldap", "d1")).await?;
                Ok((
                    transaction.server_users("co", "ldap").await?,
                    transaction.filter_users("co", "rename").await?,
                ))
            })
        })
        .await
        .unwrap();
    assert_eq!(inside, (vec!["ldap".to_owned()], vec!["ldap".to_owned()]));
    assert_eq!(store.server_users("co", "ldap").await.unwrap(), ["ldap"]);
    assert_eq!(store.filter_users("co", "rename").await.unwrap(), ["ldap"]);
    assert_eq!(
        store.server_users("co", "directory").await.unwrap(),
        Vec::<String>::new(),
        "a slot is no server"
    );
    assert_eq!(store.filter_users("oc", "rename").await.unwrap(), Vec::<String>::new());
}

async fn every_change_of_a_configuration_raises_its_generation(database: Database) {
    let store = database.open().await;
    assert_eq!(store.configuration_generation("co").await.unwrap(), 0);
    let mut last = 0;
    for step in 0..9 {
        store
            .write::<_, StoreError, _>(move |transaction| {
                Box::pin(async move {
                    let list = SubjectKey { kind: RecordKind::EmailList, id: "list".to_owned() };
                    match step {
                        0 => {
                            let co = Collaboration { id: "co".to_owned(), ..Collaboration::default() };
                            transaction.put_plugin(&plugin("d1", "directory"), b"wasm").await?;
                            transaction.put_collaboration(&co).await
                        }
                        1 => transaction.put_server("co", &server("s", 1)).await.map(drop),
                        2 => transaction.put_filter("co", &filter("f", "d1")).await,
                        3 => transaction.put_target("co", &target("t", "d1")).await,
                        4 => transaction.delete_target("co", "t").await.map(drop),
                        5 => transaction.delete_filter("co", "f").await.map(drop),
                        6 => transaction.delete_server("co", "s").await.map(drop),
                        7 => {
                            transaction
                                .put_records("co", &[(list, Record::EmailList(Box::default()))], at(0))
                                .await
                        }
                        _ => transaction.delete_record("co", &list, &[], at(0)).await.map(drop),
                    }
                })
            })
            .await
            .unwrap();
        let generation = store.configuration_generation("co").await.unwrap();
        assert!(generation > last, "step {step}");
        last = generation;
    }
    put_records(&store, "co", vec![(person_key("p"), person("Ada"))]).await;
    assert_eq!(store.configuration_generation("co").await.unwrap(), last);
    assert_eq!(store.configuration_generation("oc").await.unwrap(), 0);
}

async fn an_api_key_is_read_as_it_was_written(database: Database) {
    let store = database.open().await;
    let platform = ApiKeyRow {
        id: "z".to_owned(),
        co: None,
        full_access: true,
        description: "Leitung".to_owned(),
        hash: "ab".repeat(32),
        created: at(1),
    };
    let limited = ApiKeyRow {
        id: "a".to_owned(),
        co: Some("co".to_owned()),
        full_access: false,
        created: at(2),
        ..platform.clone()
    };
    let keys = [limited.clone(), ApiKeyRow { full_access: false, ..platform.clone() }, platform.clone()];
    store
        .write::<_, StoreError, _>(|transaction| {
            Box::pin(async move {
                for key in &keys {
                    transaction.put_api_key(key).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
    assert_eq!(store.api_keys().await.unwrap(), [platform.clone(), limited.clone()]);
    assert_eq!(store.api_key_by_id("a").await.unwrap(), Some(limited));
    assert_eq!(store.api_key_by_id("b").await.unwrap(), None);
    let delete = async || {
        store
            .write::<_, StoreError, _>(|transaction| {
                Box::pin(async move { transaction.delete_api_key("a").await })
            })
            .await
            .unwrap()
    };
    assert!(delete().await);
    assert!(!delete().await);
    assert_eq!(store.api_keys().await.unwrap(), [platform]);
}

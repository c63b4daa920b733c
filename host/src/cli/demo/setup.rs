//! What an operator does before the first record: plugins, a collaboration, servers, a filter, targets.

use std::collections::BTreeMap;

use provender_bundled_plugins::PLUGINS;
use serde_json::{Value, json};

use super::place::{CHANGELOG_FILE, Place};
use super::receiver::Receiver;
use super::sample;
use crate::administration::{FilterInput, PluginChoice, ServerInput, TargetInput};
use crate::host::Host;
use crate::provisioning::{Mode, concurrency, max_retry, retry_interval_s};

/// The collaboration of the demo.
pub(super) const CO: &str = "demo";
/// Appends a line per event to a file.
pub(super) const CHANGELOG: &str = "changelog";
/// Sends people to the receiver, through the filter.
pub(super) const PEOPLE_API: &str = "people-api";
/// May hardly do anything in a call; called on request only.
pub(super) const STARVED: &str = "starved";
/// Is configured to write outside of its folder; called on request only.
pub(super) const ASTRAY: &str = "astray";
/// Replaces names of groups by identifiers.
pub(super) const SHORT_GROUP_NAMES: &str = "short-group-names";

const FILES_SERVER: &str = "changelog-folder";
const RECEIVER_SERVER: &str = "receiver";

/// Fuel for a call that ends before it began.
const HARDLY_ANY_FUEL: u64 = 1_000;

pub(super) async fn install_plugins(host: &Host) -> anyhow::Result<()> {
    for plugin in PLUGINS {
        host.catalog.install(plugin.name, plugin.wasm.to_vec()).await?;
    }
    Ok(())
}

/// `identifier_type` is that of the identifiers that the receiver knows people by.
pub(super) async fn configure(
    host: &Host,
    place: &Place,
    receiver: &Receiver,
    identifier_type: &str,
) -> anyhow::Result<()> {
    let administration = &host.administration;
    host.registry.put_collaboration(sample::collaboration(CO)).await?;
    administration.put_server(CO, FILES_SERVER, files_server(place)?).await?;
    administration.put_server(CO, RECEIVER_SERVER, receiver_server(receiver)?).await?;
    administration.put_filter(CO, SHORT_GROUP_NAMES, filter()).await?;
    let changelog = target("changelog", json!({ "file": CHANGELOG_FILE }), ("log", FILES_SERVER));
    administration
        .put_target(
            CO,
            CHANGELOG,
            TargetInput { description: "One line per event".to_owned(), ..changelog.clone() },
        )
        .await?;
    let people = target("api", json!({ "identifier_type": identifier_type }), ("endpoint", RECEIVER_SERVER));
    administration
        .put_target(
            CO,
            PEOPLE_API,
            TargetInput {
                description: "The receiver of the demo".to_owned(),
                filters: vec![SHORT_GROUP_NAMES.to_owned()],
                ..people
            },
        )
        .await?;
    administration
        .put_target(
            CO,
            STARVED,
            TargetInput {
                description: "A call with hardly any fuel".to_owned(),
                mode: Mode::Manual,
                limits: BTreeMap::from([("fuel".to_owned(), HARDLY_ANY_FUEL)]),
                ..changelog.clone()
            },
        )
        .await?;
    administration
        .put_target(
            CO,
            ASTRAY,
            TargetInput {
                description: "A file outside of the folder".to_owned(),
                mode: Mode::Manual,
                configuration: json!({ "file": "../outside.ndjson" }),
                ..changelog
            },
        )
        .await?;
    Ok(())
}

fn files_server(place: &Place) -> anyhow::Result<ServerInput> {
    server("Folder of the changelog", json!({ "kind": "files", "root": place.changelog_root() }))
}

fn receiver_server(receiver: &Receiver) -> anyhow::Result<ServerInput> {
    let authentication = json!({ "kind": "bearer", "token": receiver.token() });
    server(
        "The demo's own REST service",
        json!({
            "kind": "http",
            "base_url": receiver.base_url(),
            "authentication": authentication,
            "allow_private_addresses": true,
        }),
    )
}

fn server(description: &str, configuration: Value) -> anyhow::Result<ServerInput> {
    Ok(ServerInput {
        id: None,
        description: description.to_owned(),
        configuration: serde_json::from_value(configuration)?,
    })
}

fn filter() -> FilterInput {
    FilterInput {
        id: None,
        description: "Groups by their identifier of type groupname".to_owned(),
        plugin: PluginChoice::from("group-name"),
        configuration: json!({ "identifier_type": sample::GROUP_IDENTIFIER }),
        suspended: false,
        re_evaluation_advisable_for: None,
    }
}

fn target(plugin: &str, configuration: Value, (slot, server): (&str, &str)) -> TargetInput {
    TargetInput {
        id: None,
        description: String::new(),
        plugin: PluginChoice::from(plugin),
        configuration,
        mode: Mode::Automatic,
        order: None,
        filters: Vec::new(),
        slots: BTreeMap::from([(slot.to_owned(), server.to_owned())]),
        limits: BTreeMap::new(),
        retry_interval_s: retry_interval_s(),
        max_retry: max_retry(),
        backoff: None,
        concurrency: concurrency(),
        automatic_after: None,
        provisioning_group: None,
        skip_source: None,
        always_send_deletions: false,
        subject_kinds: None,
        re_evaluation_advisable: None,
    }
}

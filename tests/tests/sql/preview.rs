//! A preview reads, writes nothing, and lists the statements with their values.

use std::collections::BTreeMap;
use std::sync::Arc;

use provender::capabilities::contract::types::{Action, Context, Invocation, Outcome};
use provender::capabilities::slots::Slots;
use provender::capabilities::{CallState, Grants, Surroundings, sql};
use provender::sandbox::{Limits, Mode, Transcript};
use provender_tests::calls::{TIME, load, person, plugin_host};
use provender_tests::host::CO;
use provender_tests::people::{group, group_key, membership, person_key};
use serde_json::json;

use super::databases::{Database, TABLES, connect};
use super::{applied, host_with};

async fn provision(database: &Database, mode: Mode, action: Action) -> (Outcome, Transcript) {
    let plugin = load(provender_bundled_plugins::find("sql").unwrap().wasm).await.unwrap();
    let mut slots = Slots::default();
    slots.sql.0.push(Arc::new(sql::Slot::new(
        "database".to_owned(),
        connect(&database.configuration),
        Vec::new(),
    )));
    let invocation = Invocation {
        id: "0198c0de-0000-7000-8000-000000000000".to_owned(),
        attempt: 1,
        context: Context {
            co: CO.to_owned(),
            target: "people".to_owned(),
            target_description: String::new(),
            configuration: "{}".to_owned(),
            slots: slots.bindings(),
            time: TIME.to_owned(),
        },
        action,
        subject: person("anna"),
        extensions: Vec::new(),
    };
    let surroundings = Surroundings {
        limits: Limits::default().overridden(&BTreeMap::new()).unwrap(),
        seed: [0; 32],
        time: TIME.parse().unwrap(),
        mode,
    };
    let state = CallState::new(surroundings, Grants { slots, ..Grants::default() });
    let end = plugin_host().provision(&plugin, state, invocation).await;
    (end.result.unwrap().unwrap(), end.transcript)
}

#[tokio::test]
async fn a_preview_changes_nothing_and_a_replay_needs_no_database() {
    for database in Database::all().await {
        let host = host_with(&database, json!({}), json!({})).await;
        applied(&host.put(group_key("staff"), group("staff")).await);
        applied(&host.put(person_key("anna"), provender_tests::people::person("anna")).await);
        applied(&host.put_membership(membership("staff", "anna")).await);
        let before = database.content(TABLES).await;
        for action in [Action::Updated, Action::Deleted] {
            let (outcome, transcript) = provision(&database, Mode::Preview, action).await;
            assert!(matches!(outcome, Outcome::Applied(_)), "{outcome:?}");
            assert!(transcript.effects.iter().any(|effect| effect.foreseen), "{transcript:?}");
            let told = serde_json::to_string(&transcript).unwrap();
            assert!(told.contains("DELETE FROM") && told.contains("\"anna\""), "{told}");
        }
        assert_eq!(before, database.content(TABLES).await, "{}", database.dialect);

        let (outcome, recorded) = provision(&database, Mode::Live, Action::Updated).await;
        let mut gone = database.configuration.clone();
        gone["port"] = json!(1);
        let mut elsewhere = Database::sqlite();
        elsewhere.dialect = database.dialect;
        if database.dialect != "sqlite" {
            elsewhere.configuration = gone;
        }
        let after = database.content(TABLES).await;
        let (again, _) = provision(&elsewhere, Mode::Replay(recorded), Action::Updated).await;
        assert_eq!(outcome, again);
        assert_eq!(after, database.content(TABLES).await);
    }
}

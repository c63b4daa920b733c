//! A preview reads, writes nothing, and lists the statements with their values; an inspection compares.

use std::sync::Arc;

use provender::capabilities::contract::types::{Action, Context, Inspection, Invocation, Outcome};
use provender::capabilities::plugin::Plugin;
use provender::capabilities::slots::Slots;
use provender::capabilities::{CallState, Grants, Surroundings, sql};
use provender::pipeline::Happened;
use provender::sandbox::{Limits, Mode, Transcript};
use provender_tests::calls::{TIME, load, person, plugin_host};
use provender_tests::host::CO;
use provender_tests::people::{group, group_key, membership, person_key};
use serde_json::json;

use super::databases::{Database, connect};
use super::{applied, host_with};

/// A call of the plugin by itself: what it is told, and what it may reach.
fn call(database: &Database, configuration: &serde_json::Value, mode: Mode) -> (Context, CallState) {
    let mut slots = Slots::default();
    slots.sql.0.push(Arc::new(sql::Slot::new(
        "database".to_owned(),
        connect(&database.configuration),
        Vec::new(),
    )));
    let context = Context {
        co: CO.to_owned(),
        target: "people".to_owned(),
        target_description: String::new(),
        configuration: configuration.to_string(),
        slots: slots.bindings(),
        time: TIME.to_owned(),
    };
    let (limits, seed, time) = (Limits::default(), [0; 32], TIME.parse().unwrap());
    let surroundings = Surroundings { limits, seed, time, mode };
    (context, CallState::new(surroundings, Grants { slots, ..Grants::default() }))
}

async fn plugin() -> Plugin {
    load(provender_bundled_plugins::find("sql").unwrap().wasm).await.unwrap()
}

async fn provision(
    database: &Database,
    configuration: &serde_json::Value,
    mode: Mode,
    action: Action,
) -> (Outcome, Transcript) {
    let (context, state) = call(database, configuration, mode);
    let invocation = Invocation {
        id: "0198c0de-0000-7000-8000-000000000000".to_owned(),
        attempt: 1,
        context,
        action,
        subject: person("anna"),
        extensions: Vec::new(),
    };
    let end = plugin_host().provision(&plugin().await, state, invocation).await;
    (end.result.unwrap().unwrap(), end.transcript)
}

async fn inspect(database: &Database, configuration: &serde_json::Value) -> Inspection {
    let (context, state) = call(database, configuration, Mode::Live);
    let end = plugin_host().inspect(&plugin().await, state, &context, &person("anna")).await;
    end.result.unwrap().unwrap()
}

#[tokio::test]
async fn a_preview_changes_nothing_and_a_replay_needs_no_database() {
    for configuration in [json!({}), json!({"layout": "documents"})] {
        for database in Database::all().await {
            let host = host_with(&database, configuration.clone(), json!({})).await;
            applied(&host.put(group_key("staff"), group("staff")).await);
            applied(&host.put(person_key("anna"), provender_tests::people::person("anna")).await);
            applied(&host.put_membership(membership("staff", "anna")).await);
            let before = database.everything().await;
            assert!(before.values().flatten().count() >= 2, "{before:?}");
            for action in [Action::Updated, Action::Deleted] {
                let (outcome, transcript) = provision(&database, &configuration, Mode::Preview, action).await;
                assert!(matches!(outcome, Outcome::Applied(_)), "{outcome:?}");
                assert!(transcript.effects.iter().any(|effect| effect.foreseen), "{transcript:?}");
            }
            for subject in [person_key("anna"), group_key("staff")] {
                let preview = host.host.pipeline.preview(CO, "people", &subject).await.unwrap();
                assert_eq!(preview.ends, None);
                let foreseen = preview.effects.iter().filter(|effect| effect.happened == Happened::Foreseen);
                let told: Vec<&str> = foreseen.map(|effect| effect.text.as_str()).collect();
                let insert = told.iter().find(|text| text.starts_with("INSERT INTO ")).expect("a statement");
                assert!(insert.contains(&format!("\n2: \"{}\"", subject.id)), "{insert}");
            }
            assert_eq!(before, database.everything().await, "{}", database.dialect);

            let (outcome, recorded) = provision(&database, &configuration, Mode::Live, Action::Updated).await;
            let mut elsewhere = Database::sqlite();
            elsewhere.dialect = database.dialect;
            if database.dialect != "sqlite" {
                elsewhere.configuration = database.configuration.clone();
                elsewhere.configuration["port"] = json!(1);
            }
            let after = database.everything().await;
            let replayed = Mode::Replay(recorded);
            let (again, _) = provision(&elsewhere, &configuration, replayed, Action::Updated).await;
            assert_eq!(outcome, again);
            assert_eq!(after, database.everything().await);
        }
    }
}

#[tokio::test]
async fn an_inspection_tells_what_the_database_holds() {
    for (configuration, people) in [(json!({}), "co_people"), (json!({"layout": "documents"}), "people")] {
        for database in Database::all().await {
            let _host = host_with(&database, configuration.clone(), json!({})).await;
            assert_eq!(inspect(&database, &configuration).await, Inspection::Absent);
            provision(&database, &configuration, Mode::Live, Action::Added).await;
            assert_eq!(inspect(&database, &configuration).await, Inspection::Present, "{}", database.dialect);

            let server = database.direct();
            let mut lease = server.lease().await.unwrap();
            let update = format!("UPDATE {} SET status = 'expired'", database.quoted(people));
            lease.execute(&update, &[]).await.unwrap();
            let mut expected = vec![format!("{people} anna: status differs")];
            if people == "co_people" {
                let insert = format!(
                    "INSERT INTO {} (co_id, id, co_person_id, url) VALUES ('{CO}', 'u', 'anna', 'http://x/')",
                    database.quoted("urls")
                );
                lease.execute(&insert, &[]).await.unwrap();
                expected.push("urls u/anna should not be there".to_owned());
            }
            let found = inspect(&database, &configuration).await;
            assert_eq!(found, Inspection::Different(expected), "{}", database.dialect);
        }
    }
}

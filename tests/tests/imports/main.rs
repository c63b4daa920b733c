//! A walk of every import: a plugin that nothing is granted calls each of them, and none acts.
//!
//! [`table`] says what each import gives then. One that it does not know, and one that the contract no longer has, fail
//! by name.

mod contract;
mod table;

use std::collections::BTreeSet;

use provender::capabilities::contract::types::{Action, Context, Invocation, Outcome};
use provender::capabilities::plugin::{Plugin, Said};
use provender::capabilities::{CallState, Grants, Surroundings};
use provender::sandbox::{CallEnd, Fault, Limits, Mode, Transcript};
use provender_tests::calls::{AsHistory, TIME, load, nothing_granted, person, plugin_host};
use provender_tests::guests::WALKING;
use provender_tests::receiver::Receiver;
use table::Expected;
use tokio::sync::OnceCell;

async fn walking() -> &'static Plugin {
    static PLUGIN: OnceCell<Plugin> = OnceCell::const_new();
    PLUGIN.get_or_init(|| async { load(WALKING).await.expect("a plugin") }).await
}

/// How a call of one import ended.
struct Ended {
    result: Result<String, Fault>,
    effects: u64,
    transcript: Transcript,
}

/// Calls an import from `provision`.
async fn provision(name: &str, authority: &str) -> Ended {
    let invocation = Invocation {
        id: "0198c0de-0000-7000-8000-000000000000".to_owned(),
        attempt: 1,
        context: Context {
            co: "physics".to_owned(),
            target: "under-test".to_owned(),
            target_description: "Under test".to_owned(),
            configuration: format!("{name} {authority}"),
            slots: Vec::new(),
            time: TIME.to_owned(),
        },
        action: Action::Updated,
        subject: person("anna"),
        extensions: Vec::new(),
    };
    let end: Said<Outcome> = plugin_host().provision(walking().await, nothing_granted(), invocation).await;
    let CallEnd { result, effects, transcript, .. } = end;
    let result = result.map(|said| said.expect("an outcome").into_history().remove(0));
    Ended { result, effects, transcript }
}

/// Calls an import from `describe`, as an installation does. The seed of the call chooses it.
async fn describe(index: usize) -> Ended {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&u64::try_from(index).unwrap().to_le_bytes());
    let surroundings =
        Surroundings { limits: Limits::default(), seed, time: TIME.parse().unwrap(), mode: Mode::Live };
    let state = CallState::new(surroundings, Grants::default());
    let CallEnd { result, effects, transcript, .. } = plugin_host().describe(walking().await, state).await;
    Ended { result: result.map(|description| description.summary), effects, transcript }
}

/// The imports that the guest knows, in its order.
async fn known_to_the_guest() -> Vec<String> {
    let context = Context {
        co: String::new(),
        target: String::new(),
        target_description: String::new(),
        configuration: String::new(),
        slots: Vec::new(),
        time: TIME.to_owned(),
    };
    plugin_host().check(walking().await, nothing_granted(), &context).await.result.unwrap().unwrap()
}

/// How an end differs from what is expected, if it does.
fn difference(name: &str, expected: &Expected, ended: &Ended) -> Option<String> {
    let Ended { result, effects, transcript } = ended;
    let acted = transcript.effects.iter().any(|entry| entry.sequence != 0);
    if *effects != 0 || acted {
        return Some(format!("{name} acted: {:?}", transcript.effects));
    }
    let as_expected = match (expected, result) {
        (Expected::Gives(text) | Expected::Denies(text), Ok(said)) => said == text,
        (Expected::GivesByTheSeed, Ok(_)) => true,
        (Expected::Ends(message), Err(Fault::Trap { message: said, .. })) => said == message,
        (Expected::OutOfReach, Err(Fault::Trap { message, .. })) => {
            message.contains("unknown handle index 77")
        }
        (Expected::Refuses(capability, operation), Err(fault)) => {
            matches!(fault, Fault::EffectRefused { capability: by, operation: what, .. }
                     if by == capability && what == operation)
                && transcript.effects.iter().any(|entry| entry.refused.is_some())
        }
        _ => false,
    };
    (!as_expected).then(|| format!("{name}: expected {expected:?}, not {result:?}"))
}

#[test]
fn the_table_knows_every_import_of_the_contract_and_no_other() {
    let contract: BTreeSet<String> = contract::imports().into_keys().collect();
    let table: BTreeSet<String> = table::IMPORTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(table.len(), table::IMPORTS.len(), "an import is in the table twice");
    let unknown: Vec<_> = contract.difference(&table).collect();
    assert!(unknown.is_empty(), "imports that are not in the table of this test: {unknown:#?}");
    let gone: Vec<_> = table.difference(&contract).collect();
    assert!(gone.is_empty(), "imports that the contract no longer has: {gone:#?}");
    assert!(contract.len() > 150, "{}", contract.len());
}

#[tokio::test]
async fn the_guest_calls_every_import_of_the_contract_and_no_other() {
    let contract: BTreeSet<String> = contract::imports().into_keys().collect();
    let guest: BTreeSet<String> = known_to_the_guest().await.into_iter().collect();
    let missing: Vec<_> = contract.symmetric_difference(&guest).collect();
    assert!(missing.is_empty(), "guests/walking and the contract differ: {missing:#?}");
}

#[tokio::test]
async fn no_import_acts_when_nothing_is_granted() {
    let receiver = Receiver::start().await;
    let authority = receiver.address().to_string();
    let mut differences = Vec::new();
    for (name, expected) in table::IMPORTS {
        let ended = provision(name, &authority).await;
        differences.extend(difference(name, expected, &ended));
    }
    assert!(differences.is_empty(), "{differences:#?}");
    assert_eq!(receiver.connections(), 0, "a connection was made");
}

#[tokio::test]
async fn no_import_acts_when_a_plugin_describes_itself() {
    let mut differences = Vec::new();
    for (index, name) in known_to_the_guest().await.iter().enumerate() {
        let expected = table::IMPORTS.iter().find(|(known, _)| known == name).map(|(_, expected)| expected);
        let ended = describe(index).await;
        match expected {
            Some(expected) => differences.extend(difference(name, expected, &ended)),
            None => differences.push(format!("{name} is not in the table of this test")),
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[tokio::test]
async fn an_import_that_gives_by_the_seed_gives_the_same_again() {
    let by_seed = table::IMPORTS.iter().filter(|(_, expected)| matches!(expected, Expected::GivesByTheSeed));
    for (name, _) in by_seed {
        let (first, again) = (provision(name, "").await, provision(name, "").await);
        assert_eq!(first.result, again.result, "{name}");
    }
}

/// An error of a stream: what can be asked of it is a text or a word.
const ERROR: &str = "wasi:io/error#error";

#[test]
fn a_resource_that_is_called_out_of_reach_is_given_by_no_import() {
    let imports = contract::imports();
    let expected = |name: &str| table::IMPORTS.iter().find(|(known, _)| *known == name);
    let out_of_reach: BTreeSet<&String> = imports
        .iter()
        .filter(|(name, _)| matches!(expected(name), Some((_, Expected::OutOfReach))))
        .filter_map(|(_, import)| import.of.as_ref())
        .filter(|resource| *resource != ERROR)
        .collect();
    for (name, import) in &imports {
        let Some((_, expected)) = expected(name) else { panic!("{name} is not in the table") };
        if matches!(expected, Expected::Gives(_) | Expected::GivesByTheSeed) {
            let given: Vec<_> = import.gives.iter().filter(|given| out_of_reach.contains(given)).collect();
            assert!(given.is_empty(), "{name} may give {given:?}, which the table calls out of reach");
        }
    }
    for resource in
        ["wasi:sockets/tcp#tcp-socket", "wasi:filesystem/types#descriptor", "provender:plugin/files#root"]
    {
        assert!(out_of_reach.iter().any(|known| *known == resource), "{resource} is within reach");
    }
}

#[tokio::test]
async fn an_import_that_is_called_inert_leaves_at_most_a_line_or_the_end_of_an_output() {
    let logged = provision("provender:plugin/log#write", "").await;
    assert_eq!(logged.transcript.log.len(), 1);
    for (name, _) in table::IMPORTS.iter().filter(|(name, _)| !name.ends_with("log#write")) {
        let ended = provision(name, "127.0.0.1:1").await;
        assert!(ended.transcript.log.is_empty(), "{name}");
        let writes = name.contains("output-stream.") && name.contains("write");
        assert!(writes || ended.transcript.stderr.is_empty(), "{name}: {}", ended.transcript.stderr);
    }
}

//! A component that lies about itself: differently at every call, beyond measure, or under another's name.

use provender_tests::guests::{MISBEHAVING, described};
use provender_tests::host::{CO, TestHost};
use serde_json::json;

use crate::{Told, assert_served};

/// What an operator is told who offers these.
async fn refusals(words: &[&str]) -> String {
    let host = TestHost::start().await;
    let mut told = Told::default();
    for word in words {
        let offered = host.host.catalog.examine("offered.wasm", described(word)).await;
        let text = match offered {
            Ok(manifest) => {
                format!("is taken: {} {}, {:?}", manifest.name, manifest.version, manifest.summary)
            }
            Err(error) => error.to_string(),
        };
        assert!(text.len() < 3_000, "{word}: {} bytes", text.len());
        assert!(!text.contains(|letter: char| letter.is_control() && letter != '\n'), "{word}: {text:?}");
        told.add(word, &text);
    }
    assert!(host.host.catalog.list().await.unwrap().is_empty());
    // The same host still takes what is good.
    host.install(MISBEHAVING).await;
    assert_served().await;
    told.0
}

#[tokio::test]
async fn a_description_that_differs_from_call_to_call_is_refused() {
    insta::assert_snapshot!("descriptions_that_differ", refusals(&["clock", "random", "counter"]).await);
}

#[tokio::test]
async fn a_description_beyond_measure_is_refused() {
    let words = ["huge", "long", "all slots", "some slots", "operations", "kinds", "extensions"];
    insta::assert_snapshot!("descriptions_beyond_measure", refusals(&words).await);
}

#[tokio::test]
async fn a_name_that_could_be_taken_for_another_is_refused() {
    let words = ["path", "look-alike", "escape", "bidi", "no text"];
    insta::assert_snapshot!("descriptions_of_names", refusals(&words).await);
}

#[tokio::test]
async fn a_schema_that_is_expensive_is_refused_or_harmless() {
    let words = [
        "deep",
        "nested",
        "regex",
        "look-ahead",
        "repetition",
        "enum",
        "large enum",
        "remote",
        "file",
        "all of",
    ];
    insta::assert_snapshot!("descriptions_of_schemas", refusals(&words).await);
}

#[tokio::test]
async fn a_configuration_that_a_pattern_explodes_on_is_answered() {
    let host = TestHost::start().await;
    let mut told = Told::default();
    for word in ["regex", "look-ahead"] {
        let Ok(manifest) = host.host.catalog.install("offered.wasm", described(word)).await else { continue };
        let configuration = json!({"a": format!("{}!", "a".repeat(5_000))});
        let input = json!({"plugin": manifest.digest, "configuration": configuration});
        let refused = host.try_target(word, input).await.unwrap_err().to_string();
        told.add(word, &refused.replace(&"a".repeat(50), ""));
    }
    insta::assert_snapshot!("descriptions_of_patterns", told.0);
}

#[tokio::test]
async fn another_binary_of_the_same_name_takes_no_target_over() {
    let host = TestHost::start().await;
    let first = host.install(&described("ordinary")).await;
    let input = json!({"plugin": first.digest, "configuration": {}});
    host.target("t", input).await;
    let impostor = host.install(&described("renamed")).await;
    assert_eq!((impostor.name, impostor.version), (first.name.clone(), first.version));
    assert_ne!(impostor.digest, first.digest);
    let target = host.host.administration.target(CO, "t").await.unwrap();
    assert_eq!(target.plugin.digest, first.digest, "a target stays with the binary that it was given");
}

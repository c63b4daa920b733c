//! The boundary itself: texts that are none, lists and pointers that lie, handles that were never given.

use provender_tests::calls::{TestCall, history};
use serde_json::json;

use crate::{Told, assert_served, call};

const NO_TEXT: [&str; 4] = ["a lone byte", "a lone surrogate", "a cut character", "an overlong slash"];

#[tokio::test]
async fn what_an_import_is_given_against_the_rules_ends_the_call() {
    let mut told = Told::default();
    let folder = tempfile::tempdir().unwrap();
    let ways = [
        "a level that is none",
        "a text outside the memory",
        "a text longer than the memory",
        "a list outside the memory",
        "a list longer than the memory",
        "a list that is not aligned",
        "a result outside the memory",
        "a handle that was never given",
        "a handle of another kind",
        "a handle dropped twice",
        "one text many times",
        "many fields",
    ];
    for how in NO_TEXT.into_iter().chain(ways) {
        let crossing = call(json!({"do": "cross", "how": how}));
        let end = crossing.folder("folder", folder.path(), &[]).provision().await;
        assert!(end.result.is_err(), "{how}: {:?}", end.result);
        assert_eq!(end.transcript.log.len(), 0, "{how}");
        told.add_end(how, &end);
        assert_served().await;
    }
    insta::assert_snapshot!("boundary_of_imports", told.0);
}

#[tokio::test]
async fn what_an_export_gives_back_against_the_rules_ends_the_call() {
    let mut told = Told::default();
    for what in NO_TEXT {
        told.add_end(what, &call(json!({"do": "give-back", "what": what})).provision().await);
    }
    told.add_end("a filtered subject", &TestCall::of_filter(json!({"do": "no-text"})).filter().await);
    insta::assert_snapshot!("boundary_of_exports", told.0);
    assert_served().await;
}

#[tokio::test]
async fn nothing_of_a_call_is_there_for_the_next() {
    let left = || call(json!({"do": "cross", "how": "what the last call left"}));
    for _ in 0..3 {
        assert_eq!(history(left().provision().await), ["call 1 of this instance"]);
    }
    let folder = tempfile::tempdir().unwrap();
    let kept = json!({"do": "cross", "how": "a handle to keep"});
    let kept = history(call(kept).folder("folder", folder.path(), &[]).provision().await);
    let guessed = json!({"do": "cross", "how": "a handle that was kept"});
    let guessed = call(guessed).folder("folder", folder.path(), &[]).provision().await;
    assert_eq!(guessed.effects, 0);
    let mut told = Told::default();
    told.add("a handle to keep", &kept.join("\n"));
    told.add_end("that handle in the next call", &guessed);
    insta::assert_snapshot!("boundary_of_calls", told.0);
    assert_served().await;
}

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

fn write(granted: Result<(), Refusal>) -> Effect<Value> {
    Effect {
        capability: "test",
        operation: "write".into(),
        access: Access::Write,
        request: json!({"text": "four"}),
        bytes_out: 4,
        overlaps: false,
        granted,
    }
}

async fn three_bytes(room: u64) -> Performed<u64, String> {
    Performed { answer: Ok(room), bytes_in: Some(3), refused: None }
}

fn gate(word: &str, value: u64) -> Gate {
    Gate::new(Limits::default().overridden(&BTreeMap::from([(word.to_owned(), value)])).unwrap(), Mode::Live)
}

#[tokio::test]
async fn an_effect_is_recorded_with_what_it_sent_and_received() {
    let gate = gate("bytes_in", 10);
    assert_eq!(gate.pass(write(Ok(())), InPreview::Ends, three_bytes).await, Ok(Ok(10)));
    assert_eq!(gate.pass(write(Ok(())), InPreview::Ends, three_bytes).await, Ok(Ok(7)));
    let transcript = gate.take_transcript();
    assert_eq!(transcript.effects.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [1, 2]);
    let first = transcript.effects.first().unwrap();
    assert_eq!((first.bytes_out, first.bytes_in, first.access), (4, 3, Access::Write));
    assert_eq!(first.request.text(), r#"{"text":"four"}"#);
    assert_eq!(first.result.as_ref().map(Json::text), Some("10"));
}

#[tokio::test]
async fn a_refused_effect_does_not_happen_and_closes_the_gate_for_those_that_follow() {
    let gate = Gate::new(Limits::default(), Mode::Live);
    let refused = gate
        .pass(write(Err(Refusal("nothing is granted".to_owned()))), InPreview::Ends, three_bytes)
        .await
        .unwrap_err();
    assert_eq!(refused.to_string(), "test write is refused: nothing is granted");
    assert_eq!(gate.pass(write(Ok(())), InPreview::Ends, three_bytes).await.unwrap_err(), refused);
    assert_eq!(gate.effects(), 0);
    assert_eq!(gate.violation(), Some(refused));
}

#[tokio::test]
async fn each_budget_closes_the_gate_with_its_name_limit_and_use() {
    for (word, value, expected) in [
        ("effects", 1, "limit `effects` is 1, used 2"),
        ("bytes_out", 5, "limit `bytes_out` is 5, used 8"),
        ("bytes_in", 5, "limit `bytes_in` is 5, used 6"),
    ] {
        let gate = gate(word, value);
        gate.pass(write(Ok(())), InPreview::Ends, three_bytes).await.unwrap().unwrap();
        assert_eq!(
            gate.pass(write(Ok(())), InPreview::Ends, three_bytes).await.unwrap_err().to_string(),
            expected
        );
    }
}

async fn never_ends(_: u64) -> Performed<u64, String> {
    std::future::pending().await
}

#[tokio::test]
async fn an_effect_that_the_call_does_not_wait_for_is_recorded_and_none_passes_after_the_end() {
    let gate = Gate::new(Limits::default(), Mode::Live);
    let given_up =
        tokio::time::timeout(Duration::ZERO, gate.pass(write(Ok(())), InPreview::Ends, never_ends)).await;
    assert!(given_up.is_err());
    let transcript = gate.take_transcript();
    assert!(matches!(&transcript.effects[..], [entry] if entry.is_unanswered()), "{transcript:?}");
    let late = gate.pass(write(Ok(())), InPreview::Ends, three_bytes).await.unwrap_err();
    assert_eq!(late.to_string(), "test write is refused: the call is over");
    assert_eq!((gate.effects(), gate.violation()), (1, None));

    let replay = Gate::new(Limits::default(), Mode::Replay(transcript.clone()));
    let given_up =
        tokio::time::timeout(Duration::ZERO, replay.pass(write(Ok(())), InPreview::Ends, never)).await;
    assert!(given_up.is_err(), "it is not answered this time either");
    assert_eq!((replay.take_transcript(), replay.left_of_record()), (transcript, None));
}

#[tokio::test]
async fn no_effect_begins_after_the_deadline() {
    let gate = gate("deadline_ms", 1);
    let deadline = gate.start() + Duration::from_millis(1);
    tokio::time::sleep_until(deadline.into()).await;
    let given_up =
        tokio::time::timeout(Duration::ZERO, gate.pass(write(Ok(())), InPreview::Ends, three_bytes)).await;
    assert!(given_up.is_err());
    assert_eq!((gate.effects(), gate.take_transcript().effects.len()), (0, 0));
}

#[tokio::test]
async fn a_transcript_beyond_its_bound_is_shortened_and_counts_what_it_leaves_out() {
    let gate = gate("transcript_bytes", 140);
    for _ in 0..4 {
        gate.pass(write(Ok(())), InPreview::Ends, three_bytes).await.unwrap().unwrap();
    }
    let transcript = gate.take_transcript();
    assert_eq!(transcript.effects.len() as u64 + transcript.effects_left_out, 4);
    assert!(transcript.effects_left_out >= 2, "{transcript:?}");
}

async fn two_writes() -> Transcript {
    let gate = gate("bytes_in", 10);
    for _ in 0..2 {
        gate.pass(write(Ok(())), InPreview::Ends, three_bytes).await.unwrap().unwrap();
    }
    gate.take_transcript()
}

/// Must not be called: a replay makes nothing happen.
async fn never(_: u64) -> Performed<u64, String> {
    panic!("an effect happened in a replay")
}

#[tokio::test]
async fn a_replay_answers_from_the_record_without_a_grant_and_without_an_effect() {
    let recorded = two_writes().await;
    let gate = Gate::new(Limits::default(), Mode::Replay(recorded.clone()));
    let nothing_granted = || write(Err(Refusal("nothing is granted".to_owned())));
    assert_eq!(gate.pass(nothing_granted(), InPreview::Ends, never).await, Ok(Ok(10)));
    assert!(gate.left_of_record().unwrap().contains("went on with test write"));
    let gate = Gate::new(Limits::default(), Mode::Replay(recorded.clone()));
    gate.pass(nothing_granted(), InPreview::Ends, never).await.unwrap().unwrap();
    gate.pass(nothing_granted(), InPreview::Ends, never).await.unwrap().unwrap();
    assert_eq!(gate.left_of_record(), None);
    assert_eq!(gate.take_transcript(), recorded);
}

#[tokio::test]
async fn a_replay_ends_at_the_first_effect_that_differs_and_names_both() {
    let gate = Gate::new(Limits::default(), Mode::Replay(two_writes().await));
    let other = Effect { request: json!({"text": "five"}), ..write(Ok(())) };
    let difference = gate.pass(other, InPreview::Ends, never).await.unwrap_err();
    assert_eq!(
        difference.to_string(),
        "effect 1 is test write {\"text\":\"five\"}, where the recorded call made test write {\"text\":\"four\"}"
    );
    assert_eq!(gate.pass(write(Ok(())), InPreview::Ends, never).await.unwrap_err(), difference);
}

#[tokio::test]
async fn effects_that_overlap_may_come_in_another_order() {
    let live = Gate::new(Limits::default(), Mode::Live);
    let effect = |text: &str| Effect { request: json!(text), overlaps: true, ..write(Ok(())) };
    for text in ["a", "b"] {
        live.pass(effect(text), InPreview::Ends, three_bytes).await.unwrap().unwrap();
    }
    let replay = Gate::new(Limits::default(), Mode::Replay(live.take_transcript()));
    for text in ["b", "a"] {
        replay.pass(effect(text), InPreview::Ends, never).await.unwrap().unwrap();
    }
    assert_eq!(replay.left_of_record(), None);
}

#[tokio::test]
async fn a_replay_refuses_what_was_refused_and_ends_at_the_same_budget() {
    let live = gate("bytes_in", 5);
    live.pass(write(Ok(())), InPreview::Ends, three_bytes).await.unwrap().unwrap();
    let budget = live.pass(write(Ok(())), InPreview::Ends, three_bytes).await.unwrap_err();
    let replay = Gate::new(live.limits().clone(), Mode::Replay(live.take_transcript()));
    replay.pass(write(Ok(())), InPreview::Ends, never).await.unwrap().unwrap();
    assert_eq!(replay.pass(write(Ok(())), InPreview::Ends, never).await.unwrap_err(), budget);

    let live = Gate::new(Limits::default(), Mode::Live);
    let refused =
        live.pass(write(Err(Refusal("no".to_owned()))), InPreview::Ends, three_bytes).await.unwrap_err();
    live.pass(write(Ok(())), InPreview::Ends, three_bytes).await.unwrap_err();
    let replay = Gate::new(Limits::default(), Mode::Replay(live.take_transcript()));
    assert_eq!(replay.pass(write(Ok(())), InPreview::Ends, never).await.unwrap_err(), refused);
    assert_eq!(replay.pass(write(Ok(())), InPreview::Ends, never).await.unwrap_err(), refused);
    assert_eq!(replay.left_of_record(), None);
}

#[tokio::test]
async fn in_a_preview_what_changes_something_does_not_happen_and_is_answered_as_expected() {
    let gate = Gate::new(Limits::default(), Mode::Preview);
    assert_eq!(gate.pass(write(Ok(())), InPreview::Answered(7), never).await, Ok(Ok(7)));
    let read = Effect { access: Access::Read, ..write(Ok(())) };
    gate.pass(read, InPreview::Happens, three_bytes).await.unwrap().unwrap();
    let ended = gate.pass(write(Ok(())), InPreview::Ends, never).await.unwrap_err();
    assert_eq!(
        ended.to_string(),
        "the preview ends at test write: the plugin does not say which answer it expects"
    );
    assert_eq!(gate.pass(write(Ok(())), InPreview::Answered(7), never).await, Err(ended));
    let effects = gate.take_transcript().effects;
    let seen: Vec<(u64, bool, Option<&str>)> = effects
        .iter()
        .map(|effect| (effect.sequence, effect.foreseen, effect.result.as_ref().map(Json::text)))
        .collect();
    assert_eq!(seen[0], (1, true, Some("7")));
    assert_eq!((seen[1].0, seen[1].1), (2, false));
    assert_eq!(seen[2], (3, true, None));
    assert!(seen[3].0 == 0 && effects[3].refused.is_some() && effects.len() == 4);
}

#[tokio::test]
async fn a_preview_refuses_what_is_not_granted_and_keeps_the_budgets() {
    let gate = Gate::new(Limits::default(), Mode::Preview);
    let refused = write(Err(Refusal("nothing is granted".to_owned())));
    let refused = gate.pass(refused, InPreview::Answered(7), never).await.unwrap_err();
    assert_eq!(refused.to_string(), "test write is refused: nothing is granted");
    let limits = Limits::default().overridden(&BTreeMap::from([("bytes_out".to_owned(), 5)])).unwrap();
    let gate = Gate::new(limits, Mode::Preview);
    gate.pass(write(Ok(())), InPreview::Answered(7), never).await.unwrap().unwrap();
    let budget = gate.pass(write(Ok(())), InPreview::Answered(7), never).await.unwrap_err();
    assert_eq!(budget.to_string(), "limit `bytes_out` is 5, used 8");
}

#[test]
fn log_lines_beyond_the_limit_are_counted_and_dropped() {
    let gate = gate("log_bytes", 140);
    for _ in 0..3 {
        gate.log(LogLine { level: "info".into(), message: "12345".to_owned(), fields: Vec::new() });
    }
    let transcript = gate.take_transcript();
    assert_eq!((transcript.log.len(), transcript.log_lines_left_out), (2, 1));
}

//! Attacks that need neither network nor files. Each ends with its typed outcome, whose exact text is kept in
//! `snapshots/`: one file for each theme, so that a reader sees all that a plugin author may be told. After each theme
//! the same sandbox serves the next call.

mod binaries;
mod boundary;
mod computation;
mod descriptions;
mod exports;
mod machine;
mod memory;
mod state;

use std::fmt::{Debug, Write};

use provender::capabilities::CallState;
use provender::capabilities::contract::types::Outcome;
use provender::sandbox::{CallEnd, Fault};
use provender_tests::calls::TestCall;
use serde_json::{Value, json};

/// A call of one step.
fn call(step: Value) -> TestCall {
    unhurried(TestCall::of(json!([step])))
}

/// With a deadline that a busy machine keeps, where another limit is to end the call.
fn unhurried(call: TestCall) -> TestCall {
    call.limit("deadline_ms", 600_000)
}

/// What attacks were told, one after the other.
#[derive(Default)]
struct Told(String);

impl Told {
    /// Adds what an attack was told.
    fn add(&mut self, attack: &str, text: &str) {
        self.add_exactly(attack, &redacted(text));
    }

    /// As [`add`](Self::add), of a binary that no compiler made.
    fn add_exactly(&mut self, attack: &str, text: &str) {
        let text = text.replace('\n', "\n    ");
        writeln!(self.0, "{attack}\n    {text}").expect("a text");
    }

    /// Adds how a call ended.
    fn add_end<R: Debug>(&mut self, attack: &str, end: &CallEnd<CallState, R>) {
        self.add(attack, &ending(&end.result));
    }
}

/// How a call ended, in words: bounded, as a reader would not want all of what a plugin says.
fn ending<R: Debug>(result: &Result<R, Fault>) -> String {
    let text = match result {
        Ok(said) => format!("no fault: {said:?}"),
        Err(fault) => fault.to_string(),
    };
    match text.char_indices().nth(1_500) {
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

/// Takes out what another build of a guest changes: places in its source, and how much memory it has to begin with.
fn redacted(text: &str) -> String {
    let mut redacted = String::new();
    let mut rest = text;
    while let Some(found) =
        [".rs:", "asked for "].iter().filter_map(|mark| Some(rest.find(mark)? + mark.len())).min()
    {
        redacted.push_str(&rest[..found]);
        rest = rest[found..].trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ':');
        redacted.push_str("[..]");
    }
    redacted + rest
}

/// Whatever happened before, the sandbox serves the next call.
async fn assert_served() {
    let end = call(json!({"do": "finish", "outcome": "unchanged"})).provision().await;
    assert_eq!(end.result, Ok(Ok(Outcome::Unchanged)));
    assert_eq!(end.transcript.stderr, "");
}

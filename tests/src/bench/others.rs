//! The same work without a sandbox.

use std::hint::black_box;
use std::process::Stdio;
use std::sync::Arc;

use provender_guest_mapping::account;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::measure::Contender;
use super::subject;

/// A function of this program. It gets a copy of the typed record, as a plugin does.
pub fn native(name: &'static str) -> Contender {
    let person = Arc::new(subject::person());
    Contender::new(name, move || {
        let person = Arc::clone(&person);
        async move {
            let copy = black_box((*person).clone());
            black_box(account::document(&subject::borrowed(&copy), subject::IDENTIFIER_TYPE));
        }
    })
}

/// A function of this program that gets JSON and gives JSON.
pub fn native_json(name: &'static str) -> Contender {
    let person: Arc<str> = subject::json().into();
    Contender::new(name, move || {
        let person = Arc::clone(&person);
        async move {
            let person = serde_json::from_str(black_box(&person)).expect("a person");
            black_box(account::document(&person, subject::IDENTIFIER_TYPE));
        }
    })
}

/// A process for each call: JSON by its standard input, JSON by its standard output.
pub fn subprocess(name: &'static str, program: &'static str) -> Contender {
    let person: Arc<str> = subject::json().into();
    let (expected, _) = subject::expected();
    let expected: Arc<str> = expected.into();
    let call = move || {
        let (person, expected) = (Arc::clone(&person), Arc::clone(&expected));
        async move {
            let mut child = Command::new(program)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("a process");
            let mut input = child.stdin.take().expect("its input");
            input.write_all(person.as_bytes()).await.expect("a reader");
            drop(input);
            let mut output = String::new();
            let mut from = child.stdout.take().expect("its output");
            from.read_to_string(&mut output).await.expect("a document");
            child.wait().await.expect("its end");
            assert_eq!(output, *expected);
        }
    };
    Contender::new(name, call).slow()
}

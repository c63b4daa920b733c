//! What a server of NATS says. Input: a byte for the size of a piece, then what is said.

use std::sync::LazyLock;

use provender::servers::messaging::{Message, MessagingError, MessagingServer};
use serde_json::json;

use crate::counterpart::{broker, by_password, written};

static SERVER: LazyLock<MessagingServer> = LazyLock::new(|| broker(json!({"kind": "nats"}), by_password()));

const WELCOME: &[u8] = b"INFO {\"headers\":true,\"jetstream\":true,\"max_payload\":1048576}\r\nPONG\r\n";

/// However a server answers, it takes no more memory than what it says; a message is written so that it reads as it was.
pub fn check(data: &[u8]) {
    let _ = publish(data);
    written(&SERVER, data, WELCOME, check_written);
}

/// How the publication of two messages ends.
pub fn publish(data: &[u8]) -> Result<(), MessagingError> {
    crate::counterpart::publish(&SERVER, data)
}

fn check_written(message: &Message, heard: &[u8]) {
    // The host has greeted.
    let mut rest = heard;
    for word in ["CONNECT", "SUB", "PING"] {
        let (line, after) = line(rest);
        assert!(line.starts_with(word.as_bytes()));
        rest = after;
    }
    let (line, rest) = line(rest);
    let fields: Vec<&str> = std::str::from_utf8(line).expect("a line").split(' ').collect();
    let ["HPUB", topic, _, of_headers, total] = fields[..] else { panic!("{fields:?}") };
    assert_eq!(topic, message.topic);
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let (payload, end) = rest.split_at(number(total));
    assert_eq!(end, b"\r\n", "and nothing else");
    let (headers, body) = payload.split_at(number(of_headers));
    assert_eq!(body, message.body);
    let headers = std::str::from_utf8(headers).expect("headers");
    let headers = headers.strip_prefix("NATS/1.0\r\n").and_then(|rest| rest.strip_suffix("\r\n"));
    let read: Vec<(&str, &[u8])> = headers
        .expect("headers")
        .split_terminator("\r\n")
        .map(|line| line.split_once(": ").expect("a header"))
        .map(|(name, value)| (name, value.as_bytes()))
        .collect();
    let texts = [("key", &message.key), ("Content-Type", &message.content_type)];
    let texts = texts.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?.as_bytes())));
    let given = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    assert_eq!(read, texts.chain(given).collect::<Vec<_>>());
}

/// A line, and what is behind it.
fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.windows(2).position(|end| end == b"\r\n").expect("a line");
    (&bytes[..end], &bytes[end + 2..])
}

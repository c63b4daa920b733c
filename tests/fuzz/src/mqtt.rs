//! What a broker of MQTT 5 says. Input: a byte for the size of a piece, then what is said.

use std::sync::LazyLock;

use bytes::Buf;
use provender::servers::messaging::{Message, MessagingError, MessagingServer};
use serde_json::json;

use crate::counterpart::{broker, by_password, written};

static SERVER: LazyLock<MessagingServer> = LazyLock::new(|| broker(json!({"kind": "mqtt"}), by_password()));

/// CONNACK.
const WELCOME: &[u8] = b"\x20\x03\0\0\0";
/// PUBLISH with quality of service 1.
const PUBLISH: u8 = 0x32;

/// However a broker answers, it takes no more memory than what it says; a message is written so that it reads as it was.
pub fn check(data: &[u8]) {
    let _ = publish(data);
    written(&SERVER, data, WELCOME, check_written);
}

/// How the publication of two messages ends.
pub fn publish(data: &[u8]) -> Result<(), MessagingError> {
    crate::counterpart::publish(&SERVER, data)
}

fn check_written(message: &Message, heard: &[u8]) {
    let mut rest = heard;
    let (_connect, mut packet) = (packet(&mut rest), packet(&mut rest));
    assert!(rest.is_empty(), "and nothing else");
    assert_eq!(packet.get_u8(), PUBLISH);
    number(&mut packet);
    assert_eq!(text(&mut packet), message.topic.as_bytes());
    assert_eq!(packet.get_u16(), 1);
    let length = number(&mut packet);
    let (mut properties, body) = packet.split_at(length);
    assert_eq!(body, message.body);
    let (mut content_type, mut headers) = (None, Vec::new());
    while !properties.is_empty() {
        match properties.get_u8() {
            0x03 => content_type = Some(text(&mut properties)),
            0x26 => headers.push((text(&mut properties), text(&mut properties))),
            other => panic!("property {other}"),
        }
    }
    assert_eq!(content_type, message.content_type.as_ref().map(String::as_bytes));
    let key = message.key.iter().map(|key| (&b"key"[..], key.as_bytes()));
    let given = message.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice()));
    assert_eq!(headers, key.chain(given).collect::<Vec<_>>());
}

/// The next packet, with its first byte and its length.
fn packet<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let whole = *rest;
    rest.advance(1);
    let length = number(rest);
    rest.advance(length);
    &whole[..whole.len() - rest.len()]
}

fn number(bytes: &mut &[u8]) -> usize {
    let mut value = 0;
    for shift in [0, 7, 14, 21] {
        let byte = bytes.get_u8();
        value |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn text<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let length = bytes.get_u16().into();
    bytes.split_off(..length).expect("a text")
}

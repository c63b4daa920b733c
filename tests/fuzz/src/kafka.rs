//! What a node of Kafka says. Input: a byte for the size of a piece and how the host authenticates itself, then what is said.

use std::sync::LazyLock;

use bytes::Buf;
use provender::servers::messaging::{Message, MessagingError, MessagingServer};
use serde_json::json;

use crate::counterpart::{broker, written};

/// Not at all, by a password in plain, or by one that is proven.
static SERVERS: LazyLock<[MessagingServer; 3]> = LazyLock::new(|| {
    let by = |mechanism: &str| json!({"kind": "password", "username": "provender", "mechanism": mechanism});
    let kinds = [json!({"kind": "none"}), by("plain"), by("scram_sha_256")];
    kinds.map(|authentication| broker(json!({"kind": "kafka"}), authentication))
});

/// Versions 3 of Produce and 4 of Metadata; a node that leads the one partition of a topic.
const WELCOME: &[u8] = b"\0\0\0\x16\0\0\0\0\0\0\0\0\0\x02\0\0\0\0\0\x09\0\x03\0\0\0\x09\
    \0\0\0\x4c\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x01\0\x01b\0\0\x23\x84\xff\xff\xff\xff\0\0\0\x01\0\0\0\x01\
    \0\0\0\x06people\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x01";

/// However a node answers, it takes no more memory than what it says; a message is written so that it reads as it was.
pub fn check(data: &[u8]) {
    let _ = publish(data);
    written(&SERVERS[0], data, WELCOME, check_written);
}

/// How the publication of two messages ends.
pub fn publish(data: &[u8]) -> Result<(), MessagingError> {
    let choice = usize::from(data.first().copied().unwrap_or_default() >> 6);
    crate::counterpart::publish(&SERVERS[choice % SERVERS.len()], data)
}

fn check_written(message: &Message, heard: &[u8]) {
    let mut rest = heard;
    let mut request = rest;
    for (api, version) in [(18, 0), (3, 4), (0, 3)] {
        let length = rest.get_i32() as usize;
        request = rest.split_off(..length).expect("a request");
        assert_eq!((request.get_i16(), request.get_i16()), (api, version));
        request.advance(4);
        assert_eq!(text(&mut request), b"provender");
    }
    assert!(rest.is_empty(), "and nothing else");
    // No transaction, all replicas, a time.
    assert_eq!((request.get_i16(), request.get_i16()), (-1, -1));
    request.advance(4);
    assert_eq!(request.get_i32(), 1, "one topic");
    assert_eq!(text(&mut request), message.topic.as_bytes());
    assert_eq!((request.get_i32(), request.get_i32()), (1, 0), "one partition, the first");
    assert_eq!(request.get_i32() as usize, request.len());
    check_batch(message, request);
}

fn check_batch(message: &Message, mut batch: &[u8]) {
    batch.advance(8);
    assert_eq!(batch.get_i32() as usize, batch.len());
    batch.advance(4);
    assert_eq!(batch.get_i8(), 2, "the version");
    // From the checksum to the number of the first message.
    batch.advance(40);
    assert_eq!(batch.get_i32(), 1, "one record");
    assert_eq!(number(&mut batch) as usize, batch.len());
    // Attributes, and how much later and how far behind the first one it is.
    batch.advance(1);
    assert_eq!((number(&mut batch), number(&mut batch)), (0, 0));
    assert_eq!(piece(&mut batch), message.key.as_ref().map(String::as_bytes));
    assert_eq!(piece(&mut batch), Some(&message.body[..]));
    let count = number(&mut batch);
    let read: Vec<_> = (0..count).map(|_| (piece(&mut batch), piece(&mut batch))).collect();
    assert!(batch.is_empty(), "and nothing else");
    let content_type = message.content_type.iter().map(|value| ("content-type", value.as_bytes()));
    let given = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    let given = content_type.chain(given).map(|(name, value)| (Some(name.as_bytes()), Some(value)));
    assert_eq!(read, given.collect::<Vec<_>>());
}

fn text<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let length = bytes.get_u16().into();
    bytes.split_off(..length).expect("a text")
}

/// Bytes that may be none.
fn piece<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(bytes)).ok()?;
    Some(bytes.split_off(..length).expect("a piece"))
}

/// In zigzag, seven bits at a time.
fn number(bytes: &mut &[u8]) -> i64 {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = bytes.get_u8();
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

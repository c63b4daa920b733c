//! What a broker of AMQP 0-9-1 says. Input: a byte for the size of a piece, then what is said.

use std::sync::LazyLock;

use arbitrary::Unstructured;
use bytes::Buf;
use provender::servers::messaging::{Message, MessagingError, MessagingServer};
use serde_json::json;

use crate::counterpart::{Counterpart, WORD, bounded, broker, by_password, heard_of, message, place_of_word};

static SERVER: LazyLock<MessagingServer> =
    LazyLock::new(|| broker(json!({"kind": "amqp", "exchange": "people"}), by_password()));

/// Start, tune, open-ok, channel.open-ok, exchange.declare-ok, confirm.select-ok.
const WELCOME: &[u8] = b"\x01\0\0\0\0\0\x1c\0\x0a\0\x0a\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US\xce\
    \x01\0\0\0\0\0\x0c\0\x0a\0\x1e\x07\xff\0\x02\0\0\0\x3c\xce\x01\0\0\0\0\0\x05\0\x0a\0\x29\0\xce\
    \x01\0\x01\0\0\0\x08\0\x14\0\x0b\0\0\0\0\xce\x01\0\x01\0\0\0\x04\0\x28\0\x0b\xce\
    \x01\0\x01\0\0\0\x04\0\x55\0\x0b\xce";
/// basic.return, "NO_ROUTE".
const RETURN: &[u8] = b"\x01\0\x01\0\0\0\x17\0\x3c\0\x32\x01\x38\x08NO_ROUTE\x06people\0\xce";
/// basic.ack of the first message.
const ACK: &[u8] = b"\x01\0\x01\0\0\0\x0d\0\x3c\0\x50\0\0\0\0\0\0\0\x01\0\xce";
const HEADER: u8 = 2;

/// However a broker answers, it takes no more memory than what it says; a message that comes back as it was sent is known.
pub fn check(data: &[u8]) {
    let _ = publish(data);
    let Ok(message) = message(&mut Unstructured::new(data)) else { return };
    check_return(&message);
}

/// How the publication of two messages ends.
pub fn publish(data: &[u8]) -> Result<(), MessagingError> {
    crate::counterpart::publish(&SERVER, data)
}

fn check_return(message: &Message) {
    let texts = [Some(&message.topic), message.key.as_ref(), message.content_type.as_ref()];
    let texts = texts.into_iter().flatten().map(String::as_bytes);
    let headers = message.headers.iter().flat_map(|(name, value)| [name.as_bytes(), value]);
    if texts.chain(headers).any(|part| place_of_word(part).is_some()) {
        return;
    }
    let Some(heard) = heard_of(&SERVER, message, WELCOME) else { return };
    let mut back = [WELCOME, RETURN].concat();
    for mut frame in frames(&heard).into_iter().skip_while(|frame| frame[0] != HEADER) {
        if frame[0] == HEADER {
            let place = place_of_word(&frame).expect("the word of the connection");
            frame[place..place + WORD.len()].copy_from_slice(WORD);
        }
        back.extend_from_slice(&frame);
    }
    back.extend_from_slice(ACK);
    let counterpart = Counterpart::saying(back.clone(), WELCOME.len());
    let ended = bounded(&back, SERVER.publish_over(counterpart, vec![message.clone()]));
    assert!(
        matches!(&ended, Err(MessagingError::NoSuchTopic(why)) if why.contains("NO_ROUTE")),
        "{ended:?} for {message:?}"
    );
}

/// Frames, behind the greeting.
fn frames(heard: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = heard.strip_prefix(b"AMQP\0\0\x09\x01").expect("a greeting");
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let length = (&rest[3..7]).get_u32() as usize + 8;
        assert_eq!(rest[length - 1], 0xce, "the end of a frame");
        frames.push(rest[..length].to_vec());
        rest = &rest[length..];
    }
    frames
}

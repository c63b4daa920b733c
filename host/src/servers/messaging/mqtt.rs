//! MQTT 5 (OASIS), as far as publishing with quality of service 1 needs it.

use std::collections::HashMap;
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use secrecy::ExposeSecret;

use super::link::{ADDED_BYTES, Confirmed, Outgoing, Protocol, Whose};
use super::wire::{MAX_PIECE, Malformed, Reader, Wire};
use super::{CLIENT, Credential, Message, MessagingError};

/// A connection that is ready.
pub(super) struct Mqtt {
    retain: bool,
    /// Packet identifiers that are under way, with their tickets.
    under_way: HashMap<u16, u64>,
    last: u16,
    /// How many messages the broker takes before it confirms some.
    receive_maximum: u16,
    maximum_packet: Option<usize>,
    keep_alive: Duration,
}

/// A packet as it came: its first byte, and what follows its length.
type Packet = (u8, Vec<u8>);

const CONNACK: u8 = 0x20;
const PUBACK: u8 = 0x40;
const PINGRESP: u8 = 0xd0;
const DISCONNECT: u8 = 0xe0;
const CONNECT: u8 = 0x10;
const PUBLISH_QOS_1: u8 = 0x32;
const RETAIN: u8 = 0x01;

const KEEP_ALIVE_SECONDS: u16 = 60;
/// What a header, a topic or a property takes beside its text.
const LONGEST_TEXT: usize = u16::MAX as usize;
/// Largest packet that the protocol knows.
const LARGEST_PACKET: usize = 268_435_455;

/// Authenticates.
pub(super) async fn open(
    mut wire: Wire,
    credential: &Credential,
    retain: bool,
) -> Result<(Wire, Mqtt), MessagingError> {
    wire.send(&greeting(credential, &super::random_word()?)).await?;
    let (kind, body) = wire.read(take).await?;
    if kind != CONNACK {
        return Err(Malformed.into());
    }
    let mut body = Reader::new(&body);
    let (_, code) = (body.u8()?, body.u8()?);
    let properties = properties(&mut body)?;
    if code >= 0x80 {
        let problem = reason(code, &properties);
        return Err(match code {
            // Bad user name or password, not authorized, bad authentication method, banned.
            0x86 | 0x87 | 0x8a | 0x8c => MessagingError::Authentication(problem),
            _ => MessagingError::Unavailable(problem),
        });
    }
    let number = |id: u8| properties.iter().find(|(known, _)| *known == id).map(|(_, value)| value.number());
    if number(0x24) == Some(0) {
        return Err(MessagingError::Unavailable("the broker confirms no messages".to_owned()));
    }
    if retain && number(0x25) == Some(0) {
        return Err(MessagingError::Unavailable("the broker retains no messages; unset `retain`".to_owned()));
    }
    let keep_alive = number(0x13).unwrap_or(KEEP_ALIVE_SECONDS.into()).clamp(2, KEEP_ALIVE_SECONDS.into());
    let mqtt = Mqtt {
        retain,
        under_way: HashMap::new(),
        last: 0,
        receive_maximum: number(0x21).and_then(|most| u16::try_from(most).ok()).unwrap_or(u16::MAX).max(1),
        maximum_packet: number(0x27).map(|most| most as usize),
        keep_alive: Duration::from_secs(keep_alive.into()) / 2,
    };
    Ok((wire, mqtt))
}

fn greeting(credential: &Credential, word: &str) -> BytesMut {
    let mut body = BytesMut::new();
    text(&mut body, b"MQTT");
    body.put_u8(5);
    const CLEAN_START: u8 = 0x02;
    body.put_u8(CLEAN_START | if matches!(credential, Credential::Password { .. }) { 0xc0 } else { 0 });
    body.put_u16(KEEP_ALIVE_SECONDS);
    // Maximum packet size.
    let mut own = BytesMut::new();
    own.put_u8(0x27);
    own.put_u32(MAX_PIECE as u32);
    variable(&mut body, own.len());
    body.put(own);
    text(&mut body, format!("{CLIENT}-{word}").as_bytes());
    if let Credential::Password { username, password, .. } = credential {
        text(&mut body, username.as_bytes());
        text(&mut body, password.expose_secret().as_bytes());
    }
    packet(CONNECT, body)
}

/// Why a message cannot be sent as it is.
pub(super) fn check(message: &Message) -> Result<(), String> {
    let topic = &message.topic;
    if topic.is_empty() || topic.contains(['+', '#', '\0']) || topic.starts_with('$') {
        return Err(format!("{topic:?} is no topic to publish to"));
    }
    let texts = [Some(topic), message.key.as_ref(), message.content_type.as_ref()];
    let headers = message.headers.iter().flat_map(|(name, value)| [name.as_bytes(), value]);
    for value in texts.into_iter().flatten().map(|text| text.as_bytes()).chain(headers) {
        if value.len() > LONGEST_TEXT || std::str::from_utf8(value).is_err() || value.contains(&0) {
            return Err(format!(
                "MQTT carries only UTF-8 without NUL, of at most {LONGEST_TEXT} bytes, in topics, keys and headers"
            ));
        }
    }
    Ok(())
}

impl Mqtt {
    /// An identifier that is not under way. There is one, since fewer are under way than there are.
    fn identifier(&mut self) -> u16 {
        loop {
            self.last = self.last.wrapping_add(1).max(1);
            if !self.under_way.contains_key(&self.last) {
                return self.last;
            }
        }
    }

    /// The packet of a message.
    fn publication(&self, identifier: u16, message: &Message) -> BytesMut {
        let mut properties = BytesMut::new();
        if let Some(content_type) = &message.content_type {
            properties.put_u8(0x03);
            text(&mut properties, content_type.as_bytes());
        }
        let key = message.key.as_ref().map(|key| ("key", key.as_bytes()));
        let headers = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        for (name, value) in key.into_iter().chain(headers) {
            properties.put_u8(0x26);
            text(&mut properties, name.as_bytes());
            text(&mut properties, value);
        }
        let mut body = BytesMut::with_capacity(message.size() + 16);
        text(&mut body, message.topic.as_bytes());
        body.put_u16(identifier);
        variable(&mut body, properties.len());
        body.put(properties);
        body.put_slice(&message.body);
        packet(PUBLISH_QOS_1 | if self.retain { RETAIN } else { 0 }, body)
    }
}

impl Protocol for Mqtt {
    fn room(&self, unconfirmed: usize) -> usize {
        usize::from(self.receive_maximum.min(1_024)).saturating_sub(unconfirmed.max(self.under_way.len()))
    }

    fn limit(&self) -> Option<usize> {
        Some(self.maximum_packet.unwrap_or(LARGEST_PACKET).saturating_sub(ADDED_BYTES))
    }

    fn publish(&mut self, messages: &[(u64, Outgoing)], out: &mut BytesMut) {
        for (ticket, outgoing) in messages {
            let identifier = self.identifier();
            self.under_way.insert(identifier, *ticket);
            out.put(self.publication(identifier, &outgoing.message));
        }
    }

    fn receive(
        &mut self,
        input: &mut BytesMut,
        _: &mut BytesMut,
        told: &mut Vec<(Whose, Confirmed)>,
    ) -> Result<(), String> {
        while let Some((kind, body)) = take(input)? {
            let mut body = Reader::new(&body);
            match kind {
                PINGRESP => {}
                PUBACK => {
                    let identifier = body.u16()?;
                    let code = if body.is_empty() { 0 } else { body.u8()? };
                    let properties = if body.is_empty() { Vec::new() } else { properties(&mut body)? };
                    if let Some(ticket) = self.under_way.remove(&identifier) {
                        told.push((Whose::One(ticket), confirmed(code, &properties)));
                    }
                }
                DISCONNECT => {
                    let code = if body.is_empty() { 0 } else { body.u8()? };
                    let properties = if body.is_empty() { Vec::new() } else { properties(&mut body)? };
                    return Err(format!("the broker ends it: {}", reason(code, &properties)));
                }
                _ => return Err(Malformed.into()),
            }
        }
        Ok(())
    }

    fn patience(&self) -> Option<Duration> {
        Some(self.keep_alive)
    }

    fn ask(&mut self, out: &mut BytesMut) {
        out.put_slice(&[0xc0, 0]);
    }

    fn end(&mut self, out: &mut BytesMut) {
        out.put_slice(&[DISCONNECT, 0]);
    }
}

fn confirmed(code: u8, properties: &[(u8, Property)]) -> Confirmed {
    let problem = || reason(code, properties);
    match code {
        0..0x80 => Ok(()),
        0x87 => Err(MessagingError::Denied(problem())),
        0x90 => Err(MessagingError::Invalid(problem())),
        _ => Err(MessagingError::Rejected(problem())),
    }
}

/// A reason code in words, with what the broker says of it.
fn reason(code: u8, properties: &[(u8, Property)]) -> String {
    let word = match code {
        0x81 => "malformed packet",
        0x82 => "protocol error",
        0x83 => "implementation specific error",
        0x84 => "unsupported protocol version",
        0x85 => "client identifier not valid",
        0x86 => "bad user name or password",
        0x87 => "not authorized",
        0x88 => "server unavailable",
        0x89 => "server busy",
        0x8a => "banned",
        0x8b => "server shutting down",
        0x8c => "bad authentication method",
        0x8d => "keep alive timeout",
        0x8e => "session taken over",
        0x90 => "topic name invalid",
        0x93 => "receive maximum exceeded",
        0x95 => "packet too large",
        0x96 => "message rate too high",
        0x97 => "quota exceeded",
        0x98 => "administrative action",
        0x99 => "payload format invalid",
        0x9a => "retain not supported",
        0x9b => "quality of service not supported",
        0x9c | 0x9d => "use another server",
        0x9f => "connection rate exceeded",
        _ => "unspecified error",
    };
    match properties.iter().find(|(id, _)| *id == 0x1f) {
        Some((_, Property::Text(text))) => format!("{word} ({code:#04x}): {text}"),
        _ => format!("{word} ({code:#04x})"),
    }
}

enum Property {
    Number(u32),
    Text(String),
}

impl Property {
    fn number(&self) -> u32 {
        match self {
            Self::Number(number) => *number,
            Self::Text(_) => 0,
        }
    }
}

fn properties(body: &mut Reader<'_>) -> Result<Vec<(u8, Property)>, Malformed> {
    let length = variable_of(body)?;
    let mut bytes = Reader::new(body.bytes(length)?);
    let mut properties = Vec::new();
    while !bytes.is_empty() {
        let id = bytes.u8()?;
        let mut text = || {
            let length = bytes.u16()?.into();
            bytes.text(length)
        };
        let property = match id {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2a => Property::Number(bytes.u8()?.into()),
            0x13 | 0x21 | 0x22 | 0x23 => Property::Number(bytes.u16()?.into()),
            0x02 | 0x11 | 0x18 | 0x27 => Property::Number(bytes.u32()?),
            0x26 => Property::Text(format!("{}: {}", text()?, text()?)),
            0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1a | 0x1c | 0x1f => Property::Text(text()?),
            _ => return Err(Malformed),
        };
        properties.push((id, property));
    }
    Ok(properties)
}

fn variable_of(reader: &mut Reader<'_>) -> Result<usize, Malformed> {
    let mut value = 0;
    for shift in [0, 7, 14, 21] {
        let byte = reader.u8()?;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Malformed)
}

/// Takes a packet off the input, once it is whole.
fn take(input: &mut BytesMut) -> Result<Option<Packet>, Malformed> {
    let Some((&kind, after)) = input.split_first() else { return Ok(None) };
    let of_length = after.iter().take(4).position(|byte| byte & 0x80 == 0).map(|last| last + 1);
    let Some(of_length) = of_length else {
        return if after.len() >= 4 { Err(Malformed) } else { Ok(None) };
    };
    let length = variable_of(&mut Reader::new(after))?;
    if length > MAX_PIECE {
        return Err(Malformed);
    }
    let start = 1 + of_length;
    let Some(body) = input.get(start..start + length) else { return Ok(None) };
    let body = body.to_vec();
    input.advance(start + length);
    Ok(Some((kind, body)))
}

fn packet(kind: u8, body: BytesMut) -> BytesMut {
    let mut packet = BytesMut::with_capacity(body.len() + 5);
    packet.put_u8(kind);
    variable(&mut packet, body.len());
    packet.put(body);
    packet
}

/// A number of one to four bytes.
fn variable(out: &mut BytesMut, mut value: usize) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return out.put_u8(byte);
        }
        out.put_u8(byte | 0x80);
    }
}

/// A text of at most 65,535 bytes, which was checked.
fn text(out: &mut BytesMut, text: &[u8]) {
    out.put_u16(text.len() as u16);
    out.put_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_taken_whole_and_within_bounds() {
        let mut whole = packet(PUBACK, BytesMut::from(&[0, 7, 0x97][..]));
        whole.put(packet(PINGRESP, BytesMut::new()));
        for end in 0..=whole.len() {
            let mut input = BytesMut::from(&whole[..end]);
            let mut taken = Vec::new();
            while let Some(packet) = take(&mut input).unwrap() {
                taken.push(packet);
            }
            input.extend_from_slice(&whole[end..]);
            while let Some(packet) = take(&mut input).unwrap() {
                taken.push(packet);
            }
            assert_eq!(taken, [(PUBACK, vec![0, 7, 0x97]), (PINGRESP, Vec::new())]);
        }
        for bytes in [&[PUBACK, 0xff, 0xff, 0xff, 0xff][..], &[PUBACK, 0xff, 0xff, 0xff, 0x7f]] {
            assert_eq!(take(&mut BytesMut::from(bytes)), Err(Malformed));
        }
    }

    #[test]
    fn lengths_are_of_one_to_four_bytes() {
        for value in [0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, LARGEST_PACKET] {
            let mut out = BytesMut::new();
            variable(&mut out, value);
            assert_eq!(variable_of(&mut Reader::new(&out)), Ok(value));
        }
    }

    #[test]
    fn a_reason_is_told_with_what_the_broker_says() {
        let properties = [(0x1f, Property::Text("go away".to_owned()))];
        assert_eq!(confirmed(0x10, &[]), Ok(()), "nobody subscribes, which is no fault");
        assert_eq!(
            confirmed(0x87, &properties),
            Err(MessagingError::Denied("not authorized (0x87): go away".to_owned()))
        );
    }
}

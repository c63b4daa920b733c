//! AMQP 0-9-1, as far as publishing with RabbitMQ's confirmations needs it: one connection with one channel.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use secrecy::{ExposeSecret, SecretString};

use super::link::{Confirmed, Outgoing, Protocol, Whose};
use super::wire::{MAX_PIECE, Malformed, Reader, Wire};
use super::{CLIENT, Credential, Message, MessagingError};

/// Where messages go.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) virtual_host: String,
    pub(super) exchange: String,
}

/// A connection that is ready.
pub(super) struct Amqp {
    exchange: String,
    /// Begins the identifiers of messages, which end with the ticket: a message that no queue takes comes back with it.
    connection: String,
    frame_max: usize,
    heartbeat: Duration,
    /// Why the broker takes no messages now.
    blocked: bool,
    /// A message that comes back, until its header tells which one it is.
    coming_back: Option<String>,
    /// Messages that came back, by their tickets; the confirmation is still to come.
    came_back: BTreeMap<u64, String>,
}

struct Frame {
    kind: u8,
    payload: Vec<u8>,
}

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;
const FRAME_END: u8 = 0xce;
/// What a frame has beside its payload.
const FRAME_BYTES: usize = 8;

type Method = (u16, u16);
const START: Method = (10, 10);
const START_OK: Method = (10, 11);
const TUNE: Method = (10, 30);
const TUNE_OK: Method = (10, 31);
const OPEN: Method = (10, 40);
const OPEN_OK: Method = (10, 41);
const CLOSE: Method = (10, 50);
const CLOSE_OK: Method = (10, 51);
const BLOCKED: Method = (10, 60);
const UNBLOCKED: Method = (10, 61);
const CHANNEL_OPEN: Method = (20, 10);
const CHANNEL_OPEN_OK: Method = (20, 11);
const CHANNEL_CLOSE: Method = (20, 40);
const EXCHANGE_DECLARE: Method = (40, 10);
const EXCHANGE_DECLARE_OK: Method = (40, 11);
const PUBLISH: Method = (60, 40);
const RETURN: Method = (60, 50);
const ACK: Method = (60, 80);
const NACK: Method = (60, 120);
const CONFIRM_SELECT: Method = (85, 10);
const CONFIRM_SELECT_OK: Method = (85, 11);

/// What each must take by the protocol.
const SMALLEST_FRAME: u32 = 4_096;
const LARGEST_FRAME: u32 = 128 << 10;
const HEARTBEAT_SECONDS: u16 = 30;
const UNCONFIRMED: usize = 1_024;
/// Longest text of most fields.
const SHORT_STRING: usize = 255;

/// Authenticates, and looks for the exchange.
pub(super) async fn open(
    mut wire: Wire,
    credential: &Credential,
    place: &Place,
) -> Result<(Wire, Amqp, String), MessagingError> {
    wire.send(b"AMQP\0\0\x09\x01").await?;
    let start = expect(&mut wire, START).await?;
    let product = product(&start).unwrap_or_default();
    let (mechanism, response) = proof(credential);
    let offered = mechanisms(&start)?;
    if !offered.split(' ').any(|word| word == mechanism) {
        return Err(MessagingError::Authentication(format!(
            "it knows {}, and here not {mechanism}; set `authentication` to what it knows",
            offered.replace(' ', ", ")
        )));
    }
    wire.send(&method(0, START_OK, &start_ok(mechanism, &response))).await?;
    let tune = expect(&mut wire, TUNE).await?;
    let mut tune = Reader::new(&tune);
    let (_, frame_max, heartbeat) = (tune.u16()?, tune.u32()?, tune.u16()?);
    let frame_max = match frame_max {
        0 => LARGEST_FRAME,
        SMALLEST_FRAME.. => frame_max.min(LARGEST_FRAME),
        _ => return Err(Malformed.into()),
    };
    let heartbeat = if heartbeat == 0 { HEARTBEAT_SECONDS } else { heartbeat.min(HEARTBEAT_SECONDS) };
    let mut tune_ok = BytesMut::new();
    tune_ok.put_u16(1);
    tune_ok.put_u32(frame_max);
    tune_ok.put_u16(heartbeat);
    wire.send(&method(0, TUNE_OK, &tune_ok)).await?;
    let mut open = BytesMut::new();
    short(&mut open, &place.virtual_host);
    open.put_slice(&[0, 0]);
    wire.send(&method(0, OPEN, &open)).await?;
    expect(&mut wire, OPEN_OK).await?;
    wire.send(&method(1, CHANNEL_OPEN, &[0])).await?;
    expect(&mut wire, CHANNEL_OPEN_OK).await?;
    if !place.exchange.is_empty() {
        let mut declare = BytesMut::new();
        declare.put_u16(0);
        short(&mut declare, &place.exchange);
        short(&mut declare, "");
        // Passive: it is not made. And without arguments.
        declare.put_u8(1);
        declare.put_u32(0);
        wire.send(&method(1, EXCHANGE_DECLARE, &declare)).await?;
        expect(&mut wire, EXCHANGE_DECLARE_OK).await?;
    }
    wire.send(&method(1, CONFIRM_SELECT, &[0])).await?;
    expect(&mut wire, CONFIRM_SELECT_OK).await?;
    let amqp = Amqp {
        exchange: place.exchange.clone(),
        connection: super::random_word()?,
        frame_max: frame_max as usize,
        heartbeat: Duration::from_secs(heartbeat.into()),
        blocked: false,
        coming_back: None,
        came_back: BTreeMap::new(),
    };
    Ok((wire, amqp, product))
}

/// The mechanism by which the host shows who it is, and what it says by it.
fn proof(credential: &Credential) -> (&'static str, SecretString) {
    match credential {
        Credential::Password { username, password, .. } => {
            ("PLAIN", format!("\0{username}\0{}", password.expose_secret()).into())
        }
        // By the client certificate.
        Credential::None | Credential::Token(_) => ("EXTERNAL", SecretString::default()),
    }
}

fn start_ok(mechanism: &str, response: &SecretString) -> BytesMut {
    let mut capabilities = BytesMut::new();
    for capability in
        ["publisher_confirms", "basic.nack", "authentication_failure_close", "connection.blocked"]
    {
        short(&mut capabilities, capability);
        capabilities.put_slice(b"t\x01");
    }
    let mut own = BytesMut::new();
    short(&mut own, "product");
    own.put_u8(b'S');
    long(&mut own, CLIENT.as_bytes());
    short(&mut own, "capabilities");
    own.put_u8(b'F');
    long(&mut own, &capabilities);
    let mut body = BytesMut::new();
    long(&mut body, &own);
    short(&mut body, mechanism);
    long(&mut body, response.expose_secret().as_bytes());
    short(&mut body, "en_US");
    body
}

/// Waits for a method, and gives its arguments.
async fn expect(wire: &mut Wire, expected: Method) -> Result<Vec<u8>, MessagingError> {
    loop {
        let frame = wire.read(take).await?;
        if frame.kind == HEARTBEAT {
            continue;
        }
        let mut arguments = Reader::new(&frame.payload);
        let found = (arguments.u16()?, arguments.u16()?);
        return match found {
            _ if found == expected => Ok(frame.payload.get(4..).unwrap_or_default().to_vec()),
            CLOSE | CHANNEL_CLOSE => {
                let (code, text) = closed(&mut arguments)?;
                Err(match (code, found) {
                    // Access refused; not allowed, as to a virtual host that is another's.
                    (403 | 530, _) => MessagingError::Authentication(text),
                    (404, CHANNEL_CLOSE) => MessagingError::NoSuchTopic(text),
                    _ => MessagingError::Unavailable(text),
                })
            }
            _ => Err(Malformed.into()),
        };
    }
}

fn closed(arguments: &mut Reader<'_>) -> Result<(u16, String), Malformed> {
    let code = arguments.u16()?;
    let length = arguments.u8()?.into();
    Ok((code, arguments.text(length)?))
}

/// Words of the mechanisms that the server offers.
fn mechanisms(start: &[u8]) -> Result<String, Malformed> {
    let mut start = Reader::new(start);
    start.u16()?;
    let of_server = start.u32()? as usize;
    start.bytes(of_server)?;
    let length = start.u32()? as usize;
    start.text(length)
}

/// "RabbitMQ 3.10.8", where the server tells it.
fn product(start: &[u8]) -> Result<String, Malformed> {
    let mut start = Reader::new(start);
    start.u16()?;
    let length = start.u32()? as usize;
    let mut table = Reader::new(start.bytes(length)?);
    let mut told = [String::new(), String::new()];
    while !table.is_empty() {
        let length = table.u8()?.into();
        let name = table.text(length)?;
        let kind = table.u8()?;
        let value = match kind {
            b'S' | b'F' => {
                let length = table.u32()? as usize;
                table.text(length)?
            }
            b't' => table.u8().map(|_| String::new())?,
            _ => break,
        };
        match (kind, name.as_str()) {
            (b'S', "product") => told[0] = value,
            (b'S', "version") => told[1] = value,
            _ => {}
        }
    }
    Ok(told.join(" ").trim().to_owned())
}

/// Why a message cannot be sent as it is.
pub(super) fn check(message: &Message) -> Result<(), String> {
    let names = message.headers.iter().map(|(name, _)| name);
    let short = [Some(&message.topic), message.content_type.as_ref()];
    match short.into_iter().flatten().chain(names).find(|text| text.len() > SHORT_STRING) {
        Some(long) => Err(format!(
            "AMQP carries at most {SHORT_STRING} bytes in topics and names of headers; {:?}... has {}",
            long.chars().take(20).collect::<String>(),
            long.len()
        )),
        None => Ok(()),
    }
}

impl Amqp {
    fn write(&self, ticket: u64, message: &Message, out: &mut BytesMut) {
        let mut publish = BytesMut::new();
        publish.put_u16(0);
        short(&mut publish, &self.exchange);
        short(&mut publish, &message.topic);
        const MANDATORY: u8 = 1;
        publish.put_u8(MANDATORY);
        out.put(method(1, PUBLISH, &publish));
        out.put(frame(HEADER, 1, &self.header(ticket, message)));
        for part in message.body.chunks(self.frame_max - FRAME_BYTES) {
            out.put(frame(BODY, 1, part));
        }
    }

    fn header(&self, ticket: u64, message: &Message) -> BytesMut {
        const CONTENT_TYPE: u16 = 1 << 15;
        const HEADERS: u16 = 1 << 13;
        const DELIVERY_MODE: u16 = 1 << 12;
        const MESSAGE_ID: u16 = 1 << 7;
        let mut header = BytesMut::new();
        header.put_u16(60);
        header.put_u16(0);
        header.put_u64(message.body.len() as u64);
        let content_type = if message.content_type.is_some() { CONTENT_TYPE } else { 0 };
        header.put_u16(content_type | HEADERS | DELIVERY_MODE | MESSAGE_ID);
        if let Some(content_type) = &message.content_type {
            short(&mut header, content_type);
        }
        let mut table = BytesMut::new();
        let key = message.key.as_ref().map(|key| ("key", key.as_bytes()));
        let headers = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        for (name, value) in key.into_iter().chain(headers) {
            short(&mut table, name);
            // A text, or an array of bytes.
            table.put_u8(if std::str::from_utf8(value).is_ok() { b'S' } else { b'x' });
            long(&mut table, value);
        }
        long(&mut header, &table);
        const PERSISTENT: u8 = 2;
        header.put_u8(PERSISTENT);
        short(&mut header, &format!("{}-{ticket}", self.connection));
        header
    }

    fn method(
        &mut self,
        payload: &[u8],
        out: &mut BytesMut,
        told: &mut Vec<(Whose, Confirmed)>,
    ) -> Result<(), String> {
        let mut arguments = Reader::new(payload);
        match (arguments.u16()?, arguments.u16()?) {
            found @ (ACK | NACK) => {
                let (tag, bits) = (arguments.u64()?, arguments.u8()?);
                let confirmed = match found {
                    ACK => Ok(()),
                    _ => Err(MessagingError::Rejected(
                        "the broker does not take it: a queue may be full".to_owned(),
                    )),
                };
                self.confirmed(tag, bits & 1 == 1, &confirmed, told);
            }
            RETURN => self.coming_back = Some(closed(&mut arguments)?.1),
            BLOCKED => self.blocked = true,
            UNBLOCKED => self.blocked = false,
            CHANNEL_CLOSE => {
                let (code, text) = closed(&mut arguments)?;
                let error = if code == 403 {
                    MessagingError::Denied(text.clone())
                } else {
                    MessagingError::NoSuchTopic(text.clone())
                };
                match code {
                    // It names the topic, where it is about a topic.
                    403 if text.contains("to topic '") => {
                        let topic = text.split('\'').nth(1).unwrap_or_default().to_owned();
                        told.push((Whose::To(topic), Err(error)));
                    }
                    403 | 404 => told.push((Whose::All, Err(error))),
                    _ => {}
                }
                return Err(text);
            }
            CLOSE => {
                out.put(method(0, CLOSE_OK, &[]));
                return Err(format!("the broker ends it: {}", closed(&mut arguments)?.1));
            }
            _ => return Err(Malformed.into()),
        }
        Ok(())
    }

    fn confirmed(
        &mut self,
        tag: u64,
        multiple: bool,
        confirmed: &Confirmed,
        told: &mut Vec<(Whose, Confirmed)>,
    ) {
        let first = if multiple { 0 } else { tag };
        let back: Vec<u64> = self.came_back.range(first..=tag).map(|(ticket, _)| *ticket).collect();
        for ticket in back {
            let why = self.came_back.remove(&ticket).unwrap_or_default();
            let error = MessagingError::NoSuchTopic(format!("no queue takes it: {why}"));
            told.push((Whose::One(ticket), Err(error)));
        }
        told.push((if multiple { Whose::UpTo(tag) } else { Whose::One(tag) }, confirmed.clone()));
    }

    /// The header of a message that comes back.
    fn returned(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let mut header = Reader::new(payload);
        header.bytes(12)?;
        let flags = header.u16()?;
        if flags & 1 << 15 != 0 {
            let length = header.u8()?.into();
            header.bytes(length)?;
        }
        let length = header.u32()? as usize;
        header.bytes(length + 1)?;
        let length = header.u8()?.into();
        let id = header.text(length)?;
        let ticket = id.strip_prefix(&self.connection).and_then(|rest| rest.strip_prefix('-')?.parse().ok());
        if let (Some(ticket), Some(why)) = (ticket, self.coming_back.take()) {
            self.came_back.insert(ticket, why);
        }
        // No more can come back than were under way.
        if self.came_back.len() > UNCONFIRMED { Err(Malformed) } else { Ok(()) }
    }
}

impl Protocol for Amqp {
    fn room(&self, unconfirmed: usize) -> usize {
        if self.blocked { 0 } else { UNCONFIRMED.saturating_sub(unconfirmed) }
    }

    fn limit(&self) -> Option<usize> {
        None
    }

    fn publish(&mut self, messages: &[(u64, Outgoing)], out: &mut BytesMut) {
        // Tickets count from 1 as the tags of the broker do.
        for (ticket, outgoing) in messages {
            self.write(*ticket, &outgoing.message, out);
        }
    }

    fn receive(
        &mut self,
        input: &mut BytesMut,
        out: &mut BytesMut,
        told: &mut Vec<(Whose, Confirmed)>,
    ) -> Result<(), String> {
        while let Some(Frame { kind, payload }) = take(input)? {
            match kind {
                METHOD => self.method(&payload, out, told)?,
                HEADER => self.returned(&payload)?,
                BODY => {}
                // As often as the broker: so both hear of one another.
                HEARTBEAT => out.put(frame(HEARTBEAT, 0, &[])),
                _ => return Err(Malformed.into()),
            }
        }
        Ok(())
    }

    fn patience(&self) -> Option<Duration> {
        Some(self.heartbeat)
    }

    fn ask(&mut self, out: &mut BytesMut) {
        out.put(frame(HEARTBEAT, 0, &[]));
    }

    fn end(&mut self, out: &mut BytesMut) {
        let mut close = BytesMut::new();
        close.put_u16(200);
        short(&mut close, "");
        close.put_u32(0);
        out.put(method(0, CLOSE, &close));
    }
}

/// Takes a frame off the input, once it is whole.
fn take(input: &mut BytesMut) -> Result<Option<Frame>, Malformed> {
    // A server of another version names its own, and closes.
    if input.starts_with(b"AMQP") {
        return Err(Malformed);
    }
    let Some(head) = input.get(..7) else { return Ok(None) };
    let mut head = Reader::new(head);
    let (kind, _channel, length) = (head.u8()?, head.u16()?, head.u32()? as usize);
    if length > MAX_PIECE {
        return Err(Malformed);
    }
    let Some(whole) = input.get(7..length + FRAME_BYTES) else { return Ok(None) };
    let (payload, end) = whole.split_at_checked(length).ok_or(Malformed)?;
    if end != [FRAME_END] {
        return Err(Malformed);
    }
    let payload = payload.to_vec();
    input.advance(length + FRAME_BYTES);
    Ok(Some(Frame { kind, payload }))
}

fn frame(kind: u8, channel: u16, payload: &[u8]) -> BytesMut {
    let mut frame = BytesMut::with_capacity(payload.len() + FRAME_BYTES);
    frame.put_u8(kind);
    frame.put_u16(channel);
    frame.put_u32(payload.len() as u32);
    frame.put_slice(payload);
    frame.put_u8(FRAME_END);
    frame
}

fn method(channel: u16, (class, method): Method, arguments: &[u8]) -> BytesMut {
    let mut payload = BytesMut::new();
    payload.put_u16(class);
    payload.put_u16(method);
    payload.put_slice(arguments);
    frame(METHOD, channel, &payload)
}

/// A text of at most 255 bytes, which was checked.
fn short(out: &mut BytesMut, text: &str) {
    out.put_u8(text.len() as u8);
    out.put_slice(text.as_bytes());
}

fn long(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32(bytes.len() as u32);
    out.put_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amqp() -> Amqp {
        Amqp {
            exchange: "people".to_owned(),
            connection: "c".to_owned(),
            frame_max: 64,
            heartbeat: Duration::from_secs(1),
            blocked: false,
            coming_back: None,
            came_back: BTreeMap::new(),
        }
    }

    fn message(body: usize) -> Message {
        Message {
            topic: "t".to_owned(),
            content_type: Some("text/plain".to_owned()),
            headers: vec![("h".to_owned(), b"\xff".to_vec())],
            body: vec![b'x'; body],
            ..Message::default()
        }
    }

    #[test]
    fn a_message_is_written_in_frames_that_the_broker_takes() {
        let mut out = BytesMut::new();
        amqp().write(1, &message(120), &mut out);
        let mut kinds = Vec::new();
        while let Some(frame) = take(&mut out).unwrap() {
            if frame.kind == BODY {
                assert!(frame.payload.len() + FRAME_BYTES <= 64);
            }
            kinds.push((frame.kind, frame.payload.len()));
        }
        assert_eq!(kinds[2..], [(BODY, 56), (BODY, 56), (BODY, 8)]);
        let wrong = [METHOD, 0, 0, 0, 0, 0, 0, 0];
        assert!(take(&mut BytesMut::from(&wrong[..])).is_err());
        assert!(take(&mut BytesMut::from(&b"AMQP\0\0\x09\x01"[..])).is_err());
    }

    #[tokio::test]
    async fn a_broker_whose_frames_have_room_for_nothing_is_refused() {
        for (frame_max, refused) in [(8_u32, true), (4_095, true), (4_096, false), (0, false)] {
            let mut said = method(0, START, b"\0\x09\0\0\0\0\0\0\0\x08EXTERNAL");
            let mut tune = BytesMut::new();
            tune.put_u16(0);
            tune.put_u32(frame_max);
            tune.put_u16(0);
            said.put(method(0, TUNE, &tune));
            said.put(method(0, OPEN_OK, &[0]));
            said.put(method(1, CHANNEL_OPEN_OK, &[0; 4]));
            said.put(method(1, CONFIRM_SELECT_OK, &[]));
            let stream = tokio::io::join(std::io::Cursor::new(said), tokio::io::sink());
            let place = Place { virtual_host: "/".to_owned(), exchange: String::new() };
            let opened = open(Wire::new(Box::new(stream)), &Credential::None, &place).await;
            assert_eq!(opened.is_err(), refused, "{frame_max}");
        }
    }

    #[test]
    fn no_more_messages_come_back_than_were_under_way() {
        let mut amqp = amqp();
        let mut back = BytesMut::new();
        back.put_u16(312);
        short(&mut back, "NO_ROUTE");
        let mut ended = Ok(());
        for ticket in 0..=UNCONFIRMED as u64 {
            assert_eq!(ended, Ok(()), "{ticket} came back");
            let mut input = method(1, RETURN, &back);
            input.put(frame(HEADER, 1, &amqp.header(ticket, &message(1))));
            ended = amqp.receive(&mut input, &mut BytesMut::new(), &mut Vec::new());
        }
        assert!(ended.is_err());
    }

    #[test]
    fn a_message_that_comes_back_is_known_by_its_identifier() {
        let mut amqp = amqp();
        let header = amqp.header(7, &message(1));
        let mut back = BytesMut::new();
        back.put_u16(312);
        short(&mut back, "NO_ROUTE");
        let mut input = method(1, RETURN, &back);
        input.put(frame(HEADER, 1, &header));
        let mut ack = BytesMut::new();
        ack.put_u64(8);
        ack.put_u8(1);
        input.put(method(1, ACK, &ack));
        let mut told = Vec::new();
        amqp.receive(&mut input, &mut BytesMut::new(), &mut told).unwrap();
        assert!(
            matches!(&told[0], (Whose::One(7), Err(MessagingError::NoSuchTopic(why))) if why.contains("NO_ROUTE"))
        );
        assert!(matches!(told[1], (Whose::UpTo(8), Ok(()))));
    }
}

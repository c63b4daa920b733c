//! The client protocol of NATS, with confirmations by JetStream: each message asks for an answer at a subject of its own.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use memchr::memmem;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::link::{ADDED_BYTES, Confirmed, Outgoing, Protocol, Whose};
use super::wire::{Dialer, MAX_PIECE, Malformed, Wire};
use super::{CLIENT, Credential, Message, MessagingError};
use crate::servers::authority::Authority;

/// What a server tells of itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Info {
    pub(super) server_name: String,
    pub(super) version: String,
    pub(super) jetstream: bool,
    headers: bool,
    tls_required: bool,
    max_payload: Option<usize>,
}

#[derive(Serialize)]
struct Connect<'a> {
    verbose: bool,
    pedantic: bool,
    tls_required: bool,
    lang: &'a str,
    version: &'a str,
    name: &'a str,
    headers: bool,
    no_responders: bool,
    protocol: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_token: Option<&'a str>,
}

/// A connection that is ready.
pub(super) struct Nats {
    /// Where answers come, with the number of the ticket behind it.
    inbox: String,
    max_payload: Option<usize>,
}

/// What a server says.
#[derive(Debug, PartialEq)]
enum Said {
    Info(Vec<u8>),
    Ping,
    Pong,
    Ok,
    Error(String),
    Answer { subject: String, headers: Vec<u8>, body: Vec<u8> },
}

const PATIENCE: Duration = Duration::from_secs(30);
const UNCONFIRMED: usize = 1_024;
/// The longest line of control: of an INFO, which names all nodes.
const MAX_LINE: usize = 64 << 10;

/// Secures what is connected to this address, if it is to be, and authenticates: the server speaks first.
pub(super) async fn open(
    mut wire: Wire,
    (dialer, address): (&Dialer, &Authority),
    credential: &Credential,
) -> Result<(Wire, Nats, Info), MessagingError> {
    let info = match wire.read(take).await? {
        Said::Info(info) => serde_json::from_slice::<Info>(&info).map_err(|_| Malformed)?,
        _ => return Err(Malformed.into()),
    };
    let tls = dialer.tls.is_some();
    if info.tls_required && !tls {
        return Err(MessagingError::Unavailable(format!("{address} wants TLS; set `tls`")));
    }
    if !info.headers {
        return Err(MessagingError::Unavailable(format!("{address} is too old: it knows no headers")));
    }
    let mut wire = dialer.secure(wire, address).await?;
    let (user, pass, auth_token) = match credential {
        Credential::None => (None, None, None),
        Credential::Password { username, password, .. } => {
            (Some(username.as_str()), Some(password.expose_secret()), None)
        }
        Credential::Token(token) => (None, None, Some(token.expose_secret())),
    };
    let connect = Connect {
        verbose: false,
        pedantic: false,
        tls_required: tls,
        lang: "rust",
        version: env!("CARGO_PKG_VERSION"),
        name: CLIENT,
        headers: true,
        no_responders: true,
        protocol: 1,
        user,
        pass,
        auth_token,
    };
    let connect = serde_json::to_string(&connect).map_err(|_| Malformed)?;
    let inbox = format!("_INBOX.{}.", super::random_word()?);
    wire.send(format!("CONNECT {connect}\r\nSUB {inbox}* 1\r\nPING\r\n").as_bytes()).await?;
    loop {
        match wire.read(take).await? {
            Said::Pong => break,
            Said::Error(error) if error.to_ascii_lowercase().contains("authori") => {
                return Err(MessagingError::Authentication(error));
            }
            Said::Error(error) => return Err(MessagingError::Unavailable(error)),
            Said::Ping => wire.send(b"PONG\r\n").await?,
            Said::Info(_) | Said::Ok | Said::Answer { .. } => {}
        }
    }
    let max_payload = info.max_payload;
    Ok((wire, Nats { inbox, max_payload }, info))
}

/// Why a message cannot be sent as it is.
pub(super) fn check(message: &Message) -> Result<(), String> {
    let subject = &message.topic;
    let blank = |letter: char| letter.is_whitespace() || letter.is_control();
    if subject.split('.').any(|token| token.is_empty() || matches!(token, "*" | ">"))
        || subject.contains(blank)
    {
        return Err(format!("{subject:?} is no subject to publish to"));
    }
    let texts = [&message.key, &message.content_type].into_iter().flatten().map(String::as_bytes);
    for value in texts.chain(message.headers.iter().map(|(_, value)| value.as_slice())) {
        if std::str::from_utf8(value).is_err() || value.iter().any(u8::is_ascii_control) {
            return Err("NATS carries no control characters and only UTF-8 in keys and headers".to_owned());
        }
    }
    let visible = |letter: char| letter.is_ascii_graphic() && letter != ':';
    match message.headers.iter().find(|(name, _)| name.is_empty() || !name.chars().all(visible)) {
        Some((name, _)) => Err(format!("{name:?} is no name of a header")),
        None => Ok(()),
    }
}

impl Nats {
    fn write(&self, ticket: u64, message: &Message, out: &mut BytesMut) {
        let mut headers = b"NATS/1.0\r\n".to_vec();
        let texts = [("key", &message.key), ("Content-Type", &message.content_type)];
        let texts = texts.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?.as_bytes())));
        for (name, value) in texts.chain(message.headers.iter().map(|(name, value)| (&**name, &**value))) {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                headers.extend_from_slice(part);
            }
        }
        headers.extend_from_slice(b"\r\n");
        let total = headers.len() + message.body.len();
        // A buffer takes all that it is given.
        let _ = write!(out, "HPUB {} {}{ticket} {} {total}\r\n", message.topic, self.inbox, headers.len());
        out.extend_from_slice(&headers);
        out.extend_from_slice(&message.body);
        out.extend_from_slice(b"\r\n");
    }
}

impl Protocol for Nats {
    fn room(&self, unconfirmed: usize) -> usize {
        UNCONFIRMED.saturating_sub(unconfirmed)
    }

    fn limit(&self) -> Option<usize> {
        Some(self.max_payload?.saturating_sub(ADDED_BYTES))
    }

    fn publish(&mut self, messages: &[(u64, Outgoing)], out: &mut BytesMut) {
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
        while let Some(said) = take(input)? {
            match said {
                Said::Ping => out.extend_from_slice(b"PONG\r\n"),
                Said::Pong | Said::Ok | Said::Info(_) => {}
                Said::Answer { subject, headers, body } => {
                    let ticket = subject.strip_prefix(&self.inbox).and_then(|number| number.parse().ok());
                    if let Some(ticket) = ticket {
                        told.push((Whose::One(ticket), confirmed(&headers, &body)));
                    }
                }
                Said::Error(error) => {
                    let lowered = error.to_ascii_lowercase();
                    let subject = lowered.starts_with("permissions violation for publish to");
                    let Some(subject) = error.split('"').nth(1).filter(|_| subject) else {
                        return Err(format!("the broker says: {error}"));
                    };
                    told.push((Whose::To(subject.to_owned()), Err(MessagingError::Denied(error.clone()))));
                }
            }
        }
        Ok(())
    }

    fn patience(&self) -> Option<Duration> {
        Some(PATIENCE)
    }

    fn ask(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(b"PING\r\n");
    }

    fn end(&mut self, _: &mut BytesMut) {}
}

#[derive(Deserialize)]
struct Answer {
    stream: Option<String>,
    error: Option<AnsweredError>,
}

#[derive(Deserialize)]
struct AnsweredError {
    code: u16,
    #[serde(default)]
    description: String,
}

/// What a stream, or the server in its place, answers.
fn confirmed(headers: &[u8], body: &[u8]) -> Confirmed {
    if headers.starts_with(b"NATS/1.0 503") {
        return Err(MessagingError::NoSuchTopic("no stream takes the subject".to_owned()));
    }
    match serde_json::from_slice::<Answer>(body) {
        Ok(Answer { error: Some(AnsweredError { code, description }), .. }) => {
            Err(MessagingError::Rejected(format!("the stream answers {code}: {description}")))
        }
        Ok(Answer { stream: Some(_), error: None }) => Ok(()),
        _ => Err(MessagingError::NoSuchTopic(
            "what takes the subject is no stream: its answer is no confirmation".to_owned(),
        )),
    }
}

/// Takes what a server says off the input, once it is whole.
fn take(input: &mut BytesMut) -> Result<Option<Said>, Malformed> {
    let found = memmem::find(input, b"\r\n");
    if found.unwrap_or(input.len()) > MAX_LINE {
        return Err(Malformed);
    }
    let Some(length) = found else { return Ok(None) };
    let line = input.get(..length).ok_or(Malformed)?;
    let line = std::str::from_utf8(line).map_err(|_| Malformed)?.trim();
    let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let rest = rest.trim();
    let said = match word.to_ascii_uppercase().as_str() {
        "INFO" => Said::Info(rest.as_bytes().to_vec()),
        "PING" => Said::Ping,
        "PONG" => Said::Pong,
        "+OK" => Said::Ok,
        "-ERR" => Said::Error(rest.trim_matches('\'').to_owned()),
        word @ ("MSG" | "HMSG") => {
            let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
            let number = |text: &&str| text.parse::<usize>().map_err(|_| Malformed);
            let (of_headers, total) = match (word, fields.as_slice()) {
                ("MSG", [.., total]) => (0, number(total)?),
                ("HMSG", [.., of_headers, total]) => (number(of_headers)?, number(total)?),
                _ => return Err(Malformed),
            };
            if of_headers > total || total > MAX_PIECE {
                return Err(Malformed);
            }
            let subject = fields.first().copied().unwrap_or_default().to_owned();
            let start = length + 2;
            let Some(whole) = input.get(start..start + total + 2) else { return Ok(None) };
            let payload = whole.strip_suffix(b"\r\n").ok_or(Malformed)?;
            let (headers, body) = payload.split_at_checked(of_headers).ok_or(Malformed)?;
            let said = Said::Answer { subject, headers: headers.to_vec(), body: body.to_vec() };
            input.advance(start + total + 2);
            return Ok(Some(said));
        }
        _ => return Err(Malformed),
    };
    input.advance(length + 2);
    Ok(Some(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_whole_is_left_and_what_is_no_nats_is_refused() {
        let whole = b"PING\r\nHMSG _INBOX.x.7 1 12 14\r\nNATS/1.0\r\n\r\n{}\r\n-ERR 'Slow'\r\n";
        for end in 0..=whole.len() {
            let mut input = BytesMut::from(&whole[..end]);
            let mut said = Vec::new();
            while let Some(one) = take(&mut input).unwrap() {
                said.push(one);
            }
            input.extend_from_slice(&whole[end..]);
            while let Some(one) = take(&mut input).unwrap() {
                said.push(one);
            }
            let answer = Said::Answer {
                subject: "_INBOX.x.7".to_owned(),
                headers: b"NATS/1.0\r\n\r\n".to_vec(),
                body: b"{}".to_vec(),
            };
            assert_eq!(said, [Said::Ping, answer, Said::Error("Slow".to_owned())]);
        }
        for line in
            ["HTTP/1.1 200 OK", "MSG x 1 99999999999999999999", "MSG x 1 9999999", "HMSG x 1 9 3", "\u{fffd}"]
        {
            assert!(take(&mut BytesMut::from(format!("{line}\r\n").as_bytes())).is_err(), "{line}");
        }
        let long = format!("-ERR '{}'\r\n", "x".repeat(MAX_LINE));
        for said in ["MSG x 1 2\r\n{}PING\r\n", &long] {
            assert!(take(&mut BytesMut::from(said.as_bytes())).is_err());
        }
    }

    #[test]
    fn only_a_stream_confirms() {
        assert_eq!(confirmed(b"", br#"{"stream": "S", "seq": 1}"#), Ok(()));
        for (headers, body, problem) in [
            (&b"NATS/1.0 503\r\n\r\n"[..], &b""[..], "no stream"),
            (b"", b"thanks", "no confirmation"),
            (b"", br#"{"error": {"code": 400, "description": "maximum messages"}}"#, "maximum messages"),
        ] {
            let error = confirmed(headers, body).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn nothing_that_a_plugin_gives_ends_a_line() {
        let message = |topic: &str, key: &str, header: &str| Message {
            topic: topic.to_owned(),
            key: Some(key.to_owned()),
            headers: vec![(header.to_owned(), b"x".to_vec())],
            ..Message::default()
        };
        assert_eq!(check(&message("a.ünder", "k", "h")), Ok(()));
        for (topic, key, header) in [
            ("a b", "k", "h"),
            ("a\r\nPUB", "k", "h"),
            ("a..b", "k", "h"),
            ("a.*", "k", "h"),
            ("a.>", "k", "h"),
            ("", "k", "h"),
            ("a", "k\r\nx: y", "h"),
            ("a", "k", "h: y"),
            ("a", "k", ""),
        ] {
            assert!(check(&message(topic, key, header)).is_err(), "{topic} {key} {header}");
        }
    }
}

//! Requests and responses: what versions there are, who leads what, and the production of records.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use jiff::Timestamp;

use super::records;
use crate::servers::authority::Authority;
use crate::servers::messaging::link::{Confirmed, Outgoing, Protocol, Whose};
use crate::servers::messaging::wire::{MAX_PIECE, Malformed, Reader, Wire};
use crate::servers::messaging::{CLIENT, Message, MessagingError};

/// A request of a version that old and new brokers know alike.
type Api = (i16, i16);
const PRODUCE: Api = (0, 3);
const METADATA: Api = (3, 4);
pub(super) const SASL_HANDSHAKE: Api = (17, 1);
const API_VERSIONS: Api = (18, 0);
pub(super) const SASL_AUTHENTICATE: Api = (36, 0);

/// What a cluster tells of itself.
pub(in crate::servers::messaging) struct Cluster {
    pub(super) nodes: Vec<Node>,
    pub(super) topics: Vec<Topic>,
}

pub(super) struct Node {
    pub(super) id: i32,
    pub(super) address: Authority,
}

pub(super) struct Topic {
    pub(super) name: String,
    error: i16,
    /// Leaders of its partitions; -1 where there is none.
    leaders: Vec<i32>,
}

impl Cluster {
    /// Lines for the operator, or what is wrong.
    pub(in crate::servers::messaging) fn lines(self) -> Result<Vec<String>, MessagingError> {
        let mut lines = vec![format!("it has {} nodes", self.nodes.len())];
        for topic in self.topics {
            let name = topic.name.clone();
            let partitions = topic.usable()?.len();
            lines.push(format!("topic {name} is there: partitions: {partitions}"));
        }
        Ok(lines)
    }
}

impl Topic {
    /// The leaders, where the topic can be written to.
    pub(super) fn usable(self) -> Result<Vec<i32>, MessagingError> {
        match refusal(self.error, &format!("topic {}", self.name)) {
            Err(error) => Err(error),
            Ok(()) if self.leaders.is_empty() => {
                Err(MessagingError::NoSuchTopic(format!("topic {} has no partitions", self.name)))
            }
            Ok(()) => Ok(self.leaders),
        }
    }
}

/// Asks whether the node knows the versions that are used here.
pub(super) async fn greet(wire: &mut Wire) -> Result<(), MessagingError> {
    let response = ask(wire, API_VERSIONS, &[]).await?;
    let mut response = Reader::new(&response);
    let error = response.i16()?;
    if error != 0 {
        return Err(MessagingError::Unavailable(format!(
            "the node does not tell its versions: {}",
            word(error)
        )));
    }
    let mut known = HashMap::new();
    for _ in 0..response.i32()? {
        known.insert(response.i16()?, response.i16()?..=response.i16()?);
    }
    for (api, version) in [PRODUCE, METADATA] {
        if !known.get(&api).is_some_and(|versions| versions.contains(&version)) {
            return Err(MessagingError::Unavailable(format!(
                "the node does not know version {version} of request {api}: it is too old or too new"
            )));
        }
    }
    Ok(())
}

/// Asks for the nodes, and the leaders of these topics. No topic is made by being asked for.
pub(super) async fn describe(wire: &mut Wire, topics: &[String]) -> Result<Cluster, MessagingError> {
    let mut request = BytesMut::new();
    request.put_i32(topics.len() as i32);
    for topic in topics {
        text(&mut request, topic);
    }
    request.put_u8(0);
    let response = ask(wire, METADATA, &request).await?;
    Ok(cluster(&mut Reader::new(&response))?)
}

fn cluster(response: &mut Reader<'_>) -> Result<Cluster, Malformed> {
    response.i32()?;
    let mut nodes = Vec::new();
    for _ in 0..response.i32()? {
        let id = response.i32()?;
        let host = text_of(response)?;
        let port = u16::try_from(response.i32()?).map_err(|_| Malformed)?;
        text_of(response)?;
        nodes.push(Node { id, address: Authority::of(&host, port).map_err(|_| Malformed)? });
    }
    text_of(response)?;
    response.i32()?;
    let mut topics = Vec::new();
    for _ in 0..response.i32()? {
        let error = response.i16()?;
        let name = text_of(response)?;
        response.u8()?;
        let mut leaders = BTreeMap::new();
        for _ in 0..response.i32()? {
            response.i16()?;
            let (partition, leader) = (response.i32()?, response.i32()?);
            for _replicas in 0..2 {
                let count = usize::try_from(response.i32()?).map_err(|_| Malformed)?;
                response.bytes(count.saturating_mul(4))?;
            }
            leaders.insert(partition, leader);
        }
        topics.push(Topic { name, error, leaders: leaders.into_values().collect() });
    }
    Ok(Cluster { nodes, topics })
}

/// Asks on a connection on which nothing else is under way.
pub(super) async fn ask(wire: &mut Wire, api: Api, body: &[u8]) -> Result<Vec<u8>, MessagingError> {
    wire.send(&request(api, 0, body)).await?;
    let (_, response) = wire.read(take).await?;
    Ok(response)
}

fn request((api, version): Api, correlation: i32, body: &[u8]) -> BytesMut {
    let mut request = BytesMut::with_capacity(body.len() + 32);
    request.put_i32((body.len() + 10 + CLIENT.len()) as i32);
    request.put_i16(api);
    request.put_i16(version);
    request.put_i32(correlation);
    text(&mut request, CLIENT);
    request.put_slice(body);
    request
}

/// Takes a response off the input, once it is whole: its number, and what it says.
fn take(input: &mut BytesMut) -> Result<Option<(i32, Vec<u8>)>, Malformed> {
    let Some(length) = input.get(..4) else { return Ok(None) };
    let length = usize::try_from(Reader::new(length).i32()?).map_err(|_| Malformed)?;
    if !(4..=MAX_PIECE).contains(&length) {
        return Err(Malformed);
    }
    let Some(response) = input.get(4..4 + length) else { return Ok(None) };
    let mut response = Reader::new(response);
    let correlation = response.i32()?;
    let body = response.bytes(length - 4)?.to_vec();
    input.advance(4 + length);
    Ok(Some((correlation, body)))
}

/// A connection to a node, over which records are produced: one request at a time, so that none overtakes another, with all
/// that came in the meantime.
pub(super) struct Producer {
    timeout: Duration,
    last: i32,
    /// Tickets that are under way, by topic and partition.
    under_way: BTreeMap<(String, i32), Vec<u64>>,
}

const MOST_AT_ONCE: usize = 1_000;

impl Producer {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, last: 0, under_way: BTreeMap::new() }
    }

    fn produced(
        &mut self,
        response: &mut Reader<'_>,
        told: &mut Vec<(Whose, Confirmed)>,
    ) -> Result<(), Malformed> {
        for _ in 0..response.i32()? {
            let topic = text_of(response)?;
            for _ in 0..response.i32()? {
                let (partition, error) = (response.i32()?, response.i16()?);
                response.bytes(16)?;
                let confirmed = refusal(error, &format!("topic {topic}"));
                let place = (topic.clone(), partition);
                let tickets = self.under_way.remove(&place).unwrap_or_default();
                told.extend(tickets.into_iter().map(|ticket| (Whose::One(ticket), confirmed.clone())));
            }
        }
        // Each was asked for.
        if self.under_way.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

impl Protocol for Producer {
    fn room(&self, _: usize) -> usize {
        if self.under_way.is_empty() { MOST_AT_ONCE } else { 0 }
    }

    fn limit(&self) -> Option<usize> {
        None
    }

    fn publish(&mut self, messages: &[(u64, Outgoing)], out: &mut BytesMut) {
        let mut topics: BTreeMap<&str, BTreeMap<i32, Vec<&Message>>> = BTreeMap::new();
        for (ticket, Outgoing { message, partition }) in messages {
            topics.entry(&message.topic).or_default().entry(*partition).or_default().push(message);
            self.under_way.entry((message.topic.clone(), *partition)).or_default().push(*ticket);
        }
        let time = Timestamp::now().as_millisecond();
        let mut body = BytesMut::new();
        // No transaction. All replicas that are in sync confirm.
        body.put_i16(-1);
        body.put_i16(-1);
        body.put_i32(i32::try_from(self.timeout.as_millis()).unwrap_or(i32::MAX));
        body.put_i32(topics.len() as i32);
        for (topic, partitions) in topics {
            text(&mut body, topic);
            body.put_i32(partitions.len() as i32);
            for (partition, messages) in partitions {
                let batch = records::batch(&messages, time);
                body.put_i32(partition);
                body.put_i32(batch.len() as i32);
                body.put(batch);
            }
        }
        self.last = self.last.wrapping_add(1);
        out.put(request(PRODUCE, self.last, &body));
    }

    fn receive(
        &mut self,
        input: &mut BytesMut,
        _: &mut BytesMut,
        told: &mut Vec<(Whose, Confirmed)>,
    ) -> Result<(), String> {
        while let Some((correlation, response)) = take(input)? {
            if correlation != self.last {
                return Err(Malformed.into());
            }
            self.produced(&mut Reader::new(&response), told)?;
        }
        Ok(())
    }

    fn patience(&self) -> Option<Duration> {
        None
    }

    fn ask(&mut self, _: &mut BytesMut) {}

    fn end(&mut self, _: &mut BytesMut) {}
}

/// What a code of an answer means for a message.
fn refusal(code: i16, what: &str) -> Confirmed {
    let problem = || format!("{what}: {}", word(code));
    Err(match code {
        0 => return Ok(()),
        // Nothing was kept, and another leader, or the same one later, takes it.
        5 | 6 | 8 | 9 | 14 | 15 | 16 | 19 | 56 | 72 | 74 | 75 | 89 => MessagingError::Moved(problem()),
        7 | 20 => MessagingError::ConnectionLost { reason: problem() },
        10 | 18 => MessagingError::TooLargeForBroker(problem()),
        3 => MessagingError::NoSuchTopic(problem()),
        17 => MessagingError::Invalid(problem()),
        29 | 31 => MessagingError::Denied(problem()),
        _ => MessagingError::Rejected(problem()),
    })
}

pub(super) fn word(code: i16) -> String {
    let word = match code {
        2 => "CORRUPT_MESSAGE",
        3 => "UNKNOWN_TOPIC_OR_PARTITION",
        5 => "LEADER_NOT_AVAILABLE",
        6 => "NOT_LEADER_OR_FOLLOWER",
        7 => "REQUEST_TIMED_OUT",
        8 => "BROKER_NOT_AVAILABLE",
        9 => "REPLICA_NOT_AVAILABLE",
        10 => "MESSAGE_TOO_LARGE",
        17 => "INVALID_TOPIC_EXCEPTION",
        18 => "RECORD_LIST_TOO_LARGE",
        19 => "NOT_ENOUGH_REPLICAS",
        20 => "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
        29 => "TOPIC_AUTHORIZATION_FAILED",
        31 => "CLUSTER_AUTHORIZATION_FAILED",
        33 => "UNSUPPORTED_SASL_MECHANISM",
        34 => "ILLEGAL_SASL_STATE",
        35 => "UNSUPPORTED_VERSION",
        44 => "POLICY_VIOLATION",
        56 => "KAFKA_STORAGE_ERROR",
        58 => "SASL_AUTHENTICATION_FAILED",
        87 => "INVALID_RECORD",
        89 => "THROTTLING_QUOTA_EXCEEDED",
        other => return format!("error {other}"),
    };
    word.to_owned()
}

pub(super) fn text(out: &mut BytesMut, text: &str) {
    out.put_i16(text.len() as i16);
    out.put_slice(text.as_bytes());
}

/// A text that may be none.
pub(super) fn text_of(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    match usize::try_from(reader.i16()?) {
        Ok(length) => reader.text(length),
        Err(_) => Ok(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_kept_is_sent_again() {
        assert_eq!(refusal(0, "t"), Ok(()));
        assert!(matches!(refusal(6, "t"), Err(MessagingError::Moved(_))));
        assert!(matches!(refusal(20, "t"), Err(MessagingError::ConnectionLost { .. })));
        assert!(matches!(refusal(3, "t"), Err(MessagingError::NoSuchTopic(_))));
        assert!(matches!(refusal(999, "t"), Err(MessagingError::Rejected(_))));
    }

    #[test]
    fn counts_that_lie_lead_nowhere() {
        for body in [&[0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff][..], &[0; 3]] {
            assert!(cluster(&mut Reader::new(body)).is_err());
        }
        let lying = [0x7f, 0xff, 0xff, 0xff, 0];
        assert!(take(&mut BytesMut::from(&lying[..])).is_err());
    }
}

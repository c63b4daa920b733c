//! The protocol of Kafka, as far as producing needs it. Each partition has a leader, so there is a connection to each node
//! that leads one; where a node is, the cluster tells, and it is checked as what was configured is.

mod exchange;
mod partition;
mod records;
mod sasl;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use self::exchange::{Cluster, Node};
use super::link::{self, Link, Outgoing};
use super::wire::{Dialer, Wire};
use super::{Credential, Message, MessagingError};
use crate::servers::authority::Authority;

/// A cluster, and the connections to those of its nodes that lead something.
pub(super) struct Kafka {
    dialer: Dialer,
    addresses: Vec<Authority>,
    credential: Credential,
    request_timeout: Duration,
    /// Which partition a message without a key goes to.
    next: AtomicU32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    nodes: HashMap<i32, Authority>,
    /// Leaders of the partitions of each topic, and when that was told.
    topics: BTreeMap<String, (Vec<i32>, Instant)>,
    links: HashMap<i32, Link>,
}

/// How long is believed what the cluster told.
const BELIEVED: Duration = Duration::from_secs(300);
/// How often a message is sent to another leader, or to the same one later, and how much later.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

impl Kafka {
    pub(super) fn new(
        dialer: Dialer,
        addresses: Vec<Authority>,
        credential: Credential,
        request_timeout: Duration,
    ) -> Self {
        let state = Mutex::default();
        Self { dialer, addresses, credential, request_timeout, next: AtomicU32::new(0), state }
    }

    /// Sends messages in their order, and waits until all are confirmed.
    pub(super) async fn publish(&self, messages: &[Arc<Message>]) -> Result<(), MessagingError> {
        let mut left: Vec<Arc<Message>> = messages.to_vec();
        for attempt in 1.. {
            let mut why = "the connection to the leader of the partition ended".to_owned();
            let mut waiting = Vec::new();
            for message in &left {
                match self.leader(message).await {
                    Ok((link, partition)) => {
                        let outgoing = Outgoing { message: Arc::clone(message), partition };
                        waiting.push((link.send(outgoing).await, link));
                    }
                    Err(MessagingError::Moved(reason)) => {
                        why = reason;
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
            let sent = waiting.len();
            let mut again: Vec<Arc<Message>> = Vec::new();
            for (message, (confirmed, _link)) in left.iter().zip(waiting) {
                // With a message that was not taken, all go again that must not come before it.
                let behind = message.key.is_some()
                    && again.iter().any(|other| other.topic == message.topic && other.key == message.key);
                match confirmed.await {
                    Ok(Ok(())) if !behind => continue,
                    Ok(Ok(())) | Err(_) => {}
                    Ok(Err(MessagingError::Moved(reason))) => why = reason,
                    Ok(Err(error)) => return Err(error),
                }
                again.push(Arc::clone(message));
            }
            again.extend(left.into_iter().skip(sent));
            if again.is_empty() {
                break;
            }
            if attempt == ATTEMPTS {
                return Err(MessagingError::Unavailable(why));
            }
            self.forget(&again).await;
            tokio::time::sleep(PAUSE).await;
            left = again;
        }
        Ok(())
    }

    /// Sends messages to one topic over a connection that serves for nothing else, as if its node led all partitions.
    pub(super) async fn publish_over(
        &self,
        wire: Wire,
        messages: Vec<Arc<Message>>,
    ) -> Result<(), MessagingError> {
        let mut wire = self.open(wire).await?;
        let topics: Vec<String> = messages.iter().take(1).map(|message| message.topic.clone()).collect();
        let cluster = exchange::describe(&mut wire, &topics).await?;
        let Some(topic) = cluster.topics.into_iter().next() else {
            return Err(MessagingError::NoSuchTopic("the cluster has no such topic".to_owned()));
        };
        let partitions = topic.usable()?.len();
        let outgoing = messages.into_iter().map(|message| {
            let key = message.key.as_deref().unwrap_or_default();
            let partition = i32::try_from(partition::of_key(key.as_bytes(), partitions)).unwrap_or(0);
            Outgoing { message, partition }
        });
        link::publish_over(wire, exchange::Producer::new(self.request_timeout), outgoing.collect()).await
    }

    /// No connection is used any longer.
    pub(super) fn drop_links(&self) {
        // Where it is locked, new ones are being made.
        if let Ok(mut state) = self.state.try_lock() {
            state.links.clear();
        }
    }

    /// What was told of the topics of these messages is not true any longer.
    async fn forget(&self, messages: &[Arc<Message>]) {
        let mut state = self.state.lock().await;
        for message in messages {
            state.topics.remove(&message.topic);
        }
    }

    /// The partition of a message, and the connection to who leads it.
    async fn leader(&self, message: &Message) -> Result<(Link, i32), MessagingError> {
        let mut state = self.state.lock().await;
        let known = state.topics.get(&message.topic).filter(|(_, told)| told.elapsed() < BELIEVED);
        let leaders = match known {
            Some((leaders, _)) => leaders.clone(),
            None => {
                let leaders = self.look_up(&mut state, &message.topic).await?;
                state.topics.insert(message.topic.clone(), (leaders.clone(), Instant::now()));
                leaders
            }
        };
        let number = match &message.key {
            Some(key) => partition::of_key(key.as_bytes(), leaders.len()),
            None => self.next.fetch_add(1, Ordering::Relaxed) as usize % leaders.len().max(1),
        };
        let Some(leader) = leaders.get(number) else {
            return Err(MessagingError::NoSuchTopic(format!("topic {} has no partitions", message.topic)));
        };
        let partition = i32::try_from(number).unwrap_or(0);
        if let Some(link) = state.links.get(leader).filter(|link| link.is_open()) {
            return Ok((link.clone(), partition));
        }
        let Some(address) = state.nodes.get(leader) else {
            state.topics.remove(&message.topic);
            return Err(MessagingError::Moved(format!(
                "partition {number} of topic {} has no leader now",
                message.topic
            )));
        };
        let connecting = tokio::time::timeout(self.dialer.timeout, self.connect(address));
        let link = match connecting.await.unwrap_or_else(|_| Err(self.too_late(address))) {
            Ok(wire) => Link::start(wire, exchange::Producer::new(self.request_timeout)),
            // Another one may lead now.
            Err(MessagingError::Unavailable(reason)) => {
                state.topics.clear();
                return Err(MessagingError::Moved(reason));
            }
            Err(error) => return Err(error),
        };
        state.links.insert(*leader, link.clone());
        Ok((link, partition))
    }

    /// Asks the nodes, one after the other, until one tells of a topic that can be written to.
    async fn look_up(&self, state: &mut State, topic: &str) -> Result<Vec<i32>, MessagingError> {
        let known = state.nodes.values().cloned().collect();
        let cluster = self.cluster(known, &[topic.to_owned()]).await?;
        state.nodes = cluster.nodes.into_iter().map(|Node { id, address }| (id, address)).collect();
        let Some(found) = cluster.topics.into_iter().find(|found| found.name == topic) else {
            return Err(MessagingError::NoSuchTopic(format!("the cluster has no topic {topic}")));
        };
        found.usable()
    }

    /// What the cluster tells of itself and of topics.
    pub(super) async fn describe(&self, topics: &[String]) -> Result<Cluster, MessagingError> {
        self.cluster(Vec::new(), topics).await
    }

    async fn cluster(&self, known: Vec<Authority>, topics: &[String]) -> Result<Cluster, MessagingError> {
        let mut failed = MessagingError::Unavailable("no node is known".to_owned());
        for address in self.addresses.iter().chain(&known) {
            let asked = async { exchange::describe(&mut self.connect(address).await?, topics).await };
            match tokio::time::timeout(self.dialer.timeout, asked).await {
                Ok(Ok(cluster)) => return Ok(cluster),
                Ok(Err(error @ MessagingError::Authentication(_))) => return Err(error),
                Ok(Err(error)) => failed = error,
                Err(_) => failed = self.too_late(address),
            }
        }
        Err(failed)
    }

    fn too_late(&self, address: &Authority) -> MessagingError {
        let after = self.dialer.timeout.as_millis();
        MessagingError::Unavailable(format!("no connection to {address} within {after} ms"))
    }

    async fn connect(&self, address: &Authority) -> Result<Wire, MessagingError> {
        self.open(self.dialer.secure(self.dialer.connect(address).await?, address).await?).await
    }

    async fn open(&self, mut wire: Wire) -> Result<Wire, MessagingError> {
        exchange::greet(&mut wire).await?;
        if let Credential::Password { username, password, mechanism } = &self.credential {
            sasl::authenticate(&mut wire, *mechanism, username, password).await?;
        }
        Ok(wire)
    }
}

/// Longest topic, by Kafka's own rule.
const LONGEST_TOPIC: usize = 249;

/// Why a message cannot be sent as it is.
pub(super) fn check(message: &Message) -> Result<(), String> {
    let topic = message.topic.as_str();
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    if topic.is_empty()
        || topic.len() > LONGEST_TOPIC
        || matches!(topic, "." | "..")
        || !topic.chars().all(allowed)
    {
        return Err(format!(
            "{topic:?} is no topic: one has letters, digits, `.`, `_` and `-`, at most {LONGEST_TOPIC} of them"
        ));
    }
    Ok(())
}

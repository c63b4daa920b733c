//! A connection that all calls share: messages of many calls are written as they come, without waiting for one another, and
//! each waits for its own confirmation.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::wire::{MAX_PIECE, READ_BYTES, Wire};
use super::{Message, MessagingError};
use crate::servers::connector::Stream;

/// How a message ended.
pub(super) type Confirmed = Result<(), MessagingError>;

/// A message with the place where it goes at the broker: kafka: the partition.
#[derive(Clone)]
pub(super) struct Outgoing {
    pub(super) message: Arc<Message>,
    pub(super) partition: i32,
}

struct Order {
    outgoing: Outgoing,
    confirm: oneshot::Sender<Confirmed>,
}

/// Whose confirmation came.
pub(super) enum Whose {
    /// Of one ticket.
    One(u64),
    /// Of all tickets up to this one.
    UpTo(u64),
    /// Of all to this topic.
    To(String),
    All,
}

/// What a broker speaks once a connection is ready: no input or output of its own, so that all protocols share one loop.
pub(super) trait Protocol: Send + 'static {
    /// How many more messages may be sent while so many are not confirmed.
    fn room(&self, unconfirmed: usize) -> usize;

    /// Largest message by its [`Message::size`] that the broker takes, where it says so.
    fn limit(&self) -> Option<usize>;

    /// Writes messages. Each is known by its ticket, which counts from 1.
    fn publish(&mut self, messages: &[(u64, Outgoing)], out: &mut BytesMut);

    /// Takes what is whole off the input. An error ends the connection.
    fn receive(
        &mut self,
        input: &mut BytesMut,
        out: &mut BytesMut,
        told: &mut Vec<(Whose, Confirmed)>,
    ) -> Result<(), String>;

    /// How long the broker may be silent before it is asked whether it is there; none where it cannot be asked.
    fn patience(&self) -> Option<Duration>;

    /// Asks whether it is there.
    fn ask(&mut self, out: &mut BytesMut);

    /// Says good-bye.
    fn end(&mut self, out: &mut BytesMut);
}

/// What a protocol adds to a message, at most.
pub(super) const ADDED_BYTES: usize = 1_024;
/// Messages of calls that wait to be written.
const QUEUE: usize = 256;
/// Messages that are written at once.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 512 << 10;
/// What may wait to be sent before no more is written.
const MAX_OUT: usize = 1 << 20;
/// What may wait to be sent of answers to what the broker asks, as whether this end is there.
const MAX_ANSWERS: usize = 64 << 10;
/// How long a good-bye may take.
const GOOD_BYE: Duration = Duration::from_secs(1);

/// One end of the connection. It ends when the last of them is dropped.
#[derive(Clone)]
pub(super) struct Link {
    orders: mpsc::Sender<Order>,
    /// Largest message that the broker says it takes.
    pub(super) limit: Option<usize>,
}

impl Link {
    pub(super) fn start(wire: Wire, protocol: impl Protocol) -> Self {
        let (link, driven) = Self::new(wire, protocol);
        tokio::spawn(driven);
        link
    }

    /// With what must run for it to do anything.
    fn new(wire: Wire, protocol: impl Protocol) -> (Self, impl Future<Output = ()> + Send) {
        let (orders, queue) = mpsc::channel(QUEUE);
        let limit = protocol.limit();
        (Self { orders, limit }, drive(wire, protocol, queue))
    }

    pub(super) fn is_open(&self) -> bool {
        !self.orders.is_closed()
    }

    /// Sends a message after all that were sent before. The receiver fails where the message was not sent at all.
    pub(super) async fn send(&self, outgoing: Outgoing) -> oneshot::Receiver<Confirmed> {
        let (confirm, confirmed) = oneshot::channel();
        // A connection that is gone drops the order, and the receiver tells.
        let _ = self.orders.send(Order { outgoing, confirm }).await;
        confirmed
    }
}

/// Sends messages over a connection that serves for nothing else, and waits until all are confirmed.
pub(super) async fn publish_over(
    wire: Wire,
    protocol: impl Protocol,
    messages: Vec<Outgoing>,
) -> Result<(), MessagingError> {
    let (link, driven) = Link::new(wire, protocol);
    let sent = async move {
        let mut waiting = Vec::new();
        for message in messages {
            waiting.push(link.send(message).await);
        }
        for confirmed in waiting {
            let unsent = || MessagingError::Unavailable("it was not sent".to_owned());
            confirmed.await.map_err(|_| unsent())??;
        }
        Ok(())
    };
    tokio::join!(sent, driven).0
}

async fn drive(wire: Wire, protocol: impl Protocol, queue: mpsc::Receiver<Order>) {
    let mut under_way = UnderWay {
        protocol,
        queue,
        held: None,
        tickets: 0,
        unconfirmed: BTreeMap::new(),
        input: wire.input,
        out: BytesMut::new(),
        answers: 0,
    };
    let reason = under_way.run(wire.stream).await;
    under_way.settle(Whose::All, &Err(MessagingError::ConnectionLost { reason }));
}

struct UnderWay<P> {
    protocol: P,
    queue: mpsc::Receiver<Order>,
    /// What did not fit into a batch.
    held: Option<Order>,
    tickets: u64,
    unconfirmed: BTreeMap<u64, Order>,
    input: BytesMut,
    out: BytesMut,
    /// Bytes of answers to the broker in there, at most.
    answers: usize,
}

impl<P: Protocol> UnderWay<P> {
    /// Gives why it ended.
    async fn run(&mut self, stream: Box<dyn Stream>) -> String {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut unflushed = false;
        let mut asked = false;
        let mut heard = Instant::now();
        loop {
            let room = self.protocol.room(self.unconfirmed.len());
            let writes = room > 0 && self.out.len() < MAX_OUT;
            let patience = self.protocol.patience();
            self.input.reserve(READ_BYTES);
            tokio::select! {
                read = reader.read_buf(&mut self.input) => {
                    match read {
                        Ok(0) => return "the broker closes the connection".to_owned(),
                        Err(error) => return error.to_string(),
                        Ok(_) => {}
                    }
                    (heard, asked) = (Instant::now(), false);
                    if let Err(reason) = self.receive() {
                        return reason;
                    }
                }
                sent = send(&mut writer, &mut self.out), if unflushed || !self.out.is_empty() => match sent {
                    Ok(left) => {
                        unflushed = left;
                        self.answers = self.answers.min(self.out.len());
                    }
                    Err(error) => return error.to_string(),
                },
                order = next(&mut self.held, &mut self.queue), if writes => match order {
                    Some(order) => self.publish(order, room),
                    None => {
                        self.protocol.end(&mut self.out);
                        let end = async {
                            writer.write_all(&self.out).await?;
                            writer.shutdown().await
                        };
                        // The broker notices the end of the connection in any case.
                        let _ = tokio::time::timeout(GOOD_BYE, end).await;
                        return "it is not used any longer".to_owned();
                    }
                },
                () = sleep_until(heard + patience.unwrap_or_default()), if patience.is_some() => {
                    if asked {
                        return "the broker does not answer any longer".to_owned();
                    }
                    (heard, asked) = (Instant::now(), true);
                    self.protocol.ask(&mut self.out);
                }
            }
        }
    }

    /// Writes a message, and those that wait behind it.
    fn publish(&mut self, first: Order, room: usize) {
        let mut batch = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(order) = next.take() {
            // Nobody waits for it any longer, and nothing of it was sent.
            if !order.confirm.is_closed() {
                bytes += order.outgoing.message.size();
                if !batch.is_empty() && bytes > BATCH_BYTES {
                    self.held = Some(order);
                    break;
                }
                self.tickets += 1;
                batch.push((self.tickets, order.outgoing.clone()));
                self.unconfirmed.insert(self.tickets, order);
            }
            if batch.len() < room.min(BATCH) {
                next = self.queue.try_recv().ok();
            }
        }
        if !batch.is_empty() {
            self.protocol.publish(&batch, &mut self.out);
        }
    }

    fn receive(&mut self) -> Result<(), String> {
        let mut told = Vec::new();
        let waiting = self.out.len();
        let received = self.protocol.receive(&mut self.input, &mut self.out, &mut told);
        self.answers += self.out.len() - waiting;
        for (whose, confirmed) in told {
            self.settle(whose, &confirmed);
        }
        received?;
        if self.input.len() > MAX_PIECE {
            return Err("the broker sends too much in one piece".to_owned());
        }
        if self.answers > MAX_ANSWERS {
            return Err("the broker asks and does not take the answers".to_owned());
        }
        Ok(())
    }

    fn settle(&mut self, whose: Whose, confirmed: &Confirmed) {
        let settled: Vec<Order> = match whose {
            Whose::One(ticket) => self.unconfirmed.remove(&ticket).into_iter().collect(),
            Whose::UpTo(ticket) => {
                let later = self.unconfirmed.split_off(&ticket.saturating_add(1));
                std::mem::replace(&mut self.unconfirmed, later).into_values().collect()
            }
            Whose::To(topic) => {
                let to = |_: &u64, order: &mut Order| order.outgoing.message.topic == topic;
                self.unconfirmed.extract_if(.., to).map(|(_, order)| order).collect()
            }
            Whose::All => std::mem::take(&mut self.unconfirmed).into_values().collect(),
        };
        for order in settled {
            // Whoever does not wait any longer need not know.
            let _ = order.confirm.send(confirmed.clone());
        }
    }
}

/// Writes some of it, or flushes what was written. Gives whether there is something to flush.
async fn send(writer: &mut (impl AsyncWrite + Unpin), out: &mut BytesMut) -> io::Result<bool> {
    if out.is_empty() {
        writer.flush().await.map(|()| false)
    } else {
        writer.write_buf(out).await.map(|_| true)
    }
}

async fn next(held: &mut Option<Order>, queue: &mut mpsc::Receiver<Order>) -> Option<Order> {
    match held.take() {
        Some(order) => Some(order),
        None => queue.recv().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers each byte with one.
    struct Echo;

    impl Protocol for Echo {
        fn room(&self, _: usize) -> usize {
            1
        }

        fn limit(&self) -> Option<usize> {
            None
        }

        fn publish(&mut self, _: &[(u64, Outgoing)], _: &mut BytesMut) {}

        fn receive(
            &mut self,
            input: &mut BytesMut,
            out: &mut BytesMut,
            _: &mut Vec<(Whose, Confirmed)>,
        ) -> Result<(), String> {
            out.extend_from_slice(&input.split());
            Ok(())
        }

        fn patience(&self) -> Option<Duration> {
            None
        }

        fn ask(&mut self, _: &mut BytesMut) {}

        fn end(&mut self, _: &mut BytesMut) {}
    }

    #[tokio::test]
    async fn a_broker_that_takes_no_answers_is_left_and_one_that_does_may_ask_for_ever() {
        const PIECE: usize = 1_024;
        for takes in [false, true] {
            let (ours, mut theirs) = tokio::io::duplex(PIECE);
            let (link, driven) = Link::new(Wire::new(Box::new(ours)), Echo);
            let broker = async {
                for _ in 0..8 * MAX_ANSWERS / PIECE {
                    theirs.write_all(&[b'?'; PIECE]).await?;
                    if takes {
                        theirs.read_exact(&mut [0; PIECE]).await?;
                    }
                }
                drop(link);
                Ok::<(), io::Error>(())
            };
            let (asked, ()) = tokio::join!(broker, driven);
            assert_eq!(asked.is_ok(), takes);
        }
    }
}

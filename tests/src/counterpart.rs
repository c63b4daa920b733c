//! A counterpart that follows a script over plain TCP, byte by byte: what no honest server would send, or would keep back.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use crate::waiting::{PATIENCE, eventually};
use crate::witness::Listening;

/// One thing that a counterpart does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Reads the head of a request.
    ReadHead,
    /// Sends this.
    Send(Bytes),
    /// Sends this again and again, until the other side goes.
    SendForEver(Bytes),
    /// Does nothing, until the other side goes.
    Hold,
    /// Breaks the connection off (RST).
    Reset,
}

/// Reads a request, and answers with these bytes as they are.
pub fn answering(response: impl Into<Bytes>) -> Vec<Act> {
    vec![Act::ReadHead, Act::Send(response.into())]
}

/// Reads a request, sends these bytes, and then nothing more.
pub fn stopping_after(beginning: impl Into<Bytes>) -> Vec<Act> {
    vec![Act::ReadHead, Act::Send(beginning.into()), Act::Hold]
}

#[derive(Default)]
struct Shared {
    accepted: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    heads: Mutex<Vec<String>>,
}

/// A listener on loopback that plays its script for every connection, over and over as long as there are requests. Ends
/// when it is dropped.
pub struct Counterpart {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Counterpart {
    /// Plays this for every connection, once, and then ends the connection.
    pub async fn start(script: Vec<Act>) -> Self {
        Self::start_by(move |_| script.clone()).await
    }

    /// Plays for every connection what `script` makes of its number, from 0.
    pub async fn start_by(script: impl Fn(usize) -> Vec<Act> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let of_connections = Arc::clone(&shared);
        let witness = Listening::start("tcp", address);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                witness.connected();
                let (shared, witness) = (Arc::clone(&of_connections), Arc::clone(&witness));
                let acts = script(shared.accepted.fetch_add(1, Ordering::SeqCst));
                let open = shared.open.fetch_add(1, Ordering::SeqCst) + 1;
                shared.most_open.fetch_max(open, Ordering::SeqCst);
                tokio::spawn(async move {
                    play(stream, acts, &shared, &witness).await;
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, shared, accepting }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were made so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many connections were open at once, at most.
    pub fn most_open(&self) -> usize {
        self.shared.most_open.load(Ordering::SeqCst)
    }

    /// The heads of requests that it read.
    pub fn heads(&self) -> Vec<String> {
        self.shared.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many connections were made.
    pub async fn wait_for(&self, accepted: usize) {
        eventually("connections", async || (self.accepted() >= accepted).then_some(())).await;
    }

    /// Waits until no connection is left.
    pub async fn left_alone(&self) {
        eventually("the end of connections", async || {
            (self.shared.open.load(Ordering::SeqCst) == 0).then_some(())
        })
        .await;
    }
}

impl Drop for Counterpart {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn play(mut stream: TcpStream, acts: Vec<Act>, shared: &Shared, witness: &Listening) {
    for act in acts {
        match act {
            Act::ReadHead => {
                let Some(head) = head(&mut stream).await else { return };
                witness.received(head.len());
                shared.heads.lock().unwrap_or_else(PoisonError::into_inner).push(head);
            }
            Act::Send(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Act::SendForEver(bytes) => while stream.write_all(&bytes).await.is_ok() {},
            Act::Hold => gone(&mut stream).await,
            Act::Reset => {
                let _ = stream.set_zero_linger();
                return;
            }
        }
    }
    // A close with bytes unread would be a reset, and take away what was sent.
    let _ = stream.shutdown().await;
    gone(&mut stream).await;
}

async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// Reads until the other side ends or breaks off the connection.
async fn gone(stream: &mut TcpStream) {
    let mut unread = vec![0; 64 * 1024];
    while matches!(stream.read(&mut unread).await, Ok(1..)) {}
}

/// A listener that accepts nothing, and whose queue is full: a connection to it does not come about.
pub struct Unreachable {
    address: SocketAddr,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Unreachable {
    /// Fills the queue until an attempt to connect hangs.
    pub async fn start() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let listener = socket.listen(1).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let mut queue = Vec::new();
        let patience = PATIENCE / 300;
        while let Ok(connected) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
            queue.push(connected.expect("a connection"));
        }
        Self { address, _listener: listener, _queue: queue }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

//! A relay in front of a real counterpart: it notes what a host sends there, and is as faulty as a test wants it to be.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::witness::{Listening, Witnessed};

/// How the relay behaves, from now on, also on connections that are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// It passes everything on.
    Faithful,
    /// It ends every connection at once.
    Closed,
    /// It passes on what is sent, and keeps the answers back.
    Silent,
    /// It passes on what is sent, and ends the connection in place of the next answer.
    CutsAnswers,
    /// It passes everything on until it is sent something with this text in it, and ends that connection in place of the
    /// answer.
    CutsAnswersTo(&'static str),
}

/// A port of its own that leads to a counterpart.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    conduct: watch::Sender<Conduct>,
    listening: Arc<Listening>,
    open: Arc<AtomicUsize>,
    most_open: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// Leads to `counterpart`, which is of this kind: "ldap", "sql".
    pub async fn to(kind: &'static str, counterpart: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let listening = Listening::start(kind, address);
        let (conduct, current) = watch::channel(Conduct::Faithful);
        let (open, most_open) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (now, most) = (Arc::clone(&open), Arc::clone(&most_open));
        let heard = Arc::clone(&listening);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let client = Witnessed::accepted(stream, Arc::clone(&heard));
                let (current, now, most) = (current.clone(), Arc::clone(&now), Arc::clone(&most));
                tokio::spawn(async move {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    serve(client, counterpart, current).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, conduct, listening, open, most_open, accepting }
    }

    /// Where a host is to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how it behaves.
    pub fn conduct(&self, conduct: Conduct) {
        self.conduct.send_replace(conduct);
    }

    /// From now on it is reached by a test itself or by an operator, not by plugins.
    pub fn expect_the_operator(&self) {
        self.listening.expect_the_operator();
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// How many connections were open at once, at most.
    pub fn most_open(&self) -> usize {
        self.most_open.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
        self.conduct.send_replace(Conduct::Closed);
    }
}

async fn serve(client: Witnessed<TcpStream>, counterpart: SocketAddr, mut conduct: watch::Receiver<Conduct>) {
    let closed = conduct.clone();
    tokio::select! {
        biased;
        () = until(closed, |conduct| conduct == Conduct::Closed) => {}
        () = async {
            let Ok(server) = TcpStream::connect(counterpart).await else { return };
            let (mut from_client, mut to_client) = tokio::io::split(client);
            let (mut from_server, mut to_server) = server.into_split();
            let (current, cuts) = (conduct.clone(), AtomicBool::new(false));
            let forth = async {
                let mut buffer = vec![0; 16 * 1024];
                while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
                    if let Conduct::CutsAnswersTo(text) = *current.borrow() {
                        let found = buffer[..count].windows(text.len()).any(|part| part == text.as_bytes());
                        cuts.fetch_or(found, Ordering::SeqCst);
                    }
                    if to_server.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
            };
            let back = async {
                let mut buffer = vec![0; 16 * 1024];
                while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
                    until(conduct.clone(), |conduct| conduct != Conduct::Silent).await;
                    if *conduct.borrow_and_update() == Conduct::CutsAnswers
                        || cuts.load(Ordering::SeqCst)
                        || to_client.write_all(&buffer[..count]).await.is_err()
                    {
                        return;
                    }
                }
            };
            tokio::select! {
                () = forth => {}
                () = back => {}
            }
        } => {}
    }
}

/// Waits for a conduct, or for the end of the relay.
async fn until(mut current: watch::Receiver<Conduct>, wanted: impl Fn(Conduct) -> bool) {
    let _ = current.wait_for(|conduct| wanted(*conduct)).await;
}

//! A relay in front of a real counterpart: it notes what a host sends there, and is as faulty as a test wants it to be.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
    /// As before, after this time each way, and up to a millisecond more.
    Distant(Duration),
    /// It ends every connection at once.
    Closed,
    /// It passes on what is sent, and keeps the answers back.
    Silent,
    /// It passes on what is sent, and ends the connection in place of the next answer.
    CutsAnswers,
    /// As before, by a reset.
    ResetsAnswers,
    /// It passes everything on until it is sent something with this text in it, and ends that connection in place of the
    /// answer.
    CutsAnswersTo(&'static str),
}

/// What passed, or did not.
#[derive(Debug, Default)]
struct Passed {
    /// Answers that were kept back.
    kept_back: AtomicUsize,
    /// After how many requests it behaves in another way.
    later: Mutex<Option<(usize, Conduct)>>,
    /// What is sent, where that is to be kept.
    sent: Mutex<Option<Vec<u8>>>,
}

/// A port of its own that leads to a counterpart.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    conduct: Arc<watch::Sender<Conduct>>,
    passed: Arc<Passed>,
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
        let conduct = Arc::new(watch::Sender::new(Conduct::Faithful));
        let passed = Arc::<Passed>::default();
        let (ours, of_connections) = (Arc::clone(&conduct), Arc::clone(&passed));
        let (open, most_open) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (now, most) = (Arc::clone(&open), Arc::clone(&most_open));
        let heard = Arc::clone(&listening);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let client = Witnessed::accepted(stream, Arc::clone(&heard));
                let (conduct, passed) = (Arc::clone(&ours), Arc::clone(&of_connections));
                let (now, most) = (Arc::clone(&now), Arc::clone(&most));
                tokio::spawn(async move {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    serve(client, counterpart, &conduct, &passed).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, conduct, passed, listening, open, most_open, accepting }
    }

    /// Where a host is to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how it behaves.
    pub fn conduct(&self, conduct: Conduct) {
        self.conduct.send_replace(conduct);
    }

    /// Changes how it behaves once so many requests were passed on, counted from now: before the next one is.
    pub fn conduct_after(&self, requests: usize, conduct: Conduct) {
        *locked(&self.passed.later) = Some((requests, conduct));
    }

    /// How many answers it kept back.
    pub fn kept_back(&self) -> usize {
        self.passed.kept_back.load(Ordering::SeqCst)
    }

    /// What was sent since it was asked for before: nothing at first, when it begins to keep it.
    pub fn take_sent(&self) -> Vec<u8> {
        locked(&self.passed.sent).replace(Vec::new()).unwrap_or_default()
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

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Passed {
    /// Notes a request, which comes as one piece.
    fn request(&self, request: &[u8], conduct: &watch::Sender<Conduct>) {
        if let Some(sent) = &mut *locked(&self.sent) {
            sent.extend_from_slice(request);
        }
        let mut later = locked(&self.later);
        *later = match later.take() {
            Some((0, then)) => {
                conduct.send_replace(then);
                None
            }
            Some((more, then)) => Some((more - 1, then)),
            None => None,
        };
    }
}

async fn serve(
    client: Witnessed<TcpStream>,
    counterpart: SocketAddr,
    conduct: &watch::Sender<Conduct>,
    passed: &Passed,
) {
    tokio::select! {
        biased;
        () = until(conduct, |conduct| conduct == Conduct::Closed) => {}
        () = async {
            let Ok(server) = TcpStream::connect(counterpart).await else { return };
            let (mut from_client, mut to_client) = tokio::io::split(client);
            let (mut from_server, mut to_server) = server.into_split();
            let cuts = AtomicBool::new(false);
            let forth = async {
                let mut buffer = vec![0; 16 * 1024];
                while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
                    passed.request(&buffer[..count], conduct);
                    if let Conduct::CutsAnswersTo(text) = *conduct.borrow() {
                        let found = buffer[..count].windows(text.len()).any(|part| part == text.as_bytes());
                        cuts.fetch_or(found, Ordering::SeqCst);
                    }
                    travel(conduct).await;
                    if to_server.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
            };
            let back = async {
                let mut buffer = vec![0; 16 * 1024];
                while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
                    if *conduct.borrow() == Conduct::Silent {
                        passed.kept_back.fetch_add(1, Ordering::SeqCst);
                        until(conduct, |conduct| conduct != Conduct::Silent).await;
                    }
                    travel(conduct).await;
                    let now = *conduct.borrow();
                    if matches!(now, Conduct::CutsAnswers | Conduct::ResetsAnswers)
                        || cuts.load(Ordering::SeqCst)
                        || to_client.write_all(&buffer[..count]).await.is_err()
                    {
                        return now == Conduct::ResetsAnswers;
                    }
                }
                false
            };
            let reset = tokio::select! {
                () = forth => false,
                reset = back => reset,
            };
            if reset {
                let _ = from_client.unsplit(to_client).stream().set_zero_linger();
            }
        } => {}
    }
}

/// Waits as long as what is passed on takes from one end to the other.
async fn travel(conduct: &watch::Sender<Conduct>) {
    let now = *conduct.borrow();
    if let Conduct::Distant(time) = now {
        tokio::time::sleep(time).await;
    }
}

/// Waits for a conduct.
async fn until(conduct: &watch::Sender<Conduct>, wanted: impl Fn(Conduct) -> bool) {
    let _ = conduct.subscribe().wait_for(|conduct| wanted(*conduct)).await;
}

//! A counterpart that takes mails (RFC 5321): keeps what it is sent, and refuses or holds back as it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::waiting::eventually;

/// A mail that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    /// Head and text as they came, without the dots of the protocol.
    pub data: String,
    /// The user who had logged in, and the password.
    pub login: Option<(String, String)>,
    pub encrypted: bool,
}

impl Mail {
    /// The value of a line of the head.
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.data.split("\r\n\r\n").next()?;
        let mut fields = head.split("\r\n").filter_map(|line| line.split_once(": "));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

#[derive(Default)]
struct Told {
    mails: Vec<Mail>,
    /// Recipients that are refused, with the code of the answer.
    refused: Vec<(String, u16)>,
    /// Transactions that were begun.
    begun: usize,
}

struct Shared {
    told: Mutex<Told>,
    held: watch::Sender<bool>,
    tls: Option<TlsAcceptor>,
}

/// A server on loopback. Ends when it is dropped.
pub struct SmtpReceiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl SmtpReceiver {
    /// Starts one without TLS, which takes everything.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// Starts one that offers STARTTLS with a certificate and its key in PEM, and asks for a login.
    pub async fn start_tls(certificate: &str, key: &str) -> Self {
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        let configuration =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("protocol versions")
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .expect("a key that fits the certificate");
        Self::start_with(Some(TlsAcceptor::from(Arc::new(configuration)))).await
    }

    async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { told: Mutex::default(), held: watch::Sender::new(false), tls });
        let accepting = Arc::clone(&shared);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&accepting);
                // A client may go away at any time.
                tokio::spawn(async move { serve(stream, &shared).await.ok() });
            }
        });
        Self { address, shared, serving }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers the naming of a recipient with this code from now on; 250 takes it.
    pub fn refuse(&self, recipient: &str, code: u16) {
        let mut told = self.shared.told();
        told.refused.retain(|(refused, _)| refused != recipient);
        told.refused.push((recipient.to_owned(), code));
    }

    /// Holds back the answer to a mail's text until [`release`](Self::release), and takes no mail whose client has gone.
    pub fn hold(&self) {
        self.shared.held.send_replace(true);
    }

    /// Gives the answers that were held back.
    pub fn release(&self) {
        self.shared.held.send_replace(false);
    }

    /// What was taken so far.
    pub fn mails(&self) -> Vec<Mail> {
        self.shared.told().mails.clone()
    }

    /// Waits until at least so many mails were taken.
    pub async fn wait_for(&self, count: usize) -> Vec<Mail> {
        eventually("mails", async || Some(self.mails()).filter(|mails| mails.len() >= count)).await
    }

    /// Waits until at least so many mails were begun to be sent.
    pub async fn wait_for_begun(&self, count: usize) {
        eventually("mails under way", async || (self.shared.told().begun >= count).then_some(())).await;
    }
}

impl Drop for SmtpReceiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one client has said so far.
#[derive(Default)]
struct Session {
    encrypted: bool,
    login: Option<(String, String)>,
    from: String,
    to: Vec<String>,
}

enum Ended {
    StartTls,
    Quit,
}

async fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 receiver ESMTP\r\n").await?;
    if let Ended::StartTls = talk(&mut stream, shared, Session::default()).await?
        && let Some(tls) = &shared.tls
    {
        let mut stream = BufReader::new(tls.accept(stream.into_inner()).await?);
        talk(&mut stream, shared, Session { encrypted: true, ..Session::default() }).await?;
    }
    Ok(())
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    shared: &Shared,
    mut session: Session,
) -> std::io::Result<Ended> {
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(Ended::Quit);
        }
        let (verb, rest) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
        let answer = match verb.to_ascii_uppercase().as_str() {
            "EHLO" if shared.tls.is_some() && !session.encrypted => {
                "250-receiver\r\n250-8BITMIME\r\n250 STARTTLS".to_owned()
            }
            "EHLO" if shared.tls.is_some() => {
                "250-receiver\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN".to_owned()
            }
            "EHLO" => "250-receiver\r\n250 8BITMIME".to_owned(),
            "STARTTLS" => {
                stream.write_all(b"220 go on\r\n").await?;
                return Ok(Ended::StartTls);
            }
            "AUTH" => {
                session.login = login(rest);
                "235 welcome".to_owned()
            }
            "MAIL" => {
                session.from = address(rest);
                session.to.clear();
                shared.told().begun += 1;
                "250 ok".to_owned()
            }
            "RCPT" => named(shared, &mut session, address(rest)),
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let data = read_data(stream).await?;
                take(shared, &session, data).await
            }
            "RSET" | "NOOP" => "250 ok".to_owned(),
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(Ended::Quit);
            }
            _ => "502 not known".to_owned(),
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

fn named(shared: &Shared, session: &mut Session, recipient: String) -> String {
    let code = shared.told().refused.iter().find(|(refused, _)| *refused == recipient).map(|(_, code)| *code);
    match code {
        None | Some(250) => {
            session.to.push(recipient);
            "250 ok".to_owned()
        }
        Some(code) => format!("{code} not now"),
    }
}

/// Takes a mail, unless answers are held back.
async fn take(shared: &Shared, session: &Session, data: String) -> String {
    let mut held = shared.held.subscribe();
    if *held.borrow() {
        // Fails only when the receiver is gone, and this task with it.
        let _ = held.wait_for(|held| !held).await;
        return "451 held back for too long".to_owned();
    }
    let Session { encrypted, login, from, to } = session;
    let (from, to, login) = (from.clone(), to.clone(), login.clone());
    shared.told().mails.push(Mail { from, to, data, login, encrypted: *encrypted });
    "250 taken".to_owned()
}

/// Reads the text of a mail up to the line of a single dot (RFC 5321, section 4.5.2).
async fn read_data<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<String> {
    let mut data = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(data);
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

/// The address of `FROM:<a@b> ...`.
fn address(argument: &str) -> String {
    let inner = argument.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or_else(String::new, |(address, _)| address.to_owned())
}

/// User and password of `PLAIN <base64>` (RFC 4616).
fn login(argument: &str) -> Option<(String, String)> {
    use base64::Engine;
    let (_, encoded) = argument.split_once(' ')?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let mut parts = text.split('\0').skip(1);
    Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
}

//! Counterparts of the tests: an honest one, ones that follow a script, and a TLS front for either.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConnection;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

/// Counts connections.
pub(super) type Count = Arc<AtomicUsize>;

/// Serves a router on a free port.
pub(super) async fn honest(router: Router) -> (SocketAddr, Count) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Count::default();
    let listener = Counting { listener, accepted: Arc::clone(&accepted) };
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, accepted)
}

struct Counting {
    listener: TcpListener,
    accepted: Count,
}

impl axum::serve::Listener for Counting {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let accepted = axum::serve::Listener::accept(&mut self.listener).await;
        self.accepted.fetch_add(1, Ordering::SeqCst);
        accepted
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Runs a script for every connection on a free port.
pub(super) async fn scripted<F>(script: impl Fn(TcpStream) -> F + Send + 'static) -> (SocketAddr, Count)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Count::default();
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(script(stream));
        }
    });
    (address, accepted)
}

/// Reads the head of a request.
pub(super) async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// A certificate authority.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// The TLS configuration of a server of that name.
    pub(super) fn issue(&self, name: &str, alpn: &[&str], valid_until: i32) -> rustls::ServerConfig {
        let (certificate, key) = self.certificate(name, valid_until);
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = server_builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }

    /// The TLS configuration of a server that wants to see a certificate of this authority.
    pub(super) fn asking_for_certificates(&self, name: &str) -> rustls::ServerConfig {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let (certificate, key) = self.certificate(name, 2100);
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        server_builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }

    /// PEM of a certificate and of its key.
    pub(super) fn certificate_of_client(&self, name: &str) -> (String, String) {
        let (certificate, key) = self.certificate(name, 2100);
        (certificate.pem(), key.serialize_pem())
    }

    fn certificate(&self, name: &str, valid_until: i32) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(valid_until, 1, 1);
        (params.signed_by(&key, &self.0).unwrap(), key)
    }
}

fn server_builder() -> rustls::ConfigBuilder<rustls::ServerConfig, rustls::WantsVerifier> {
    rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
}

/// Ends TLS on a free port and passes everything on to a counterpart without TLS.
pub(super) fn tls_front(config: rustls::ServerConfig, counterpart: SocketAddr) -> (SocketAddr, Count) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Count::default();
    let count = Arc::clone(&accepted);
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            count.fetch_add(1, Ordering::SeqCst);
            let tls = Arc::new(Mutex::new(ServerConnection::new(Arc::clone(&config)).unwrap()));
            let counterpart = std::net::TcpStream::connect(counterpart).unwrap();
            let (inward, outward) = (Arc::clone(&tls), tls);
            let (client_inward, counterpart_inward) =
                (client.try_clone().unwrap(), counterpart.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = decrypt(&inward, &client_inward, &counterpart_inward);
                let _ = counterpart_inward.shutdown(Shutdown::Both);
            });
            std::thread::spawn(move || {
                let _ = encrypt(&outward, &client, &counterpart);
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
    (address, accepted)
}

type Stream = std::net::TcpStream;

fn decrypt(
    tls: &Mutex<ServerConnection>,
    mut client: &Stream,
    mut counterpart: &Stream,
) -> std::io::Result<()> {
    let mut buffer = [0; 16 << 10];
    loop {
        let length = client.read(&mut buffer)?;
        let mut ciphertext = &buffer[..length];
        let mut plaintext = Vec::new();
        {
            let mut tls = tls.lock().unwrap();
            while !ciphertext.is_empty() {
                tls.read_tls(&mut ciphertext)?;
                let state = tls.process_new_packets();
                // Also what tells the client of a failure.
                flush(&mut tls, client)?;
                state.map_err(std::io::Error::other)?;
                // Ends with "would block" when there is no more.
                let _ = tls.reader().read_to_end(&mut plaintext);
            }
        }
        counterpart.write_all(&plaintext)?;
        if length == 0 {
            return Ok(());
        }
    }
}

fn encrypt(tls: &Mutex<ServerConnection>, client: &Stream, mut counterpart: &Stream) -> std::io::Result<()> {
    let mut buffer = [0; 16 << 10];
    loop {
        let length = counterpart.read(&mut buffer)?;
        let mut tls = tls.lock().unwrap();
        if length == 0 {
            tls.send_close_notify();
            return flush(&mut tls, client);
        }
        tls.writer().write_all(&buffer[..length])?;
        flush(&mut tls, client)?;
    }
}

fn flush(tls: &mut ServerConnection, mut client: &Stream) -> std::io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(&mut client)?;
    }
    Ok(())
}

//! Where connections may go, whom they trust, and how they are shared.

use axum::Router;
use axum::routing::get as on_get;

use super::super::*;
use super::counterpart::{Authority, honest, scripted, tls_front};
use super::*;
use crate::servers::address::AddressClass;

fn ok() -> Router {
    Router::new().route("/", on_get(|| async { "ok" }))
}

#[tokio::test]
async fn a_name_that_stands_for_a_refused_address_is_refused_by_name_address_and_reason() {
    let public = configuration("http://directory.example", json!({ "allow_private_addresses": false }));
    let private = configuration("http://directory.example", json!({}));
    for (configuration, address, class) in [
        (&public, "127.0.0.1", AddressClass::Loopback),
        (&public, "10.1.2.3", AddressClass::Private),
        (&public, "::ffff:192.168.0.1", AddressClass::Private),
        (&public, "169.254.169.254", AddressClass::Metadata),
        (&private, "169.254.169.254", AddressClass::Metadata),
        (&private, "fe80::1", AddressClass::LinkLocal),
        (&private, "0.0.0.0", AddressClass::Unspecified),
    ] {
        let names = Names::one("directory.example", &[address]);
        let error = error_of(&server_of(configuration, None, names), get("/"), &PATIENT).await;
        let expected = ConnectError::AddressRefused {
            host: "directory.example".to_owned(),
            address: address.parse().unwrap(),
            class,
        };
        assert_eq!(error, HttpError::Connect(expected));
        let hint = class.permitted(true);
        assert_eq!(error.to_string().contains("allow_private_addresses"), hint, "{error}");
    }
}

#[tokio::test]
async fn a_literal_address_passes_the_same_check_however_it_is_written() {
    let (address, accepted) = honest(ok()).await;
    let port = address.port();
    for host in
        ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "[::1]"]
    {
        let url = format!("http://{host}:{port}");
        let public = configuration(&url, json!({ "allow_private_addresses": false }));
        let error = error_of(&server_of(&public, None, Arc::default()), get("/"), &PATIENT).await;
        assert!(
            matches!(
                error,
                HttpError::Connect(ConnectError::AddressRefused { class: AddressClass::Loopback, .. })
            ),
            "{host}: {error}"
        );
    }
    for host in
        ["169.254.169.254", "[::ffff:169.254.169.254]", "2852039166", "[64:ff9b::a9fe:a9fe]", "0.0.0.0"]
    {
        let private = configuration(&format!("http://{host}:{port}"), json!({}));
        let error = error_of(&server_of(&private, None, Arc::default()), get("/"), &PATIENT).await;
        assert!(matches!(error, HttpError::Connect(ConnectError::AddressRefused { .. })), "{host}: {error}");
    }
    assert_eq!(accepted.load(Ordering::SeqCst), 0);
    let private = configuration(&format!("http://2130706433:{port}"), json!({}));
    assert!(server_of(&private, None, Arc::default()).send(get("/"), &PATIENT).await.is_ok());
}

#[tokio::test]
async fn only_the_permitted_addresses_of_a_name_are_used_and_it_is_resolved_once() {
    let (address, accepted) = honest(ok()).await;
    let names = Names::one("mixed.example", &["169.254.169.254", "127.0.0.1", "fe80::1"]);
    let configuration = configuration(&format!("http://mixed.example:{}", address.port()), json!({}));
    let server = server_of(&configuration, None, Arc::clone(&names));
    assert_eq!(server.send(get("/"), &PATIENT).await.unwrap().body, "ok");
    assert_eq!((names.asked(), accepted.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn a_name_without_address_and_a_failing_resolver_are_told_apart_from_a_refusal() {
    let configuration = configuration("http://nowhere.example", json!({}));
    for (names, part) in [
        (Names::one("nowhere.example", &[]), "it has no address"),
        (Arc::default(), "no such name in this test"),
    ] {
        let error = error_of(&server_of(&configuration, None, names), get("/"), &PATIENT).await;
        assert!(matches!(error, HttpError::Connect(ConnectError::Resolve { .. })), "{error}");
        assert!(error.to_string().contains("nowhere.example") && error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn the_resolver_of_the_system_knows_this_machine() {
    let addresses = crate::servers::connector::SystemResolver.resolve("localhost").await.unwrap();
    assert!(addresses.iter().all(IpAddr::is_loopback) && !addresses.is_empty(), "{addresses:?}");
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = error_of(&server_at(address), get("/"), &PATIENT).await;
    assert!(matches!(error, HttpError::Connect(ConnectError::Tcp { .. })), "{error}");
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("refused"), "{text}");
}

#[derive(Debug)]
struct Silent;

impl Resolver for Silent {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        std::future::pending().boxed()
    }
}

#[tokio::test]
async fn resolution_tcp_and_tls_have_one_time_limit() {
    let after = Duration::from_millis(40);
    let timed_out = |error: HttpError, host: &str| {
        assert_eq!(error, HttpError::Connect(ConnectError::Timeout { host: host.to_owned(), after }));
    };
    let fields = json!({ "connect_timeout_ms": 40 });
    let slow_name = configuration("http://slow.example", fields.clone());
    let server = HttpServer::new(&slow_name, &Secrets::new(), Arc::new(Silent)).unwrap();
    timed_out(error_of(&server, get("/"), &PATIENT).await, "slow.example");

    // Accepts and never speaks TLS.
    let (address, _) = scripted(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let mut slow_tls = configuration(&format!("https://{address}"), fields);
    slow_tls.ca_certificates = Some(Authority::new("Test").pem());
    let server = server_of(&slow_tls, None, Arc::default());
    timed_out(error_of(&server, get("/"), &PATIENT).await, &address.to_string());
}

#[tokio::test]
async fn a_hundred_requests_share_one_connection() {
    let (address, accepted) = honest(ok()).await;
    let server = server_at(address);
    for _ in 0..100 {
        assert_eq!(server.send(get("/"), &PATIENT).await.unwrap().body, "ok");
    }
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
}

/// A TLS server for `directory.example` with certificates of an authority, and its client.
struct Tls {
    authority: Authority,
    names: Arc<Names>,
    counterpart: SocketAddr,
}

impl Tls {
    async fn new() -> Self {
        Self {
            authority: Authority::new("Test"),
            names: Names::one("directory.example", &["127.0.0.1"]),
            counterpart: honest(ok()).await.0,
        }
    }

    fn front(&self, name: &str, alpn: &[&str], valid_until: i32) -> (SocketAddr, counterpart::Count) {
        tls_front(self.authority.issue(name, alpn, valid_until), self.counterpart)
    }

    fn client(&self, address: SocketAddr, ca_certificates: Option<&str>) -> HttpServer {
        let url = format!("https://directory.example:{}", address.port());
        let configuration = configuration(&url, json!({ "ca_certificates": ca_certificates }));
        server_of(&configuration, None, Arc::clone(&self.names))
    }
}

#[tokio::test]
async fn a_certificate_of_the_configured_authority_is_accepted() {
    let tls = Tls::new().await;
    let (address, accepted) = tls.front("directory.example", &["http/1.1"], 4000);
    // Several may be given; one of them fits.
    let authorities = format!("# of this site\n{}\n{}", Authority::new("Other").pem(), tls.authority.pem());
    let client = tls.client(address, Some(&authorities));
    for _ in 0..100 {
        assert_eq!(client.send(get("/"), &PATIENT).await.unwrap().body, "ok");
    }
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn requests_at_the_same_time_share_one_http2_connection() {
    let tls = Tls::new().await;
    let (address, accepted) = tls.front("directory.example", &["h2", "http/1.1"], 4000);
    let client = tls.client(address, Some(&tls.authority.pem()));
    client.send(get("/"), &PATIENT).await.unwrap();
    let responses = futures::future::join_all((0..100).map(|_| client.send(get("/"), &PATIENT))).await;
    assert!(responses.into_iter().all(|response| response.unwrap().body == "ok"));
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_limits_hold_over_http2() {
    let mut tls = Tls::new().await;
    let router = Router::new()
        .route(
            "/endless",
            on_get(|| async {
                let chunks =
                    futures::stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(&[0; 1000])));
                axum::body::Body::from_stream(chunks)
            }),
        )
        .route("/headers", on_get(|| async { ([("x-long", "x".repeat(20_000))], "ok") }))
        .route("/silent", on_get(std::future::pending::<()>))
        .route("/", on_get(|| async { "ok" }));
    tls.counterpart = honest(router).await.0;
    let (address, accepted) = tls.front("directory.example", &["h2"], 4000);
    let client = tls.client(address, Some(&tls.authority.pem()));
    let error = error_of(&client, get("/endless"), &PATIENT).await;
    assert!(matches!(error, HttpError::ResponseTooLarge { .. }), "{error}");
    let error = error_of(&client, get("/headers"), &PATIENT).await;
    assert!(matches!(error, HttpError::HeadersTooLarge { .. }), "{error}");
    let error = error_of(&client, get("/silent"), &HASTY).await;
    assert!(matches!(error, HttpError::Timeout { phase: Phase::Head, .. }), "{error}");
    assert_eq!(client.send(get("/"), &PATIENT).await.unwrap().body, "ok");
    assert_eq!(accepted.load(Ordering::SeqCst), 1, "others on the connection are not disturbed");
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_is_refused_with_what_helps() {
    let tls = Tls::new().await;
    let (good, _) = tls.front("directory.example", &[], 4000);
    let (other_name, _) = tls.front("other.example", &[], 4000);
    let (expired, _) = tls.front("directory.example", &[], 2000);
    let own = tls.authority.pem();
    let other = Authority::new("Other").pem();
    let same_name = Authority::new("Test").pem();
    for (address, authority, part) in [
        (good, Some(other.as_str()), "put the certificate of the issuer into `ca_certificates`"),
        (good, Some(same_name.as_str()), "put the certificate of the right issuer into `ca_certificates`"),
        (other_name, Some(own.as_str()), "use the name that stands in the certificate"),
        (expired, Some(own.as_str()), "the server needs a new certificate"),
        // A server without TLS.
        (tls.counterpart, Some(own.as_str()), "check that the server speaks TLS on this port"),
    ] {
        let error = error_of(&tls.client(address, authority), get("/"), &PATIENT).await;
        assert!(matches!(error, HttpError::Connect(ConnectError::Tls { .. })), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn without_own_authorities_those_of_the_system_decide() {
    let tls = Tls::new().await;
    let (address, _) = tls.front("directory.example", &[], 4000);
    let error = error_of(&tls.client(address, None), get("/"), &PATIENT).await.to_string();
    assert!(error.contains("put the certificate of the issuer into `ca_certificates`"), "{error}");
}

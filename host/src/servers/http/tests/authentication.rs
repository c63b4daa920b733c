//! How the host shows who it is: by headers, tokens, signatures and certificates.

use std::sync::Mutex;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::*;
use super::counterpart::{Authority, honest, tls_front};
use super::*;

const SECRET: &str = "c4n4ry/s3cret";

/// Gives tokens, and knows the one that is in force.
#[derive(Default)]
struct Provider {
    given: AtomicUsize,
    in_force: Mutex<Option<String>>,
    lives_seconds: Option<u64>,
    /// Authorization and form of each request for a token.
    asked: Mutex<Vec<(Option<String>, String)>>,
}

impl Provider {
    async fn serve(self) -> (Arc<Self>, SocketAddr) {
        let provider = Arc::new(self);
        let router = Router::new()
            .route("/token", post(give))
            .route("/api", any(take))
            .with_state(Arc::clone(&provider));
        (provider, honest(router).await.0)
    }

    fn revoke(&self) {
        *self.in_force.lock().unwrap() = None;
    }

    fn given(&self) -> usize {
        self.given.load(Ordering::SeqCst)
    }
}

fn authorization(headers: &HeaderMap) -> Option<String> {
    headers.get("authorization").map(|value| value.to_str().unwrap().to_owned())
}

async fn give(State(provider): State<Arc<Provider>>, request: Request) -> String {
    let sent = authorization(request.headers());
    let form = to_bytes(request.into_body(), 65_536).await.unwrap();
    provider.asked.lock().unwrap().push((sent, String::from_utf8(form.to_vec()).unwrap()));
    let token = format!("c4n4ry-t0ken-{}", provider.given.fetch_add(1, Ordering::SeqCst) + 1);
    *provider.in_force.lock().unwrap() = Some(token.clone());
    let mut answer = json!({"access_token": token, "token_type": "bearer"});
    if let Some(seconds) = provider.lives_seconds {
        answer["expires_in"] = seconds.into();
    }
    answer.to_string()
}

/// Repeats the token that it is sent, as a debugging endpoint does.
async fn take(State(provider): State<Arc<Provider>>, request: Request) -> Response {
    let sent = authorization(request.headers()).unwrap_or_default();
    let good = provider.in_force.lock().unwrap().as_ref().map(|token| format!("Bearer {token}"));
    let status = if Some(&sent) == good.as_ref() { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    (status, [("x-echo", sent.clone())], sent).into_response()
}

fn client(address: SocketAddr, fields: serde_json::Value) -> HttpServer {
    let mut authentication = json!({
        "kind": "oauth2_client_credentials", "token_url": format!("http://{address}/token"), "client_id": "a b",
        "scope": "people groups",
    });
    authentication.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let configuration =
        configuration(&format!("http://{address}"), json!({ "authentication": authentication }));
    server_of(&configuration, Some(("client_secret", SECRET)), Arc::default())
}

async fn answer(server: &HttpServer, method: Method) -> (u16, String) {
    let response = server.send(OutgoingRequest { method, ..get("/api") }, &PATIENT).await.unwrap();
    let told = format!("{:?} {}", response.headers, String::from_utf8_lossy(&response.body));
    assert!(!told.contains("c4n4ry") && told.contains("***"), "{told}");
    (response.status.as_u16(), told)
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_again_when_it_is_refused() {
    let (provider, address) = Provider { lives_seconds: Some(3_600), ..Provider::default() }.serve().await;
    let server = client(address, json!({}));
    let together = futures::future::join_all((0..8).map(|_| answer(&server, Method::GET))).await;
    assert!(together.iter().all(|(status, _)| *status == 200) && provider.given() == 1);
    provider.revoke();
    assert_eq!((answer(&server, Method::PUT).await.0, provider.given()), (200, 2));
    provider.revoke();
    assert_eq!(answer(&server, Method::POST).await.0, 401, "it is not for the host to send a POST twice");
    assert_eq!((answer(&server, Method::POST).await.0, provider.given()), (200, 3));
}

#[tokio::test]
async fn a_token_is_used_until_shortly_before_its_end() {
    for (lives_seconds, given) in [(None, 1), (Some(0), 3), (Some(7_200), 1)] {
        let (provider, address) = Provider { lives_seconds, ..Provider::default() }.serve().await;
        let server = client(address, json!({}));
        for _ in 0..3 {
            assert_eq!(answer(&server, Method::GET).await.0, 200);
        }
        assert_eq!(provider.given(), given, "{lives_seconds:?}");
    }
}

#[tokio::test]
async fn a_client_sends_its_secret_in_the_header_or_in_the_form() {
    let basic = format!("Basic {}", STANDARD.encode("a+b:c4n4ry%2Fs3cret"));
    let form = "grant_type=client_credentials&scope=people+groups";
    let with_secret = format!("{form}&client_id=a+b&client_secret=c4n4ry%2Fs3cret");
    for (word, header, form) in [("basic", Some(basic), form.to_owned()), ("body", None, with_secret)] {
        let (provider, address) = Provider::default().serve().await;
        let server = client(address, json!({"client_authentication": word}));
        assert_eq!(answer(&server, Method::GET).await.0, 200);
        assert_eq!(*provider.asked.lock().unwrap(), [(header, form)]);
    }
}

#[tokio::test]
async fn why_there_is_no_token_is_told_without_the_secret() {
    let refused =
        json!({"error": "invalid_client", "error_description": format!("not {SECRET}")}).to_string();
    for (status, body, authenticated, part) in [
        (StatusCode::UNAUTHORIZED, refused, false, "401 Unauthorized with error invalid_client"),
        (StatusCode::BAD_REQUEST, json!({"error": SECRET}).to_string(), false, "answers 400 Bad Request;"),
        (StatusCode::SERVICE_UNAVAILABLE, SECRET.to_owned(), true, "answers 503"),
        (StatusCode::OK, SECRET.to_owned(), true, "no token by RFC 6749"),
        (
            StatusCode::OK,
            json!({"access_token": SECRET, "token_type": "mac"}).to_string(),
            true,
            "another type than bearer",
        ),
    ] {
        let router = Router::new().route("/token", post(move || async move { (status, body) }));
        let (address, _) = honest(router).await;
        let error = error_of(&client(address, json!({})), get("/api"), &PATIENT).await;
        assert_eq!(matches!(error, HttpError::NotAuthenticated { .. }), !authenticated, "{error}");
        let text = format!("{error} {error:?}");
        assert!(text.contains(part) && !text.contains("c4n4ry"), "{text}");
    }
}

/// What arrives of a request of a plugin.
async fn arrived(
    authentication: serde_json::Value,
    secrets: &[(&str, &str)],
    headers: HeaderMap,
) -> HeaderMap {
    let seen = Arc::new(Mutex::new(HeaderMap::new()));
    let kept = Arc::clone(&seen);
    let router = Router::new().fallback(async move |headers: HeaderMap| {
        *kept.lock().unwrap() = headers;
    });
    let (address, _) = honest(router).await;
    let configuration =
        configuration(&format!("http://{address}"), json!({ "authentication": authentication }));
    let secrets =
        secrets.iter().map(|(field, text)| ((*field).to_owned(), SecretString::from(*text))).collect();
    let server = HttpServer::new(&configuration, &secrets, Arc::new(Names::default())).unwrap();
    server.send(OutgoingRequest { headers, ..get("/x?b=2&a=1") }, &PATIENT).await.unwrap();
    let seen = seen.lock().unwrap();
    seen.clone()
}

#[tokio::test]
async fn a_header_of_the_servers_own_takes_the_place_of_the_plugins() {
    let of_plugin = HeaderMap::from_iter([("x-api-key".parse().unwrap(), "forged".parse().unwrap())]);
    let authentication = json!({"kind": "header", "name": "X-Api-Key"});
    let seen = arrived(authentication, &[("header_value", SECRET)], of_plugin).await;
    let values: Vec<_> = seen.get_all("x-api-key").iter().collect();
    assert_eq!(values, [SECRET]);
}

#[tokio::test]
async fn each_request_is_signed_by_itself() {
    let authentication = json!({
        "kind": "oauth1", "consumer_key": "consumer", "access_token": {"token": "tok"}, "signature": "hmac_sha1",
    });
    let secrets = [("consumer_secret", SECRET), ("token_secret", "c4n4ry-too")];
    let mut signed = Vec::new();
    for _ in 0..2 {
        let seen = arrived(authentication.clone(), &secrets, HeaderMap::new()).await;
        let value = authorization(&seen).unwrap();
        assert!(value.starts_with("OAuth oauth_consumer_key=\"consumer\", oauth_nonce=\""), "{value}");
        assert!(value.contains("oauth_token=\"tok\"") && value.contains("HMAC-SHA1"), "{value}");
        assert!(!value.contains("c4n4ry"), "{value}");
        signed.push(value);
    }
    assert_ne!(signed[0], signed[1], "no nonce is used twice");
}

#[tokio::test]
async fn a_certificate_of_the_host_is_shown_to_servers_that_ask_for_one() {
    let (address, _) = honest(Router::new().fallback(async || "ok")).await;
    let authority = Authority::new("Test Authority");
    let (front, _) = tls_front(authority.asking_for_certificates("localhost"), address);
    let (certificate, key) = authority.certificate_of_client("provender");
    let (_, key_of_another) = authority.certificate_of_client("another");
    let url = format!("https://localhost:{}", front.port());
    let with = |certificate: Option<&str>| {
        let mut fields = json!({ "ca_certificates": authority.pem() });
        if let Some(certificate) = certificate {
            fields["client_certificate"] = json!({ "certificates": certificate });
        }
        configuration(&url, fields)
    };
    let names = || Names::one("localhost", &["127.0.0.1"]);
    let field = "client_certificate_key";
    let server = server_of(&with(Some(&certificate)), Some((field, &key)), names());
    assert_eq!(server.send(get("/"), &PATIENT).await.unwrap().body, "ok");
    let error = error_of(&server_of(&with(None), None, names()), get("/"), &PATIENT).await;
    assert!(error.to_string().to_lowercase().contains("certificate"), "{error}");
    for key in [key_of_another.as_str(), SECRET] {
        let secrets = [(field.to_owned(), SecretString::from(key))].into_iter().collect();
        let error = HttpServer::new(&with(Some(&certificate)), &secrets, names()).unwrap_err().to_string();
        assert!(error.contains("client certificate") && !error.contains("c4n4ry"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_asked_to_be_left_alone_or_is_down_is_not_asked() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let router = Router::new().fallback(async move || {
        count.fetch_add(1, Ordering::SeqCst);
        (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "120")])
    });
    let (address, _) = honest(router).await;
    let server = server_at(address);
    assert_eq!(server.send(get("/"), &PATIENT).await.unwrap().status, 503);
    let error = error_of(&server, get("/"), &PATIENT).await;
    assert!(matches!(error, HttpError::Held { held: Held::AskedToWait(_), .. }), "{error}");
    assert!(error.to_string().contains("left alone for 120 s more"), "{error}");
    assert_eq!((asked.load(Ordering::SeqCst), server.rest().is_some()), (1, true));

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = server_at(nobody.local_addr().unwrap());
    drop(nobody);
    for _ in 0..3 {
        let error = error_of(&server, get("/"), &PATIENT).await;
        assert!(matches!(error, HttpError::Connect(ConnectError::Tcp { .. })), "{error}");
    }
    let error = error_of(&server, get("/"), &PATIENT).await;
    assert!(matches!(error, HttpError::Held { held: Held::Down(_), .. }), "{error}");
}

#[test]
fn retry_after_is_a_number_of_seconds_or_a_date_and_counts_where_it_means_to_wait() {
    let wish = |status, value: &str| {
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]);
        retry_after(status, &headers)
    };
    assert_eq!(wish(StatusCode::TOO_MANY_REQUESTS, "7"), Some(Duration::from_secs(7)));
    assert_eq!(wish(StatusCode::SERVICE_UNAVAILABLE, " 7 "), Some(Duration::from_secs(7)));
    assert_eq!(wish(StatusCode::CREATED, "7"), None);
    assert_eq!(wish(StatusCode::TOO_MANY_REQUESTS, "soon"), None);
    assert_eq!(wish(StatusCode::TOO_MANY_REQUESTS, "Sun, 06 Nov 1994 08:49:37 GMT"), None);
    let far = wish(StatusCode::TOO_MANY_REQUESTS, "Fri, 06 Nov 2093 08:49:37 GMT").unwrap();
    assert!(far > Duration::from_secs(1 << 30), "{far:?}");
}

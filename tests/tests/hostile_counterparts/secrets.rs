//! Credentials are seen by their counterpart alone: not by the plugin, and nowhere that anything is kept or told.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use http::Method;
use insta::assert_snapshot;
use provender::servers::http::HttpServer;
use provender_tests::calls::{TestCall, history, http_server};
use provender_tests::counterpart::{Counterpart, answering};
use provender_tests::guests::MISBEHAVING;
use provender_tests::process::{Program, Serving};
use provender_tests::receiver::{Answer, Received, Receiver};
use provender_tests::witness::Root;
use serde_json::{Value, json};

use super::{Report, told};

pub(super) const TOKEN: &str = "c4n4ry/T0k3n+0f~The.Host==";
pub(super) const USER: &str = "anna";
pub(super) const PASSWORD: &str = "c4n4ry p\"ss & w%rd/\\";
/// Of a webhook; stands in base64 in the settings.
const WEBHOOK: &str = "c4n4ry of the webhook, long enough";
const SMTP: &str = "c4n4ry of the mails";
const V1: &str = "/api/v1";

/// Credentials in any usual spelling.
pub(super) fn spellings() -> Vec<String> {
    let pair = format!("{USER}:{PASSWORD}");
    let mut spellings = Vec::new();
    for secret in [TOKEN, PASSWORD, &pair, WEBHOOK, SMTP] {
        let percent: String = secret
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    char::from(byte).to_string()
                }
                _ => format!("%{byte:02X}"),
            })
            .collect();
        spellings.extend([secret.to_owned(), percent.clone(), percent.replace("%20", "+")]);
        spellings.push(json!(secret).to_string().trim_matches('"').to_owned());
        // Enough of it to be no accident, wherever it begins within the base64.
        for around in ["", "x", "xx"] {
            for alphabet in [STANDARD, URL_SAFE] {
                let encoded = alphabet.encode(format!("{around}{secret}"));
                spellings.push(encoded[4..20].to_owned());
            }
        }
    }
    // A part of a credential is too much already.
    spellings.push("c4n4ry".to_owned());
    spellings
}

/// What of a text shows a credential.
fn shown(text: &str) -> Vec<String> {
    let mut spellings = spellings();
    let lower = text.to_lowercase();
    spellings.retain(|spelling| text.contains(spelling.as_str()) || lower.contains(&spelling.to_lowercase()));
    spellings
}

/// Repeats the credential in every way that an honest debugging endpoint may.
pub(super) fn echo(request: &Received) -> Answer {
    if request.path == "/token" {
        let token = json!({"access_token": TOKEN, "token_type": "bearer", "expires_in": 3_600});
        return Answer::new(200, token.to_string());
    }
    let sent = request.header("authorization").or_else(|| request.header("x-api-key")).unwrap_or_default();
    let secret = sent.split_once(' ').map_or(sent, |(_, secret)| secret);
    let decoded = STANDARD.decode(secret).ok().and_then(|pair| String::from_utf8(pair).ok());
    let plain = decoded.filter(|pair| pair.starts_with(USER)).unwrap_or_else(|| secret.to_owned());
    let url: String = plain.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let form = plain
        .replace('%', "%25")
        .replace(' ', "+")
        .replace('"', "%22")
        .replace('/', "%2f")
        .replace('&', "%26")
        .replace('\\', "%5c");
    let body = format!(
        "{sent}\n{plain}\n{}\n{}\n{}\n{url}\n{form}\n",
        json!({"headers": {"authorization": sent}, "secret": plain}),
        STANDARD.encode(&plain),
        STANDARD.encode(format!("{{\"authorization\":\"{sent}\"}}")),
    );
    Answer::new(200, body)
        .header("x-echo", sent)
        .header("www-authenticate", format!("Basic realm=\"{sent}\""))
        .header("location", format!("/login?token={secret}"))
        .header("x-plain", plain.clone())
        .header("set-cookie", format!("session={secret}"))
}

fn server(url: &str, kind: &str) -> Arc<HttpServer> {
    let authentication =
        if kind == "basic" { json!({"kind": kind, "username": USER}) } else { json!({"kind": kind}) };
    let server = json!({"base_url": url, "allow_private_addresses": true, "authentication": authentication});
    http_server(server, &[if kind == "basic" { ("password", PASSWORD) } else { ("token", TOKEN) }], &[])
}

#[test]
fn the_search_for_credentials_finds_them_in_every_spelling() {
    for hidden in [
        format!("Bearer {TOKEN}"),
        json!({"password": PASSWORD}).to_string(),
        STANDARD.encode(format!("{USER}:{PASSWORD}")),
        STANDARD.encode(format!("you sent Bearer {TOKEN}")),
        URL_SAFE.encode(format!("a{PASSWORD}")),
        "%63%34n4ry".replace("%63%34", "c4"),
        "C4N4RY".to_owned(),
    ] {
        assert!(!shown(&hidden).is_empty(), "{hidden}");
    }
    assert!(shown("nothing of it").is_empty());
}

#[tokio::test]
async fn a_credential_that_comes_back_is_blanked_in_every_spelling() {
    let receiver = Receiver::start().await;
    receiver.answer(echo);
    let step = json!({"do": "raw-request", "authority": receiver.address().to_string(), "path": "/x"});
    for kind in ["bearer", "basic"] {
        let end =
            TestCall::of(json!([step])).web("web", &server(&receiver.url(), kind), &[]).provision().await;
        let transcript = serde_json::to_string(&end.transcript).unwrap();
        let seen = history(end).join("\n");
        assert!(seen.starts_with("200 [") && seen.contains("***"), "{seen}");
        assert_eq!((shown(&seen), shown(&transcript)), (Vec::<String>::new(), Vec::new()), "{kind}: {seen}");
    }
    let sent: Vec<_> = receiver
        .received()
        .iter()
        .map(|request| request.header("authorization").unwrap().to_owned())
        .collect();
    assert_eq!(
        sent,
        [format!("Bearer {TOKEN}"), format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")))]
    );
}

#[tokio::test]
async fn a_credential_in_any_part_of_a_response_is_blanked_or_dropped() {
    let chunks: String = TOKEN.chars().map(|character| format!("1\r\n{character}\r\n")).collect();
    let lower = "c4n4ry-t0k3n".to_owned();
    let mut report = Report::default();
    for (name, token, response) in [
        ("reason phrase", TOKEN, format!("HTTP/1.1 200 {TOKEN}\r\ncontent-length: 2\r\n\r\nok")),
        (
            "split over chunks",
            TOKEN,
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"),
        ),
        (
            "extension of a chunk",
            TOKEN,
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;{TOKEN}\r\nok\r\n0\r\n\r\n"),
        ),
        (
            "trailer",
            TOKEN,
            format!(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-late: {TOKEN}\r\n\r\n"
            ),
        ),
        (
            "name of a header",
            &lower,
            format!("HTTP/1.1 200 OK\r\nx-{lower}: 1\r\ncontent-length: 2\r\n\r\nok"),
        ),
        (
            "interim response",
            TOKEN,
            format!(
                "HTTP/1.1 103 Early Hints\r\nlink: {TOKEN}\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
            ),
        ),
        (
            "short token",
            "c4n4r",
            "HTTP/1.1 200 OK\r\nx-echo: Bearer c4n4r\r\ncontent-length: 12\r\n\r\nBearer c4n4r".to_owned(),
        ),
        ("malformed status", TOKEN, format!("HTTP/1.1 {TOKEN}\r\n\r\n")),
        ("malformed header", TOKEN, format!("HTTP/1.1 200 OK\r\n{TOKEN}\r\n\r\n")),
        (
            "malformed chunk",
            TOKEN,
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{TOKEN}\r\n"),
        ),
    ] {
        let counterpart = Counterpart::start(answering(response)).await;
        let bearer = json!({
            "base_url": counterpart.url(), "allow_private_addresses": true, "authentication": {"kind": "bearer"},
        });
        let step = json!({"do": "raw-request", "authority": counterpart.address().to_string(), "path": "/x"});
        let bound = http_server(bearer, &[("token", token)], &[]);
        let end = TestCall::of(json!([step])).web("web", &bound, &[]).provision().await;
        let transcript = serde_json::to_string(&end.transcript).unwrap();
        assert!(!told(&end).contains("c4n4r") && !transcript.contains("c4n4r"), "{name}: {transcript}");
        report.add(name, &end, &[]);
        assert!(counterpart.heads()[0].contains(&format!("authorization: Bearer {token}")));
    }
    assert_snapshot!(report.0);
}

/// Every way in which a plugin may try to get at the credential, or to make somebody tell it.
fn attacks(receiver: &Receiver, elsewhere: &Receiver) -> Vec<(&'static str, Value)> {
    let raw = |more: Value| {
        let mut step =
            json!({"do": "raw-request", "authority": receiver.address().to_string(), "path": "/x"});
        more.as_object().unwrap().iter().for_each(|(name, value)| step[name] = value.clone());
        step
    };
    let request = |url: &str| json!({"do": "request", "slot": "web", "url": url});
    let also = |step: Value| json!([{"do": "report"}, {"do": "observe"}, step, request("/after")]);
    vec![
        ("echo", also(request("/echo"))),
        ("echo-basic", also(json!({"do": "request", "slot": "another-web", "url": "/echo"}))),
        ("trace", also(raw(json!({"method": "TRACE"})))),
        ("connect", also(raw(json!({"method": "CONNECT"})))),
        ("override", also(raw(json!({"headers": [["authorization", "x"]]})))),
        ("injected", also(raw(json!({"headers": [["x", "a\r\nb: c"]]})))),
        ("hop-by-hop", also(raw(json!({"headers": [["connection", "authorization"]]})))),
        ("elsewhere", also(json!({"do": "request", "url": elsewhere.url()}))),
        ("user-info", also(raw(json!({"authority": format!("x@{}", receiver.address())})))),
        ("path", also(request("/../x"))),
        ("log", json!([request("/echo"), {"do": "log", "message": "request made", "times": 3}])),
        ("panic", json!([request("/echo"), {"do": "panic", "message": "boom"}])),
        ("fail", json!([request("/echo"), {"do": "fail", "failure": "permanent", "message": "no"}])),
        ("memory", json!([request("/echo"), {"do": "allocate", "bytes": 1_u64 << 30, "piece": 1 << 20}])),
        ("files", json!([{"do": "file", "operation": "read", "path": "../provender.toml"}])),
    ]
}

/// Every other place of a server where a secret can be, by the name of the server.
fn more_authentications(receiver: &Receiver, folder: &Path) -> Vec<(&'static str, Value)> {
    let token_file = folder.with_file_name("token");
    std::fs::write(&token_file, TOKEN).unwrap();
    let client = json!({
        "kind": "oauth2_client_credentials", "token_url": format!("{}/token", receiver.url()), "client_id": USER,
        "client_secret": PASSWORD,
    });
    let consumer = json!({
        "kind": "oauth1", "consumer_key": USER, "consumer_secret": PASSWORD,
        "access_token": {"token": "public", "secret": TOKEN},
    });
    vec![
        ("header", json!({"kind": "header", "name": "x-api-key", "value": TOKEN})),
        ("file", json!({"kind": "bearer", "token": {"file": token_file}})),
        ("oauth2", client),
        ("oauth1", consumer),
    ]
}

async fn configured(
    serving: &Serving,
    receiver: &Receiver,
    attacks: &[(&'static str, Value)],
    folder: &Path,
) {
    let api = &serving.api;
    api.post(&format!("{V1}/cos"), json!({"id": "physics", "name": "Physics", "automatic_groups": false}))
        .await
        .expect(201);
    let wasm = [("content-type", "application/wasm")];
    api.request(Method::POST, &format!("{V1}/plugins"), &wasm, MISBEHAVING.to_vec()).await.expect(201);
    let servers = [
        ("bearer", json!({"kind": "bearer", "token": TOKEN}), receiver.url()),
        ("basic", json!({"kind": "basic", "username": USER, "password": PASSWORD}), receiver.url()),
    ];
    for (id, authentication, base_url) in servers {
        let base_url = if id == "basic" { format!("{base_url}/basic") } else { base_url };
        let server = json!({"configuration": {
            "kind": "http", "base_url": base_url, "allow_private_addresses": true, "authentication": authentication,
        }});
        api.put(&format!("{V1}/cos/physics/servers/{id}"), server).await.expect(201);
    }
    for (id, authentication) in more_authentications(receiver, folder) {
        let server = json!({"configuration": {
            "kind": "http", "base_url": format!("{}/{id}", receiver.url()), "allow_private_addresses": true,
            "authentication": authentication,
        }});
        api.put(&format!("{V1}/cos/physics/servers/{id}"), server).await.expect(201);
        let steps =
            json!([{"do": "report"}, {"do": "observe"}, {"do": "request", "slot": "web", "url": "/echo"}]);
        let target = json!({
            "plugin": "misbehaving", "slots": {"web": id},
            "configuration": {"provision": steps, "check": steps, "prepare": steps},
        });
        api.put(&format!("{V1}/cos/physics/targets/echo-{id}"), target).await.expect(201);
    }
    let root = json!({"configuration": {"kind": "files", "root": folder}});
    api.put(&format!("{V1}/cos/physics/servers/folder"), root).await.expect(201);
    for (id, steps) in attacks {
        let target = json!({
            "plugin": "misbehaving", "slots": {"web": "bearer", "another-web": "basic", "folder": "folder"},
            "configuration": {"provision": steps, "check": steps, "prepare": []},
        });
        api.put(&format!("{V1}/cos/physics/targets/{id}"), target).await.expect(201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credential_is_in_anything_that_the_host_keeps_or_tells() {
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    receiver.answer(echo);
    elsewhere.answer(echo);
    let hook = Receiver::start().await;
    hook.expect_the_operator();
    let program = Program::new(env!("CARGO_BIN_EXE_provender-under-test"));
    program.file("smtp.password", SMTP);
    // Everything that anybody can make the host log.
    program.file(
        "provender.toml",
        "data_directory = \"data\"\n[sandbox]\ninstances = 8\n[syslog]\nenabled = false\n[api]\nrequest_timeout_ms = 600000\n[notifications]\nsettle_s = 0\n[smtp]\nhost = \"127.0.0.1\"\nport = 1\nfrom = \"p@example.org\"\nuser = \"anna\"\npassword_file = \"smtp.password\"\n[log]\nfilter = \"trace,cranelift=off,wasmtime=off,wasmparser=off,regalloc2=off\"\n",
    );
    let root = program.folder().join("root");
    std::fs::create_dir(&root).unwrap();
    let _watched = Root::watch(&root);
    let serving = program.serve().await;
    let attacks = attacks(&receiver, &elsewhere);
    configured(&serving, &receiver, &attacks, &root).await;

    let api = &serving.api;
    let mut told = Vec::new();
    let server = json!({"configuration": {
        "kind": "http", "base_url": hook.url(), "allow_private_addresses": true,
        "authentication": {"kind": "bearer", "token": TOKEN},
    }});
    api.put(&format!("{V1}/cos/physics/servers/hook"), server).await.expect(201);
    let settings = json!({
        "email": {"recipients": ["admin@example.org"]},
        "webhook": {"server": "hook", "path": "/told", "secret": STANDARD.encode(WEBHOOK)},
    });
    let settings = api.put(&format!("{V1}/cos/physics/notification-settings"), settings).await.expect(200);
    told.push(("settings", settings.to_string()));
    let person = json!({"names": [{"given": "Anna", "primary": true}]});
    told.push((
        "answer",
        api.put(&format!("{V1}/cos/physics/people/anna"), person).await.expect(201).to_string(),
    ));
    let of_co = |path: &str| format!("{V1}/cos/physics/{path}");
    let invocations = api.get(&of_co("invocations?limit=100")).await.expect(200);
    let items = invocations["items"].as_array().unwrap();
    let more = more_authentications(&receiver, &root);
    assert_eq!(items.len(), attacks.len() + more.len(), "{invocations}");
    for item in items {
        let id = item["id"].as_str().unwrap();
        told.push((
            "invocation",
            api.get(&of_co(&format!("invocations/{id}"))).await.expect(200).to_string(),
        ));
        told.push(("command", program.output(&["invocation", "show", "--co", "physics", id])));
    }
    for path in [
        "servers",
        "servers/bearer",
        "servers/basic",
        "targets",
        "changes?after=0",
        "people/anna/provisioned-services",
    ] {
        told.push(("list", api.get(&of_co(path)).await.expect(200).to_string()));
    }
    hook.wait_for(1).await;
    told.push(("settings", api.get(&of_co("notification-settings")).await.expect(200).to_string()));
    for (id, _) in &more {
        told.push(("server", api.get(&of_co(&format!("servers/{id}"))).await.expect(200).to_string()));
        told.push((
            "grants",
            api.get(&of_co(&format!("targets/echo-{id}/grants"))).await.expect(200).to_string(),
        ));
        for tried in ["check", "prepare", "prepare?preview=true"] {
            let tried = api.post(&of_co(&format!("targets/echo-{id}/{tried}")), json!({})).await;
            told.push(("trial", String::from_utf8_lossy(&tried.body).into_owned()));
        }
        let anna = json!({"kind": "person", "id": "anna"});
        let preview = api.post(&of_co(&format!("targets/echo-{id}/preview")), anna).await.expect(200);
        told.push(("preview", preview.to_string()));
    }
    for (id, _) in &attacks {
        told.push(("target", api.get(&of_co(&format!("targets/{id}"))).await.expect(200).to_string()));
        let checked = api.post(&of_co(&format!("targets/{id}/check")), json!({})).await;
        told.push(("check", String::from_utf8_lossy(&checked.body).into_owned()));
    }
    // The host itself asks from here on, not a plugin.
    receiver.expect_the_operator();
    for id in ["bearer", "basic"] {
        let checked = api.post(&of_co(&format!("servers/{id}/check")), json!({})).await;
        told.push(("check", String::from_utf8_lossy(&checked.body).into_owned()));
        let broken = json!({"configuration": {
            "kind": "http", "base_url": "nowhere", "authentication": {"kind": "bearer", "token": TOKEN},
        }});
        let refused = api.put(&of_co(&format!("servers/{id}")), broken).await;
        assert!(refused.status >= 400);
        told.push(("problem", String::from_utf8_lossy(&refused.body).into_owned()));
    }
    let log = serving.stderr();
    assert!(log.contains("DEBUG") && log.lines().count() > 20, "a log of everything: {log}");
    told.push(("log", log));
    assert_eq!(serving.terminate().code(), Some(0));
    let key = program.json(&["key", "create", "--full", "--description", "mine"]);
    let key = key["key"].as_str().expect("a key, shown once").to_owned();
    told.push(("keys", program.output(&["key", "list"])));
    let kept = kept_below(&program.folder().join("data"));
    assert!(
        kept.iter().any(|(name, _)| name.contains("provender")),
        "{:?}",
        kept.iter().map(|(name, _)| name).collect::<Vec<_>>()
    );
    told.extend(kept.iter().map(|(name, text)| (name.as_str(), text.clone())));

    for (what, text) in &told {
        assert_eq!(shown(text), Vec::<String>::new(), "{what}: {}", around_canary(text));
        assert!(!text.contains(&key), "{what}: the key is kept");
    }
    // The counterpart, and only it, got what it is to get.
    assert!(elsewhere.received().is_empty());
    let with_credential = |request: &Received| {
        request.header("authorization").or_else(|| request.header("x-api-key")).is_some()
    };
    let credentials = receiver.received().iter().filter(|&request| with_credential(request)).count();
    assert!(credentials > 20 && credentials == receiver.received().len());
}

/// Every file that the host left, as text.
fn kept_below(folder: &Path) -> Vec<(String, String)> {
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            kept.push((path.display().to_string(), text));
        }
    }
    kept
}

/// Where a failure is to be looked for.
fn around_canary(text: &str) -> String {
    let at = text.to_lowercase().find("c4n4ry").unwrap_or_default();
    text.chars().skip(at.saturating_sub(300)).take(600).collect()
}

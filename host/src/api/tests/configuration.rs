//! Plugins, servers, filters and targets.

use provender_bundled_plugins::find;
use serde_json::{Value, json};

use super::{Answer, Api};
use crate::api::Exposure;

impl Api {
    /// Installs a bundled plugin.
    pub(super) async fn install(&self, name: &str) -> Answer {
        let wasm = find(name).unwrap().wasm.to_vec();
        self.call("POST", &format!("/plugins?file={name}.wasm")).bytes("application/wasm", wasm).send().await
    }

    /// Makes a folder the files server `files`.
    pub(super) async fn files_server(&self) -> std::path::PathBuf {
        let root = self.directory.path().join("files");
        std::fs::create_dir_all(&root).unwrap();
        let server = json!({"description": "logs", "configuration": {"kind": "files", "root": root}});
        self.put("/cos/demo/servers/files", server).await;
        root
    }
}

/// A target that appends to the files server.
pub(super) fn changelog() -> Value {
    json!({"description": "Log", "plugin": "changelog", "slots": {"log": "files"}})
}

fn pointers(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().unwrap();
    errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_plugin_is_installed_once_found_by_its_digest_and_removed_when_nothing_uses_it() {
    let api = Api::start().await;
    let installed = api.install("changelog").await;
    let location = installed.header("location").unwrap().trim_start_matches("/api/v1").to_owned();
    let manifest = installed.with(201);
    assert_eq!((&manifest["name"], &manifest["world"]), (&json!("changelog"), &json!("provisioner")));
    assert_eq!(manifest["slots"][0]["kind"], "files");
    assert_eq!(manifest["configuration_schema"]["type"], "object");
    assert!(manifest["installed"].is_string());
    assert!(manifest["imports"].as_array().unwrap().iter().any(|import| import["support"] == "capability"));

    assert_eq!(api.install("changelog").await.with(200), manifest);
    assert_eq!(api.get(&location).await.with(200), manifest);
    assert_eq!(api.get("/plugins").await.with(200)["items"], json!([manifest]));
    let digest = manifest["digest"].as_str().unwrap();
    api.get(&format!("/plugins/{}", &digest[..8])).await.with(200);
    for unknown in [&digest[..7], "changelog", "0123456789abcdef"] {
        api.get(&format!("/plugins/{unknown}")).await.with(404);
    }

    api.files_server().await;
    api.put("/cos/demo/targets/log", changelog()).await.with(201);
    let (kind, problem) = api.delete(&location).await.problem(409);
    assert_eq!(kind, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("target demo/log"), "{problem}");
    api.delete("/cos/demo/targets/log").await.with(204);
    api.delete(&location).await.with(204);
    api.delete(&location).await.with(404);
}

#[tokio::test]
async fn what_is_no_plugin_is_refused_with_what_helps() {
    let api = Api::start_on(Exposure::Loopback, |configuration| {
        configuration.sandbox.component_bytes = 1_000;
    })
    .await;
    let own_binary = std::fs::read("/proc/self/exe").unwrap();
    for (file, wasm, complaint) in [
        ("empty.wasm", &b""[..], "plugin `empty.wasm` is an empty file"),
        ("ls", &own_binary[..1_000], "plugin `ls` is an ELF file"),
        ("core.wasm", b"\0asm\x01\0\0\0", "is a core module"),
        ("hello.txt", b"Hello, world!", "is a file of unknown kind"),
        ("cut.wasm", &find("changelog").unwrap().wasm[..900], "plugin `cut.wasm` is not a valid component"),
        ("large.wasm", &own_binary[..1_001], "has 1001 bytes, but this host takes at most 1000"),
    ] {
        let sent =
            api.call("POST", &format!("/plugins?file={file}")).bytes("application/wasm", wasm.to_vec());
        let (kind, problem) = sent.send().await.problem(422);
        assert_eq!(kind, "plugin-refused");
        assert!(problem["detail"].as_str().unwrap().contains(complaint), "{problem}");
    }
    let larger = api.call("POST", "/plugins").bytes("application/wasm", vec![0; 2_000]).send().await;
    assert!(larger.with(413)["detail"].as_str().unwrap().contains("sandbox.component_bytes"));
    api.call("POST", "/plugins").bytes("text/plain", Vec::new()).send().await.with(415);
    assert_eq!(api.get("/plugins").await.with(200)["items"], json!([]));
}

#[tokio::test]
async fn secrets_of_a_server_go_in_and_never_come_out() {
    let api = Api::start().await;
    let path = "/cos/demo/servers/directory";
    let server = |password: Option<&str>, base_url: &str| {
        let mut authentication = json!({"kind": "basic", "username": "host"});
        if let Some(password) = password {
            authentication["password"] = password.into();
        }
        json!({"configuration": {"kind": "http", "base_url": base_url, "authentication": authentication}})
    };
    let (_, missing) = api.put(path, server(None, "https://a.example.org/x")).await.problem(422);
    assert_eq!(pointers(&missing), ["/configuration/authentication/password"]);
    let stored = api.put(path, server(Some("hunter2"), "https://a.example.org/x")).await.with(201);
    let shown = api.get(path).await.with(200);
    assert_eq!(stored, shown);
    assert_eq!(shown["configuration"]["authentication"], json!({"kind": "basic", "username": "host"}));

    // What is shown can be written back: the secret stays. Not so at another place.
    api.put(path, shown.clone()).await.with(200);
    let (_, elsewhere) = api.put(path, server(None, "https://b.example.org")).await.problem(422);
    assert_eq!(pointers(&elsewhere), ["/configuration/authentication/password"]);
    let row = api.host.store.server("demo", "directory").await.unwrap().unwrap();
    assert!(row.secrets.contains_key("password") && !format!("{row:?} {shown}").contains("hunter2"));

    let (_, many) = api
        .put(path, json!({"configuration": {"kind": "http", "base_url": "ftp://x", "connect_timeout_ms": 0}}))
        .await
        .problem(422);
    assert_eq!(pointers(&many), ["/configuration/base_url", "/configuration/connect_timeout_ms"]);
    api.put(path, json!({"configuration": {"kind": "carrier-pigeon"}})).await.with(422);
    api.put(path, json!({"configuration": {"kind": "files", "root": "/", "speed": 1}})).await.with(422);
}

#[tokio::test]
async fn a_server_is_checked_by_connecting_to_it() {
    let api = Api::start().await;
    let root = api.files_server().await;
    let check = || api.call("POST", "/cos/demo/servers/files/check").send();
    assert_eq!(check().await.with(200)["findings"], json!(["the root is there and can be written"]));
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
    std::fs::remove_dir(&root).unwrap();
    let (kind, _) = check().await.problem(502);
    assert_eq!(kind, "check-failed");

    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let web =
        json!({"kind": "http", "base_url": format!("http://{unused}"), "allow_private_addresses": true});
    api.put("/cos/demo/servers/web", json!({"configuration": web})).await.with(201);
    let (_, problem) = api.call("POST", "/cos/demo/servers/web/check").send().await.problem(502);
    assert!(problem["detail"].as_str().unwrap().contains("server `web`"), "{problem}");
}

#[tokio::test]
async fn a_target_fits_its_plugin_or_is_refused_with_the_place_of_each_problem() {
    let api = Api::start().await;
    api.install("changelog").await.with(201);
    api.install("group-name").await.with(201);
    api.files_server().await;
    let web = json!({"configuration": {"kind": "http", "base_url": "https://example.org"}});
    api.put("/cos/demo/servers/web", web).await.with(201);
    let path = "/cos/demo/targets/log";
    for (target, expected) in [
        (json!({"plugin": "changelog"}), vec!["/slots"]),
        (json!({"plugin": "changelog", "slots": {"log": "web"}}), vec!["/slots/log"]),
        (json!({"plugin": "changelog", "slots": {"log": "missing"}}), vec!["/slots/log"]),
        (json!({"plugin": "changelog", "slots": {"log": "files", "x/y": "files"}}), vec!["/slots/x~1y"]),
        (json!({"plugin": "missing"}), vec!["/plugin"]),
        (json!({"plugin": "group-name", "configuration": {"identifier_type": "x"}}), vec!["/plugin"]),
        (
            json!({
                "id": "other", "plugin": "changelog", "slots": {"log": "files"}, "filters": ["missing"],
                "limits": {"fuel": 0, "cpu": 1}, "configuration": {"file": 7, "colour": "red"},
            }),
            vec!["/configuration", "/configuration/file", "/filters/0", "/id", "/limits/cpu", "/limits/fuel"],
        ),
    ] {
        let (kind, problem) = api.put(path, target.clone()).await.problem(422);
        assert_eq!(kind, "invalid-configuration", "{target}");
        let mut given = pointers(&problem);
        given.sort_unstable();
        assert_eq!(given, expected, "{target}: {problem}");
    }
    api.put(path, json!({"plugin": "changelog", "colour": "red"})).await.with(422);
    api.get(path).await.with(404);
}

#[tokio::test]
async fn a_target_is_checked_and_prepared_by_its_plugin() {
    let api = Api::start().await;
    api.install("changelog").await.with(201);
    let root = api.files_server().await;
    api.put("/cos/demo/targets/log", changelog()).await.with(201);
    let call = |step: &str| api.call("POST", &format!("/cos/demo/targets/log/{step}")).send();
    for step in ["check", "prepare"] {
        assert!(call(step).await.with(200)["findings"].is_array(), "{step}");
    }
    api.call("POST", "/cos/demo/targets/missing/check").send().await.with(404);
    std::fs::create_dir(root.join("changelog.ndjson")).unwrap();
    let (kind, problem) = call("check").await.problem(502);
    assert_eq!(kind, "check-failed");
    assert!(problem["detail"].as_str().unwrap().contains("target `log`"), "{problem}");
}

#[tokio::test]
async fn targets_keep_their_place_and_come_in_the_order_they_are_called() {
    let api = Api::start().await;
    api.install("changelog").await.with(201);
    api.files_server().await;
    let first = api.put("/cos/demo/targets/b", changelog()).await;
    assert_eq!(first.header("location"), Some("/api/v1/cos/demo/targets/b"));
    let first = first.with(201);
    assert_eq!((&first["order"], &first["mode"]), (&json!(1), &json!("automatic")));
    let second = api.put("/cos/demo/targets/a", changelog()).await.with(201);
    assert_eq!(second["order"], 2);
    // What is shown can be written back.
    assert_eq!(api.put("/cos/demo/targets/a", second.clone()).await.with(200), second);
    assert_eq!(api.put("/cos/demo/targets/a", changelog()).await.with(200)["order"], 2);
    let listed = api.get("/cos/demo/targets").await.with(200);
    assert_eq!((&listed["items"][0]["id"], &listed["items"][1]["id"]), (&json!("b"), &json!("a")));
    assert_eq!(api.get("/cos/demo/targets/a").await.with(200)["plugin"]["name"], "changelog");
}

#[tokio::test]
async fn what_is_in_use_is_not_removed() {
    let api = Api::start().await;
    api.install("changelog").await.with(201);
    api.install("group-name").await.with(201);
    api.files_server().await;
    let filter = json!({"plugin": "group-name", "configuration": {"identifier_type": "slug"}});
    assert_eq!(api.put("/cos/demo/filters/slugs", filter).await.with(201)["plugin"]["name"], "group-name");
    let (_, problem) = api.put("/cos/demo/filters/slugs", json!({"plugin": "group-name"})).await.problem(422);
    assert_eq!(pointers(&problem), ["/configuration"]);
    let mut target = changelog();
    target["filters"] = json!(["slugs"]);
    api.put("/cos/demo/targets/log", target).await.with(201);
    for path in ["/cos/demo/filters/slugs", "/cos/demo/servers/files"] {
        let (kind, problem) = api.delete(path).await.problem(409);
        assert_eq!(kind, "conflict");
        assert!(problem["detail"].as_str().unwrap().contains("target log"), "{problem}");
    }
    api.delete("/cos/demo/targets/log").await.with(204);
    for path in ["/cos/demo/filters/slugs", "/cos/demo/servers/files"] {
        api.get(path).await.with(200);
        api.delete(path).await.with(204);
        api.get(path).await.with(404);
        api.delete(path).await.with(404);
    }
}

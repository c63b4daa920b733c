use serde_json::json;
use tempfile::TempDir;

use super::super::description::tests::manifest_of_schema;
use super::*;
use crate::sandbox::Settings;

async fn catalog() -> (TempDir, Catalog) {
    let directory = tempfile::tempdir().unwrap();
    let store =
        Store::open(&format!("sqlite://{}", directory.path().join("store.db").display())).await.unwrap();
    let settings = Settings::small(directory.path().join("compiled"), [7; 32]);
    let host = PluginHost::start(&Settings { component_bytes: 1024, ..settings }).unwrap();
    (directory, Catalog::new(store, host, Limits::default()))
}

impl Catalog {
    /// Keeps a plugin without looking at it.
    async fn put(&self, name: &str, version: &str, digest: &str, installed: i64) {
        let manifest = Manifest {
            name: name.to_owned(),
            version: version.to_owned(),
            digest: digest.to_owned(),
            installed: Some(Timestamp::from_second(installed).unwrap()),
            ..manifest_of_schema(json!({"type": "object"}))
        };
        self.keep(&manifest, b"\0asm\x01\0\0\0"[..].into()).await.unwrap();
    }

    async fn found(&self, reference: &str) -> String {
        match self.find(reference).await {
            Ok(manifest) => format!("{}@{} {}", manifest.name, manifest.version, &manifest.digest[..9]),
            Err(error) => error.to_string(),
        }
    }
}

fn digest(start: &str) -> String {
    format!("{start:0<64}")
}

#[tokio::test]
async fn a_plugin_is_found_by_name_version_and_digest() {
    let (_directory, catalog) = catalog().await;
    for (name, version, start, installed) in [
        ("accounts", "2.0.0", "aaaaaaaa1", 1),
        ("accounts", "1.0.0", "aaaaaaaa2", 2),
        ("changelog", "1.0.0", "cccccccc1", 3),
        ("bbbbbbbb", "1.0.0", "dddddddd1", 4),
        ("other", "1.0.0", "bbbbbbbb1", 5),
    ] {
        catalog.put(name, version, &digest(start), installed).await;
    }
    for (reference, expected) in [
        ("accounts", "accounts@1.0.0 aaaaaaaa2"),
        ("accounts@2.0.0", "accounts@2.0.0 aaaaaaaa1"),
        ("cccccccc", "changelog@1.0.0 cccccccc1"),
        ("CCCCCCCC1", "changelog@1.0.0 cccccccc1"),
        (digest("aaaaaaaa1").as_str(), "accounts@2.0.0 aaaaaaaa1"),
        // A name goes before a digest.
        ("bbbbbbbb", "bbbbbbbb@1.0.0 dddddddd1"),
        ("bbbbbbbb1", "other@1.0.0 bbbbbbbb1"),
    ] {
        assert_eq!(catalog.found(reference).await, expected, "{reference}");
    }
    let ambiguous = catalog.found("aaaaaaaa").await;
    assert!(ambiguous.contains("is ambiguous") && ambiguous.contains(&digest("aaaaaaaa2")), "{ambiguous}");
    for unknown in ["ccccccc", "accounts@3.0.0", "missing", ""] {
        let missing = catalog.found(unknown).await;
        assert!(
            missing.contains("is not installed; name one of accounts@2.0.0, accounts@1.0.0"),
            "{missing}"
        );
    }
}

#[tokio::test]
async fn a_plugin_that_no_longer_loads_is_told_at_its_call_and_stops_nothing() {
    let (_directory, catalog) = catalog().await;
    catalog.put("accounts", "1.0.0", &digest("aaaaaaaa1"), 1).await;
    for _ in 0..2 {
        let error = catalog.load(&digest("aaaaaaaa1")).await.map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with("plugin `accounts@1.0.0 (aaaaaaaa1000)` is a core module"), "{error}");
    }
    assert_eq!(catalog.list().await.unwrap().len(), 1);
    catalog.remove(&digest("aaaaaaaa1")).await.unwrap();
    let error = catalog.load(&digest("aaaaaaaa1")).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, PluginUnavailable::NotInstalled { .. }), "{error}");
    let error = catalog.remove(&digest("aaaaaaaa1")).await.unwrap_err();
    assert!(matches!(error, RemoveError::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn what_is_refused_is_named_by_its_file_and_not_kept() {
    let (_directory, catalog) = catalog().await;
    let refused = catalog.install("core.wasm", b"\0asm\x01\0\0\0".to_vec()).await.unwrap_err().to_string();
    assert!(
        refused.starts_with("plugin `core.wasm` is a core module, not a WebAssembly component"),
        "{refused}"
    );
    assert_eq!(catalog.list().await.unwrap(), []);
}

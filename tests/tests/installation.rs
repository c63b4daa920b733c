//! What is taken as a plugin, what is refused and with which words, and what becomes of installed plugins.

use provender::plugins::{FindError, RemoveError};
use provender::sandbox::{Support, World};
use provender_tests::guests::{COMMAND, MISBEHAVING, MISBEHAVING_FILTER, described, patched};
use provender_tests::host::{CO, TestHost};
use serde_json::json;

/// Offers a file to a host, and gives the reason why it is refused.
async fn refusal(component: &[u8]) -> String {
    let host = TestHost::start().await;
    let refused =
        host.host.catalog.install("offered.wasm", component.to_vec()).await.unwrap_err().to_string();
    assert!(refused.contains("offered.wasm"), "a refusal names the file: {refused}");
    assert!(host.host.catalog.list().await.unwrap().is_empty(), "what is refused is not kept");
    let examined =
        host.host.catalog.examine("offered.wasm", component.to_vec()).await.unwrap_err().to_string();
    assert_eq!(examined, refused, "an examination says the same");
    refused
}

fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

mod a_file_is_refused {
    use super::*;

    #[tokio::test]
    async fn that_is_no_component() {
        for (bytes, found) in [
            (&b""[..], "is an empty file"),
            (b"\0asm\x01\0\0\0", "is a core module"),
            (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0", "is an ELF file"),
            (b"\x8a\x1f\x33\x07 random bytes", "is a file of unknown kind"),
        ] {
            assert_contains(
                &refusal(bytes).await,
                &[found, "not a WebAssembly component", "`wasm32-wasip2`"],
            );
        }
    }

    #[tokio::test]
    async fn that_is_cut_off() {
        assert_contains(&refusal(&MISBEHAVING[..1000]).await, &["is not a valid component: "]);
    }

    #[tokio::test]
    async fn that_is_larger_than_the_limit() {
        let host = TestHost::start_with(|configuration| configuration.sandbox.component_bytes = 10_000).await;
        let refused =
            host.host.catalog.install("offered.wasm", MISBEHAVING.to_vec()).await.unwrap_err().to_string();
        let size = format!("has {} bytes, but this host takes at most 10000", MISBEHAVING.len());
        assert_contains(&refused, &["offered.wasm", &size, "raise `component_bytes`"]);
    }
}

mod a_component_is_refused {
    use super::*;

    #[tokio::test]
    async fn that_imports_what_is_not_offered() {
        let vault = patched(&described("ordinary"), "provender:plugin/state@", "provender:plugin/vault@");
        assert_contains(
            &refusal(&vault).await,
            &[
                "imports `provender:plugin/vault@0.1.0`",
                "which this host does not offer",
                "it offers provender:plugin/{log, state, registry, files, ldap, messaging, sql}@0.1",
                "build the plugin without",
            ],
        );
    }

    #[tokio::test]
    async fn that_imports_a_package_of_others_that_is_not_offered() {
        let keyvalue =
            patched(MISBEHAVING, "provender:plugin/registry@0.1.0", "wasi:keyvalue/store@0.2.0-draft");
        assert_contains(&refusal(&keyvalue).await, &["imports `wasi:keyvalue/store@0.2.0-draft`"]);
    }

    #[tokio::test]
    async fn with_all_imports_that_are_not_offered() {
        let both = patched(MISBEHAVING, "provender:plugin/state@", "provender:plugin/vault@");
        let both = patched(&both, "provender:plugin/registry@0.1.0", "wasi:keyvalue/store@0.2.0-draft");
        assert_contains(
            &refusal(&both).await,
            &["`provender:plugin/vault@0.1.0`", "`wasi:keyvalue/store@0.2.0-draft`"],
        );
    }

    #[tokio::test]
    async fn of_another_world() {
        assert_contains(
            &refusal(COMMAND).await,
            &[
                "exports `wasi:cli/run@0.2.",
                "which is no world of this host",
                "`provisioner` or `data-filter`",
            ],
        );
    }

    #[tokio::test]
    async fn whose_description_traps() {
        let refused = refusal(&described("trap")).await;
        assert_contains(&refused, &["plugin trapped in `describe`: panic", "no description today"]);
    }

    #[tokio::test]
    async fn whose_description_runs_out_of_fuel() {
        assert_contains(
            &refusal(&described("loop")).await,
            &["plugin ran out of fuel in `describe`: limit `fuel` is "],
        );
    }

    #[tokio::test]
    async fn whose_description_takes_too_much_memory() {
        assert_contains(
            &refusal(&described("memory")).await,
            &["plugin exceeded limit `memory_bytes` in `describe`"],
        );
    }

    #[tokio::test]
    async fn whose_description_acts() {
        assert_contains(&refusal(&described("effect")).await, &["effect refused in `describe`: state set: "]);
    }

    #[tokio::test]
    async fn whose_description_is_invalid() {
        assert_contains(&refusal(&described("name")).await, &["Not A Name", "lower case"]);
        assert_contains(&refusal(&described("version")).await, &["one", "Semantic Versioning"]);
        assert_contains(&refusal(&described("slots")).await, &["`web`"]);
    }

    #[tokio::test]
    async fn whose_configuration_schema_is_no_json_schema() {
        assert_contains(&refusal(&described("schema")).await, &["schema", "is not valid at /required"]);
        assert_contains(&refusal(&described("no json")).await, &["schema", "is not JSON"]);
    }
}

mod an_installed_plugin {
    use super::*;

    #[tokio::test]
    async fn shows_what_it_is() {
        let host = TestHost::start().await;
        let manifest = host.install(MISBEHAVING).await;
        assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("misbehaving", "0.1.0"));
        assert_eq!((manifest.world, manifest.contract.as_str()), (World::Provisioner, "0.1.0"));
        assert_eq!(manifest.size_bytes, MISBEHAVING.len() as u64);
        assert_eq!(manifest.digest.len(), 64);
        assert_eq!(manifest.subject_kinds, ["person", "group"]);
        let slots: Vec<_> =
            manifest.slots.iter().map(|slot| (slot.name.as_str(), slot.kind.as_str())).collect();
        assert_eq!(
            slots,
            [
                ("web", "http"),
                ("another-web", "http"),
                ("folder", "files"),
                ("another-folder", "files"),
                ("directory", "ldap")
            ]
        );
        assert_eq!(manifest.slots[0].operations, ["GET", "PUT", "POST"]);
        assert!(
            manifest.imports.iter().any(|import| import.support == Support::Denied),
            "{:?}",
            manifest.imports
        );
        assert!(manifest.configuration_schema["properties"]["provision"].is_object());
        assert!(manifest.installed.is_some());
        assert_eq!(host.host.catalog.list().await.unwrap(), [manifest]);
    }

    #[tokio::test]
    async fn of_the_other_world_is_told_from_a_provisioner() {
        let host = TestHost::start().await;
        assert_eq!(host.install(MISBEHAVING_FILTER).await.world, World::DataFilter);
    }

    #[tokio::test]
    async fn is_installed_once() {
        let host = TestHost::start().await;
        let first = host.install(MISBEHAVING).await;
        assert_eq!(host.install(MISBEHAVING).await, first);
        assert_eq!(host.host.catalog.list().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn that_was_only_examined_is_not_kept() {
        let host = TestHost::start().await;
        let examined = host.host.catalog.examine("offered.wasm", MISBEHAVING.to_vec()).await.unwrap();
        assert_eq!((examined.name.as_str(), examined.installed), ("misbehaving", None));
        assert!(host.host.catalog.list().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn is_found_by_name_version_and_digest() {
        let host = TestHost::start().await;
        let manifest = host.install(MISBEHAVING).await;
        let catalog = &host.host.catalog;
        for reference in ["misbehaving", "misbehaving@0.1.0", &manifest.digest, &manifest.digest[..8]] {
            assert_eq!(catalog.find(reference).await.unwrap(), manifest, "{reference}");
        }
        for reference in ["misbehave", "misbehaving@0.2.0", &manifest.digest[..7], "00000000"] {
            let error = catalog.find(reference).await.unwrap_err();
            assert!(matches!(error, FindError::NotFound { .. }), "{reference}: {error}");
            assert_contains(&error.to_string(), &[reference, "misbehaving@0.1.0"]);
        }
    }

    #[tokio::test]
    async fn is_removed_when_nothing_uses_it() {
        let host = TestHost::start().await;
        let manifest = host.install(MISBEHAVING).await;
        let catalog = &host.host.catalog;
        catalog.remove(&manifest.digest).await.unwrap();
        assert!(catalog.list().await.unwrap().is_empty());
        let error = catalog.remove(&manifest.digest).await.unwrap_err();
        assert!(matches!(error, RemoveError::NotFound { .. }), "{error}");
        assert_contains(&catalog.load(&manifest.digest).await.err().unwrap().to_string(), &["not installed"]);
    }

    #[tokio::test]
    async fn is_not_removed_while_a_target_or_a_filter_uses_it() {
        let host = TestHost::start().await;
        host.misbehaving_target("directory", json!([])).await;
        host.misbehaving_filter("marks", json!({"do": "mark", "name": "m"})).await;
        for (name, user) in
            [("misbehaving", "target physics/directory"), ("misbehaving-filter", "filter physics/marks")]
        {
            let manifest = host.host.catalog.find(name).await.unwrap();
            let error = host.host.catalog.remove(&manifest.digest).await.unwrap_err().to_string();
            assert_contains(&error, &["in use by", user, "remove them first"]);
        }
        host.host.administration.delete_target(CO, "directory").await.unwrap();
        let manifest = host.host.catalog.find("misbehaving").await.unwrap();
        host.host.catalog.remove(&manifest.digest).await.unwrap();
    }

    #[tokio::test]
    async fn is_there_after_a_restart() {
        let host = TestHost::start().await;
        let manifest = host.install(MISBEHAVING).await;
        let host = host.restart().await;
        assert_eq!(host.host.catalog.list().await.unwrap(), std::slice::from_ref(&manifest));
        host.host.catalog.load(&manifest.digest).await.unwrap();
    }
}

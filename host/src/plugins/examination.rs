//! Finds out what a file is: by its binary, and by what it says of itself in the sandbox, without any grant.

use std::sync::Arc;

use jiff::Timestamp;

use super::description::manifest;
use super::error::InstallProblem;
use super::manifest::Manifest;
use crate::capabilities::contract::types::Description;
use crate::capabilities::plugin::{Plugin, PluginHost};
use crate::capabilities::{CallState, Grants, Surroundings};
use crate::sandbox::{Limits, Mode};

/// What differs between the two calls of `describe`; a description that follows from either is no description.
const SURROUNDINGS: [([u8; 32], Timestamp); 2] =
    [([1; 32], Timestamp::UNIX_EPOCH), ([2; 32], Timestamp::constant(1_700_000_000, 0))];

/// Loads a component and asks it what it is.
pub(super) async fn examine(
    host: &PluginHost,
    limits: &Limits,
    digest: &str,
    wasm: Arc<[u8]>,
) -> Result<(Manifest, Plugin), InstallProblem> {
    let size_bytes = wasm.len() as u64;
    // What was compiled of it is kept only with the plugin.
    let plugin = host.load(digest, wasm).await.inspect_err(|_| host.forget(digest))?;
    let described = describe(host, limits, &plugin).await.and_then(|description| {
        manifest(description, plugin.inspection.clone(), digest.to_owned(), size_bytes)
    });
    match described {
        Ok(manifest) => Ok((manifest, plugin)),
        Err(problem) => {
            host.forget(digest);
            Err(problem)
        }
    }
}

async fn describe(
    host: &PluginHost,
    limits: &Limits,
    plugin: &Plugin,
) -> Result<Description, InstallProblem> {
    let mut said: Option<Description> = None;
    for (seed, time) in SURROUNDINGS {
        let surroundings = Surroundings { limits: limits.clone(), seed, time, mode: Mode::Live };
        let call = host.describe(plugin, CallState::new(surroundings, Grants::default())).await;
        let description = call.result.map_err(|fault| InstallProblem::Described { fault })?;
        if said.is_some_and(|before| before != description) {
            return Err(InstallProblem::Description(
                "it says something else at every call: make `describe` return constants".to_owned(),
            ));
        }
        said = Some(description);
    }
    said.ok_or_else(|| InstallProblem::Description("it says nothing".to_owned()))
}

#[cfg(test)]
mod tests {
    use ring::digest::{SHA256, digest};

    use super::*;
    use crate::sandbox::Settings;

    async fn refusal(wasm: &[u8]) -> String {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings::small(directory.path().join("cache"), [7; 32]);
        let host = PluginHost::start(&Settings { component_bytes: 1024, ..settings }).unwrap();
        let digest: String =
            digest(&SHA256, wasm).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        match examine(&host, &Limits::default(), &digest, wasm.into()).await {
            Ok(_) => panic!("was taken"),
            Err(problem) => problem.to_string(),
        }
    }

    #[tokio::test]
    async fn what_is_no_component_is_refused_for_what_it_is() {
        let own_binary = std::fs::read("/proc/self/exe").unwrap();
        for (wasm, complaint) in [
            (&b""[..], "is an empty file"),
            (&own_binary[..1024], "is an ELF file"),
            (b"\0asm\x01\0\0\0", "is a core module"),
            (&[0x9d; 64][..], "is a file of unknown kind"),
        ] {
            let refusal = refusal(wasm).await;
            assert!(refusal.starts_with(complaint) && refusal.contains("wasm32-wasip2"), "{refusal}");
        }
    }

    #[tokio::test]
    async fn a_component_that_was_cut_off_is_refused() {
        let refusal = refusal(b"\0asm\x0d\0\x01\0\x01\xff").await;
        assert!(refusal.starts_with("is not a valid component: "), "{refusal}");
    }

    #[tokio::test]
    async fn a_component_without_exports_is_refused_with_the_worlds_of_the_host() {
        let refusal = refusal(b"\0asm\x0d\0\x01\0").await;
        assert!(refusal.contains("exports nothing") && refusal.contains("`data-filter`"), "{refusal}");
    }

    #[tokio::test]
    async fn a_file_beyond_the_limit_is_refused_with_the_limit() {
        let refusal = refusal(&[0; 1025]).await;
        assert!(refusal.contains("has 1025 bytes, but this host takes at most 1024"), "{refusal}");
    }
}

//! The plugins of this repository as components, built with this crate: see `build/main.rs`.

/// A plugin that comes with the host.
#[derive(Clone, Copy, Debug)]
pub struct BundledPlugin {
    /// Its name, as its description gives it.
    pub name: &'static str,
    /// The component.
    pub wasm: &'static [u8],
}

/// All of them, by name.
pub const PLUGINS: &[BundledPlugin] = include!(concat!(env!("OUT_DIR"), "/plugins.rs"));

/// The plugin of a name.
pub fn find(name: &str) -> Option<&'static BundledPlugin> {
    PLUGINS.iter().find(|plugin| plugin.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a component names an interface, which it does only for what it imports or exports.
    fn names(plugin: &str, interface: &str) -> bool {
        let wasm = find(plugin).unwrap().wasm;
        wasm.windows(interface.len()).any(|window| window == interface.as_bytes())
    }

    #[test]
    fn every_plugin_is_a_component() {
        for plugin in PLUGINS {
            assert_eq!(plugin.wasm.get(..8), Some(&b"\0asm\x0d\0\x01\0"[..]), "{}", plugin.name);
        }
        assert!(find("missing").is_none());
    }

    #[test]
    fn only_what_a_plugin_uses_becomes_an_import() {
        assert!(names("api", "wasi:http/outgoing-handler"));
        assert!(names("changelog", "provender:plugin/files"));
        assert!(names("group-name", "provender:plugin/filtering"));

        for (plugin, unused) in [
            ("api", "provender:plugin/files"),
            ("changelog", "wasi:http"),
            ("group-name", "wasi:http"),
            ("group-name", "provender:plugin/files"),
            ("group-name", "provender:plugin/state"),
            ("group-name", "provender:plugin/provisioning"),
        ] {
            assert!(!names(plugin, unused), "{plugin} must not import {unused}");
        }
        for plugin in PLUGINS {
            for unused in ["wasi:filesystem", "wasi:sockets", "wasi:random", "wasi:clocks/wall-clock"] {
                // One keeps its regular expressions by hash, the other makes salts.
                let random = ["group-filter", "ldap-service-token"].contains(&plugin.name);
                assert!(
                    random && unused == "wasi:random" || !names(plugin.name, unused),
                    "{} must not import {unused}",
                    plugin.name
                );
            }
        }
    }
}

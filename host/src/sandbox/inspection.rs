//! What a file offered as a plugin is: a component or not, which world, which imports.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wasmparser::Payload;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;
use wasmtime::{Engine, Precompiled};

use super::fault::stderr_tail;
use super::text::one_line;

/// The worlds of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum World {
    Provisioner,
    DataFilter,
}

impl World {
    /// As in the contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::Provisioner => "provisioner",
            Self::DataFilter => "data-filter",
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What an import is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// A capability: acts within the grant of the target.
    Capability,
    /// Part of the language runtime: inert or deterministic.
    Runtime,
    /// Present, but denies everything.
    Denied,
    /// Only types.
    Types,
}

/// One import of a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Import {
    /// With its version: "wasi:http/outgoing-handler@0.2.12".
    pub name: String,
    pub support: Support,
}

/// What a component is by its binary alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Inspection {
    pub world: World,
    /// Version of the contract that it was built for.
    pub contract: String,
    pub imports: Vec<Import>,
}

/// Why a file is not taken as a plugin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error(
        "is {found}, not a WebAssembly component; build it for `wasm32-wasip2` or wrap it with `wasm-tools component new`"
    )]
    NotAComponent { found: &'static str },
    #[error("has {size} bytes, but this host takes at most {limit}; strip it or raise `component_bytes`")]
    TooLarge { size: u64, limit: u64 },
    #[error("is not a valid component: {message}")]
    Invalid { message: String },
    #[error(
        "takes longer than {limit_seconds} s to compile; split its largest functions, build it optimised, or raise \
         `sandbox.compile_seconds`"
    )]
    CompileTime { limit_seconds: u64 },
    #[error(
        "needs more than {limit_bytes} bytes of memory to compile; split its largest functions, build it optimised, or \
         raise `sandbox.compile_memory_bytes`"
    )]
    CompileMemory { limit_bytes: u64 },
    #[error(
        "compiles to more than {limit_bytes} bytes of machine code, which is too much for its size; build it optimised"
    )]
    CompiledSize { limit_bytes: u64 },
    #[error("crashes the compiler ({ending}){}; build it with other settings", stderr_tail(stderr))]
    CompilerCrashed {
        /// As the operating system says it: "signal: 6 (SIGABRT)".
        ending: String,
        /// The end of what the compiler wrote to standard error.
        stderr: String,
    },
    /// The host's own fault.
    #[error("could not be compiled: {message}; mend this host, then try again")]
    CompilerFailed { message: String },
    #[error(
        "imports {}, which this host does not offer; it offers {OFFER}; build the plugin without them",
        listed(wanted)
    )]
    UnknownImports { wanted: Vec<String> },
    #[error(
        "exports {}, which is no world of this host; a plugin exports `provender:plugin/plugin@{CONTRACT}` and either \
         `provender:plugin/provisioning@{CONTRACT}` or `provender:plugin/filtering@{CONTRACT}`; build it for the world \
         `provisioner` or `data-filter`",
        if exports.is_empty() { "nothing".to_owned() } else { listed(exports) }
    )]
    UnknownWorld { exports: Vec<String> },
    #[error(
        "is built for version {wanted} of the contract `provender:plugin`, but this host serves {CONTRACT}; build it \
         with that version or use a newer host"
    )]
    UnknownVersion { wanted: String },
    #[error(
        "does not fit the contract `provender:plugin@{CONTRACT}`: {message}; build it with the `wit/` of this version"
    )]
    Contract { message: String },
}

impl Refused {
    /// By what the runtime says of its imports and exports.
    pub(crate) fn contract(error: &wasmtime::Error) -> Self {
        Self::Contract { message: bounded(&format!("{error:#}"), MESSAGE_CHARS) }
    }
}

/// Longest name of an import or export, and most of them, in a message.
const MAX_NAME_CHARACTERS: usize = 100;
const MAX_NAMES: usize = 10;

/// A text of the binary as it may stand in a message: on one line, and cut at its end.
fn bounded(text: &str, characters: usize) -> String {
    let kept = one_line(text, characters);
    if text.chars().nth(characters).is_some() { format!("{kept}...") } else { kept }
}

fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(MAX_NAMES)
        .map(|name| format!("`{}`", bounded(name, MAX_NAME_CHARACTERS)))
        .collect();
    match names.len().saturating_sub(MAX_NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The version of the contract that this host serves.
pub const CONTRACT: &str = "0.1.0";

const OFFER: &str = "provender:plugin/{log, state, registry, files, ldap, messaging, sql}@0.1, \
                     wasi:http/{types, outgoing-handler}@0.2, wasi:{cli, clocks, io, random}@0.2, and \
                     wasi:{filesystem, sockets}@0.2 as stubs that deny everything";

/// Packages, their track, and the interfaces of them that are offered; none stands for all.
const OFFERED: [(&str, &str, Option<&[&str]>, Support); 9] = [
    (
        "provender:plugin",
        "0.1.",
        Some(&["log", "state", "registry", "files", "ldap", "messaging", "sql"]),
        Support::Capability,
    ),
    ("provender:plugin", "0.1.", Some(&["records", "types"]), Support::Types),
    ("wasi:http", "0.2.", Some(&["types", "outgoing-handler"]), Support::Capability),
    ("wasi:cli", "0.2.", None, Support::Runtime),
    ("wasi:clocks", "0.2.", None, Support::Runtime),
    ("wasi:io", "0.2.", None, Support::Runtime),
    ("wasi:random", "0.2.", None, Support::Runtime),
    ("wasi:filesystem", "0.2.", None, Support::Denied),
    ("wasi:sockets", "0.2.", None, Support::Denied),
];

fn support(import: &str) -> Option<Support> {
    let (path, version) = import.split_once('@')?;
    let (package, interface) = path.split_once('/')?;
    OFFERED
        .iter()
        .find(|(offered, track, interfaces, _)| {
            *offered == package
                && version.starts_with(track)
                && interfaces.is_none_or(|interfaces| interfaces.contains(&interface))
        })
        .map(|&(.., support)| support)
}

/// Tells by the first bytes whether a file is a component at all.
pub(super) fn sniff(bytes: &[u8]) -> Result<(), Refused> {
    let found = match bytes {
        [] => "an empty file",
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => return Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => "a core module",
        [0, b'a', b's', b'm', ..] => "WebAssembly of an unknown kind",
        [0x7f, b'E', b'L', b'F', ..] if Engine::detect_precompiled(bytes) == Some(Precompiled::Component) => {
            "a compiled component, which is never taken from outside"
        }
        [0x7f, b'E', b'L', b'F', ..] => "an ELF file",
        _ => "a file of unknown kind",
    };
    Err(Refused::NotAComponent { found })
}

/// Components and modules in one another.
const MAX_DEPTH: usize = 100;

/// Walks the sections of a component and of all that it holds, so that one that was cut off or garbled costs no
/// compilation. Looks at their sizes only: whatever can take longer than to read the file is left to the compiler.
pub(super) fn walk(bytes: &[u8]) -> Result<(), Refused> {
    let mut depth: usize = 0;
    for payload in wasmparser::Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) => depth += 1,
            Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
            Ok(_) => {}
            Err(error) => return Err(invalid(&format!("failed to parse WebAssembly module: {error}"))),
        }
        if depth > MAX_DEPTH {
            return Err(invalid(&format!("components in one another, more than {MAX_DEPTH} deep")));
        }
    }
    Ok(())
}

/// Characters of what a validator says that are kept; it cites names of the file, which have any length.
pub(super) const MESSAGE_CHARS: usize = 1_000;

/// That a file is not valid, in the words of a validator.
pub(super) fn invalid(message: &str) -> Refused {
    Refused::Invalid { message: one_line(message, MESSAGE_CHARS) }
}

/// Finds the world and checks every import.
pub(super) fn inspect(engine: &Engine, component: &Component) -> Result<Inspection, Refused> {
    let component_type = component.component_type();
    let exports: Vec<String> = component_type
        .exports(engine)
        .filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentInstance(_)))
        .map(|(name, _)| name.to_owned())
        .collect();
    let (world, contract) = world(&exports)?;
    let mut imports = Vec::new();
    let mut wanted = Vec::new();
    for (name, _) in component_type.imports(engine) {
        match support(name) {
            Some(support) => imports.push(Import { name: name.to_owned(), support }),
            None => wanted.push(name.to_owned()),
        }
    }
    if wanted.is_empty() {
        Ok(Inspection { world, contract, imports })
    } else {
        Err(Refused::UnknownImports { wanted })
    }
}

fn world(exports: &[String]) -> Result<(World, String), Refused> {
    let version_of = |interface: &str| {
        exports.iter().find_map(|export| {
            export.strip_prefix("provender:plugin/")?.strip_prefix(interface)?.strip_prefix('@')
        })
    };
    let worlds =
        [(World::Provisioner, version_of("provisioning")), (World::DataFilter, version_of("filtering"))];
    let mut found = worlds.iter().filter_map(|(world, version)| Some((*world, (*version)?)));
    match (found.next(), found.next()) {
        (Some((_, wanted)), None) if !wanted.starts_with("0.1.") => {
            Err(Refused::UnknownVersion { wanted: bounded(wanted, MAX_NAME_CHARACTERS) })
        }
        (Some((world, version)), None) => Ok((world, version.to_owned())),
        _ => Err(Refused::UnknownWorld { exports: exports.to_vec() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_component_is_named_for_what_it_is() {
        for (bytes, expected) in [
            (&b""[..], "is an empty file"),
            (b"\0asm\x01\0\0\0", "is a core module"),
            (b"\x7fELF\x02\x01\x01", "is an ELF file"),
            (b"#!/bin/sh", "is a file of unknown kind"),
            (b"\0asm\x0e\0\x01\0", "is WebAssembly of an unknown kind"),
        ] {
            let message = sniff(bytes).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
            assert!(message.contains("wasm32-wasip2"), "{message}");
        }
    }

    #[test]
    fn imports_are_told_apart_by_what_they_can_do() {
        for (import, expected) in [
            ("provender:plugin/files@0.1.0", Some(Support::Capability)),
            ("provender:plugin/records@0.1.3", Some(Support::Types)),
            ("provender:plugin/files@0.2.0", None),
            ("provender:plugin/ldap@0.1.0", Some(Support::Capability)),
            ("provender:plugin/unknown@0.1.0", None),
            ("wasi:http/outgoing-handler@0.2.0", Some(Support::Capability)),
            ("wasi:http/incoming-handler@0.2.0", None),
            ("wasi:cli/environment@0.2.6", Some(Support::Runtime)),
            ("wasi:sockets/tcp@0.2.6", Some(Support::Denied)),
            ("wasi:filesystem/types@0.2.9", Some(Support::Denied)),
            ("wasi:keyvalue/store@0.2.0-draft", None),
            ("wasi:cli/environment@0.3.0", None),
            ("env", None),
        ] {
            assert_eq!(support(import), expected, "{import}");
        }
    }

    #[test]
    fn the_world_is_known_by_its_export_and_its_version() {
        let exports = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            world(&exports(&["provender:plugin/plugin@0.1.0", "provender:plugin/filtering@0.1.1"])),
            Ok((World::DataFilter, "0.1.1".to_owned()))
        );
        let newer = world(&exports(&["provender:plugin/provisioning@0.2.0"])).unwrap_err().to_string();
        assert!(newer.contains("version 0.2.0") && newer.contains("serves 0.1.0"), "{newer}");
        let other = world(&exports(&["wasi:cli/run@0.2.0"])).unwrap_err().to_string();
        assert!(other.contains("`wasi:cli/run@0.2.0`") && other.contains("`data-filter`"), "{other}");
    }
}

//! A provisioner whose description is what a word in its binary says. Tests put another word there, so that one build
//! gives every plugin that must be told by its binary or by its own description.
#![cfg(target_arch = "wasm32")]

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

#[allow(unsafe_code, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({
        world: "provisioner",
        path: "../../../wit",
        generate_all,
    });
}

use bindings::exports::provender::plugin::{plugin, provisioning};
use bindings::provender::plugin::records::{Extension, Subject, SubjectKind};
use bindings::provender::plugin::state::{self, Scope};
use bindings::provender::plugin::types::{
    Context, Description, Failure, Inspection, Invocation, Outcome, ServerKind, Slot,
};

/// The word, padded with blanks.
static WORD: [u8; 24] = *b"described as: ordinary  ";

fn word() -> &'static str {
    // The compiler must not know what tests put there.
    std::str::from_utf8(black_box(&WORD)).unwrap_or_default().trim_start_matches("described as:").trim()
}

static CALLS: AtomicU64 = AtomicU64::new(0);

struct Described;

impl plugin::Guest for Described {
    fn describe() -> Description {
        let mut description = ordinary();
        match word() {
            "trap" => panic!("no description today"),
            "effect" => drop(state::set(Scope::Target, "key", b"value")),
            "name" => description.name = "Not A Name".to_owned(),
            "version" => description.version = "one".to_owned(),
            "schema" => description.configuration_schema = r#"{"type":"object","required":"all"}"#.to_owned(),
            "no json" => description.configuration_schema = "{".to_owned(),
            "slots" => description.slots = vec![slot("web"), slot("web")],
            "clock" => description.summary = format!("{:?}", std::time::SystemTime::now()),
            "random" => description.summary = format!("{}", RandomState::new().hash_one(1)),
            "counter" => description.summary = format!("call {}", CALLS.fetch_add(1, Ordering::Relaxed)),
            "huge" => description.summary = "x".repeat(8 << 20),
            "long" => description.summary = "x".repeat(3 << 20),
            "all slots" => {
                description.slots = (0..100_000).map(|number| slot(&format!("s{number}"))).collect()
            }
            "some slots" => description.slots = (0..65).map(|number| slot(&format!("s{number}"))).collect(),
            "operations" => {
                description.slots = vec![slot("web")];
                description.slots[0].operations = vec!["\u{1b}[2JSTEAL".repeat(100); 1000];
            }
            "kinds" => description.subject_kinds = vec![SubjectKind::Other("k".repeat(1000)); 1000],
            "extensions" => {
                let extension = Extension { name: "x".repeat(100), json: "[".repeat(10_000) };
                description.extensions = vec![extension; 100];
            }
            "path" => description.name = "../../etc/passwd".to_owned(),
            "look-alike" => description.name = "descr\u{456}bed".to_owned(),
            "escape" => description.name = "described\u{1b}[2J\0".to_owned(),
            "bidi" => description.summary = "a \u{202e}reverse\u{202c} summary".to_owned(),
            "another" => description.name = "changelog".to_owned(),
            "renamed" => description.slots = vec![slot("another-web")],
            "no text" => description.summary = no_text(),
            "deep" => description.configuration_schema = nested(100_000),
            "nested" => description.configuration_schema = nested(100),
            "regex" => {
                description.configuration_schema = with_property(r#"{"type":"string","pattern":"^(a+)+$"}"#)
            }
            "look-ahead" => {
                description.configuration_schema =
                    with_property(r#"{"type":"string","pattern":"^(?=(a+)+b)(a|aa)+$"}"#)
            }
            "repetition" => {
                description.configuration_schema =
                    with_property(r#"{"type":"string","pattern":"((a{1000}){1000}){1000}"}"#)
            }
            "enum" => {
                let values = vec!["\"value\""; 20_000].join(",");
                description.configuration_schema = with_property(&format!(r#"{{"enum":[{values}]}}"#))
            }
            "large enum" => {
                let values = vec!["\"value\""; 40_000].join(",");
                description.configuration_schema = with_property(&format!(r#"{{"enum":[{values}]}}"#))
            }
            "remote" => {
                description.configuration_schema = with_property(r#"{"$ref":"http://127.0.0.1/schema"}"#)
            }
            "file" => description.configuration_schema = with_property(r#"{"$ref":"file:///etc/passwd"}"#),
            "all of" => {
                let deep =
                    (0..100).fold("{}".to_owned(), |inner, _| format!(r#"{{"allOf":[{inner},{{}}]}}"#));
                description.configuration_schema = with_property(&deep)
            }
            "by clock" => provender_guest_crash::crash_by_the_clock(),
            crash => drop(provender_guest_crash::crash(crash)),
        }
        description
    }

    fn check(_: Context) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }
}

impl provisioning::Guest for Described {
    fn prepare(_: Context) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }

    fn provision(_: Invocation) -> Result<Outcome, Failure> {
        Ok(Outcome::Unchanged)
    }

    fn inspect(_: Context, _: Subject) -> Result<Inspection, Failure> {
        Ok(Inspection::Present)
    }
}

fn ordinary() -> Description {
    Description {
        name: "described".to_owned(),
        version: "1.0.0".to_owned(),
        summary: "Does nothing".to_owned(),
        subject_kinds: vec![SubjectKind::Person],
        configuration_schema: r#"{"type":"object","properties":{},"additionalProperties":false}"#.to_owned(),
        slots: Vec::new(),
        safe_requests: Vec::new(),
        expected_answers: Vec::new(),
        extensions: Vec::new(),
    }
}

fn with_property(schema: &str) -> String {
    format!(r#"{{"type":"object","properties":{{"a":{schema}}}}}"#)
}

/// Schemas within schemas.
fn nested(levels: usize) -> String {
    let open = r#"{"type":"object","properties":{"a":"#;
    format!("{}{{}}{}", open.repeat(levels), "}}".repeat(levels))
}

#[expect(unsafe_code, reason = "a plugin in another language may do it any time")]
fn no_text() -> String {
    // SAFETY: there is none; the host must look for itself.
    unsafe { String::from_utf8_unchecked(b"ab\xff".to_vec()) }
}

fn slot(name: &str) -> Slot {
    Slot {
        name: name.to_owned(),
        kind: ServerKind::Http,
        required: true,
        summary: "The same twice".to_owned(),
        operations: Vec::new(),
    }
}

#[allow(unsafe_code, reason = "generated")]
mod exports {
    use super::{Described, bindings};

    bindings::export!(Described with_types_in bindings);
}

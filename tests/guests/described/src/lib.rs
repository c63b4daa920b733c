//! A provisioner whose description is what a word in its binary says. Tests put another word there, so that one build
//! gives every plugin that must be told by its binary or by its own description.
#![cfg(target_arch = "wasm32")]

use std::hint::black_box;

#[allow(unsafe_code, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({
        world: "provisioner",
        path: "../../../wit",
        generate_all,
    });
}

use bindings::exports::provender::plugin::{plugin, provisioning};
use bindings::provender::plugin::records::{Subject, SubjectKind};
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

struct Described;

impl plugin::Guest for Described {
    fn describe() -> Description {
        let mut description = ordinary();
        match word() {
            "trap" => panic!("no description today"),
            "loop" => loop {
                black_box(());
            },
            "memory" => drop(black_box(vec![1_u8; 1 << 30])),
            "effect" => drop(state::set(Scope::Target, "key", b"value")),
            "name" => description.name = "Not A Name".to_owned(),
            "version" => description.version = "one".to_owned(),
            "schema" => description.configuration_schema = r#"{"type":"object","required":"all"}"#.to_owned(),
            "no json" => description.configuration_schema = "{".to_owned(),
            "slots" => description.slots = vec![slot("web"), slot("web")],
            _ => {}
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
        extensions: Vec::new(),
    }
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

//! A data filter that crashes while it describes itself, in the way that the clock tells: see `guests/crash`.
#![cfg(target_arch = "wasm32")]

#[allow(unsafe_code, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({
        world: "data-filter",
        path: "../../../wit",
        generate_all,
    });
}

use bindings::exports::provender::plugin::{filtering, plugin};
use bindings::provender::plugin::records::SubjectKind;
use bindings::provender::plugin::types::{Context, Description, Failure, Invocation};

struct Described;

impl plugin::Guest for Described {
    fn describe() -> Description {
        provender_guest_crash::crash_by_the_clock();
        Description {
            name: "described-filter".to_owned(),
            version: "1.0.0".to_owned(),
            summary: "Does nothing".to_owned(),
            subject_kinds: vec![SubjectKind::Person],
            configuration_schema: r#"{"type":"object"}"#.to_owned(),
            slots: Vec::new(),
            safe_requests: Vec::new(),
            expected_answers: Vec::new(),
            extensions: Vec::new(),
        }
    }

    fn check(_: Context) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }
}

impl filtering::Guest for Described {
    fn filter(invocation: Invocation) -> Result<filtering::Filtered, Failure> {
        Ok(filtering::Filtered::Pass(invocation.subject))
    }
}

#[allow(unsafe_code, reason = "generated")]
mod exports {
    use super::{Described, bindings};

    bindings::export!(Described with_types_in bindings);
}

//! A provisioner that calls one import, by its name, and says what came of it. It knows every import of the contract and
//! of WASI: each that needs a resource is called with one if the sandbox gives any, and with a forged handle if not.
//!
//! `provision` takes the name, and the authority for a request, from its configuration: two words. `describe` has no
//! input; the seed of its random numbers says which import of the list it calls.
#![cfg(target_arch = "wasm32")]

mod files;
mod http;
mod plugin;
mod runtime;
mod sockets;

use std::fmt::Debug;

#[allow(unsafe_code, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({
        inline: "
            package provender:walking;
            world walking {
                include provender:plugin/provisioner@0.1.0;
                include wasi:cli/imports@0.2.12;
                import wasi:http/types@0.2.12;
            }
        ",
        world: "provender:walking/walking",
        path: "../../../wit",
        generate_all,
    });
}

use bindings::exports::provender::plugin::{plugin as exported_plugin, provisioning};
use bindings::provender::plugin::records::{Subject, SubjectKind};
use bindings::provender::plugin::types::{
    Applied, Context, Description, Failure, Inspection, Invocation, Outcome,
};
use bindings::wasi::random::insecure_seed::insecure_seed;

/// A handle that the sandbox never gave: to a resource that cannot be had otherwise.
const FORGED: u32 = 77;

/// A resource behind a forged handle. It is never dropped, which would be one more call.
macro_rules! forged {
    ($resource:ty) => {
        // SAFETY: a handle is a number to the guest; what it stands for is the host's to know.
        std::mem::ManuallyDrop::new(unsafe { <$resource>::from_handle(crate::FORGED) })
    };
}
use forged;

/// What a call gave.
fn said(value: impl Debug) -> String {
    format!("{value:?}")
}

/// Calls the import `name`; `authority` is where a request goes.
fn call(name: &str, authority: &str) -> String {
    let called = runtime::call(name)
        .or_else(|| plugin::call(name))
        .or_else(|| files::call(name))
        .or_else(|| sockets::call(name))
        .or_else(|| http::call(name, authority));
    called.unwrap_or_else(|| format!("no such import: {name}"))
}

struct Walking;

impl exported_plugin::Guest for Walking {
    fn describe() -> Description {
        let summary = match (insecure_seed().0, imports()) {
            (chosen, imports) if (chosen as usize) < imports.len() => {
                call(imports[chosen as usize], "example.org")
            }
            _ => "Calls one import".to_owned(),
        };
        Description {
            name: "walking".to_owned(),
            version: "1.0.0".to_owned(),
            summary,
            subject_kinds: vec![SubjectKind::Person],
            configuration_schema: r#"{"type":"object"}"#.to_owned(),
            slots: Vec::new(),
            safe_requests: Vec::new(),
            expected_answers: Vec::new(),
            extensions: Vec::new(),
        }
    }

    fn check(_: Context) -> Result<Vec<String>, Failure> {
        Ok(imports().into_iter().map(str::to_owned).collect())
    }
}

impl provisioning::Guest for Walking {
    fn prepare(_: Context) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }

    fn provision(invocation: Invocation) -> Result<Outcome, Failure> {
        let (name, authority) = invocation.context.configuration.split_once(' ').unwrap_or_default();
        let history = vec![call(name, authority)];
        Ok(Outcome::Applied(Applied { identifiers: Vec::new(), history }))
    }

    fn inspect(_: Context, _: Subject) -> Result<Inspection, Failure> {
        Ok(Inspection::Present)
    }
}

/// All imports, in the order that `describe` chooses from.
fn imports() -> Vec<&'static str> {
    [runtime::IMPORTS, plugin::IMPORTS, files::IMPORTS, sockets::IMPORTS, http::IMPORTS].concat()
}

/// The imports of a module: their names, and how each is called.
macro_rules! list {
    (($($argument:ident: $type:ty),*) $($name:literal => $call:expr,)+) => {
        pub(crate) const IMPORTS: &[&str] = &[$($name),+];

        #[allow(clippy::too_many_lines, reason = "a list")]
        pub(crate) fn call(name: &str $(, $argument: $type)*) -> Option<String> {
            Some(match name {
                $($name => crate::said($call),)+
                _ => return None,
            })
        }
    };
}
use list;

#[allow(unsafe_code, reason = "generated")]
mod exports {
    use super::{Walking, bindings};

    bindings::export!(Walking with_types_in bindings);
}

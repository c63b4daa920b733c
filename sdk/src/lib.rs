//! What a Rust author of a Provender plugin uses.
//!
//! A plugin is a WebAssembly component that the host runs in a fresh sandbox for each call. A *provisioner* brings a
//! counterpart up to date with one subject; a *data filter* changes subjects on their way to a target. A whole
//! provisioner:
//!
//! ```
//! use provender_sdk::http::{Client, path_segment};
//! use provender_sdk::records::{Subject, SubjectKind};
//! use provender_sdk::{Description, Failure, Invocation, Outcome, Provisioner, Slot};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//! use serde_json::json;
//!
//! /// Becomes the JSON Schema that the host validates configurations with.
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Configuration {
//!     /// The type of identifier that names an account.
//!     identifier_type: String,
//! }
//!
//! struct Accounts;
//!
//! impl Provisioner for Accounts {
//!     type Configuration = Configuration;
//!
//!     const DESCRIPTION: Description = Description::new("accounts", env!("CARGO_PKG_VERSION"))
//!         .summary("Keeps one account per person")
//!         .subjects(&[SubjectKind::Person])
//!         .slots(&[Slot::http("directory").summary("writes accounts").operations(&["PUT"])]);
//!
//!     fn provision(invocation: &Invocation<Configuration>) -> Result<Outcome, Failure> {
//!         let Subject::Person(person) = &invocation.subject else {
//!             return Ok(Outcome::skipped("only people have accounts"));
//!         };
//!         let uid = person
//!             .identifier(&invocation.context.configuration.identifier_type)
//!             .and_then(path_segment)
//!             .ok_or_else(|| Failure::invalid_data("no usable identifier").at("identifiers"))?;
//!         let name = person.preferred_name(&["preferred", "official"]).map(|name| name.formatted());
//!
//!         Client::for_slot(&invocation.context, "directory")?
//!             .put(&format!("/accounts/{uid}"))
//!             .json(&json!({ "name": name, "active": person.status.word() == "active" }))?
//!             .send()?
//!             .error_for_status()?;
//!         Ok(Outcome::applied())
//!     }
//! }
//!
//! provender_sdk::export_provisioner!(Accounts);
//! ```
//!
//! The crate is a `cdylib`; `cargo build --target wasm32-wasip2` makes the component. Its logic is tested natively with
//! `cargo test`: records are plain values, and everything in [`records`] is a pure function. Only what speaks to the
//! host ([`http`], [`files`], [`sql`], [`state`], [`registry`]) exists in the sandbox alone, and panics elsewhere.
//!
//! What a plugin does not use does not become an import of its component: one without [`http`] cannot make requests.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[doc(hidden)]
#[allow(
    clippy::all,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    unsafe_code,
    reason = "generated"
)]
pub mod bindings;
mod configuration;
mod description;
#[doc(hidden)]
pub mod export;
mod failure;
pub mod files;
pub mod http;
pub mod ldap;
pub mod log;
pub mod messaging;
mod outcome;
mod pages;
mod plugin;
pub mod records;
pub mod registry;
pub mod sql;
pub mod state;

pub use bindings::filtering::exports::provender::plugin::filtering::Filtered;
pub use bindings::host::provender::plugin::types::{Action, ServerKind, SlotBinding};
pub use description::{Description, ExpectedAnswer, SafeRequest, Slot};
pub use failure::{Failure, LocatedFailure, PassingFailure};
pub use outcome::{Applied, Inspection, Outcome, WrittenIdentifier};
pub use plugin::{Context, DataFilter, Invocation, Provisioner};

/// The examples of the README, as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

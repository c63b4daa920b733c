//! The catalog of plugins: takes a component in, says what it is, keeps it, and loads it for calls.
//!
//! What a component may import is decided in [`crate::sandbox`]; what a target grants it, in [`crate::pipeline`].

mod catalog;
mod configuration;
mod description;
mod error;
mod examination;
mod manifest;
mod schema_cost;

pub use catalog::{Catalog, LoadedPlugin};
pub use configuration::{ConfigurationProblem, validate_configuration};
pub use description::manifest;
pub use error::{FindError, InstallError, InstallProblem, PluginUnavailable, RemoveError};
pub use manifest::{ExpectedAnswer, Manifest, SafeRequest, Slot};

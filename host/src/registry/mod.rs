//! People, groups and their history: what a record is, how a write changes it, and who is visible to provisioning.

pub mod automatic;
pub mod core_api;
pub mod history;
pub mod import;
pub mod ingest;
pub mod nesting;
pub mod reconcile;
pub mod record;
mod shape;
pub mod status;
pub mod validate;
pub mod validity;
pub mod visible;
pub mod write;
pub(crate) mod write_back;

#[cfg(test)]
mod samples;

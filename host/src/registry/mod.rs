//! People, groups and their history: what a record is, how a write changes it, and who is visible to provisioning.

pub mod history;
pub mod record;

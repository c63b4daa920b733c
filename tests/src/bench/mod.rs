//! What the benches share: ways to make a call, and how they are measured.

pub mod alone;
pub mod measure;
pub mod others;
pub mod ours;
pub mod people;
pub mod raw;
pub mod subject;
pub mod ways;

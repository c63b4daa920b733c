//! Provender: an identity-provisioning host.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod administration;
pub mod api;
pub mod capabilities;
pub mod check;
pub mod cli;
pub mod clock;
pub mod configuration;
pub mod delivery;
pub mod host;
pub mod jobs;
pub mod logging;
pub mod monitoring;
pub mod pipeline;
pub mod plugins;
pub mod provisioning;
pub mod registry;
pub mod sandbox;
mod schedule;
pub mod servers;
pub mod store;
pub mod syslog;

//! What the whole-system tests and benches stand on: guests, counterparts and servers of their own, started for a test
//! and gone after it.

pub mod bench;
pub mod brokers;
pub mod calls;
pub mod certificates;
pub mod client;
pub mod costly;
pub mod counterpart;
mod guardian;
pub mod guests;
pub mod host;
pub mod mariadb;
pub mod people;
pub mod postgres;
pub mod process;
mod python;
pub mod receiver;
pub mod relay;
pub mod scim;
pub mod slapd;
pub mod smtp;
pub mod waiting;
pub mod witness;

//! What the whole-system tests stand on: servers of their own, started for a test and gone after it.

pub mod postgres;

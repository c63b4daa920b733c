//! Files below the root directory that the operator bound to a slot of kind `files`.
//!
//! Paths are relative, their parts separated by "/". [`Error`] becomes a [`Failure`](crate::Failure) by `?`.
//!
//! ```no_run
//! use provender_sdk::{Failure, files};
//!
//! fn write_line(line: String) -> Result<(), Failure> {
//!     let root = files::open("log")?;
//!     root.append_lines("changes.ndjson", &[line])?;
//!     Ok(())
//! }
//! ```

pub use crate::bindings::host::provender::plugin::files::{
    Attributes, Entry, EntryKind, Error, Metadata, Root, open,
};

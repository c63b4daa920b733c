//! Lines for the log of the host and the transcript of the call.
//!
//! The message is fixed text; what varies goes into fields:
//!
//! ```
//! use provender_sdk::log;
//!
//! log::info("account created", &[("uid", &"anna"), ("groups", &12)]);
//! ```
//!
//! In native unit tests there is no host, so lines are dropped there.

use std::fmt::Display;

use crate::bindings::host::provender::plugin::log::{Field, Level, write};

/// What only somebody who debugs the plugin wants to read.
pub fn debug(message: &str, fields: &[(&str, &dyn Display)]) {
    line(Level::Debug, message, fields);
}

/// What happened.
pub fn info(message: &str, fields: &[(&str, &dyn Display)]) {
    line(Level::Info, message, fields);
}

/// What somebody should look at.
pub fn warning(message: &str, fields: &[(&str, &dyn Display)]) {
    line(Level::Warning, message, fields);
}

/// What went wrong. A failure that is returned need not be logged too.
pub fn error(message: &str, fields: &[(&str, &dyn Display)]) {
    line(Level::Error, message, fields);
}

fn line(level: Level, message: &str, fields: &[(&str, &dyn Display)]) {
    let fields: Vec<Field> = fields
        .iter()
        .map(|(name, value)| Field { name: (*name).to_owned(), value: value.to_string() })
        .collect();
    if cfg!(target_arch = "wasm32") {
        write(level, message, &fields);
    }
}

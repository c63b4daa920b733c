//! Lines of the plugin's log. No effect: a line stays with the host, in the transcript and in its own log.

use super::CallState;
use super::contract::log::{Field, Host, Level};
use crate::sandbox::{GuestState, LogLine};

impl Host for CallState {
    fn write(&mut self, level: Level, message: String, fields: Vec<Field>) -> wasmtime::Result<()> {
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        let fields = fields.into_iter().map(|field| (field.name, field.value)).collect();
        self.guest().gate.log(LogLine { level: level.into(), message, fields });
        Ok(())
    }
}

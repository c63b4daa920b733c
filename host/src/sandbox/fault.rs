//! How a call can end by the host's decision rather than by the plugin's word: by blame.

use wasmtime::Trap;

use super::gate::Violation;
use super::limits::{LimitName, Limits};

/// A call that the plugin did not end itself.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    /// The plugin crashed.
    #[error("plugin trapped in `{export}`: {message}{tail}", tail = stderr_tail(stderr))]
    Trap {
        export: &'static str,
        message: String,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
    /// It used up its fuel.
    #[error("plugin ran out of fuel in `{export}`: limit `fuel` is {limit} units")]
    OutOfFuel { export: &'static str, limit: u64 },
    /// It asked for more memory, or tables, than it may have.
    #[error("plugin exceeded limit `{word}` in `{export}`: limit is {limit}, asked for {requested}", word = name.word())]
    MemoryLimit { export: &'static str, name: LimitName, limit: u64, requested: u64 },
    /// It took longer than it may, effects included.
    #[error("plugin missed its deadline in `{export}`: limit `deadline_ms` is {limit_ms} milliseconds")]
    Deadline { export: &'static str, limit_ms: u64 },
    /// It tried what it was not granted.
    #[error("effect refused in `{export}`: {capability} {operation}: {reason}")]
    EffectRefused { export: &'static str, capability: &'static str, operation: String, reason: String },
    /// It did more than it may.
    #[error("plugin exceeded limit `{word}` in `{export}`: limit is {limit}, used {used}", word = name.word())]
    BudgetExceeded { export: &'static str, name: LimitName, limit: u64, used: u64 },
    /// In a replay: it did something else than the recorded call.
    #[error("replay of `{export}` diverged: {difference}")]
    Diverged { export: &'static str, difference: String },
    /// The host could not do its part.
    #[error("host fault in `{export}`: {message}")]
    Host { export: &'static str, message: String },
}

fn stderr_tail(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!("; standard error ends: {}", stderr.trim_end()) }
}

/// What the limiter says when it denies growth; a trap carries it out of the guest.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("limit `{}` is {limit}, asked for {requested}", name.word())]
pub(super) struct GrowthDenied {
    pub(super) name: LimitName,
    pub(super) limit: u64,
    pub(super) requested: u64,
}

/// An error of the host inside a host function, to be told from a trap of the guest.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct HostFunctionFault(pub String);

impl Fault {
    pub(super) fn of_violation(export: &'static str, violation: &Violation) -> Self {
        match violation.clone() {
            Violation::Refused { capability, operation, reason } => {
                Self::EffectRefused { export, capability, operation, reason }
            }
            Violation::Budget { name, limit, used } => Self::BudgetExceeded { export, name, limit, used },
            Violation::Diverged { difference } => Self::Diverged { export, difference },
        }
    }

    /// Tells by the error that ended a call who is to blame.
    pub(super) fn of_error(
        export: &'static str,
        error: &wasmtime::Error,
        limits: &Limits,
        stderr: String,
    ) -> Self {
        if let Some(violation) = error.downcast_ref::<Violation>() {
            return Self::of_violation(export, violation);
        }
        if let Some(&GrowthDenied { name, limit, requested }) = error.downcast_ref::<GrowthDenied>() {
            return Self::MemoryLimit { export, name, limit, requested };
        }
        if let Some(HostFunctionFault(message)) = error.downcast_ref::<HostFunctionFault>() {
            return Self::Host { export, message: message.clone() };
        }
        if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
            return Self::Trap { export, message: format!("exit with status {}", exit.0), stderr };
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Self::OutOfFuel { export, limit: limits.get(LimitName::Fuel) },
            Some(Trap::UnreachableCodeReached) if stderr.contains("panicked at") => {
                Self::Trap { export, message: "panic".to_owned(), stderr }
            }
            Some(trap) => Self::Trap { export, message: trap.to_string(), stderr },
            None => Self::of_untyped_error(export, error, limits, stderr),
        }
    }

    /// Errors of the runtime that have no type of their own.
    fn of_untyped_error(
        export: &'static str,
        error: &wasmtime::Error,
        limits: &Limits,
        stderr: String,
    ) -> Self {
        let message = error.root_cause().to_string();
        if let Some(count) = message.strip_prefix(TOO_MANY) {
            let requested = count.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0);
            let name = LimitName::Instances;
            return Self::MemoryLimit { export, name, limit: limits.get(name), requested };
        }
        if message.ends_with(CROSSING_EXHAUSTED) {
            // What an import is given is on its way out; what an export gives back is a record.
            let of_import = error.downcast_ref::<wasmtime::WasmBacktrace>().is_some();
            let name = if of_import { LimitName::BytesOut } else { LimitName::RecordBytes };
            return Self::BudgetExceeded { export, name, limit: limits.get(name), used: limits.crossing() };
        }
        Self::Trap { export, message, stderr }
    }
}

/// How wasmtime says that a component has more instances, memories or tables than it may.
const TOO_MANY: &str = "resource limit exceeded: ";

/// How wasmtime says that one crossing of the boundary carried too much.
const CROSSING_EXHAUSTED: &str = "fuel allocated for hostcalls has been exhausted";

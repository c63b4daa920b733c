//! How a call can end by the host's decision rather than by the plugin's word: by blame.

use wasmtime::Trap;
use wasmtime::component::ResourceTableError;

use super::engine::STACK_BYTES;
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
    #[error(
        "plugin ran out of fuel in `{export}`: limit `fuel` is {limit} units, all are used{help}{tail}",
        help = help(LimitName::Fuel, *limit),
        tail = stderr_tail(stderr)
    )]
    OutOfFuel { export: &'static str, limit: u64, stderr: String },
    /// It asked for more memory, or tables, than it may have.
    #[error(
        "plugin exceeded limit `{word}` in `{export}`: limit is {limit}, asked for {requested}{help}{tail}",
        word = name.word(),
        help = help(*name, *limit),
        tail = stderr_tail(stderr)
    )]
    MemoryLimit { export: &'static str, name: LimitName, limit: u64, requested: u64, stderr: String },
    /// It took longer than it may, effects included.
    #[error(
        "plugin missed its deadline in `{export}`: limit `deadline_ms` is {limit_ms} milliseconds{help}{tail}",
        help = help(LimitName::DeadlineMs, *limit_ms),
        tail = stderr_tail(stderr)
    )]
    Deadline { export: &'static str, limit_ms: u64, stderr: String },
    /// It tried what it was not granted.
    #[error("effect refused in `{export}`: {capability} {operation}: {reason}")]
    EffectRefused { export: &'static str, capability: &'static str, operation: String, reason: String },
    /// It did more than it may.
    #[error(
        "plugin exceeded limit `{word}` in `{export}`: limit is {limit}, used {used}{help}{tail}",
        word = name.word(),
        help = help(*name, *limit),
        tail = stderr_tail(stderr)
    )]
    BudgetExceeded { export: &'static str, name: LimitName, limit: u64, used: u64, stderr: String },
    /// In a preview: what would come next is not known.
    #[error(
        "the preview of `{export}` ends at {capability} {operation}: the plugin does not say which answer it expects"
    )]
    PreviewEnded { export: &'static str, capability: &'static str, operation: String },
    /// In a replay: it did something else than the recorded call.
    #[error("replay of `{export}` diverged: {difference}")]
    Diverged { export: &'static str, difference: String },
    /// The host could not do its part.
    #[error("host fault in `{export}`: {message}")]
    Host { export: &'static str, message: String },
}

/// Most characters of standard error in a message; the transcript has more of it.
const TAIL_CHARACTERS: usize = 600;

pub(super) fn stderr_tail(stderr: &str) -> String {
    let text = stderr.trim();
    let start = text.char_indices().rev().take(TAIL_CHARACTERS).last().map_or(0, |(start, _)| start);
    match text.get(start..) {
        None | Some("") => String::new(),
        Some(tail) if start > 0 => format!("; standard error ends: ...{tail}"),
        Some(tail) => format!("; standard error ends: {tail}"),
    }
}

/// Where a limit is raised.
fn help(name: LimitName, limit: u64) -> String {
    match name.row() {
        Some(row) if limit < row.maximum => format!(
            "; it can be raised to {} by `--limit {word}=...` for a target, or under `[limits]` for this host",
            row.maximum,
            word = row.word
        ),
        _ => "; no host can raise it".to_owned(),
    }
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
    pub(super) fn of_violation(export: &'static str, violation: Violation, stderr: String) -> Self {
        match violation {
            Violation::Refused { capability, operation, reason } => {
                Self::EffectRefused { export, capability, operation, reason }
            }
            Violation::Budget { name, limit, used } => {
                Self::BudgetExceeded { export, name, limit, used, stderr }
            }
            Violation::PreviewEnded { capability, operation } => {
                Self::PreviewEnded { export, capability, operation }
            }
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
            return Self::of_violation(export, violation.clone(), stderr);
        }
        if let Some(&GrowthDenied { name, limit, requested }) = error.downcast_ref::<GrowthDenied>() {
            return Self::MemoryLimit { export, name, limit, requested, stderr };
        }
        if let Some(HostFunctionFault(message)) = error.downcast_ref::<HostFunctionFault>() {
            return Self::Host { export, message: message.clone() };
        }
        if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
            return Self::Trap { export, message: format!("exit with status {}", exit.0), stderr };
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Self::OutOfFuel { export, limit: limits.get(LimitName::Fuel), stderr },
            Some(Trap::UnreachableCodeReached) if stderr.contains("panicked at") => {
                Self::Trap { export, message: "panic".to_owned(), stderr }
            }
            Some(trap) => Self::Trap { export, message: trap_message(*trap, error), stderr },
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
            return Self::MemoryLimit { export, name, limit: limits.get(name), requested, stderr };
        }
        if message.ends_with(HANDLES_EXHAUSTED)
            || matches!(error.downcast_ref(), Some(ResourceTableError::Full))
        {
            let (name, limit) = (LimitName::Resources, limits.get(LimitName::Resources));
            return Self::BudgetExceeded { export, name, limit, used: limit.saturating_add(1), stderr };
        }
        if message.ends_with(CROSSING_EXHAUSTED) {
            // What an import is given is on its way out; what an export gives back is a record.
            let of_import = error.downcast_ref::<wasmtime::WasmBacktrace>().is_some();
            let name = if of_import { LimitName::BytesOut } else { LimitName::RecordBytes };
            let (limit, used) = (limits.get(name), limits.crossing());
            return Self::BudgetExceeded { export, name, limit, used, stderr };
        }
        let message = match error.downcast_ref::<std::str::Utf8Error>() {
            Some(_) => format!("it gave the host a text that is not UTF-8: {message}"),
            None => message,
        };
        Self::Trap { export, message, stderr }
    }
}

/// What a trap of the guest means to its author.
fn trap_message(trap: Trap, error: &wasmtime::Error) -> String {
    match trap {
        Trap::StackOverflow => {
            let kib = STACK_BYTES >> 10;
            format!("{trap}: it calls itself without end, or deeper than {kib} KiB of stack allow")
        }
        Trap::MemoryOutOfBounds => match fault_address(error) {
            Some(address) if address < BELOW_ZERO => format!("{trap}: at {address:#x}"),
            // Compilers put their stack at the beginning of the memory, and it grows downwards.
            _ => format!(
                "{trap}: a pointer is wrong, or the stack that the compiler keeps in memory overflows: then call less \
                 deep, keep arrays out of frames, or link with a larger stack (Rust: `-C link-arg=-zstack-size=...`)"
            ),
        },
        _ => trap.to_string(),
    }
}

/// The first address of those that a small negative number stands for.
const BELOW_ZERO: u64 = 0xff00_0000;

/// The address that a guest must not use: only the text of the error has it.
fn fault_address(error: &wasmtime::Error) -> Option<u64> {
    let texts = error.chain().map(ToString::to_string);
    let address =
        texts.filter_map(|text| text.strip_prefix(FAULT_AT)?.split(' ').next().map(str::to_owned)).next()?;
    u64::from_str_radix(&address, 16).ok()
}

/// How wasmtime says where a guest left its memory.
const FAULT_AT: &str = "memory fault at wasm address 0x";

/// How wasmtime says that a guest holds too many handles.
const HANDLES_EXHAUSTED: &str = "store handle limit exceeded";

/// How wasmtime says that a component has more instances, memories or tables than it may.
const TOO_MANY: &str = "resource limit exceeded: ";

/// How wasmtime says that one crossing of the boundary carried too much.
const CROSSING_EXHAUSTED: &str = "fuel allocated for hostcalls has been exhausted";

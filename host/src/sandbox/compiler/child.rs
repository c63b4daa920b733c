//! The child that compiles one component: it gives up all that it does not need, then reads a file that may be hostile.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use landlock::{
    ABI, Access, AccessFs, AccessNet, RestrictionStatus, Ruleset, RulesetAttr, RulesetError, Scope,
};
use rustix::process::{
    Resource, Rlimit, Signal, getrlimit, nice, set_parent_process_death_signal, setrlimit,
};

use super::CompileLimits;
use super::process::threads;
use crate::sandbox::engine;
use crate::sandbox::inspection::MESSAGE_CHARS;

/// Exit code of a child that found no valid component; the reason is on standard error.
pub(super) const INVALID: i32 = 65;

/// Exit code of a child that ran out of memory and could still say so.
pub(super) const OUT_OF_MEMORY: i32 = 71;

/// Standard input, output and error; no more can be opened.
const OPEN_FILES: u64 = 3;

/// What is asked of the kernel; one that knows less does what it can.
const LANDLOCK: ABI = ABI::V6;

/// Compiles the component on standard input to standard output, as the child of the process `parent`.
///
/// Lowers the whole process for good, so nothing else can be done in it.
pub fn compile_component(limits: CompileLimits, parent: u32) -> ExitCode {
    match confine(limits, parent).and_then(|()| compile()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told when this fails.
            let _ = write!(io::stderr(), "{error:#}");
            match error.downcast_ref::<Failed>() {
                Some(Failed::Invalid(_)) => exit_code(INVALID),
                Some(Failed::OutOfMemory(_)) => exit_code(OUT_OF_MEMORY),
                None => ExitCode::FAILURE,
            }
        }
    }
}

fn exit_code(code: i32) -> ExitCode {
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// A compilation that gave no code.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    OutOfMemory(String),
}

fn compile() -> anyhow::Result<()> {
    let engine = engine::compiling().map_err(|error| anyhow::anyhow!("no compiler: {error:#}"))?;
    let mut wasm = Vec::new();
    io::stdin().lock().read_to_end(&mut wasm).context("standard input")?;
    let code = engine.precompile_component(&wasm).map_err(|error| failed(&error))?;
    let mut stdout = io::stdout().lock();
    stdout.write_all(&code).and_then(|()| stdout.flush()).context("standard output")
}

fn failed(error: &wasmtime::Error) -> Failed {
    let out_of_memory = error.chain().any(|cause| {
        cause.is::<wasmtime::OutOfMemory>()
            || cause.downcast_ref() == Some(&rustix::io::Errno::NOMEM)
            || cause
                .downcast_ref()
                .is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::OutOfMemory)
    });
    let message = format!("{error:#}").chars().take(MESSAGE_CHARS).collect();
    if out_of_memory { Failed::OutOfMemory(message) } else { Failed::Invalid(message) }
}

/// Binds this process to its parent, and takes from it what a compilation does not need.
fn confine(limits: CompileLimits, parent: u32) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("signal at the end of the parent")?;
    // It may have ended before it could be asked to tell.
    ensure!(std::os::unix::process::parent_id() == parent, "process {parent} is not the parent of this one");
    // When memory runs out, this process is to go and not the host. Not everywhere can that be asked for.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    nice(19).context("priority")?;
    shut_out().context("Landlock")?;
    // The parent measures wall-clock time; this is for a parent that is stopped.
    let cpu_seconds = limits.seconds.saturating_mul(threads() as u64);
    lower(Resource::Cpu, cpu_seconds)?;
    // Not the address space, of which the allocator sets apart more than it uses, for each thread.
    lower(Resource::Data, limits.memory_bytes)?;
    lower(Resource::Core, 0)?;
    lower(Resource::Fsize, 0)?;
    lower(Resource::Nofile, OPEN_FILES)
}

fn lower(resource: Resource, most: u64) -> anyhow::Result<()> {
    let most = Some(getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most)));
    let limit = Rlimit { current: most, maximum: most };
    setrlimit(resource, limit).with_context(|| format!("limit {resource:?}"))
}

/// Closes the file system, TCP and other processes to this one, as far as the kernel can.
fn shut_out() -> Result<RestrictionStatus, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?
        .restrict_self()
}

#[cfg(test)]
mod tests {
    use landlock::RulesetStatus;

    use super::*;

    #[test]
    fn what_is_shut_out_reads_and_writes_no_file() {
        // Only the thread is shut out.
        let thread = std::thread::spawn(|| {
            let status = shut_out().unwrap();
            let written = std::env::temp_dir().join(format!("provender-{}", std::process::id()));
            let denied = [std::fs::read("/etc/passwd").err(), std::fs::write(written, "").err()];
            (status.ruleset, denied.map(|error| error.map(|error| error.kind())))
        });
        let (status, denied) = thread.join().unwrap();
        assert_ne!(status, RulesetStatus::NotEnforced, "the kernel has no Landlock");
        assert_eq!(denied, [Some(io::ErrorKind::PermissionDenied); 2]);
    }
}

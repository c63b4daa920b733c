//! The parent's side: starts the child, feeds it, reads what it gives within bounds, and ends it when it is late.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::thread::available_parallelism;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{self, AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::CompileLimits;
use super::child::{INVALID, OUT_OF_MEMORY};
use crate::sandbox::inspection::{Refused, invalid};

/// Machine code that any component may become, in bytes, and how much more for each byte of it. Real ones become four
/// times as large.
const CODE_BYTES: u64 = 16 << 20;
const CODE_BYTES_PER_BYTE: u64 = 8;

/// How much of what the child writes to standard error is kept, in bytes.
const STDERR_BYTES: usize = 4096;

/// What Rust writes to standard error before it aborts for want of memory.
const ALLOCATION_FAILED: &str = "memory allocation of ";

/// Threads that compile: all cores but one, which is left to the host.
pub(super) fn threads() -> usize {
    available_parallelism().map_or(1, usize::from).saturating_sub(1).max(1)
}

/// Compiles a component in a process of `program`.
pub(super) async fn compile(
    program: &Path,
    arguments: &[OsString],
    limits: CompileLimits,
    wasm: &[u8],
) -> Result<Vec<u8>, Refused> {
    let mut child = command(program, arguments, limits)
        .spawn()
        .map_err(|error| failed(format!("`{}` does not start: {error}", program.display())))?;
    let longest = Duration::from_secs(limits.seconds);
    let ended = match timeout(longest, converse(&mut child, wasm)).await {
        Ok(ended) => ended,
        Err(_) => Err(Refused::CompileTime { limit_seconds: limits.seconds }),
    };
    if ended.is_err() {
        // Fails when it is gone already.
        let _ = child.kill().await;
    }
    let Ended { status, code, stderr } = ended?;
    if status.success() {
        return Ok(code);
    }
    Err(refused(status, stderr, limits))
}

fn command(program: &Path, arguments: &[OsString], limits: CompileLimits) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg(format!("--seconds={}", limits.seconds))
        .arg(format!("--memory-bytes={}", limits.memory_bytes))
        .arg(format!("--parent={}", std::process::id()))
        .env_clear()
        .env("RAYON_NUM_THREADS", threads().to_string())
        .current_dir("/")
        // A signal from the terminal is for the host, which ends the child.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// How a child ended by itself.
struct Ended {
    status: ExitStatus,
    code: Vec<u8>,
    stderr: String,
}

async fn converse(child: &mut Child, wasm: &[u8]) -> Result<Ended, Refused> {
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(failed("it has no pipes"));
    };
    let ((), code, stderr) = tokio::try_join!(feed(stdin, wasm), code(stdout, wasm.len()), tail(stderr))?;
    let status = child.wait().await.map_err(|error| failed(format!("its end is not known: {error}")))?;
    Ok(Ended { status, code, stderr })
}

async fn feed(mut stdin: ChildStdin, wasm: &[u8]) -> Result<(), Refused> {
    // A child that ends without reading all says by its end why.
    let _ = stdin.write_all(wasm).await;
    Ok(())
}

async fn code(stdout: ChildStdout, wasm_bytes: usize) -> Result<Vec<u8>, Refused> {
    let limit_bytes = CODE_BYTES.saturating_add(CODE_BYTES_PER_BYTE.saturating_mul(wasm_bytes as u64));
    let mut code = Vec::new();
    stdout
        .take(limit_bytes.saturating_add(1))
        .read_to_end(&mut code)
        .await
        .map_err(|error| failed(format!("it cannot be read: {error}")))?;
    if code.len() as u64 > limit_bytes { Err(Refused::CompiledSize { limit_bytes }) } else { Ok(code) }
}

async fn tail(mut stderr: ChildStderr) -> Result<String, Refused> {
    let mut kept = Vec::new();
    while read_some(&mut stderr, &mut kept).await.is_ok_and(|read| read > 0) {
        let excess = kept.len().saturating_sub(STDERR_BYTES);
        kept.drain(..excess);
    }
    Ok(String::from_utf8_lossy(&kept).into_owned())
}

async fn read_some(from: &mut (impl AsyncRead + Unpin), to: &mut Vec<u8>) -> io::Result<usize> {
    to.reserve(STDERR_BYTES);
    from.read_buf(to).await
}

/// Why a child that ended badly gave no code.
fn refused(status: ExitStatus, stderr: String, limits: CompileLimits) -> Refused {
    let aborted = status.signal() == Some(Signal::ABORT.as_raw());
    match status.code() {
        Some(INVALID) => invalid(&stderr),
        Some(OUT_OF_MEMORY) => Refused::CompileMemory { limit_bytes: limits.memory_bytes },
        None if aborted && stderr.contains(ALLOCATION_FAILED) => {
            Refused::CompileMemory { limit_bytes: limits.memory_bytes }
        }
        None if status.signal() == Some(Signal::XCPU.as_raw()) => {
            Refused::CompileTime { limit_seconds: limits.seconds }
        }
        _ => {
            let ending = status.to_string();
            let ending = ending.trim_end_matches(" (core dumped)").to_owned();
            Refused::CompilerCrashed { ending, stderr }
        }
    }
}

fn failed(message: impl Into<String>) -> Refused {
    Refused::CompilerFailed { message: format!("compiler: {}", message.into()) }
}

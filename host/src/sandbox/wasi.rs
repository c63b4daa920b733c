//! WASI as a plugin finds it: no arguments, no environment, no files, no network; clocks and random numbers of the
//! invocation; standard error kept by its end.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::io::AsyncWrite;
use wasmtime::component::Linker;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiView};

use super::text::acts;

/// Links all of `wasi:cli`, `clocks`, `io`, `random`, and `filesystem` and `sockets`, which deny everything: runtimes of
/// some languages import those two without using them.
pub fn link_wasi<S: WasiView + 'static>(linker: &mut Linker<S>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)
}

/// How much of what a plugin writes to standard output and standard error is kept, in bytes.
const TAIL_BYTES: usize = 4096;

/// How long one step of the monotonic clock is: every reading advances it, so that a plugin that waits by reading the
/// clock gets on, and the same call reads the same values.
const CLOCK_STEP_NS: u64 = 1_000;

/// Random bytes that one request may ask for: they are the host's work, which no fuel counts.
const MAX_RANDOM_BYTES: u64 = 1 << 16;

pub(super) fn deterministic_wasi(seed: [u8; 32], time: Timestamp, stderr: &StderrTail) -> WasiCtx {
    let mut insecure_seed = [0; 16];
    for (to, from) in insecure_seed.iter_mut().zip(seed) {
        *to = from;
    }
    let clock = Clock { start: since_epoch(time), readings: Arc::new(AtomicU64::new(0)) };
    WasiCtx::builder()
        .stdout(stderr.clone())
        .stderr(stderr.clone())
        .secure_random(StdRng::from_seed(seed))
        .insecure_random(StdRng::from_seed(seed))
        .insecure_random_seed(u128::from_le_bytes(insecure_seed))
        .max_random_size(MAX_RANDOM_BYTES)
        .wall_clock(clock.clone())
        .monotonic_clock(clock)
        .build()
}

fn since_epoch(time: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(time.as_microsecond()).unwrap_or(0))
}

/// Starts at the time of the invocation and advances by a step at each reading.
#[derive(Clone)]
struct Clock {
    start: Duration,
    readings: Arc<AtomicU64>,
}

impl Clock {
    fn elapsed_ns(&self) -> u64 {
        self.readings.fetch_add(1, Ordering::Relaxed).saturating_mul(CLOCK_STEP_NS)
    }
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(CLOCK_STEP_NS)
    }

    fn now(&self) -> Duration {
        self.start + Duration::from_nanos(self.elapsed_ns())
    }
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        CLOCK_STEP_NS
    }

    fn now(&self) -> u64 {
        self.elapsed_ns()
    }
}

/// The end of what a plugin wrote to standard output and standard error.
#[derive(Clone, Default)]
pub(super) struct StderrTail(Arc<Mutex<Vec<u8>>>);

impl StderrTail {
    /// The kept end as text that does nothing to the terminal which shows it.
    pub(super) fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let harmful = |letter: char| acts(letter) && !matches!(letter, '\n' | '\t');
        String::from_utf8_lossy(&kept).replace(harmful, "\u{fffd}")
    }

    fn append(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(bytes.iter().skip(bytes.len().saturating_sub(TAIL_BYTES)));
        let excess = kept.len().saturating_sub(TAIL_BYTES);
        kept.drain(..excess);
    }
}

impl IsTerminal for StderrTail {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for StderrTail {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for StderrTail {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.append(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(TAIL_BYTES)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for StderrTail {
    async fn ready(&mut self) {}
}

impl AsyncWrite for StderrTail {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.append(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(ErrorKind::Unsupported.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_output_is_kept() {
        let tail = StderrTail::default();
        tail.append(&[b'a'; 3 * TAIL_BYTES]);
        tail.append(b"the end");
        assert_eq!(tail.text().len(), TAIL_BYTES);
        assert!(tail.text().ends_with("aaathe end"));
    }

    #[test]
    fn what_would_act_on_a_terminal_is_taken_out() {
        let tail = StderrTail::default();
        tail.append("\u{1b}[2J\u{9b}31m\0\rone\ttwo\nthree".as_bytes());
        tail.append(b"\xff");
        assert_eq!(tail.text(), "\u{fffd}[2J\u{fffd}31m\u{fffd}\u{fffd}one\ttwo\nthree\u{fffd}");
    }

    #[test]
    fn the_clock_starts_at_the_invocation_and_advances_by_reading() {
        let time: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let clock = Clock { start: since_epoch(time), readings: Arc::default() };
        assert_eq!(HostWallClock::now(&clock), Duration::from_secs(1_767_323_045));
        assert_eq!(HostMonotonicClock::now(&clock), CLOCK_STEP_NS);
    }
}

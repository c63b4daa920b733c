//! Which threads run a call, so that plugins that compute do not slow down those that do not.
//!
//! A call begins on the thread of its caller, where one of an ordinary plugin ends after some ten microseconds. The
//! engine interrupts a guest at every tick. One that has computed for more than a tick is moved, in the middle of its
//! call, to threads of low priority; there it yields to others of its kind at every tick. So ordinary calls wait for it
//! once, for a tick or two, and from then on the kernel's scheduler lets them go first. The next calls of the plugin
//! begin there, until one ends within a tick again.
//!
//! What a call does through the host (timers, connections) stays with the runtime of its caller, wherever it is polled.

use std::future::{pending, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;

use super::engine::TICK;

/// The threads for calls that compute.
pub(super) struct Lanes {
    // None only while it is dropped.
    computing: Option<Runtime>,
}

/// Whether the last call of a plugin computed for long.
#[derive(Debug, Default)]
pub struct Pace {
    computes: AtomicBool,
}

/// How much nicer the threads for calls that compute are than the others (`nice(2)`): when all cores are wanted, they
/// get about a tenth of the time of an ordinary thread, and so come to their end, or to their deadline, nevertheless.
const NICENESS: i32 = 10;

impl Lanes {
    pub(super) fn start() -> io::Result<Self> {
        let computing = Builder::new_multi_thread()
            .worker_threads(std::thread::available_parallelism()?.get())
            .thread_name("provender-computing")
            .on_thread_start(|| {
                if let Err(error) = rustix::process::nice(NICENESS) {
                    tracing::warn!(%error, "plugins that compute run with the priority of others");
                }
            })
            .build()?;
        Ok(Self { computing: Some(computing) })
    }

    /// Runs a call to its end.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        pace: &Pace,
        call: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let mut call: BoxFuture<'static, T> = Box::pin(call);
        if !pace.computes.load(Ordering::Relaxed) {
            match first_slices(&mut call).await {
                Some(end) => return end,
                None => pace.computes.store(true, Ordering::Relaxed),
            }
        }
        let Some(computing) = &self.computing else { return call.await };
        let call = Metered { call, caller: Handle::current(), used: Duration::ZERO };
        // Ends the call when the caller goes away.
        let mut moved = JoinSet::new();
        moved.spawn_on(call, computing.handle());
        match moved.join_next().await {
            Some(Ok((end, used))) => {
                pace.computes.store(used > TICK, Ordering::Relaxed);
                end
            }
            Some(Err(error)) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The threads end with the sandbox, which outlives its calls.
                Err(_) => pending().await,
            },
            None => pending().await,
        }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        if let Some(computing) = self.computing.take() {
            // Waiting for threads is not allowed where async code drops a sandbox.
            computing.shutdown_background();
        }
    }
}

/// Polls a call until it ends, or until one poll has computed for about a tick: then None. The first poll is not looked
/// at, since for most calls it is the only one.
async fn first_slices<T>(call: &mut BoxFuture<'static, T>) -> Option<T> {
    let mut first = true;
    poll_fn(|context| {
        let began = (!std::mem::take(&mut first)).then(cpu_time);
        match call.as_mut().poll(context) {
            Poll::Ready(end) => Poll::Ready(Some(end)),
            Poll::Pending if began.is_some_and(|began| cpu_time().saturating_sub(began) > TICK / 2) => {
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// CPU time of this thread. Unlike the time on the wall, it does not blame a call for a busy machine.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// A call polled on another runtime than its caller's. Gives the CPU time that it used there, too.
struct Metered<T> {
    call: BoxFuture<'static, T>,
    caller: Handle,
    used: Duration,
}

impl<T> Future for Metered<T> {
    type Output = (T, Duration);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let _timers_and_connections = this.caller.enter();
        let began = cpu_time();
        let end = this.call.as_mut().poll(context);
        this.used += cpu_time().saturating_sub(began);
        end.map(|end| (end, this.used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computes for a while between two yields, some times, and gives the name of the thread it ended on.
    async fn computing(slices: usize) -> Option<String> {
        for _ in 0..slices {
            let began = cpu_time();
            while cpu_time().saturating_sub(began) < TICK {}
            tokio::task::yield_now().await;
        }
        std::thread::current().name().map(str::to_owned)
    }

    #[tokio::test]
    async fn a_call_that_computes_is_moved_in_its_middle_and_the_next_one_begins_there() {
        let (lanes, pace) = (Lanes::start().unwrap(), Pace::default());
        assert_eq!(lanes.run(&pace, computing(3)).await.as_deref(), Some("provender-computing"));
        assert!(pace.computes.load(Ordering::Relaxed));
        assert_eq!(lanes.run(&pace, computing(0)).await.as_deref(), Some("provender-computing"));
        assert!(!pace.computes.load(Ordering::Relaxed), "it was quick");
        assert_ne!(lanes.run(&pace, computing(0)).await.as_deref(), Some("provender-computing"));
    }

    #[tokio::test]
    async fn a_call_that_is_moved_keeps_the_timers_of_its_caller() {
        let (lanes, pace) = (Lanes::start().unwrap(), Pace { computes: AtomicBool::new(true) });
        let waited = lanes.run(&pace, tokio::time::timeout(TICK, pending::<()>())).await;
        assert!(waited.is_err());
    }

    #[tokio::test]
    async fn a_call_that_is_moved_ends_when_its_caller_goes_away() {
        let (lanes, pace) = (Lanes::start().unwrap(), Pace { computes: AtomicBool::new(true) });
        let (alive, mut gone) = tokio::sync::mpsc::channel::<()>(1);
        let call = lanes.run(&pace, async move {
            let _alive = alive;
            pending::<()>().await;
        });
        assert!(tokio::time::timeout(TICK, call).await.is_err());
        assert!(gone.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_panic_in_a_call_that_is_moved_is_the_callers() {
        let (lanes, pace) = (Lanes::start().unwrap(), Pace { computes: AtomicBool::new(true) });
        let lanes = std::sync::Arc::new(lanes);
        let panicked = tokio::spawn(async move { lanes.run(&pace, async { panic!("on purpose") }).await });
        assert!(panicked.await.unwrap_err().is_panic());
    }
}

//! Which threads run a call, so that plugins that compute do not slow down those that do not.
//!
//! A call begins on the thread of its caller, where one of an ordinary plugin ends after some ten microseconds. The
//! engine interrupts a guest at every tick. One that goes on computing after that is moved, in the middle of its call, to
//! threads of low priority; there it yields to others of its kind at every tick. So ordinary calls wait for it once, for
//! a tick or two, and from then on the kernel's scheduler lets them go first. The next calls of the plugin begin there,
//! and so do those of one whose calls end before they are moved but compute for long nevertheless; until a call of it is
//! quick again.
//!
//! A call that waits for counterparts lets others go first each time. So it is quick as long as it computes shortly in
//! between, and not for long in all.
//!
//! What a call does through the host (timers, connections) stays with the runtime of its caller, wherever it is polled.

use std::future::{pending, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;

/// The threads for calls that compute.
pub(super) struct Lanes {
    // None only while it is dropped.
    computing: Option<Runtime>,
}

/// How the last call of a plugin went.
#[derive(Debug, Default)]
pub struct Pace(AtomicU8);

/// It was quick.
const QUICK: u8 = 0;

/// It took long, which may be for lack of a core: the CPU time of the next one is measured.
const LONG: u8 = 1;

/// It computed for long.
const COMPUTING: u8 = 2;

/// What a quick call computes at most without a wait in between.
const QUICK_AT_MOST: Duration = Duration::from_micros(500);

/// What a quick call computes at most in all.
const QUICK_IN_ALL: Duration = Duration::from_millis(5);

impl Pace {
    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, pace: u8) {
        // Written only when it changes, since calls beside each other read it.
        if self.get() != pace {
            self.0.store(pace, Ordering::Relaxed);
        }
    }
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
        let mut used = Used::default();
        if pace.get() != COMPUTING {
            match begun(&mut call, pace).await {
                Ok(end) => return end,
                Err(until_now) => used = until_now,
            }
            pace.set(COMPUTING);
        }
        let Some(computing) = &self.computing else { return call.await };
        let call = Metered { call, caller: Handle::current(), used };
        // Ends the call when the caller goes away.
        let mut moved = JoinSet::new();
        moved.spawn_on(call, computing.handle());
        match moved.join_next().await {
            Some(Ok((end, used))) => {
                pace.set(if used.is_quick() { QUICK } else { COMPUTING });
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

/// CPU time of a call.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    /// Without a wait in between.
    at_most: Duration,
    in_all: Duration,
}

impl Used {
    fn add(&mut self, computed: Duration) {
        self.at_most = self.at_most.max(computed);
        self.in_all += computed;
    }

    fn is_quick(self) -> bool {
        self.at_most <= QUICK_AT_MOST && self.in_all <= QUICK_IN_ALL
    }
}

/// Polls a call until it ends, or until it goes on computing after an interruption: then gives what it used. A clock of CPU
/// time is dear, and no call computes for longer than it takes: so CPU time is measured only once the call took too long for
/// a quick one, or the call before did.
async fn begun<T>(call: &mut BoxFuture<'static, T>, pace: &Pace) -> Result<T, Used> {
    let (mut took, mut used) = (Used::default(), Used::default());
    let measured_in_all = pace.get() == LONG;
    let mut measured = measured_in_all;
    poll_fn(|context| {
        let (began, before) = (Instant::now(), measured.then(cpu_time));
        let polled = call.as_mut().poll(context);
        took.add(began.elapsed());
        if let Some(before) = before {
            used.add(cpu_time().saturating_sub(before));
        }
        match polled {
            Poll::Ready(end) => {
                pace.set(match used.is_quick() {
                    false => COMPUTING,
                    true if measured_in_all || took.is_quick() => QUICK,
                    true => LONG,
                });
                Poll::Ready(Ok(end))
            }
            Poll::Pending if !used.is_quick() => Poll::Ready(Err(used)),
            Poll::Pending => {
                measured |= !took.is_quick();
                Poll::Pending
            }
        }
    })
    .await
}

/// CPU time of this thread. Unlike the time on the wall, it does not blame a call for a busy machine.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// A call polled on another runtime than its caller's. Gives the CPU time that it used there, and before, too.
struct Metered<T> {
    call: BoxFuture<'static, T>,
    caller: Handle,
    used: Used,
}

impl<T> Future for Metered<T> {
    type Output = (T, Used);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let _timers_and_connections = this.caller.enter();
        let began = cpu_time();
        let end = this.call.as_mut().poll(context);
        this.used.add(cpu_time().saturating_sub(began));
        end.map(|end| (end, this.used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::engine::TICK;

    const COMPUTES: &str = "provender-computing";

    /// Computes for a while between two yields, some times, and gives the name of the thread it ended on.
    async fn computing(slices: usize) -> String {
        for slice in 0..slices {
            if slice > 0 {
                tokio::task::yield_now().await;
            }
            let began = cpu_time();
            while cpu_time().saturating_sub(began) < TICK {}
        }
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn a_call_that_computes_is_moved_in_its_middle_and_the_next_one_begins_there() {
        let (lanes, pace) = (Lanes::start().unwrap(), Pace::default());
        assert_eq!(lanes.run(&pace, computing(4)).await, COMPUTES);
        assert_eq!(lanes.run(&pace, computing(0)).await, COMPUTES);
        assert_ne!(lanes.run(&pace, computing(0)).await, COMPUTES, "the last one was quick");
    }

    #[tokio::test]
    async fn calls_that_compute_for_long_but_are_not_interrupted_begin_there_from_the_third_one_on() {
        let (lanes, pace) = (Lanes::start().unwrap(), Pace::default());
        assert_ne!(lanes.run(&pace, computing(1)).await, COMPUTES);
        assert_ne!(lanes.run(&pace, computing(1)).await, COMPUTES, "its CPU time is measured");
        assert_eq!(lanes.run(&pace, computing(1)).await, COMPUTES);
    }

    #[tokio::test]
    async fn a_call_that_waits_for_long_is_not_taken_for_one_that_computes() {
        let (lanes, pace) = (Lanes::start().unwrap(), Pace::default());
        for _ in 0..3 {
            let waits = async {
                let _ = tokio::time::timeout(2 * TICK, pending::<()>()).await;
                computing(0).await
            };
            assert_ne!(lanes.run(&pace, waits).await, COMPUTES);
        }
    }

    /// Computes for so long each time, between waits, and gives the name of the thread it ended on.
    async fn waiting(times: usize, computed: Duration) -> String {
        for _ in 0..times {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let began = cpu_time();
            while cpu_time().saturating_sub(began) < computed {}
        }
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn a_call_that_waits_in_between_may_compute_for_longer_in_all_but_not_for_long() {
        let (lanes, pace) = (Lanes::start().unwrap(), Pace::default());
        let (shortly, waits) =
            (QUICK_AT_MOST / 10, 3 * QUICK_AT_MOST.div_duration_f64(QUICK_AT_MOST / 10) as usize);
        for _ in 0..3 {
            assert_ne!(lanes.run(&pace, waiting(waits, shortly)).await, COMPUTES);
        }
        let too_many = 2 * QUICK_IN_ALL.div_duration_f64(shortly) as usize;
        assert_ne!(pace.get(), COMPUTING);
        // While the first one runs, it may not be measured yet.
        lanes.run(&pace, waiting(too_many, shortly)).await;
        assert_eq!(lanes.run(&pace, waiting(too_many, shortly)).await, COMPUTES);
        assert_eq!(lanes.run(&pace, waiting(1, shortly)).await, COMPUTES, "it begins there");
        assert_ne!(lanes.run(&pace, waiting(1, shortly)).await, COMPUTES, "the last one was quick");
    }

    #[tokio::test]
    async fn a_call_that_is_moved_keeps_the_timers_of_its_caller() {
        let (lanes, pace) = (Lanes::start().unwrap(), Pace(COMPUTING.into()));
        let waited = lanes.run(&pace, tokio::time::timeout(TICK, pending::<()>())).await;
        assert!(waited.is_err());
    }

    #[tokio::test]
    async fn a_call_that_is_moved_ends_when_its_caller_goes_away() {
        let (lanes, pace) = (Lanes::start().unwrap(), Pace(COMPUTING.into()));
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
        let (lanes, pace) = (Lanes::start().unwrap(), Pace(COMPUTING.into()));
        let panicked = tokio::spawn(async move { lanes.run(&pace, async { panic!("on purpose") }).await });
        assert!(panicked.await.unwrap_err().is_panic());
    }
}

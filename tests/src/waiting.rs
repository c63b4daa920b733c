//! Waiting for a condition, for so long and no longer.

use std::time::{Duration, Instant};

/// Longest wait for anything: machines that run tests may be slow. In a build that refuses all effects most waiting is in
/// vain.
pub const PATIENCE: Duration = Duration::from_secs(if cfg!(feature = "refuse-all-effects") { 2 } else { 60 });

const INTERVAL: Duration = Duration::from_millis(5);

/// Longest wait for a process to be there, in every build.
pub const PATIENCE_WITH_A_START: Duration = Duration::from_secs(60);

/// Looks again and again until there is something, and fails the test when there is nothing for too long.
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, look).await
}

/// As [`eventually`], for so long.
pub async fn eventually_within<T>(
    patience: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < patience, "waited {patience:?} in vain: {what}");
        tokio::time::sleep(INTERVAL).await;
    }
}

/// As [`eventually`], on the thread of the caller.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look)
}

/// As [`until`], for so long.
pub fn until_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < patience, "waited {patience:?} in vain: {what}");
        std::thread::sleep(INTERVAL);
    }
}

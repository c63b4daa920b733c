//! The time that schedules go by: the machine's, unless a test lets it pass faster.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// A clock. All clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// The time that it stands at, if it is not the machine's.
    stands_at: Option<Timestamp>,
    /// Microseconds before that.
    ahead: Arc<AtomicI64>,
}

impl Clock {
    /// A clock that goes on only when it is told to.
    pub fn standing_at(time: Timestamp) -> Self {
        Self { stands_at: Some(time), ahead: Arc::default() }
    }

    /// The time now, as the store keeps it: in microseconds.
    pub fn now(&self) -> Timestamp {
        let now = self.stands_at.unwrap_or_else(Timestamp::now).as_microsecond();
        let now = now.saturating_add(self.ahead.load(Ordering::SeqCst));
        Timestamp::from_microsecond(now).unwrap_or(Timestamp::MAX)
    }

    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        let microseconds = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        self.ahead.fetch_add(microseconds, Ordering::SeqCst);
    }
}

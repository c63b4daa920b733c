//! Back-off: a server that is down is not asked again at once.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::SqlError;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(10);

/// Since when a server cannot be connected to, if so.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<Option<Down>>);

#[derive(Debug)]
struct Down {
    error: SqlError,
    /// No attempt before this.
    until: Instant,
    pause: Duration,
}

impl Outage {
    /// Whether the server may be tried again; else what it said last.
    pub(super) fn check(&self, place: &str) -> Result<(), SqlError> {
        let down = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match down.as_ref().filter(|down| Instant::now() < down.until) {
            None => Ok(()),
            Some(Down { error: SqlError::Authentication(text), .. }) => {
                Err(SqlError::Authentication(text.clone()))
            }
            Some(Down { error, .. }) => {
                Err(SqlError::Unavailable(format!("{place} was not to be reached a moment ago: {error}")))
            }
        }
    }

    /// Notes how an attempt to connect ended.
    pub(super) fn note(&self, error: Option<&SqlError>) {
        let mut down = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *down = error.map(|error| {
            let pause = down.as_ref().map_or(FIRST, |before| (before.pause * 2).min(LONGEST));
            Down { error: error.clone(), until: Instant::now() + pause, pause }
        });
    }
}

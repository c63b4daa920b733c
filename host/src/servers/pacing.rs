//! How a server is asked by all targets together: not faster than its token bucket, not before the time that it asked for,
//! not over more connections than it is to have, and only now and then while it is down.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use utoipa::ToSchema;

/// How much a server is asked at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PacingConfiguration {
    /// Requests per second of all targets together; none: as many as they make.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100_000)]
    pub requests_per_second: Option<u32>,
    /// How many requests may come at once after a while without any.
    #[schema(minimum = 1, maximum = 100_000)]
    pub burst: u32,
    /// Most connections in use at once; further requests wait.
    #[schema(minimum = 1, maximum = 10_000)]
    pub max_connections: u32,
}

impl Default for PacingConfiguration {
    fn default() -> Self {
        Self { requests_per_second: None, burst: 1, max_connections: 64 }
    }
}

impl PacingConfiguration {
    /// Whether it says nothing but the defaults.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Its numbers by name, with their smallest and largest values.
    pub(super) fn ranges(&self) -> [(&'static str, u64, u64, u64); 3] {
        let rate = self.requests_per_second.unwrap_or(1);
        [
            ("/pacing/requests_per_second", rate.into(), 1, 100_000),
            ("/pacing/burst", self.burst.into(), 1, 100_000),
            ("/pacing/max_connections", self.max_connections.into(), 1, 10_000),
        ]
    }
}

/// Failures in a row after which a server is taken to be down: one may be an accident.
const FAILURES_OF_ONE_DOWN: u32 = 3;
/// How long one that is down is left alone at first, and at most.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(60);
/// Longest time that a server's wish to be left alone counts for.
const LONGEST_WISH: Duration = Duration::from_secs(3_600);

/// Why a request is not sent at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Held {
    /// It did not answer several times in a row.
    #[error("it is down; it is tried again in {} s", seconds(*.0))]
    Down(Duration),
    /// It said when it may be asked again.
    #[error("it asked to be left alone for {} s more", seconds(*.0))]
    AskedToWait(Duration),
    /// Its turn does not come within the time that the request has.
    #[error("more is asked of it than its limits allow; the turn of this request does not come in time")]
    TooMuch,
}

/// Whole seconds, never too few.
pub(crate) fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// The pace of one server.
#[derive(Debug)]
pub struct Pacing {
    state: Mutex<State>,
    connections: Semaphore,
}

/// The leave to ask a server once. Whoever has it tells what came of it.
#[derive(Debug)]
pub struct Turn<'a> {
    pacing: &'a Pacing,
    probe: bool,
    told: bool,
    _connection: SemaphorePermit<'a>,
}

#[derive(Debug)]
struct State {
    bucket: Option<Bucket>,
    failures: u32,
    /// When a server that is down is tried again.
    down_until: Option<Instant>,
    /// Whether one request finds out just now whether it is up again.
    probing: bool,
    /// Until when the server asked not to be asked.
    wish: Option<Instant>,
}

/// A token bucket, kept as the time at which it would be full again.
#[derive(Debug)]
struct Bucket {
    interval: Duration,
    burst: u32,
    full: Option<Instant>,
}

impl Bucket {
    /// When the next token is there.
    fn next(&self, now: Instant) -> Instant {
        let Some(full) = self.full else { return now };
        let ahead = self.interval * self.burst.saturating_sub(1);
        full.checked_sub(ahead).map_or(now, |at| at.max(now))
    }

    fn take(&mut self, now: Instant) {
        self.full = Some(self.full.map_or(now, |full| full.max(now)) + self.interval);
    }
}

impl State {
    /// When a request that comes now may be sent, at the latest at `deadline`; and whether it is the one that finds out
    /// whether the server is up again.
    fn admit(&mut self, now: Instant, deadline: Instant) -> Result<(Instant, bool), Held> {
        if let Some(until) = self.wish.filter(|until| now < *until) {
            return Err(Held::AskedToWait(until - now));
        }
        let probe = match self.down_until {
            Some(until) if now < until => return Err(Held::Down(until - now)),
            Some(_) if self.probing => return Err(Held::Down(FIRST_REST)),
            Some(_) => true,
            None => false,
        };
        let at = match &mut self.bucket {
            Some(bucket) => {
                let at = bucket.next(now);
                if at >= deadline {
                    return Err(Held::TooMuch);
                }
                bucket.take(now);
                at
            }
            None => now,
        };
        self.probing |= probe;
        Ok((at, probe))
    }

    fn answered(&mut self, now: Instant, wish: Option<Duration>) {
        (self.failures, self.down_until, self.probing) = (0, None, false);
        if let Some(wish) = wish {
            self.wish = self.wish.max(Some(now + wish.min(LONGEST_WISH)));
        }
    }

    fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.probing = false;
        if let Some(beyond) = self.failures.checked_sub(FAILURES_OF_ONE_DOWN) {
            let rest = FIRST_REST.saturating_mul(2_u32.saturating_pow(beyond)).min(LONGEST_REST);
            self.down_until = Some(now + rest);
        }
    }

    /// How long it is left alone from now on.
    fn rest(&self, now: Instant) -> Option<Duration> {
        let until = self.wish.max(self.down_until)?;
        until.checked_duration_since(now).filter(|rest| !rest.is_zero())
    }
}

impl Pacing {
    /// The pace of a server that was not asked yet.
    pub fn new(configuration: &PacingConfiguration) -> Self {
        let PacingConfiguration { requests_per_second, burst, max_connections } = *configuration;
        let bucket = requests_per_second.map(|rate| Bucket {
            interval: Duration::from_secs(1) / rate.max(1),
            burst,
            full: None,
        });
        let state = State { bucket, failures: 0, down_until: None, probing: false, wish: None };
        Self { state: Mutex::new(state), connections: Semaphore::new(max_connections as usize) }
    }

    /// Waits for the turn of a request, at most until `deadline`.
    pub async fn turn(&self, deadline: Instant) -> Result<Turn<'_>, Held> {
        let connection = tokio::time::timeout_at(deadline, self.connections.acquire()).await;
        // The semaphore is never closed.
        let Ok(Ok(connection)) = connection else { return Err(Held::TooMuch) };
        let now = Instant::now();
        let (at, probe) = self.state().admit(now, deadline)?;
        let turn = Turn { pacing: self, probe, told: false, _connection: connection };
        // A timer ends a millisecond late, also one that has nothing to wait for.
        if at > now {
            tokio::time::sleep_until(at).await;
        }
        Ok(turn)
    }

    /// How long the server is left alone from now on, if it is.
    pub fn rest(&self) -> Option<Duration> {
        self.state().rest(Instant::now())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Consistent between statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// The server answered, and may have said how long it wants to be left alone.
    pub fn answered(&mut self, wish: Option<Duration>) {
        self.told = true;
        self.pacing.state().answered(Instant::now(), wish);
    }

    /// No connection came about.
    pub fn failed(&mut self) {
        self.told = true;
        self.pacing.state().failed(Instant::now());
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // A probe that nobody waited for found out nothing: another one may.
        if self.probe && !self.told {
            self.pacing.state().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server at a time that tests tell, and the waits and refusals of requests.
    struct Asked {
        pacing: Pacing,
        began: Instant,
        now: Instant,
    }

    const PATIENCE: Duration = Duration::from_secs(5);

    impl Asked {
        fn new(requests_per_second: Option<u32>, burst: u32) -> Self {
            let configuration =
                PacingConfiguration { requests_per_second, burst, ..PacingConfiguration::default() };
            let now = Instant::now();
            Self { pacing: Pacing::new(&configuration), began: now, now }
        }

        /// In how many milliseconds since the beginning a request that comes now is sent.
        fn ask(&self, patience: Duration) -> Result<u128, Held> {
            let (at, _) = self.pacing.state().admit(self.now, self.now + patience)?;
            Ok((at - self.began).as_millis())
        }

        fn pass(&mut self, time: Duration) {
            self.now += time;
        }

        fn fail(&self) {
            self.pacing.state().failed(self.now);
        }

        fn answer(&self, wish: Option<Duration>) {
            self.pacing.state().answered(self.now, wish);
        }
    }

    #[test]
    fn requests_come_in_bursts_and_then_at_the_rate() {
        let mut server = Asked::new(Some(10), 3);
        let sent: Vec<_> = (0..6).map(|_| server.ask(PATIENCE).unwrap()).collect();
        assert_eq!(sent, [0, 0, 0, 100, 200, 300]);
        server.pass(Duration::from_secs(60));
        let sent: Vec<_> = (0..4).map(|_| server.ask(PATIENCE).unwrap()).collect();
        assert_eq!(sent, [60_000, 60_000, 60_000, 60_100], "no more than the burst is saved up");
    }

    #[test]
    fn a_request_whose_turn_comes_too_late_fails_at_once_and_takes_no_turn() {
        let server = Asked::new(Some(1), 1);
        assert_eq!(server.ask(PATIENCE), Ok(0));
        assert_eq!(server.ask(Duration::from_millis(500)), Err(Held::TooMuch));
        assert_eq!(server.ask(PATIENCE), Ok(1_000));
    }

    #[tokio::test]
    async fn connections_in_use_are_limited() {
        let configuration = PacingConfiguration { max_connections: 2, ..PacingConfiguration::default() };
        let pacing = Pacing::new(&configuration);
        let soon = Instant::now() + PATIENCE;
        let (first, _second) = (pacing.turn(soon).await.unwrap(), pacing.turn(soon).await.unwrap());
        assert_eq!(pacing.turn(Instant::now()).await.unwrap_err(), Held::TooMuch);
        drop(first);
        pacing.turn(soon).await.unwrap();
    }

    #[test]
    fn a_server_that_is_down_is_left_alone_longer_and_longer_and_tried_by_one() {
        let mut server = Asked::new(None, 1);
        for _ in 1..FAILURES_OF_ONE_DOWN {
            server.ask(PATIENCE).unwrap();
            server.fail();
        }
        server.ask(PATIENCE).expect("it may have been an accident");
        server.fail();
        for rest in [1, 2, 4, 8, 16, 32, 60, 60] {
            let rest = Duration::from_secs(rest);
            assert_eq!(server.ask(PATIENCE), Err(Held::Down(rest)));
            assert_eq!(server.pacing.state().rest(server.now), Some(rest));
            server.pass(rest);
            server.ask(PATIENCE).expect("one finds out");
            assert!(matches!(server.ask(PATIENCE), Err(Held::Down(_))), "and only one");
            server.fail();
        }
        server.pass(LONGEST_REST);
        server.ask(PATIENCE).unwrap();
        server.answer(None);
        assert!(server.ask(PATIENCE).is_ok() && server.ask(PATIENCE).is_ok(), "it is up again");
    }

    #[tokio::test]
    async fn a_probe_that_is_given_up_leaves_the_way_to_another() {
        let pacing = Pacing::new(&PacingConfiguration::default());
        let long_ago = Instant::now().checked_sub(LONGEST_REST).unwrap();
        (0..FAILURES_OF_ONE_DOWN).for_each(|_| pacing.state().failed(long_ago));
        let soon = Instant::now() + PATIENCE;
        let probe = pacing.turn(soon).await.unwrap();
        assert!(matches!(pacing.turn(soon).await, Err(Held::Down(_))));
        drop(probe);
        pacing.turn(soon).await.unwrap().answered(None);
        assert_eq!(pacing.rest(), None);
    }

    #[test]
    fn a_server_is_left_alone_as_long_as_it_asks_for_within_reason() {
        let mut server = Asked::new(None, 1);
        server.answer(Some(Duration::from_secs(7)));
        server.pass(Duration::from_millis(6_500));
        let held = server.ask(PATIENCE).unwrap_err();
        assert_eq!(held, Held::AskedToWait(Duration::from_millis(500)));
        assert_eq!(held.to_string(), "it asked to be left alone for 1 s more");
        server.pass(Duration::from_millis(500));
        assert!(server.ask(PATIENCE).is_ok());
        server.answer(Some(Duration::MAX));
        assert_eq!(server.pacing.state().rest(server.now), Some(LONGEST_WISH));
    }
}

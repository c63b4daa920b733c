//! When a channel says something, and when it tries again. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Longest time between two attempts to deliver a message.
const LONGEST_RETRY: Duration = Duration::from_secs(3_600);
/// How long a message is tried to be delivered.
const GIVE_UP_AFTER: Duration = Duration::from_secs(3 * 24 * 3_600);

/// How often a channel may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// How long the first thing to tell waits for others.
    pub(super) settle: Duration,
    /// Shortest time between two messages.
    pub(super) interval: Duration,
}

impl Pace {
    /// When a message may be made of what there is to tell since `first`, after the one before it.
    pub(super) fn next_message(self, first: Timestamp, before: Option<Timestamp>) -> Timestamp {
        let settled = later(first, self.settle);
        before.map_or(settled, |before| settled.max(later(before, self.interval)))
    }
}

/// When the next attempt is made after so many, the last of which failed now; none when it is given up.
pub(super) fn next_attempt(
    composed: Timestamp,
    attempts: u32,
    first_retry: Duration,
    now: Timestamp,
) -> Option<Timestamp> {
    if now >= later(composed, GIVE_UP_AFTER) {
        return None;
    }
    let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1));
    Some(later(now, first_retry.saturating_mul(doubled).min(LONGEST_RETRY)))
}

/// A moment some time after another.
pub(super) fn later(at: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_message_waits_for_what_comes_with_it_and_for_the_end_of_the_interval() {
        let pace = Pace { settle: Duration::from_secs(10), interval: Duration::from_secs(900) };
        for (first, before, expected) in [
            (1_000, None, 1_010),
            (1_000, Some(500), 1_400),
            (1_000, Some(100), 1_010),
            (1_395, Some(500), 1_405),
        ] {
            assert_eq!(pace.next_message(at(first), before.map(at)), at(expected), "{first} {before:?}");
        }
    }

    #[test]
    fn attempts_become_rarer_until_they_are_given_up() {
        let retry = Duration::from_secs(30);
        for (attempts, wait) in [(1, 30), (2, 60), (3, 120), (7, 1_920), (8, 3_600), (400, 3_600)] {
            assert_eq!(next_attempt(at(0), attempts, retry, at(1_000)), Some(at(1_000 + wait)), "{attempts}");
        }
        assert_eq!(next_attempt(at(0), 80, retry, at(3 * 24 * 3_600)), None);
    }
}

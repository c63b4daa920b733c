use std::collections::BTreeMap;

use super::*;
use crate::provisioning::{Backoff, Mode, PluginReference};

fn target(retry_interval_s: u64, max_retry: u32, backoff: Option<Backoff>) -> Target {
    Target {
        id: "t".to_owned(),
        description: String::new(),
        plugin: PluginReference { name: "changelog".to_owned(), digest: "0".repeat(64) },
        configuration: serde_json::Value::Null,
        mode: Mode::Queue,
        order: 1,
        filters: Vec::new(),
        slots: BTreeMap::new(),
        limits: BTreeMap::new(),
        retry_interval_s,
        max_retry,
        backoff,
        concurrency: 4,
        provisioning_group: None,
        skip_source: None,
        always_send_deletions: false,
        subject_kinds: None,
        automatic_after: None,
    }
}

fn seconds(retry: Retry) -> Option<u64> {
    match retry {
        Retry::After(duration) => Some(duration.as_secs()),
        Retry::Never(_) => None,
    }
}

#[test]
fn failures_that_time_may_heal_are_tried_again_and_others_are_not() {
    use FailureClass::*;
    for (class, again) in [
        (Transient, true),
        (RateLimited, true),
        (Authentication, true),
        (Configuration, false),
        (InvalidData, false),
        (Conflict, true),
        (Permanent, false),
        (Other, true),
        (Trap, true),
        (OutOfFuel, true),
        (MemoryLimit, true),
        (Deadline, true),
        (EffectRefused, true),
        (BudgetExceeded, true),
        (HostFault, true),
    ] {
        assert_eq!(seconds(retry(&target(900, 3, None), class, None, 0, 0.0)).is_some(), again, "{class:?}");
    }
}

#[test]
fn the_maximum_counts_retries_after_the_first_failure() {
    // (interval, maximum, retries so far, tried again)
    for (interval, maximum, retries, again) in [
        (900, 3, 0, true),
        (900, 3, 2, true),
        (900, 3, 3, false),
        (900, 1, 0, true),
        (900, 1, 1, false),
        (900, 0, 1_000_000, true),
        (0, 3, 0, false),
        (0, 0, 0, false),
    ] {
        let next = retry(&target(interval, maximum, None), FailureClass::Transient, None, retries, 0.0);
        assert_eq!(seconds(next).is_some(), again, "{interval} {maximum} {retries}");
    }
}

#[test]
fn what_the_counterpart_asks_for_counts_when_it_is_longer() {
    for (class, asked, interval) in [
        (FailureClass::RateLimited, Some(5_000), 5_000),
        (FailureClass::Transient, Some(5_000), 5_000),
        (FailureClass::Transient, Some(5), 900),
        (FailureClass::Transient, None, 900),
        (FailureClass::Conflict, Some(5_000), 900),
    ] {
        let next = retry(&target(900, 3, None), class, asked, 0, 0.0);
        assert_eq!(seconds(next), Some(interval), "{class:?} {asked:?}");
    }
}

#[test]
fn growing_intervals_double_up_to_the_longest_and_vary_by_a_fifth() {
    let target = target(100, 0, Some(Backoff { factor: 2.0, longest_s: 1_000 }));
    let after =
        |retries, spread| seconds(retry(&target, FailureClass::Transient, None, retries, spread)).unwrap();
    assert_eq!([0, 1, 2, 3, 4, 60].map(|retries| after(retries, 0.0)), [100, 200, 400, 800, 1_000, 1_000]);
    assert_eq!((after(1, -1.0), after(1, 1.0), after(4, 1.0)), (160, 240, 1_000));
}

#[test]
fn a_refusal_says_why() {
    let never = |target, class, retries| match retry(&target, class, None, retries, 0.0) {
        Retry::Never(why) => why,
        other => panic!("{other:?}"),
    };
    assert!(never(target(900, 3, None), FailureClass::Permanent, 0).contains("permanent"));
    assert!(never(target(900, 3, None), FailureClass::Transient, 3).contains("3 times"));
    assert!(never(target(0, 3, None), FailureClass::Transient, 0).contains("no retries"));
}

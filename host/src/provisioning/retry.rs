//! Whether and when a failed provisioning is tried again.

use std::time::Duration;

use super::{FailureClass, Target};

/// What follows a failure.
#[derive(Clone, Debug, PartialEq)]
pub enum Retry {
    /// It is tried again after so long.
    After(Duration),
    /// It is not, because.
    Never(String),
}

/// What follows the failure of a provisioning that was tried again `retries` times before; a first attempt has none.
///
/// `retry_after_s` is what the counterpart asked for. `spread`, from -1 to 1, varies a growing interval.
pub fn retry(
    target: &Target,
    class: FailureClass,
    retry_after_s: Option<u32>,
    retries: u32,
    spread: f64,
) -> Retry {
    let helpless = match class {
        FailureClass::Permanent => Some("the failure is permanent"),
        FailureClass::InvalidData => Some("the record cannot be provisioned as it is"),
        FailureClass::Configuration => Some("the configuration cannot work"),
        _ => None,
    };
    if let Some(why) = helpless {
        return Retry::Never(format!("{why}; another attempt would not help"));
    }
    if target.retry_interval_s == 0 {
        return Retry::Never("the target has no retries".to_owned());
    }
    if target.max_retry > 0 && retries >= target.max_retry {
        return Retry::Never(format!("tried again {retries} times, which is the maximum"));
    }
    let interval = interval_s(target, retries, spread);
    let asked = match class {
        FailureClass::RateLimited | FailureClass::Transient => u64::from(retry_after_s.unwrap_or_default()),
        _ => 0,
    };
    Retry::After(Duration::from_secs(interval.max(asked)))
}

fn interval_s(target: &Target, retries: u32, spread: f64) -> u64 {
    let Some(backoff) = target.backoff else { return target.retry_interval_s };
    let exponent = i32::try_from(retries).unwrap_or(i32::MAX);
    let grown = target.retry_interval_s as f64 * backoff.factor.max(1.0).powi(exponent);
    let longest = backoff.longest_s.max(target.retry_interval_s) as f64;
    let varied = grown.min(longest) * (1.0 + 0.2 * spread.clamp(-1.0, 1.0));
    // Far from the bounds of the type.
    varied.min(longest).max(1.0).round() as u64
}

#[cfg(test)]
mod tests;

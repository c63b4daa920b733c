//! How a call ended, in our words.

use crate::capabilities::contract::types::{Failure, Outcome, WrittenIdentifier};
use crate::provisioning::{FailureClass, InvocationOutcome};
use crate::sandbox::Fault;

/// Most characters of a message or a history line that are kept: a plugin's text is bounded.
const MESSAGE_CHARACTERS: usize = 1_000;
const HISTORY_CHARACTERS: usize = 256;
const HISTORY_LINES: usize = 32;
const WRITTEN_IDENTIFIERS: usize = 32;

fn bounded(text: &str, characters: usize) -> String {
    text.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(characters)
        .collect()
}

/// What the plugin said it did, and the identifiers it wants stored with the subject.
pub(in crate::pipeline) fn finished_by_plugin(
    outcome: Outcome,
) -> (InvocationOutcome, Option<Vec<WrittenIdentifier>>) {
    match outcome {
        Outcome::Applied(applied) => {
            let history = applied.history.iter().take(HISTORY_LINES);
            let history = history.map(|line| bounded(line, HISTORY_CHARACTERS)).collect();
            let mut identifiers = applied.identifiers;
            identifiers.truncate(WRITTEN_IDENTIFIERS);
            (InvocationOutcome::Applied { history }, Some(identifiers))
        }
        Outcome::Unchanged => (InvocationOutcome::Unchanged, None),
        Outcome::Skipped(reason) => {
            (InvocationOutcome::Skipped { reason: bounded(&reason, MESSAGE_CHARACTERS) }, None)
        }
        Outcome::Other(extension) => {
            let reason = format!("outcome `{}`: {}", extension.name, extension.json);
            (InvocationOutcome::Skipped { reason: bounded(&reason, MESSAGE_CHARACTERS) }, None)
        }
    }
}

/// What the plugin said went wrong. `filter` names the data filter, if it was one.
pub(in crate::pipeline) fn failed_by_plugin(failure: Failure, filter: Option<&str>) -> InvocationOutcome {
    let (class, message, location, retry_after_seconds) = match failure {
        Failure::Transient(passing) => {
            (FailureClass::Transient, passing.message, None, passing.retry_after_seconds)
        }
        Failure::RateLimited(passing) => {
            (FailureClass::RateLimited, passing.message, None, passing.retry_after_seconds)
        }
        Failure::Authentication(message) => (FailureClass::Authentication, message, None, None),
        Failure::Configuration(located) => {
            (FailureClass::Configuration, located.message, located.location, None)
        }
        Failure::InvalidData(located) => (FailureClass::InvalidData, located.message, located.location, None),
        Failure::Conflict(message) => (FailureClass::Conflict, message, None, None),
        Failure::Permanent(message) => (FailureClass::Permanent, message, None, None),
        Failure::Other(extension) => {
            (FailureClass::Other, format!("{}: {}", extension.name, extension.json), None, None)
        }
    };
    InvocationOutcome::Failed {
        class,
        message: bounded(&message, MESSAGE_CHARACTERS),
        location: location.map(|location| bounded(&location, MESSAGE_CHARACTERS)),
        retry_after_seconds,
        filter: filter.map(str::to_owned),
    }
}

/// What the host says went wrong.
pub(in crate::pipeline) fn failed_by_fault(fault: &Fault, filter: Option<&str>) -> InvocationOutcome {
    let class = match fault {
        Fault::Trap { .. } => FailureClass::Trap,
        Fault::OutOfFuel { .. } => FailureClass::OutOfFuel,
        Fault::MemoryLimit { .. } => FailureClass::MemoryLimit,
        Fault::Deadline { .. } => FailureClass::Deadline,
        Fault::EffectRefused { .. } => FailureClass::EffectRefused,
        Fault::BudgetExceeded { .. } => FailureClass::BudgetExceeded,
        Fault::Diverged { .. } | Fault::Host { .. } => FailureClass::HostFault,
    };
    InvocationOutcome::Failed {
        class,
        message: bounded(&fault.to_string(), MESSAGE_CHARACTERS),
        location: None,
        retry_after_seconds: None,
        filter: filter.map(str::to_owned),
    }
}

//! How a call ended, in our words.

use super::subjects::{kind_of, record_id};
use crate::capabilities::contract::Filtered;
use crate::capabilities::contract::records::Subject;
use crate::capabilities::contract::types::{Failure, Outcome, WrittenIdentifier};
use crate::provisioning::{FailureClass, InvocationOutcome};
use crate::sandbox::{Fault, one_line};

/// Most characters of a message or a history line that are kept: a plugin's text is bounded.
const MESSAGE_CHARACTERS: usize = 1_000;
const HISTORY_CHARACTERS: usize = 256;
const HISTORY_LINES: usize = 32;
const WRITTEN_IDENTIFIERS: usize = 32;
const IDENTIFIER_CHARACTERS: usize = 1_000;
const ID_CHARACTERS: usize = 128;

/// What the plugin said it did, and the identifiers it wants stored with the subject. Identifiers that cannot be stored
/// fail the call: left out, they would be missed at the next one.
pub fn finished_by_plugin(outcome: Outcome) -> (InvocationOutcome, Option<Vec<WrittenIdentifier>>) {
    match outcome {
        Outcome::Applied(applied) => {
            if let Err(message) = check_identifiers(&applied.identifiers) {
                return (permanent(message, None), None);
            }
            let history = applied.history.iter().take(HISTORY_LINES);
            let history = history.map(|line| one_line(line, HISTORY_CHARACTERS)).collect();
            (InvocationOutcome::Applied { history }, Some(applied.identifiers))
        }
        Outcome::Unchanged => (InvocationOutcome::Unchanged, None),
        Outcome::Skipped(reason) => (skipped(&reason), None),
        Outcome::Other(extension) => {
            (skipped(&format!("outcome `{}`: {}", extension.name, extension.json)), None)
        }
    }
}

/// What a data filter made of a subject.
#[derive(Debug, PartialEq)]
pub enum Passed {
    /// The subject to go on with.
    Subject(Box<Subject>),
    /// It is not for this target, for this reason.
    Dropped(String),
}

/// What a data filter made of a subject, or the end of the run. An end that is newer than the host drops nothing: a
/// deletion must not follow from a word that nobody here knows.
pub fn filtered_by_plugin(
    filtered: Filtered,
    was: &Subject,
    filter: &str,
) -> Result<Passed, InvocationOutcome> {
    match filtered {
        Filtered::Pass(subject)
            if kind_of(&subject) == kind_of(was) && record_id(&subject) == record_id(was) =>
        {
            Ok(Passed::Subject(Box::new(subject)))
        }
        Filtered::Pass(subject) => {
            let message = format!(
                "filter gave back {} `{}` for {} `{}`; a subject keeps its kind and id",
                one_line(kind_of(&subject), ID_CHARACTERS),
                one_line(record_id(&subject), ID_CHARACTERS),
                kind_of(was),
                record_id(was)
            );
            Err(permanent(message, Some(filter)))
        }
        Filtered::Drop(reason) => Ok(Passed::Dropped(one_line(&reason, MESSAGE_CHARACTERS))),
        Filtered::Other(extension) => {
            Err(skipped(&format!("filter `{filter}`: {}: {}", extension.name, extension.json)))
        }
    }
}

fn check_identifiers(identifiers: &[WrittenIdentifier]) -> Result<(), String> {
    let count = identifiers.len();
    if count > WRITTEN_IDENTIFIERS {
        return Err(format!("plugin gave back {count} identifiers, of at most {WRITTEN_IDENTIFIERS}"));
    }
    let storable = |text: &str| {
        !text.trim().is_empty()
            && !text.contains(char::is_control)
            && text.chars().count() <= IDENTIFIER_CHARACTERS
    };
    let wrong = |given: &WrittenIdentifier| !storable(&given.identifier) || !storable(&given.identifier_type);
    match identifiers.iter().position(wrong) {
        None => Ok(()),
        Some(index) => Err(format!(
            "plugin gave back an identifier that cannot be stored, number {}: value and type are 1 to \
             {IDENTIFIER_CHARACTERS} characters, none of them a control character",
            index + 1
        )),
    }
}

fn skipped(reason: &str) -> InvocationOutcome {
    InvocationOutcome::Skipped { reason: one_line(reason, MESSAGE_CHARACTERS) }
}

fn permanent(message: String, filter: Option<&str>) -> InvocationOutcome {
    InvocationOutcome::Failed {
        class: FailureClass::Permanent,
        message,
        location: None,
        retry_after_seconds: None,
        filter: filter.map(str::to_owned),
    }
}

/// What the plugin said went wrong. `filter` names the data filter, if it was one.
pub fn failed_by_plugin(failure: Failure, filter: Option<&str>) -> InvocationOutcome {
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
        message: one_line(&message, MESSAGE_CHARACTERS),
        location: location.map(|location| one_line(&location, MESSAGE_CHARACTERS)),
        retry_after_seconds,
        filter: filter.map(str::to_owned),
    }
}

/// What the host says went wrong.
pub fn failed_by_fault(fault: &Fault, filter: Option<&str>) -> InvocationOutcome {
    let class = match fault {
        Fault::Trap { .. } => FailureClass::Trap,
        Fault::OutOfFuel { .. } => FailureClass::OutOfFuel,
        Fault::MemoryLimit { .. } => FailureClass::MemoryLimit,
        Fault::Deadline { .. } => FailureClass::Deadline,
        Fault::EffectRefused { .. } => FailureClass::EffectRefused,
        Fault::BudgetExceeded { .. } => FailureClass::BudgetExceeded,
        Fault::PreviewEnded { .. } => FailureClass::PreviewEnded,
        Fault::Diverged { .. } | Fault::Host { .. } => FailureClass::HostFault,
    };
    InvocationOutcome::Failed {
        class,
        message: one_line(&fault.to_string(), MESSAGE_CHARACTERS),
        location: None,
        retry_after_seconds: None,
        filter: filter.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capabilities::contract::records::{Collaboration, Extension, Metadata, OtherRecord};
    use crate::capabilities::contract::types::Applied;

    fn applied(identifiers: &[&str]) -> (InvocationOutcome, Option<Vec<WrittenIdentifier>>) {
        let identifier = |value: &&str| WrittenIdentifier {
            identifier: (*value).to_owned(),
            identifier_type: "provisioningtarget".to_owned(),
        };
        let identifiers = identifiers.iter().map(identifier).collect();
        finished_by_plugin(Outcome::Applied(Applied { identifiers, history: Vec::new() }))
    }

    fn department(id: &str) -> Subject {
        Subject::Other(OtherRecord {
            metadata: Metadata {
                id: id.to_owned(),
                created: String::new(),
                modified: String::new(),
                revision: 1,
                source: None,
            },
            co: Collaboration { id: "physics".to_owned(), name: "Physics".to_owned(), description: None },
            kind: "department".to_owned(),
            json: "{}".to_owned(),
        })
    }

    #[test]
    fn identifiers_that_cannot_be_stored_fail_the_call_and_none_is_kept() {
        let (outcome, identifiers) = applied(&["1", "anna kovács"]);
        assert!(matches!(outcome, InvocationOutcome::Applied { .. }) && identifiers.unwrap().len() == 2);
        let (long, many) = ("x".repeat(1_001), ["1"; 33]);
        for (given, complaint) in [
            (&["1", ""][..], "number 2"),
            (&[" "], "number 1"),
            (&["a\0b"], "none of them a control character"),
            (&["a\nb"], "none of them a control character"),
            (&[&long], "1 to 1000 characters"),
            (&many, "gave back 33 identifiers, of at most 32"),
        ] {
            let (outcome, identifiers) = applied(given);
            let InvocationOutcome::Failed { class: FailureClass::Permanent, message, .. } = outcome else {
                panic!("{outcome:?}")
            };
            assert!(message.contains(complaint), "{message}");
            assert_eq!(identifiers, None);
        }
    }

    #[test]
    fn what_a_filter_says_is_bounded_and_on_one_line() {
        let (text, was) = ("a\nb".repeat(10_000), department("d"));
        let other = Extension { name: text.clone(), json: text.clone() };
        for filtered in
            [Filtered::Drop(text.clone()), Filtered::Other(other), Filtered::Pass(department(&text))]
        {
            let stored = match filtered_by_plugin(filtered, &was, "f") {
                Ok(Passed::Dropped(reason)) => serde_json::to_string(&reason).unwrap(),
                Ok(passed) => panic!("{passed:?}"),
                Err(outcome) => serde_json::to_string(&outcome).unwrap(),
            };
            assert!(stored.len() < 1_200 && stored.contains("a b") && !stored.contains("\\n"), "{stored}");
        }
        let passed = filtered_by_plugin(Filtered::Pass(was.clone()), &was, "f").unwrap();
        assert_eq!(passed, Passed::Subject(Box::new(was)));
    }
}

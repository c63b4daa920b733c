//! Ends of a call: every case that the contract has.

use provender_sdk::records::Extension;
use provender_sdk::{Applied, Failure, Outcome, WrittenIdentifier};
use schemars::JsonSchema;
use serde::Deserialize;

/// How a call ends well.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Finish {
    /// With what was noted, and these.
    Applied {
        /// Identifiers to write back.
        #[serde(default)]
        identifiers: Vec<String>,
        /// Lines for the history: this many, of this many characters each.
        #[serde(default)]
        lines: usize,
        #[serde(default)]
        characters: usize,
    },
    Unchanged,
    Skipped {
        reason: String,
    },
    Other {
        name: String,
        json: String,
    },
}

/// How a call fails.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "failure", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub(crate) enum Fail {
    Transient { message: String, retry_after: Option<u32> },
    RateLimited { message: String, retry_after: Option<u32> },
    Authentication { message: String },
    Configuration { message: String, location: Option<String> },
    InvalidData { message: String, location: Option<String> },
    Conflict { message: String },
    Permanent { message: String },
    Other { name: String, json: String },
}

impl Finish {
    pub(crate) fn outcome(&self, notes: &[String]) -> Outcome {
        match self {
            Self::Applied { identifiers, lines, characters } => {
                let identifiers = identifiers.iter().map(|identifier| WrittenIdentifier {
                    identifier: identifier.clone(),
                    identifier_type: "provisioningtarget".to_owned(),
                });
                let more = std::iter::repeat_n("x".repeat(*characters), *lines);
                let history = notes.iter().cloned().chain(more).collect();
                Applied { identifiers: identifiers.collect(), history }.into()
            }
            Self::Unchanged => Outcome::Unchanged,
            Self::Skipped { reason } => Outcome::skipped(reason),
            Self::Other { name, json } => {
                Outcome::Other(Extension { name: name.clone(), json: json.clone() })
            }
        }
    }
}

impl Fail {
    pub(crate) fn failure(&self) -> Failure {
        let late = |failure: Failure, after: &Option<u32>| match after {
            Some(seconds) => failure.retry_after(*seconds),
            None => failure,
        };
        let placed = |failure: Failure, location: &Option<String>| match location {
            Some(location) => failure.at(location),
            None => failure,
        };
        match self {
            Self::Transient { message, retry_after } => late(Failure::transient(message), retry_after),
            Self::RateLimited { message, retry_after } => late(Failure::rate_limited(message), retry_after),
            Self::Authentication { message } => Failure::authentication(message),
            Self::Configuration { message, location } => placed(Failure::configuration(message), location),
            Self::InvalidData { message, location } => placed(Failure::invalid_data(message), location),
            Self::Conflict { message } => Failure::conflict(message),
            Self::Permanent { message } => Failure::permanent(message),
            Self::Other { name, json } => {
                Failure::Other(Extension { name: name.clone(), json: json.clone() })
            }
        }
    }
}

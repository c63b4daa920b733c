//! Why a server, filter or target is not stored, not found, not removed or not reached.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use crate::servers::{ServerError, configuration};
use crate::store::StoreError;

/// What operators configure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Server,
    Filter,
    Target,
    NotificationSettings,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::Filter => "filter",
            Self::Target => "target",
            Self::NotificationSettings => "notification settings of",
        })
    }
}

/// One thing that is wrong with an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct InvalidField {
    /// JSON Pointer (RFC 6901) into the input.
    pub pointer: String,
    /// What is wrong and what helps.
    pub detail: String,
}

/// A failure that names the thing and what helps. Holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum AdministrationError {
    #[error("there is no collaboration `{0}`")]
    UnknownCollaboration(String),
    #[error("there is no {kind} `{id}`")]
    Unknown { kind: Kind, id: String },
    #[error("{kind} `{id}` cannot be stored: {}", listed(problems))]
    Invalid { kind: Kind, id: String, problems: Vec<InvalidField> },
    #[error("{kind} `{id}` is in use by target {}; take it out of there first", users.join(", "))]
    InUse {
        kind: Kind,
        id: String,
        /// `id` of targets.
        users: Vec<String>,
    },
    #[error("server `{id}` is in use by the webhook for notifications; take it out of there first")]
    InUseByWebhook { id: String },
    /// The host has it, but cannot work with it.
    #[error("server `{id}`: {problem}")]
    Unusable { id: String, problem: String },
    /// The host has it, but cannot work with it.
    #[error("target `{id}`: {problem}")]
    UnusableTarget { id: String, problem: String },
    /// A check found that the counterpart cannot be reached as configured.
    #[error("server `{id}` does not answer as it should: {problem}")]
    Unreachable { id: String, problem: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn listed(problems: &[InvalidField]) -> String {
    let line = |problem: &InvalidField| match problem.pointer.as_str() {
        "" => problem.detail.clone(),
        pointer => format!("{pointer} {}", problem.detail),
    };
    problems.iter().map(line).collect::<Vec<_>>().join("; ")
}

impl AdministrationError {
    /// An error of a server's configuration, its secret or its connection.
    pub(super) fn of_server(id: &str, error: ServerError) -> Self {
        match error {
            ServerError::Invalid(invalid) => {
                let field = |field: configuration::InvalidField| InvalidField {
                    pointer: format!("/configuration{}", field.pointer),
                    detail: field.problem,
                };
                let problems = invalid.0.into_iter().map(field).collect();
                Self::Invalid { kind: Kind::Server, id: id.to_owned(), problems }
            }
            other => Self::Unusable { id: id.to_owned(), problem: other.to_string() },
        }
    }
}

/// Collects what is wrong with one input.
#[derive(Default)]
pub(super) struct Problems(Vec<InvalidField>);

impl Problems {
    pub(super) fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(InvalidField { pointer: pointer.into(), detail: detail.into() });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The refusal of the thing they were found in.
    pub(super) fn refusal(self, kind: Kind, id: &str) -> AdministrationError {
        AdministrationError::Invalid { kind, id: id.to_owned(), problems: self.0 }
    }
}

/// The name of a member as a step of a JSON Pointer (RFC 6901, section 3).
pub(super) fn step(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

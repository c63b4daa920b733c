//! Why an operation on files failed.

use std::fmt;
use std::io;

/// Why an operation on files failed. The path is always the one that was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilesError {
    /// The path names nothing.
    #[error("{path} does not exist")]
    NotFound {
        /// The path.
        path: String,
    },
    /// The path names something already that is in the way.
    #[error("{path} exists already and is {what}")]
    AlreadyExists {
        /// The path.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// The path cannot be used.
    #[error("path {path:?} {reason}")]
    InvalidPath {
        /// The path.
        path: String,
        /// Why.
        reason: String,
    },
    /// The path leads out of the root: by its parts, or by a link.
    #[error("path {path:?} leads out of the root: {reason}")]
    OutsideRoot {
        /// The path.
        path: String,
        /// How.
        reason: &'static str,
    },
    /// A line cannot be appended.
    #[error("line {number} for {path} holds a newline; pass each line by itself")]
    InvalidLine {
        /// The path.
        path: String,
        /// Which line, from 1.
        number: usize,
    },
    /// The configuration of the server does not allow it, or the host's own rights do not.
    #[error("{path}: {reason}")]
    NotAllowed {
        /// The path.
        path: String,
        /// What is not allowed, and what is.
        reason: String,
    },
    /// Larger than the limit.
    #[error("{path} has more than {limit} {unit}")]
    TooLarge {
        /// The path.
        path: String,
        /// The limit.
        limit: u64,
        /// What is counted: "bytes", "entries".
        unit: &'static str,
    },
    /// The operating system refused.
    #[error("{path}: {reason}")]
    Io {
        /// The path.
        path: String,
        /// What it says.
        reason: String,
    },
}

/// What an operation refuses by itself, on its way through what the operating system says.
#[derive(Clone, Debug)]
pub(super) enum Refused {
    /// Of a path of the operation other than the one that errors tell of.
    Told(FilesError),
    /// Something is in the way.
    Exists,
    NotAllowed(String),
    TooMany {
        limit: u64,
        unit: &'static str,
    },
}

impl Refused {
    pub(super) fn of(self, path: String) -> FilesError {
        match self {
            Self::Told(error) => error,
            Self::Exists => FilesError::AlreadyExists { path, what: "in the way" },
            Self::NotAllowed(reason) => FilesError::NotAllowed { path, reason },
            Self::TooMany { limit, unit } => FilesError::TooLarge { path, limit, unit },
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.clone().of(String::new()).fmt(formatter)
    }
}

impl std::error::Error for Refused {}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        Self::other(refused)
    }
}

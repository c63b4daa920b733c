//! How a call fails: by blame, and by what helps.

use crate::bindings::host::provender::plugin::{files, registry};

pub use crate::bindings::host::provender::plugin::types::{Failure, LocatedFailure, PassingFailure};

/// ```
/// use provender_sdk::Failure;
///
/// let failure = Failure::invalid_data("no identifier of type \"uid\"").at("identifiers");
/// assert_eq!(failure.message(), "no identifier of type \"uid\"");
///
/// let failure = Failure::transient("the directory is read-only now").retry_after(60);
/// # assert_eq!(failure.message(), "the directory is read-only now");
/// ```
impl Failure {
    /// The counterpart could not serve the request now: the host tries again.
    pub fn transient(message: impl Into<String>) -> Self {
        Failure::Transient(PassingFailure { message: message.into(), retry_after_seconds: None })
    }

    /// The counterpart asks to slow down: the host tries again later.
    pub fn rate_limited(message: impl Into<String>) -> Self {
        Failure::RateLimited(PassingFailure { message: message.into(), retry_after_seconds: None })
    }

    /// The counterpart refused the credential: the operator must act on the server.
    pub fn authentication(message: impl Into<String>) -> Self {
        Failure::Authentication(message.into())
    }

    /// The configuration cannot work: the operator must act on the target.
    pub fn configuration(message: impl Into<String>) -> Self {
        Failure::Configuration(LocatedFailure { message: message.into(), location: None })
    }

    /// The record cannot be provisioned as it is: somebody must act on the record.
    pub fn invalid_data(message: impl Into<String>) -> Self {
        Failure::InvalidData(LocatedFailure { message: message.into(), location: None })
    }

    /// The counterpart holds something that is in the way.
    pub fn conflict(message: impl Into<String>) -> Self {
        Failure::Conflict(message.into())
    }

    /// Trying again will not help.
    pub fn permanent(message: impl Into<String>) -> Self {
        Failure::Permanent(message.into())
    }

    /// Adds where: a JSON Pointer into the configuration, or the name of a field of the record. Failures that have no
    /// place stay as they are.
    #[must_use]
    pub fn at(mut self, location: impl Into<String>) -> Self {
        if let Failure::Configuration(failure) | Failure::InvalidData(failure) = &mut self {
            failure.location = Some(location.into());
        }
        self
    }

    /// Adds after how many seconds a new try is worth while. Failures that do not pass stay as they are.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        if let Failure::Transient(failure) | Failure::RateLimited(failure) = &mut self {
            failure.retry_after_seconds = Some(seconds);
        }
        self
    }

    /// What happened, in words; of a failure without a case, its name.
    pub fn message(&self) -> &str {
        match self {
            Failure::Transient(failure) | Failure::RateLimited(failure) => &failure.message,
            Failure::Configuration(failure) | Failure::InvalidData(failure) => &failure.message,
            Failure::Authentication(message) | Failure::Conflict(message) | Failure::Permanent(message) => {
                message
            }
            Failure::Other(extension) => &extension.name,
        }
    }
}

impl From<files::Error> for Failure {
    fn from(error: files::Error) -> Self {
        match error {
            files::Error::NotFound(path) => Failure::permanent(format!("no such file or directory: {path}")),
            files::Error::AlreadyExists(path) => {
                Failure::conflict(format!("something is there already: {path}"))
            }
            files::Error::InvalidPath(message)
            | files::Error::Refused(message)
            | files::Error::NotAllowed(message) => Failure::configuration(message),
            files::Error::Io(message) => Failure::transient(message),
            files::Error::TooLarge(message) | files::Error::Other(message) => Failure::permanent(message),
        }
    }
}

impl From<registry::Error> for Failure {
    fn from(error: registry::Error) -> Self {
        match error {
            registry::Error::NotFound(message)
            | registry::Error::InvalidArgument(message)
            | registry::Error::Other(message) => Failure::permanent(message),
            registry::Error::Refused(message) => Failure::configuration(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_and_a_time_are_added_only_where_they_belong() {
        let located = Failure::configuration("no such folder").at("/file").retry_after(5);
        assert_eq!(
            located,
            Failure::Configuration(LocatedFailure {
                message: "no such folder".to_owned(),
                location: Some("/file".to_owned()),
            })
        );
        let passing = Failure::rate_limited("slow down").at("/file").retry_after(5);
        assert_eq!(
            passing,
            Failure::RateLimited(PassingFailure {
                message: "slow down".to_owned(),
                retry_after_seconds: Some(5),
            })
        );
    }

    #[test]
    fn errors_of_the_host_become_failures_by_what_helps() {
        assert_eq!(
            Failure::from(files::Error::Io("no space left".to_owned())),
            Failure::transient("no space left")
        );
        assert_eq!(
            Failure::from(registry::Error::Refused("not granted".to_owned())),
            Failure::configuration("not granted")
        );
        assert_eq!(
            Failure::from(files::Error::NotFound("a/b".to_owned())).message(),
            "no such file or directory: a/b"
        );
    }
}

//! How a provisioning ends well.

pub use crate::bindings::host::provender::plugin::types::{Applied, Inspection, Outcome, WrittenIdentifier};

impl Outcome {
    /// The counterpart was changed, and there is no more to tell.
    pub fn applied() -> Self {
        Outcome::Applied(Applied::default())
    }

    /// The plugin has nothing to do for this subject; says why.
    pub fn skipped(reason: impl Into<String>) -> Self {
        Outcome::Skipped(reason.into())
    }
}

/// ```
/// use provender_sdk::{Applied, Outcome};
///
/// let outcome: Outcome = Applied::new()
///     .with_identifier("42", "provisioningtarget")
///     .with_history("created account 42")
///     .into();
/// # assert_ne!(outcome, Outcome::applied());
/// ```
impl Applied {
    /// The counterpart was changed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an identifier that the counterpart gave. All identifiers of an outcome together take the place of those
    /// that this target stored before.
    #[must_use]
    pub fn with_identifier(
        mut self,
        identifier: impl Into<String>,
        identifier_type: impl Into<String>,
    ) -> Self {
        self.identifiers.push(WrittenIdentifier {
            identifier: identifier.into(),
            identifier_type: identifier_type.into(),
        });
        self
    }

    /// Adds a line for the subject's history, at most 256 characters.
    #[must_use]
    pub fn with_history(mut self, line: impl Into<String>) -> Self {
        self.history.push(line.into());
        self
    }
}

impl From<Applied> for Outcome {
    fn from(applied: Applied) -> Self {
        Outcome::Applied(applied)
    }
}

//! Why a plugin is not taken, not found, not removed or not loaded. Every text names the plugin and what helps.

use crate::sandbox::{Fault, Refused};
use crate::store::StoreError;

/// A file that is not taken as a plugin.
#[derive(Debug, thiserror::Error)]
#[error("plugin `{origin}` {problem}")]
pub struct InstallError {
    /// The file.
    pub origin: String,
    pub problem: InstallProblem,
}

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum InstallProblem {
    /// By its binary alone.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It could not say what it is.
    #[error("does not describe itself: {fault}; {}", describe_help(fault))]
    Described { fault: Fault },
    /// What it says of itself does not fit the contract.
    #[error("describes itself in a way this host does not take: {0}")]
    Description(String),
    /// The schema of its configuration is none.
    #[error(
        "describes a configuration schema that {0}; this host takes JSON Schema 2020-12 of type object without \
         references to other documents: mend `configuration-schema` in its description"
    )]
    ConfigurationSchema(String),
    /// It could not be stored.
    #[error("cannot be stored: {0}")]
    Store(#[from] StoreError),
}

fn describe_help(fault: &Fault) -> &'static str {
    match fault {
        Fault::OutOfFuel { .. }
        | Fault::MemoryLimit { .. }
        | Fault::Deadline { .. }
        | Fault::BudgetExceeded { .. } => "make `describe` do less",
        Fault::EffectRefused { .. } => {
            "this host calls `describe` without any grant: make it return constants and move the effect to `check` or \
             `prepare`"
        }
        Fault::Trap { .. } => "make `describe` return constants, which cannot fail",
        Fault::PreviewEnded { .. } | Fault::Diverged { .. } | Fault::Host { .. } => "install it again",
    }
}

/// A reference that leads to no plugin, or to several.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// Nothing is installed by that name, version or digest.
    #[error("plugin `{reference}` is not installed; {}", installed_words(installed))]
    NotFound {
        reference: String,
        /// Name and version of what is.
        installed: Vec<String>,
    },
    /// The digits stand at the beginning of several digests.
    #[error("plugin `{reference}` is ambiguous; give more digits of one of {}", digests.join(", "))]
    Ambiguous { reference: String, digests: Vec<String> },
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn installed_words(installed: &[String]) -> String {
    if installed.is_empty() {
        "no plugin is: install one first".to_owned()
    } else {
        format!("name one of {}, or install it first", installed.join(", "))
    }
}

/// A plugin that is not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// Nothing of that digest is installed.
    #[error("plugin `{digest}` is not installed")]
    NotFound { digest: String },
    /// Targets or filters use it.
    #[error("plugin `{digest}` is in use by {}; give them another plugin or remove them first", users.join(", "))]
    InUse {
        digest: String,
        /// "target co/id", "filter co/id".
        users: Vec<String>,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A plugin that cannot be called.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PluginUnavailable {
    /// It was removed.
    #[error("plugin `{digest}` is not installed; install it again, or give the target another one")]
    NotInstalled { digest: String },
    /// It was taken once, but does not load now.
    #[error("plugin `{name}` {refused}; install a version of it that fits this host")]
    Refused { name: String, refused: Refused },
    /// The store cannot be read.
    #[error("plugin `{digest}` cannot be read: {message}")]
    Store { digest: String, message: String },
}

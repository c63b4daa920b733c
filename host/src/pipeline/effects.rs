//! The effects of a call as people read them: what was done at a counterpart, or would be.

use serde::Serialize;
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

use crate::capabilities::shown;
use crate::sandbox::{Access, Entry, Transcript};

/// What became of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Happened {
    /// The counterpart was asked, and answered or failed.
    Performed,
    /// It would happen: the preview kept it from happening.
    Foreseen,
    /// It is not granted, and did not happen.
    Refused,
    /// The call ended before the counterpart answered: it may have happened.
    Unanswered,
}

/// An effect at a counterpart as people read it.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ShownEffect {
    /// "http", "files", "ldap", "sql", "messaging".
    pub capability: String,
    /// "PUT", "append", ...
    pub operation: String,
    pub access: Access,
    pub happened: Happened,
    /// What is asked for, in the form of its field: a request, LDIF, a statement with its parameters, a message. May have
    /// several lines.
    pub text: String,
    /// What came back; of a foreseen effect, what the plugin expects.
    pub answer: Option<String>,
}

impl ShownEffect {
    /// The effects of a call at counterparts. Look-ups in the registry and the plugin's own state are none.
    pub fn of(transcript: &Transcript) -> Vec<Self> {
        let outside = |effect: &&Entry| !matches!(&*effect.capability, "registry" | "state");
        transcript.effects.iter().filter(outside).map(Self::of_entry).collect()
    }

    fn of_entry(effect: &Entry) -> Self {
        let happened = if effect.refused.is_some() {
            Happened::Refused
        } else if effect.foreseen {
            Happened::Foreseen
        } else if effect.is_unanswered() {
            Happened::Unanswered
        } else {
            Happened::Performed
        };
        Self {
            capability: effect.capability.clone().into_owned(),
            operation: effect.operation.clone().into_owned(),
            access: effect.access,
            happened,
            text: shown::request(effect),
            answer: effect.refused.clone().or_else(|| shown::answer(effect)),
        }
    }
}

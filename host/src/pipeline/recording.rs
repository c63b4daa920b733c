//! What is stored of a run: all that it depended on, what each plugin did, and how each step ended. Enough to read what
//! happened, and to run it again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::difference::{Difference, differences};
use super::secrets::recorded;
use crate::capabilities::contract::Filtered;
use crate::capabilities::contract::records::{Extension, Subject};
use crate::capabilities::contract::types::{Action, Failure, Invocation, Outcome, SlotBinding};
use crate::plugins::Manifest;
use crate::sandbox::{CallEnd, Fault, Json, Limits, Transcript};

/// The record of a run, as it is stored with the invocation. What the contract defines is in the words of its types.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Recording {
    /// Which engine ran it: fuel can be compared between equal ones only.
    pub engine: String,
    /// Where the clocks of the calls started.
    pub time: Timestamp,
    /// The limits of each call, by name.
    #[schema(value_type = Object)]
    pub limits: Json,
    pub input: Input,
    /// What the provisioner was to delete, if not what the filters passed on: a filter dropped the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub deletion: Option<Json>,
    /// Each plugin that was called: filters in their order, then the provisioner.
    pub steps: Vec<RecordedStep>,
    /// Why the run cannot be replayed, if it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
}

/// What the first plugin was called with.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Input {
    pub co: String,
    pub target: String,
    pub target_description: String,
    pub attempt: u32,
    #[schema(value_type = Object)]
    pub action: Action,
    /// The visible record; null when it was too large to be kept.
    #[schema(value_type = Object)]
    pub subject: Json,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub extensions: Vec<Extension>,
}

/// What a plugin is in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Filter,
    Provisioner,
}

/// One call of one plugin.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecordedStep {
    pub step: Role,
    /// `id` of the filter or the target.
    pub id: String,
    pub plugin: String,
    pub version: String,
    pub digest: String,
    /// Where the call's random numbers came from: 32 bytes in hexadecimal.
    pub seed: String,
    #[schema(value_type = Object)]
    pub configuration: Json,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub slots: Vec<SlotBinding>,
    /// How the call ended.
    #[schema(value_type = Object)]
    pub said: Said,
    /// What a filter changed of the subject: the first differences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<Difference>,
    pub fuel: u64,
    pub memory_bytes: u64,
    pub duration_us: u64,
    pub transcript: Transcript,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// A filter passed the subject on as it was.
    Unchanged,
    /// A filter passed the subject on changed; null when it was too large to be kept.
    Passed(Json),
    /// A filter gave no subject, for this reason.
    Dropped(String),
    /// A filter ended in a way that is newer than the host.
    Other(Extension),
    /// A provisioner came to its end.
    Finished(Outcome),
    /// The plugin reported a failure.
    Failed(Failure),
    /// The host ended the call.
    Ended(String),
    /// The host ended the call at its deadline: where it was by then depends on time.
    Late(String),
}

impl Said {
    pub(super) fn by_filter(said: &Result<Result<Filtered, Failure>, Fault>, was: &Subject) -> Self {
        match said {
            Ok(Ok(Filtered::Pass(subject))) if subject == was => Self::Unchanged,
            Ok(Ok(Filtered::Pass(subject))) => Self::Passed(recorded(subject)),
            Ok(Ok(Filtered::Drop(reason))) => Self::Dropped(reason.clone()),
            Ok(Ok(Filtered::Other(extension))) => Self::Other(extension.clone()),
            Ok(Err(failure)) => Self::Failed(failure.clone()),
            Err(fault) => Self::by_host(fault),
        }
    }

    pub(super) fn by_provisioner(said: &Result<Result<Outcome, Failure>, Fault>) -> Self {
        match said {
            Ok(Ok(outcome)) => Self::Finished(outcome.clone()),
            Ok(Err(failure)) => Self::Failed(failure.clone()),
            Err(fault) => Self::by_host(fault),
        }
    }

    fn by_host(fault: &Fault) -> Self {
        match fault {
            Fault::Deadline { .. } => Self::Late(fault.to_string()),
            _ => Self::Ended(fault.to_string()),
        }
    }
}

impl Recording {
    /// The record of a run that begins.
    pub(super) fn new(
        engine: String,
        time: Timestamp,
        limits: &Limits,
        first: &Invocation,
        subject: Json,
    ) -> Self {
        let input = Input {
            co: first.context.co.clone(),
            target: first.context.target.clone(),
            target_description: first.context.target_description.clone(),
            attempt: first.attempt,
            action: first.action.clone(),
            subject,
            extensions: first.extensions.clone(),
        };
        let limits = Json::of(&limits.by_word());
        Self { engine, time, limits, input, deletion: None, steps: Vec::new(), incomplete: None }
    }

    /// Adds a call that ended. `called` holds what the plugin was called with.
    pub(super) fn add<S, R>(
        &mut self,
        step: Role,
        (id, manifest, seed): (&str, &Manifest, [u8; 32]),
        called: &Invocation,
        said: Said,
        end: CallEnd<S, R>,
    ) -> (Result<R, Fault>, S) {
        if !end.transcript.is_complete() {
            self.cut(&format!("effects of `{id}` did not fit into limit `transcript_bytes`"));
        }
        self.steps.push(RecordedStep {
            step,
            id: id.to_owned(),
            plugin: manifest.name.clone(),
            version: manifest.version.clone(),
            digest: manifest.digest.clone(),
            seed: seed.iter().map(|byte| format!("{byte:02x}")).collect(),
            configuration: Json::from_text(&called.context.configuration),
            slots: called.context.slots.clone(),
            changed: match &said {
                Said::Passed(subject) => differences(&recorded(&called.subject), subject),
                _ => Vec::new(),
            },
            said,
            fuel: end.fuel,
            memory_bytes: end.memory_bytes,
            duration_us: end.duration_us,
            transcript: end.transcript,
        });
        (end.result, end.state)
    }

    /// Leaves out subjects that are larger than `limit` bytes together.
    pub(super) fn fit(&mut self, limit: usize) {
        let passed = self.steps.iter_mut().filter_map(|step| match &mut step.said {
            Said::Passed(subject) => Some(subject),
            _ => None,
        });
        let mut room = limit;
        let mut cut = false;
        for subject in std::iter::once(&mut self.input.subject).chain(passed).chain(&mut self.deletion) {
            match room.checked_sub(subject.text().len()) {
                Some(left) => room = left,
                None => {
                    *subject = Json::of(&());
                    cut = true;
                }
            }
        }
        if cut {
            self.cut("the subject did not fit into limit `transcript_bytes`");
        }
    }

    fn cut(&mut self, reason: &str) {
        self.incomplete.get_or_insert_with(|| reason.to_owned());
    }
}

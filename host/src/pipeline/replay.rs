//! Runs a finished invocation again from its record: same component, same input, every effect answered as it was. Nothing
//! outside is reached and nothing is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::recording::{RecordedStep, Recording, Role, Said};
use super::{Parts, Pipeline};
use crate::capabilities::contract::records::Subject;
use crate::capabilities::contract::types::{Action, Context, Invocation};
use crate::capabilities::slots::Slots;
use crate::capabilities::{CallState, Grants, Surroundings};
use crate::plugins::{LoadedPlugin, PluginUnavailable};
use crate::sandbox::{Limits, Mode, Transcript};
use crate::store::StoreError;

/// Why an invocation cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("there is no invocation {0}")]
    Unknown(Uuid),
    #[error("invocation {0} is not finished; replay it when it is")]
    Unfinished(Uuid),
    #[error("invocation {0} called no plugin, so there is nothing to replay")]
    NothingCalled(Uuid),
    #[error("the record of invocation {id} is not complete: {reason}; raise the limit for later ones")]
    Incomplete { id: Uuid, reason: String },
    #[error("the record of invocation {id} cannot be read: {reason}")]
    Unreadable { id: Uuid, reason: String },
    #[error("{0}; install the same file again to replay what it did")]
    Plugin(#[from] PluginUnavailable),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A replay, step by step.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Replayed {
    pub invocation: Uuid,
    /// Whether every step did and used the same.
    pub equal: bool,
    pub steps: Vec<ReplayedStep>,
}

/// How one plugin did when it was called again.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReplayedStep {
    pub step: Role,
    /// `id` of the filter or the target.
    pub id: String,
    pub plugin: String,
    pub version: String,
    /// How many effects it came to.
    pub effects: u64,
    pub fuel: u64,
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What a replay shows of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It did and used the same.
    Equal,
    /// It did the same up to its deadline, where the recorded call was ended.
    EqualUntilDeadline,
    /// It did something else with all it depends on being the same.
    NotDeterministic { difference: String },
    /// It did something else, on another engine than the recorded one.
    OtherEngine { difference: String, recorded: String, this: String },
}

/// What one call did, as far as it can be compared.
#[derive(Clone, Debug, PartialEq)]
struct Done {
    said: Said,
    fuel: u64,
    memory_bytes: u64,
    transcript: Transcript,
}

impl Pipeline {
    /// Runs a finished invocation again from its record, and compares.
    pub async fn replay(&self, co: &str, id: Uuid) -> Result<Replayed, ReplayError> {
        let store = &self.parts.store;
        let invocation = store.invocation(co, id).await?.ok_or(ReplayError::Unknown(id))?;
        if invocation.finished.is_none() {
            return Err(ReplayError::Unfinished(id));
        }
        let unreadable = |error: serde_json::Error| ReplayError::Unreadable { id, reason: error.to_string() };
        let transcript = store.transcript(co, id).await?.ok_or(ReplayError::NothingCalled(id))?;
        let recording: Option<Recording> = serde_json::from_str(&transcript).map_err(unreadable)?;
        let recording = recording.ok_or(ReplayError::NothingCalled(id))?;
        if let Some(reason) = recording.incomplete {
            return Err(ReplayError::Incomplete { id, reason });
        }
        let limits: BTreeMap<String, u64> = recording.limits.parse().map_err(unreadable)?;
        let limits = Limits::default()
            .overridden(&limits)
            .map_err(|error| ReplayError::Unreadable { id, reason: error.to_string() })?;
        let mut subject: Subject = recording.input.subject.parse().map_err(unreadable)?;
        let mut action = recording.input.action.clone();
        let mut steps = Vec::with_capacity(recording.steps.len());
        for step in &recording.steps {
            let replay = Replay {
                parts: &self.parts,
                plugin: self.parts.catalog.load(&step.digest).await?,
                recording: &recording,
                step,
                limits: &limits,
                invocation: Arc::new(called(id, &recording, step, (action.clone(), &subject))),
            };
            steps.push(replay.compare().await);
            match (&step.said, &recording.deletion) {
                (Said::Passed(passed), _) => subject = passed.parse().map_err(unreadable)?,
                (Said::Dropped(_), Some(deletion)) => {
                    subject = deletion.parse().map_err(unreadable)?;
                    action = Action::Deleted;
                }
                _ => {}
            }
        }
        let equal =
            steps.iter().all(|step| matches!(step.verdict, Verdict::Equal | Verdict::EqualUntilDeadline));
        Ok(Replayed { invocation: id, equal, steps })
    }
}

/// What a step was called with.
fn called(
    id: Uuid,
    recording: &Recording,
    step: &RecordedStep,
    (action, subject): (Action, &Subject),
) -> Invocation {
    let input = &recording.input;
    Invocation {
        id: id.to_string(),
        attempt: input.attempt,
        context: Context {
            co: input.co.clone(),
            target: input.target.clone(),
            target_description: input.target_description.clone(),
            configuration: step.configuration.text().to_owned(),
            slots: step.slots.clone(),
            time: super::contract::timestamp(recording.time),
        },
        action,
        subject: subject.clone(),
        extensions: input.extensions.clone(),
    }
}

/// One step to be called again.
struct Replay<'a> {
    parts: &'a Parts,
    plugin: Arc<LoadedPlugin>,
    recording: &'a Recording,
    step: &'a RecordedStep,
    limits: &'a Limits,
    invocation: Arc<Invocation>,
}

impl Replay<'_> {
    async fn compare(&self) -> ReplayedStep {
        let done = self.call().await;
        let RecordedStep { step, id, plugin, version, .. } = self.step;
        ReplayedStep {
            step: *step,
            id: id.clone(),
            plugin: plugin.clone(),
            version: version.clone(),
            effects: done.transcript.effects.len() as u64,
            fuel: done.fuel,
            verdict: self.verdict(&done),
        }
    }

    fn verdict(&self, done: &Done) -> Verdict {
        let recorded = &self.step.transcript.effects;
        if matches!(self.step.said, Said::Late(_)) && done.transcript.effects.starts_with(recorded) {
            return Verdict::EqualUntilDeadline;
        }
        let this = self.parts.plugins.engine();
        match self.difference(done) {
            None => Verdict::Equal,
            Some(difference) if self.recording.engine == this => Verdict::NotDeterministic { difference },
            Some(difference) => Verdict::OtherEngine {
                difference,
                recorded: self.recording.engine.clone(),
                this: this.to_owned(),
            },
        }
    }

    /// Calls the plugin with all it depended on. Nothing is granted: what passes the gate is answered from the record.
    async fn call(&self) -> Done {
        let surroundings = Surroundings {
            limits: self.limits.clone(),
            seed: seed(&self.step.seed),
            time: self.recording.time,
            mode: Mode::Replay(self.step.transcript.clone()),
        };
        let grants = Grants { slots: Slots::recorded(&self.step.slots), ..Grants::default() };
        let state = CallState::new(surroundings, grants);
        let (plugins, plugin) = (&self.parts.plugins, &self.plugin.plugin);
        match self.step.step {
            Role::Filter => {
                let end = plugins.filter(plugin, state, Arc::clone(&self.invocation)).await;
                let said = Said::by_filter(&end.result, &self.invocation.subject);
                Done { said, fuel: end.fuel, memory_bytes: end.memory_bytes, transcript: end.transcript }
            }
            Role::Provisioner => {
                let end = plugins.provision(plugin, state, Arc::clone(&self.invocation)).await;
                let said = Said::by_provisioner(&end.result);
                Done { said, fuel: end.fuel, memory_bytes: end.memory_bytes, transcript: end.transcript }
            }
        }
    }

    /// The first thing that is not as recorded, in the order in which a reader looks for it.
    fn difference(&self, done: &Done) -> Option<String> {
        let RecordedStep { said, fuel, memory_bytes, transcript, .. } = self.step;
        if done.said != *said {
            return Some(match &done.said {
                Said::Ended(fault) => fault.clone(),
                other => format!("it ended with {}, recorded is {}", words(other), words(said)),
            });
        }
        let Transcript { log, log_lines_left_out, stderr, .. } = &done.transcript;
        if (log, log_lines_left_out) != (&transcript.log, &transcript.log_lines_left_out) {
            return Some("it wrote other lines to its log".to_owned());
        }
        if *stderr != transcript.stderr {
            return Some("it wrote something else to standard error".to_owned());
        }
        if done.fuel != *fuel {
            return Some(format!("it used {} units of fuel, recorded are {fuel}", done.fuel));
        }
        (done.memory_bytes != *memory_bytes)
            .then(|| format!("it used {} bytes of memory, recorded are {memory_bytes}", done.memory_bytes))
    }
}

/// Most characters of an end that a difference shows.
const SHOWN_CHARACTERS: usize = 400;

fn words(said: &Said) -> String {
    let text = serde_json::to_string(said).unwrap_or_default();
    text.chars().take(SHOWN_CHARACTERS).collect()
}

/// 32 bytes from hexadecimal; what is missing is zero, which then shows as a difference.
fn seed(hexadecimal: &str) -> [u8; 32] {
    let mut seed = [0; 32];
    for (position, byte) in seed.iter_mut().enumerate() {
        let digits = hexadecimal.get(2 * position..2 * position + 2);
        *byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or(0);
    }
    seed
}

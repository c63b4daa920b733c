//! The effect gate: the one place through which a call acts on anything outside its instance.
//!
//! It knows the grant, counts the budgets, classifies, records, and only then lets the effect happen; in a replay it
//! answers from the record instead, and nothing happens. A refused effect or an exceeded budget closes the gate for the
//! rest of the call and decides how the call ends, whatever the plugin makes of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::limits::{LimitName, Limits};
use super::replay::Recorded;
use super::transcript::{Entry, Json, LogLine, Transcript};

/// Whether an effect changes its counterpart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    #[default]
    Read,
    Write,
}

/// What becomes of the effects of a call.
#[derive(Clone, Debug, Default)]
pub enum Mode {
    /// They happen.
    #[default]
    Live,
    /// Those that change something do not happen, and are answered as expected.
    Preview,
    /// None happens: each must be the next one of this record, and is answered as it was.
    Replay(Transcript),
}

/// What becomes of an effect in a preview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InPreview<T> {
    /// It happens, since it changes nothing outside the call.
    Happens,
    /// It does not happen, and the plugin is told this.
    Answered(T),
    /// It does not happen, and nobody can say what would come back: the call ends.
    Ends,
}

impl<T> InPreview<T> {
    /// How an effect on a counterpart is classified, of which only reads happen in a preview.
    pub fn access(&self) -> Access {
        match self {
            Self::Happens => Access::Read,
            Self::Answered(_) | Self::Ends => Access::Write,
        }
    }
}

/// Why an effect is not granted, in words that tell what was wanted and what is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

/// An effect that happened, or that the counterpart's side would not let happen.
#[derive(Debug)]
pub struct Performed<T, E> {
    /// What the plugin is told.
    pub answer: Result<T, E>,
    /// None where the counterpart has no bytes of its own: then its JSON is counted.
    pub bytes_in: Option<u64>,
    /// Set where it turned out only now that the effect is not granted.
    pub refused: Option<Refusal>,
}

/// One act on something outside the instance, before it happens.
#[derive(Debug)]
pub struct Effect<R> {
    /// "http", "files", ...
    pub capability: &'static str,
    /// "PUT", "append", ...
    pub operation: Cow<'static, str>,
    /// Whether it changes the counterpart.
    pub access: Access,
    /// What is asked for, without secrets.
    pub request: R,
    /// What is sent.
    pub bytes_out: u64,
    /// Whether others of its kind may be under way at the same time, so that their order is not the plugin's doing.
    pub overlaps: bool,
    /// Whether the grant of this call covers it.
    pub granted: Result<(), Refusal>,
}

/// What closed the gate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("{capability} {operation} is refused: {reason}")]
    Refused { capability: &'static str, operation: String, reason: String },
    #[error("limit `{}` is {limit}, used {used}", name.word())]
    Budget { name: LimitName, limit: u64, used: u64 },
    /// Only in a preview.
    #[error("the preview ends at {capability} {operation}: the plugin does not say which answer it expects")]
    PreviewEnded { capability: &'static str, operation: String },
    /// Only in a replay.
    #[error("{difference}")]
    Diverged { difference: String },
}

#[derive(Debug, Default)]
struct Ledger {
    violation: Option<Violation>,
    effects: u64,
    bytes_out: u64,
    bytes_in: u64,
    log_bytes: u64,
    transcript_room: usize,
    transcript: Transcript,
    /// What is left of the record; none in a live call.
    recorded: Option<Recorded>,
    /// Effects that passed and are not answered yet, by their number.
    under_way: BTreeMap<u64, Entry>,
    /// Whether the call is over.
    over: bool,
}

/// What a log line, and a field of one, takes beside its texts, about: without texts they are not free.
const LINE_BYTES: usize = 64;
const FIELD_BYTES: usize = 48;

/// Whether this build is the proof that effects leave by this place alone (`tests/one-way-out`).
const REFUSES_ALL: bool = cfg!(feature = "refuse-all-effects");
const REFUSES: &str = "this build refuses every effect";

/// The gate of one call.
#[derive(Debug)]
pub struct Gate {
    limits: Limits,
    preview: bool,
    ledger: Mutex<Ledger>,
    /// The deadline of the call, once it runs.
    deadline: OnceLock<Instant>,
}

/// What the gate says to an effect that it lets pass.
enum Admitted {
    /// It is to happen; so many bytes may come in.
    Live { sequence: u64, room: u64 },
    /// It happened in the recorded call.
    Recorded { sequence: u64, entry: Box<Entry> },
}

impl Gate {
    /// A gate with the budgets of a call.
    pub fn new(limits: Limits, mode: Mode) -> Self {
        let preview = matches!(mode, Mode::Preview);
        let recorded = match mode {
            Mode::Live | Mode::Preview => None,
            Mode::Replay(transcript) => Some(Recorded::new(transcript)),
        };
        let transcript_room = limits.size(LimitName::TranscriptBytes);
        let ledger = Mutex::new(Ledger { transcript_room, recorded, ..Ledger::default() });
        Self { limits, preview, ledger, deadline: OnceLock::new() }
    }

    /// The call begins, and with it its time.
    pub(super) fn start(&self) -> Instant {
        let now = Instant::now();
        let deadline = now + Duration::from_millis(self.limits.get(LimitName::DeadlineMs));
        // A gate serves one call.
        let _ = self.deadline.set(deadline);
        now
    }

    /// The limits of the call.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Lets an effect happen, or closes the gate. `perform` is told how many bytes may still come in; it is not called in a
    /// replay, nor in a preview where `in_preview` says so.
    ///
    /// What the effect is answered is kept as its types write it, and read back by them in a replay.
    pub async fn pass<R, T, E, F>(
        &self,
        effect: Effect<R>,
        in_preview: InPreview<T>,
        perform: impl FnOnce(u64) -> F + Send,
    ) -> Result<Result<T, E>, Violation>
    where
        R: Serialize,
        T: Serialize + DeserializeOwned,
        E: Serialize + DeserializeOwned,
        F: Future<Output = Performed<T, E>> + Send,
    {
        if self.deadline.get().is_some_and(|deadline| Instant::now() >= *deadline) {
            // On a busy machine the call may be ended a little later than this.
            return std::future::pending().await;
        }
        let effect = self.written(effect);
        match self.admit(&effect) {
            Err(violation) => {
                let refused = Some(violation.reason());
                self.ledger().record(Entry { refused, ..entry(effect, 0) });
                Err(violation)
            }
            Ok(Admitted::Live { sequence, room }) => {
                if self.preview && in_preview.access() == Access::Write {
                    return self.foresee(effect, sequence, in_preview).map(Ok);
                }
                let (capability, operation) = (effect.capability, effect.operation.clone());
                self.begin(entry(effect, sequence));
                let started = Instant::now();
                let Performed { answer, bytes_in, refused } = perform(room).await;
                let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                let (result, error) = match &answer {
                    Ok(value) if bytes_in.is_none() => (Some(Json::of(value)), None),
                    Ok(value) => (Some(self.json(value)), None),
                    Err(error) => (None, Some(self.json(error))),
                };
                let written = || result.as_ref().map_or(0, |result| result.text().len() as u64);
                let bytes_in = bytes_in.unwrap_or_else(written);
                let refused = refused.map(|Refusal(reason)| reason);
                if let Some(reason) = refused.clone() {
                    let operation = operation.into_owned();
                    self.close(Violation::Refused { capability, operation, reason });
                }
                let ended = |begun| Entry { result, error, refused, bytes_in, duration_us, ..begun };
                self.end(sequence, ended)?;
                Ok(answer)
            }
            Ok(Admitted::Recorded { sequence, entry }) => {
                if entry.is_unanswered() {
                    self.begin(*entry);
                    return std::future::pending().await;
                }
                let answer = Recorded::answer(sequence, &entry).map_err(|violation| self.close(violation))?;
                if let Some(reason) = &entry.refused {
                    self.close(effect.refusal(reason));
                }
                self.finish(&mut self.ledger(), *entry)?;
                Ok(answer)
            }
        }
    }

    /// Records an effect that would happen, and answers as expected, or closes the gate where nothing is.
    fn foresee<T: Serialize>(
        &self,
        effect: Effect<Json>,
        sequence: u64,
        in_preview: InPreview<T>,
    ) -> Result<T, Violation> {
        let answer = match in_preview {
            InPreview::Answered(answer) => Some(answer),
            InPreview::Happens | InPreview::Ends => None,
        };
        let ended = Violation::PreviewEnded {
            capability: effect.capability,
            operation: effect.operation.clone().into_owned(),
        };
        let result = answer.as_ref().map(|answer| self.json(answer));
        let foreseen = Entry { foreseen: true, result, ..entry(effect, sequence) };
        self.finish(&mut self.ledger(), foreseen)?;
        answer.ok_or_else(|| self.close(ended))
    }

    /// Writes a line of the plugin's log; what is beyond the limit is counted and dropped.
    pub fn log(&self, line: LogLine) {
        let fields = line.fields.iter().map(|(name, value)| name.len() + value.len() + FIELD_BYTES);
        let bytes = line.message.len() + LINE_BYTES + fields.sum::<usize>();
        let mut ledger = self.ledger();
        ledger.log_bytes = ledger.log_bytes.saturating_add(bytes as u64);
        if ledger.log_bytes > self.limits.get(LimitName::LogBytes) {
            ledger.transcript.log_lines_left_out += 1;
        } else {
            ledger.transcript.log.push(line);
        }
    }

    /// Closes the gate for a budget that is counted elsewhere.
    pub fn exceed(&self, name: LimitName, used: u64) -> Violation {
        self.close(Violation::Budget { name, limit: self.limits.get(name), used })
    }

    /// What closed the gate, if it is closed.
    pub fn violation(&self) -> Option<Violation> {
        self.ledger().violation.clone()
    }

    /// How many effects passed.
    pub fn effects(&self) -> u64 {
        self.ledger().effects
    }

    /// Takes the transcript out, at the end of the call: effects in the order in which they passed. None passes from now
    /// on, and those under way stay without an answer: whether they happened is not known.
    pub fn take_transcript(&self) -> Transcript {
        let mut ledger = self.ledger();
        ledger.over = true;
        for entry in std::mem::take(&mut ledger.under_way).into_values() {
            ledger.record(entry);
        }
        let mut transcript = std::mem::take(&mut ledger.transcript);
        drop(ledger);
        let order = |effect: &Entry| if effect.sequence == 0 { u64::MAX } else { effect.sequence };
        transcript.effects.sort_by_key(order);
        transcript
    }

    /// What the recorded call did beyond this one, at the end of a replay.
    pub(super) fn left_of_record(&self) -> Option<String> {
        self.ledger().recorded.as_mut().and_then(Recorded::left)
    }

    /// Keeps what closes the gate; the first reason stays.
    fn close(&self, violation: Violation) -> Violation {
        self.ledger().violation.get_or_insert(violation).clone()
    }

    /// Counts an effect before it happens.
    fn admit(&self, effect: &Effect<Json>) -> Result<Admitted, Violation> {
        let mut ledger = self.ledger();
        if ledger.over {
            return Err(effect.refusal("the call is over"));
        }
        if let Some(violation) = ledger.violation.clone() {
            if let Some(recorded) = &mut ledger.recorded {
                recorded.skip();
            }
            return Err(violation);
        }
        let sequence = ledger.effects + 1;
        let bytes_out = ledger.bytes_out.saturating_add(effect.bytes_out);
        let over =
            self.over(LimitName::Effects, sequence).or_else(|| self.over(LimitName::BytesOut, bytes_out));
        let admitted = match (over, &mut ledger.recorded) {
            (Some(violation), _) => Err(violation),
            (None, Some(recorded)) => {
                recorded.next(sequence, effect).map(|entry| Admitted::Recorded { sequence, entry })
            }
            (None, None) => match &effect.granted {
                Err(Refusal(reason)) => Err(effect.refusal(reason)),
                Ok(()) if REFUSES_ALL => Err(effect.refusal(REFUSES)),
                Ok(()) => {
                    let room = self.limits.get(LimitName::BytesIn).saturating_sub(ledger.bytes_in);
                    Ok(Admitted::Live { sequence, room })
                }
            },
        };
        match &admitted {
            Ok(_) => {
                ledger.effects = sequence;
                ledger.bytes_out = bytes_out;
            }
            Err(violation) => ledger.violation = Some(violation.clone()),
        }
        admitted
    }

    fn begin(&self, entry: Entry) {
        self.ledger().under_way.insert(entry.sequence, entry);
    }

    /// Ends an effect that was under way.
    fn end(&self, sequence: u64, ended: impl FnOnce(Entry) -> Entry) -> Result<(), Violation> {
        let mut ledger = self.ledger();
        match ledger.under_way.remove(&sequence) {
            Some(begun) => self.finish(&mut ledger, ended(begun)),
            // The call was over before.
            None => Ok(()),
        }
    }

    /// Records an effect that happened, and counts what came in.
    fn finish(&self, ledger: &mut Ledger, entry: Entry) -> Result<(), Violation> {
        ledger.bytes_in = ledger.bytes_in.saturating_add(entry.bytes_in);
        let over = self.over(LimitName::BytesIn, ledger.bytes_in);
        ledger.record(entry);
        match over {
            Some(violation) => Err(ledger.violation.get_or_insert(violation).clone()),
            None => Ok(()),
        }
    }

    fn over(&self, name: LimitName, used: u64) -> Option<Violation> {
        let limit = self.limits.get(name);
        (used > limit).then_some(Violation::Budget { name, limit, used })
    }

    /// The effect with its request as it is recorded and compared.
    fn written<R: Serialize>(&self, effect: Effect<R>) -> Effect<Json> {
        let Effect { capability, operation, access, request, bytes_out, overlaps, granted } = effect;
        Effect { capability, operation, access, request: self.json(&request), bytes_out, overlaps, granted }
    }

    /// Nothing is written that nobody would read.
    fn json<T: Serialize>(&self, value: &T) -> Json {
        let ledger = self.ledger();
        let wanted = ledger.transcript_room > 0 || ledger.recorded.is_some();
        drop(ledger);
        if wanted { Json::of(value) } else { Json::of(&()) }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // A ledger stays consistent between statements, so a panic elsewhere does not spoil it.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    /// Adds an effect to the transcript, as far as there is room.
    fn record(&mut self, mut entry: Entry) {
        if self.transcript_room == 0 {
            self.transcript.effects_left_out += 1;
        } else {
            entry.fit(&mut self.transcript_room);
            self.transcript.effects.push(entry);
        }
    }
}

fn entry(effect: Effect<Json>, sequence: u64) -> Entry {
    Entry {
        sequence,
        capability: effect.capability.into(),
        operation: effect.operation,
        access: effect.access,
        request: effect.request,
        result: None,
        error: None,
        refused: None,
        foreseen: false,
        shortened: false,
        bytes_out: effect.bytes_out,
        bytes_in: 0,
        duration_us: 0,
    }
}

impl<R> Effect<R> {
    pub(super) fn refusal(&self, reason: &str) -> Violation {
        let (operation, reason) = (self.operation.clone().into_owned(), reason.to_owned());
        Violation::Refused { capability: self.capability, operation, reason }
    }
}

impl Violation {
    /// What an entry says of an effect that it kept from happening.
    fn reason(&self) -> String {
        match self {
            Self::Refused { reason, .. } => reason.clone(),
            other => other.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;

//! The effect gate: the one place through which a call acts on anything outside its instance.
//!
//! It knows the grant, counts the budgets, classifies, records, and only then lets the effect happen. A refused effect
//! or an exceeded budget closes the gate for the rest of the call and decides how the call ends, whatever the plugin
//! makes of it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::limits::{LimitName, Limits};
use super::transcript::{Entry, LogLine, Transcript, shortened};

/// Whether an effect changes its counterpart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    #[default]
    Read,
    Write,
}

/// Why an effect is not granted, in words that tell what was wanted and what is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

/// An effect that happened.
#[derive(Debug)]
pub struct Performed<T> {
    pub value: T,
    /// The readable form for the transcript.
    pub result: Value,
    pub bytes_in: u64,
}

/// One act on something outside the instance, before it happens.
#[derive(Debug)]
pub struct Effect {
    /// "http", "files", ...
    pub capability: &'static str,
    /// "PUT", "append", ...
    pub operation: String,
    /// Whether it changes the counterpart.
    pub access: Access,
    /// What is asked for, in a readable form and without secrets.
    pub request: Value,
    /// What is sent.
    pub bytes_out: u64,
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
}

/// Whether this build is the proof that effects leave by this place alone (`tests/one-way-out`).
const REFUSES_ALL: bool = cfg!(feature = "refuse-all-effects");
const REFUSES: &str = "this build refuses every effect";

/// What an entry takes beside its request and result, about.
const ENTRY_BYTES: usize = 128;

/// The gate of one call.
#[derive(Debug)]
pub struct Gate {
    limits: Limits,
    ledger: Mutex<Ledger>,
}

impl Gate {
    /// A gate with the budgets of a call.
    pub fn new(limits: Limits) -> Self {
        let ledger = Ledger { transcript_room: limits.size(LimitName::TranscriptBytes), ..Ledger::default() };
        Self { limits, ledger: Mutex::new(ledger) }
    }

    /// The limits of the call.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Lets an effect happen, or closes the gate. `perform` is told how many bytes may still come in.
    pub async fn pass<T, F>(
        &self,
        effect: Effect,
        perform: impl FnOnce(u64) -> F + Send,
    ) -> Result<T, Violation>
    where
        F: Future<Output = Performed<T>> + Send,
    {
        let (sequence, room) = match self.admit(&effect) {
            Ok(admitted) => admitted,
            Err(violation) => {
                self.record(
                    effect,
                    Entry { result: json!({"refused": violation.to_string()}), ..Entry::default() },
                );
                return Err(violation);
            }
        };
        let started = Instant::now();
        let Performed { value, result, bytes_in } = perform(room).await;
        let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.record(effect, Entry { sequence, result, bytes_in, duration_us, ..Entry::default() });
        self.count_in(bytes_in)?;
        Ok(value)
    }

    /// Writes a line of the plugin's log; what is beyond the limit is counted and dropped.
    pub fn log(&self, line: LogLine) {
        let bytes = line.message.len()
            + line.level.len()
            + line.fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
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
        let violation = Violation::Budget { name, limit: self.limits.get(name), used };
        self.ledger().violation.get_or_insert(violation).clone()
    }

    /// Closes the gate for an effect that turned out not to be granted only while it was performed.
    pub fn refuse(&self, capability: &'static str, operation: &str, reason: String) {
        let violation = Violation::Refused { capability, operation: operation.to_owned(), reason };
        self.ledger().violation.get_or_insert(violation);
    }

    /// What closed the gate, if it is closed.
    pub fn violation(&self) -> Option<Violation> {
        self.ledger().violation.clone()
    }

    /// How many effects passed.
    pub fn effects(&self) -> u64 {
        self.ledger().effects
    }

    /// Takes the transcript out, at the end of the call.
    pub fn take_transcript(&self) -> Transcript {
        std::mem::take(&mut self.ledger().transcript)
    }

    /// Counts an effect before it happens. Gives its number and how many bytes may still come in.
    fn admit(&self, effect: &Effect) -> Result<(u64, u64), Violation> {
        let mut ledger = self.ledger();
        if let Some(violation) = &ledger.violation {
            return Err(violation.clone());
        }
        let effects = ledger.effects + 1;
        let bytes_out = ledger.bytes_out.saturating_add(effect.bytes_out);
        let granted = if REFUSES_ALL { Err(Refusal(REFUSES.to_owned())) } else { effect.granted.clone() };
        let violation = match granted {
            Err(Refusal(reason)) => Some(Violation::Refused {
                capability: effect.capability,
                operation: effect.operation.clone(),
                reason,
            }),
            Ok(()) => {
                self.over(LimitName::Effects, effects).or_else(|| self.over(LimitName::BytesOut, bytes_out))
            }
        };
        if let Some(violation) = violation {
            ledger.violation = Some(violation.clone());
            return Err(violation);
        }
        ledger.effects = effects;
        ledger.bytes_out = bytes_out;
        Ok((effects, self.limits.get(LimitName::BytesIn).saturating_sub(ledger.bytes_in)))
    }

    fn count_in(&self, bytes: u64) -> Result<(), Violation> {
        let mut ledger = self.ledger();
        ledger.bytes_in = ledger.bytes_in.saturating_add(bytes);
        match self.over(LimitName::BytesIn, ledger.bytes_in) {
            Some(violation) => Err(ledger.violation.get_or_insert(violation).clone()),
            None => Ok(()),
        }
    }

    fn over(&self, name: LimitName, used: u64) -> Option<Violation> {
        let limit = self.limits.get(name);
        (used > limit).then_some(Violation::Budget { name, limit, used })
    }

    /// Adds an effect to the transcript, as far as there is room. `entry` holds what became of it.
    fn record(&self, effect: Effect, entry: Entry) {
        let mut ledger = self.ledger();
        if ledger.transcript_room == 0 {
            ledger.transcript.effects_left_out += 1;
            return;
        }
        let mut room = ledger.transcript_room.saturating_sub(ENTRY_BYTES);
        let request = shortened(effect.request, &mut room);
        let result = shortened(entry.result, &mut room);
        ledger.transcript_room = room;
        ledger.transcript.effects.push(Entry {
            capability: effect.capability.to_owned(),
            operation: effect.operation,
            access: effect.access,
            bytes_out: effect.bytes_out,
            request,
            result,
            ..entry
        });
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // A ledger stays consistent between statements, so a panic elsewhere does not spoil it.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn write(granted: Result<(), Refusal>) -> Effect {
        Effect {
            capability: "test",
            operation: "write".to_owned(),
            access: Access::Write,
            request: json!({"text": "four"}),
            bytes_out: 4,
            granted,
        }
    }

    async fn three_bytes(room: u64) -> Performed<u64> {
        Performed { value: room, result: json!("done"), bytes_in: 3 }
    }

    fn gate(word: &str, value: u64) -> Gate {
        Gate::new(Limits::default().overridden(&BTreeMap::from([(word.to_owned(), value)])).unwrap())
    }

    #[tokio::test]
    async fn an_effect_is_recorded_with_what_it_sent_and_received() {
        let gate = gate("bytes_in", 10);
        assert_eq!(gate.pass(write(Ok(())), three_bytes).await, Ok(10));
        assert_eq!(gate.pass(write(Ok(())), three_bytes).await, Ok(7));
        let transcript = gate.take_transcript();
        assert_eq!(transcript.effects.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [1, 2]);
        let first = transcript.effects.first().unwrap();
        assert_eq!((first.bytes_out, first.bytes_in, first.access), (4, 3, Access::Write));
        assert_eq!(first.request, json!({"text": "four"}));
    }

    #[tokio::test]
    async fn a_refused_effect_does_not_happen_and_closes_the_gate_for_those_that_follow() {
        let gate = Gate::new(Limits::default());
        let refused =
            gate.pass(write(Err(Refusal("nothing is granted".to_owned()))), three_bytes).await.unwrap_err();
        assert_eq!(refused.to_string(), "test write is refused: nothing is granted");
        assert_eq!(gate.pass(write(Ok(())), three_bytes).await.unwrap_err(), refused);
        assert_eq!(gate.effects(), 0);
        assert_eq!(gate.violation(), Some(refused));
    }

    #[tokio::test]
    async fn each_budget_closes_the_gate_with_its_name_limit_and_use() {
        for (word, value, expected) in [
            ("effects", 1, "limit `effects` is 1, used 2"),
            ("bytes_out", 5, "limit `bytes_out` is 5, used 8"),
            ("bytes_in", 5, "limit `bytes_in` is 5, used 6"),
        ] {
            let gate = gate(word, value);
            gate.pass(write(Ok(())), three_bytes).await.unwrap();
            assert_eq!(gate.pass(write(Ok(())), three_bytes).await.unwrap_err().to_string(), expected);
        }
    }

    #[tokio::test]
    async fn a_transcript_beyond_its_bound_is_shortened_and_counts_what_it_leaves_out() {
        let gate = gate("transcript_bytes", 140);
        for _ in 0..4 {
            gate.pass(write(Ok(())), three_bytes).await.unwrap();
        }
        let transcript = gate.take_transcript();
        assert_eq!(transcript.effects.len() as u64 + transcript.effects_left_out, 4);
        assert!(transcript.effects_left_out >= 2, "{transcript:?}");
    }

    #[test]
    fn log_lines_beyond_the_limit_are_counted_and_dropped() {
        let gate = gate("log_bytes", 20);
        for _ in 0..3 {
            gate.log(LogLine { level: "info".to_owned(), message: "12345".to_owned(), fields: Vec::new() });
        }
        let transcript = gate.take_transcript();
        assert_eq!((transcript.log.len(), transcript.log_lines_left_out), (2, 1));
    }
}

//! The record that a replay is answered from: each effect of the call must be the next one of it.

use std::collections::VecDeque;

use serde::de::DeserializeOwned;

use super::gate::{Effect, Violation};
use super::transcript::{Entry, Json, Transcript};

/// What is left of a record, in its order.
#[derive(Debug)]
pub(super) struct Recorded(VecDeque<Entry>);

impl Recorded {
    pub(super) fn new(transcript: Transcript) -> Self {
        Self(transcript.effects.into())
    }

    /// The entry of an effect, which must ask for the same by the same words.
    pub(super) fn next(&mut self, sequence: u64, effect: &Effect<Json>) -> Result<Box<Entry>, Violation> {
        let same = |entry: &Entry| {
            entry.capability == effect.capability
                && entry.operation == effect.operation
                && entry.request == effect.request
        };
        // Those that overlap pass when they are ready, in an order that is not the plugin's doing; the others are
        // compared in their own order.
        let next = || self.0.iter().position(|entry| entry.capability == effect.capability);
        let overlapping = effect.overlaps.then(|| self.0.iter().position(same)).flatten();
        let position = overlapping.or_else(next).unwrap_or(0);
        let this = asked(effect.capability, &effect.operation, &effect.request);
        let Some(entry) = self.0.remove(position) else {
            return Err(diverged(format!(
                "effect {sequence} is {this}, where the recorded call made no more"
            )));
        };
        if !same(&entry) {
            let recorded = asked(&entry.capability, &entry.operation, &entry.request);
            return Err(diverged(format!(
                "effect {sequence} is {this}, where the recorded call made {recorded}"
            )));
        }
        match &entry.refused {
            Some(reason) if entry.result.is_none() && entry.error.is_none() => Err(effect.refusal(reason)),
            _ => Ok(Box::new(entry)),
        }
    }

    /// Passes over what the recorded call tried after its gate was closed.
    pub(super) fn skip(&mut self) {
        self.0.pop_front();
    }

    /// What the recorded call did beyond this one, if it did.
    pub(super) fn left(&mut self) -> Option<String> {
        // What it did not wait for may pass a moment later, and so not at all.
        self.0.retain(|entry| !entry.is_unanswered());
        let entry = self.0.pop_front()?;
        let asked = asked(&entry.capability, &entry.operation, &entry.request);
        Some(format!("the recorded call went on with {asked}"))
    }

    /// What an effect was answered.
    pub(super) fn answer<T: DeserializeOwned, E: DeserializeOwned>(
        sequence: u64,
        entry: &Entry,
    ) -> Result<Result<T, E>, Violation> {
        let unreadable = |error: serde_json::Error| {
            diverged(format!("the recorded answer to effect {sequence} cannot be read: {error}"))
        };
        match (&entry.result, &entry.error) {
            (Some(result), _) => result.parse().map(Ok).map_err(unreadable),
            (None, Some(error)) => error.parse().map(Err).map_err(unreadable),
            (None, None) => Err(diverged(format!("the record holds no answer to effect {sequence}"))),
        }
    }
}

fn diverged(difference: String) -> Violation {
    Violation::Diverged { difference }
}

/// Most bytes of a request that a difference shows.
const SHOWN_BYTES: usize = 400;

fn asked(capability: &str, operation: &str, request: &Json) -> String {
    let text = request.text();
    match text.get(..text.floor_char_boundary(SHOWN_BYTES)) {
        Some(head) if head.len() < text.len() => format!("{capability} {operation} {head}..."),
        _ => format!("{capability} {operation} {text}"),
    }
}

//! Plugins and counterparts that attack what lies outside the instance: each attack ends with its typed outcome, and
//! nothing else happens. The exact texts are kept, since plugin authors have nothing else to go by.

mod budgets;
mod crowds;
mod files;
mod grants;
mod links;
mod malformed_responses;
mod memory;
mod resolution;
mod secrets;
mod slow_counterparts;
mod state;

use std::fmt::Write;

use provender::capabilities::contract::types::Outcome;
use provender::capabilities::plugin::Said;

/// How a call ended, as one text: what the plugin noted, or the failure, or the fault.
fn told(end: &Said<Outcome>) -> String {
    match &end.result {
        Ok(Ok(Outcome::Applied(applied))) => applied.history.join("\n"),
        Ok(Ok(other)) => format!("{other:?}"),
        Ok(Err(failure)) => format!("{failure:?}"),
        Err(fault) => fault.to_string(),
    }
}

/// What became of many attacks, for one snapshot.
#[derive(Default)]
struct Report(String);

impl Report {
    /// Adds what became of one. `varying` are texts that differ between runs, each with what stands in its place.
    fn add(&mut self, attack: &str, end: &Said<Outcome>, varying: &[(&str, &str)]) {
        let mut text = told(end);
        for (varies, stable) in varying {
            text = text.replace(varies, stable);
        }
        let text = text.replace('\n', "\n    ");
        writeln!(self.0, "{attack}\n    {text}").expect("memory");
    }
}

/// What an effect was answered.
fn answered(end: &Said<Outcome>, effect: usize) -> serde_json::Value {
    end.transcript.effects[effect].result.as_ref().map(provender::sandbox::Json::value).unwrap_or_default()
}

//! A transcript for people: what each plugin of a run asked for and what came back.

use std::fmt::Write;

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

use super::answer::{printable, word};
use crate::sandbox::{Entry, LogLine, Transcript};

/// What one plugin did in a run.
#[derive(Deserialize)]
struct Step {
    /// "filter" or "provisioner".
    step: String,
    plugin: String,
    version: String,
    fuel: u64,
    duration_us: u64,
    #[serde(flatten)]
    transcript: Transcript,
}

/// The transcript of a run, as stored.
pub(super) fn text(steps: &Value) -> anyhow::Result<String> {
    let steps: Vec<Step> = serde_json::from_value(steps.clone()).context("transcript")?;
    let mut text = String::new();
    for step in &steps {
        write_step(&mut text, step)?;
    }
    if steps.is_empty() {
        text.push_str("\nno plugin was called\n");
    }
    Ok(text)
}

fn write_step(text: &mut String, step: &Step) -> std::fmt::Result {
    let Step { step: kind, plugin, version, fuel, duration_us, transcript } = step;
    writeln!(
        text,
        "\n{kind} {plugin} {version}: {fuel} units of fuel, {:.1} ms",
        milliseconds(*duration_us)
    )?;
    for effect in &transcript.effects {
        write_effect(text, effect)?;
    }
    if transcript.effects_left_out > 0 {
        writeln!(text, "  {} more effects, which did not fit", transcript.effects_left_out)?;
    }
    for LogLine { level, message, fields } in &transcript.log {
        let fields: String = fields.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        writeln!(text, "  log {level}: {}{}", printable(message), printable(&fields))?;
    }
    if transcript.log_lines_left_out > 0 {
        writeln!(text, "  {} more log lines, which did not fit", transcript.log_lines_left_out)?;
    }
    if !transcript.stderr.is_empty() {
        writeln!(text, "  standard error ends:")?;
        for line in transcript.stderr.lines() {
            writeln!(text, "    {}", printable(line))?;
        }
    }
    Ok(())
}

fn write_effect(text: &mut String, effect: &Entry) -> std::fmt::Result {
    let Entry { sequence, capability, operation, access, request, result, .. } = effect;
    let number = if *sequence == 0 { "refused".to_owned() } else { format!("#{sequence}") };
    writeln!(
        text,
        "  {number} {capability} {} ({}): {} bytes out, {} bytes in, {:.1} ms",
        printable(operation),
        word(access),
        effect.bytes_out,
        effect.bytes_in,
        milliseconds(effect.duration_us)
    )?;
    writeln!(text, "    request {}", printable(&request.to_string()))?;
    writeln!(text, "    result  {}", printable(&result.to_string()))
}

fn milliseconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_transcript_tells_effects_and_log_lines_in_their_order() {
        let steps = json!([{
            "step": "provisioner", "plugin": "api", "version": "0.1.0", "digest": "00", "fuel": 7,
            "memory_bytes": 1, "duration_us": 1500,
            "effects": [{
                "sequence": 1, "capability": "http", "operation": "PUT", "access": "write",
                "request": {"path": "/people/42"}, "result": {"status": 503}, "bytes_out": 10, "bytes_in": 0,
                "duration_us": 250
            }],
            "effects_left_out": 2,
            "log": [{"level": "warn", "message": "busy\u{1b}", "fields": [["status", "503"]]}],
            "log_lines_left_out": 0,
            "stderr": ""
        }]);
        assert_eq!(
            text(&steps).unwrap(),
            "\nprovisioner api 0.1.0: 7 units of fuel, 1.5 ms\n\
             \x20 #1 http PUT (write): 10 bytes out, 0 bytes in, 0.2 ms\n\
             \x20   request {\"path\":\"/people/42\"}\n\
             \x20   result  {\"status\":503}\n\
             \x20 2 more effects, which did not fit\n\
             \x20 log warn: busy\u{fffd} status=503\n"
        );
    }
}

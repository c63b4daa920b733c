//! A transcript for people: what each plugin of a run asked for and what came back.

use std::fmt::Write;

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

use super::answer::{printable, word};
use super::explain::difference_line;
use crate::pipeline::{RecordedStep, Recording, Said};
use crate::sandbox::{Entry, Json, LogLine};

/// The transcript of a run, as stored.
pub(super) fn text(recording: &Value) -> anyhow::Result<String> {
    let recording = Option::<Recording>::deserialize(recording).context("transcript")?;
    let Some(recording) = recording else { return Ok("\nno plugin was called\n".to_owned()) };
    let mut text = String::new();
    for step in &recording.steps {
        write_step(&mut text, step)?;
    }
    if let Some(reason) = &recording.incomplete {
        writeln!(text, "\nnot complete: {reason}")?;
    }
    Ok(text)
}

fn write_step(text: &mut String, step: &RecordedStep) -> std::fmt::Result {
    let RecordedStep { step: role, plugin, version, said, changed, fuel, duration_us, transcript, .. } = step;
    writeln!(
        text,
        "\n{} {plugin} {version}: {fuel} units of fuel, {:.1} ms",
        word(role),
        milliseconds(*duration_us)
    )?;
    match said {
        Said::Unchanged => writeln!(text, "  passes the subject on as it is")?,
        Said::Dropped(reason) => writeln!(text, "  drops the subject: {}", printable(reason))?,
        _ => {}
    }
    for difference in changed {
        writeln!(text, "  {}", difference_line(difference))?;
    }
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
    let Entry { sequence, capability, operation, access, request, .. } = effect;
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
    writeln!(text, "    request {}", shown(request))?;
    for (name, answer) in [("result ", &effect.result), ("error  ", &effect.error)] {
        if let Some(answer) = answer {
            writeln!(text, "    {name} {}", shown(answer))?;
        }
    }
    match &effect.refused {
        Some(reason) => writeln!(text, "    refused {}", printable(reason)),
        None => Ok(()),
    }
}

/// A request or an answer; a body of JSON without the escapes that it has as a text.
fn shown(json: &Json) -> String {
    let mut value = json.value();
    if let Some(body) = value.get_mut("body")
        && let Some(Ok(parsed @ (Value::Object(_) | Value::Array(_)))) =
            body.as_str().map(serde_json::from_str)
    {
        *body = parsed;
    }
    printable(&value.to_string())
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
        let recording = json!({
            "engine": "one", "time": "2026-03-01T08:30:00Z", "limits": {},
            "input": {
                "co": "physics", "target": "api", "target_description": "", "attempt": 1, "action": "Updated",
                "subject": null
            },
            "steps": [{
                "step": "provisioner", "id": "api", "plugin": "api", "version": "0.1.0", "digest": "00",
                "seed": "00", "configuration": {}, "said": {"finished": "Unchanged"}, "fuel": 7,
                "memory_bytes": 1, "duration_us": 1500,
                "transcript": {
                    "effects": [{
                        "sequence": 1, "capability": "http", "operation": "PUT", "access": "write",
                        "request": {"path": "/people/42"}, "result": {"status": 503, "body": "{\"busy\":true}"},
                        "bytes_out": 10, "bytes_in": 0, "duration_us": 250
                    }],
                    "effects_left_out": 2,
                    "log": [{"level": "warn", "message": "busy\u{1b}", "fields": [["status", "503"]]}],
                    "log_lines_left_out": 0,
                    "stderr": ""
                }
            }]
        });
        assert_eq!(
            text(&recording).unwrap(),
            "\nprovisioner api 0.1.0: 7 units of fuel, 1.5 ms\n\
             \x20 #1 http PUT (write): 10 bytes out, 0 bytes in, 0.2 ms\n\
             \x20   request {\"path\":\"/people/42\"}\n\
             \x20   result  {\"body\":{\"busy\":true},\"status\":503}\n\
             \x20 2 more effects, which did not fit\n\
             \x20 log warn: busy\u{fffd} status=503\n"
        );
    }

    #[test]
    fn a_run_that_called_no_plugin_says_so() {
        assert_eq!(text(&Value::Null).unwrap(), "\nno plugin was called\n");
    }
}

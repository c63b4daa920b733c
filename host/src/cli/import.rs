//! `provender import`: many records from a file.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use tokio::io::{AsyncBufRead, BufReader};
use uuid::Uuid;

use super::answer::Answer;
use super::input::WriteArguments;
use super::outcomes::{Outcomes, finished};
use crate::host::Host;
use crate::registry::core_api::PersonId;
use crate::registry::import::{self, ImportEvent, ImportFormat, ImportOptions, ImportSummary, RefusedLine};
use crate::registry::write::{OnError, UnknownGroups, WriteOptions};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  provender import people.ndjson --co physics
  zcat people.ndjson.gz | provender import - --co physics --on-error continue
  provender import core-api.ndjson --co physics --format core-api --identifier-type uid

A line is one JSON object, here folded for reading:
  {\"kind\": \"group\", \"record\": {\"meta\": {\"id\": \"staff\"}, \"name\": \"Staff\"}}
  {\"kind\": \"person\", \"record\": {\"meta\": {\"id\": \"42\"},
   \"names\": [{\"given\": \"Zoë\", \"primary\": true}]}, \"memberships\": [{\"group\": \"staff\"}]}
  {\"kind\": \"person\", \"delete\": \"43\"}
or a person document of the COmanage Core API. A line that is refused changes nothing.

The process ends with 1 when a line was refused or a provisioning failed.")]
pub(super) struct Arguments {
    /// The file, one JSON object per line; `-` is standard input
    file: PathBuf,
    /// The collaboration
    #[arg(long)]
    co: String,
    /// What a line looks like
    #[arg(long, value_enum, default_value_t = Format::Auto)]
    format: Format,
    /// What follows a line that is refused
    #[arg(long, value_enum, default_value_t = AfterError::Stop)]
    on_error: AfterError,
    /// What becomes of a person's membership in a group that does not exist
    #[arg(long, value_enum, default_value_t = MissingGroups::Refuse)]
    unknown_groups: MissingGroups,
    #[command(flatten)]
    write: WriteArguments,
    /// Lines in one transaction
    #[arg(long, value_name = "LINES", default_value_t = 500, value_parser = batch_lines)]
    batch: usize,
    /// Core API: take the id of a person from its first active identifier of this type
    #[arg(long, value_name = "TYPE")]
    identifier_type: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Each line tells by itself
    Auto,
    Native,
    CoreApi,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AfterError {
    /// Nothing after it is stored
    Stop,
    /// It is left out
    Continue,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MissingGroups {
    /// The line is refused
    Refuse,
    /// The group is created; so is a unit, an org identity source, or terms and conditions that a line refers to
    Create,
    /// The membership is left out
    Skip,
}

fn batch_lines(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(lines) if (1..=10_000).contains(&lines) => Ok(lines),
        _ => Err("give a number from 1 to 10000".to_owned()),
    }
}

impl Arguments {
    fn options(&self) -> ImportOptions {
        ImportOptions {
            format: match self.format {
                Format::Auto => ImportFormat::Auto,
                Format::Native => ImportFormat::Native,
                Format::CoreApi => ImportFormat::CoreApi,
            },
            person_id: self.identifier_type.clone().map_or(PersonId::CoPerson, PersonId::Identifier),
            unknown_groups: match self.unknown_groups {
                MissingGroups::Refuse => UnknownGroups::Refuse,
                MissingGroups::Create => UnknownGroups::Create,
                MissingGroups::Skip => UnknownGroups::Skip,
            },
            on_error: match self.on_error {
                AfterError::Stop => OnError::Stop,
                AfterError::Continue => OnError::Continue,
            },
            batch_lines: self.batch,
        }
    }
}

/// What an import came to.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    lines: u64,
    pub(super) stored: u64,
    unchanged: u64,
    pub(super) refused: Vec<Refused>,
    /// Whether lines behind the refused one were left out.
    stopped: bool,
    pub(super) provisioning: Outcomes,
    /// What was planned, in ascending order.
    #[serde(skip)]
    pub(super) planned: Vec<Uuid>,
    pub(super) duration_ms: u64,
    /// Stored and unchanged ones, by the time of the whole import, provisioning included.
    pub(super) records_per_second: u64,
}

/// A line that was refused.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Refused {
    pub(super) line: u64,
    pub(super) problems: Vec<String>,
}

pub(super) async fn run(arguments: Arguments, host: &Host, as_json: bool) -> anyhow::Result<Answer> {
    let options = arguments.options();
    let write = arguments.write.options();
    let (input, bytes) = open(&arguments.file).await?;
    let progress = Progress::new(bytes, as_json);
    let report = import(host, &arguments.co, input, &options, &write, &progress).await?;
    let failed = !report.refused.is_empty() || !report.provisioning.failures.is_empty();
    Ok(Answer::new(&report, text(&report))?.failed_if(failed))
}

type Input = Box<dyn AsyncBufRead + Unpin + Send>;

/// The input, and its size where that is known.
async fn open(file: &Path) -> anyhow::Result<(Input, Option<u64>)> {
    if file == Path::new("-") {
        return Ok((Box::new(BufReader::new(tokio::io::stdin())), None));
    }
    let name = || format!("file `{}`", file.display());
    let opened = tokio::fs::File::open(file).await.with_context(name)?;
    let bytes = opened.metadata().await.with_context(name)?.len();
    Ok((Box::new(BufReader::with_capacity(1 << 20, opened)), Some(bytes)))
}

/// Stores the records and waits for their provisioning.
pub(super) async fn import(
    host: &Host,
    co: &str,
    input: impl AsyncBufRead + Unpin,
    options: &ImportOptions,
    write: &WriteOptions,
    progress: &Progress,
) -> anyhow::Result<Report> {
    let started = Instant::now();
    let mut refused = Vec::new();
    let mut planned: Vec<Uuid> = Vec::new();
    let imported = import::import(&host.registry, co, input, options, write, |event| match event {
        ImportEvent::Refused(line) => {
            let line = Refused::from(line);
            progress.refused(&line);
            refused.push(line);
        }
        ImportEvent::Committed { progress: so_far, planned: work } => {
            host.pipeline.submit(co, work);
            planned.extend(work.iter().map(|invocation| invocation.id));
            progress.stored(so_far.bytes, so_far.lines);
        }
    });
    let ImportSummary { progress: totals, stopped_at } = imported.await?;
    planned.sort_unstable();
    progress.provisioning(planned.len() as u64);
    finished(&host.store, &planned, |count| progress.provisioned(count)).await?;
    let duration = started.elapsed();
    let provisioning = Outcomes::read(&host.store, co, &planned).await?;
    progress.end();
    Ok(Report {
        lines: totals.lines,
        stored: totals.stored,
        unchanged: totals.unchanged,
        refused,
        stopped: stopped_at.is_some(),
        provisioning,
        planned,
        duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        records_per_second: rate(totals.stored + totals.unchanged, duration),
    })
}

fn rate(records: u64, duration: Duration) -> u64 {
    let per_second = records as f64 / duration.as_secs_f64().max(0.001);
    // Far from the bounds of both types.
    per_second.round() as u64
}

impl From<&RefusedLine> for Refused {
    fn from(line: &RefusedLine) -> Self {
        let problem = |problem: &crate::registry::validate::Problem| match problem.pointer.as_str() {
            "" => problem.message.clone(),
            pointer => format!("{pointer}: {}", problem.message),
        };
        Self { line: line.line, problems: line.problems.iter().map(problem).collect() }
    }
}

fn text(report: &Report) -> String {
    let Report { lines, stored, unchanged, refused, records_per_second, .. } = report;
    let seconds = report.duration_ms as f64 / 1000.0;
    let refused = refused.len();
    let mut text = format!(
        "{lines} lines in {seconds:.2} s: {stored} stored, {unchanged} unchanged, {refused} refused; \
         {records_per_second} records per second\n"
    );
    if report.stopped {
        text.push_str("stopped at the refused line; lines behind it are not stored (--on-error continue)\n");
    }
    if !report.provisioning.targets.is_empty() {
        text.push_str(&format!("\n{}", report.provisioning.table()));
        text.push_str(&format!("\n{}", report.provisioning.failures_text()));
    }
    text
}

/// Shows how far an import is: a bar on a terminal, nothing elsewhere.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// `bytes` is the size of the input, if it is known.
    pub(super) fn new(bytes: Option<u64>, hidden: bool) -> Self {
        let bar = ProgressBar::with_draw_target(
            bytes,
            // Draws nothing where standard error is no terminal.
            if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() },
        );
        let template = match bytes {
            Some(_) => "storing      {wide_bar} {bytes}/{total_bytes} {msg}",
            None => "storing      {spinner} {bytes} {msg}",
        };
        bar.set_style(style(template));
        Self { bar }
    }

    fn refused(&self, line: &Refused) {
        self.bar.suspend(|| eprintln!("line {} refused: {}", line.line, line.problems.join("; ")));
    }

    fn stored(&self, bytes: u64, lines: u64) {
        self.bar.set_position(bytes);
        self.bar.set_message(format!("{lines} lines"));
    }

    fn provisioning(&self, planned: u64) {
        // Numbers before the style, so that those of the bytes are not shown as people.
        self.bar.reset();
        self.bar.set_message("");
        self.bar.set_length(planned);
        self.bar.set_style(style("provisioning {wide_bar} {pos}/{len} {per_sec}"));
    }

    fn provisioned(&self, count: u64) {
        self.bar.set_position(count);
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_of_the_bar_is_one() {
        for template in [
            "storing      {wide_bar} {bytes}/{total_bytes} {msg}",
            "storing      {spinner} {bytes} {msg}",
            "provisioning {wide_bar} {pos}/{len} {per_sec}",
        ] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn the_rate_is_by_the_second() {
        assert_eq!(rate(500, Duration::from_millis(250)), 2_000);
        assert_eq!(rate(0, Duration::ZERO), 0);
    }
}

//! Import of many records: one JSON object per line (NDJSON), in batches.
//!
//! Native lines:
//! - `{"kind":"person","record":{...},"memberships":[{"group":"id","member":true}]}`; with `memberships`, these are all
//!   that the person has afterwards; without, they stay as they are
//! - `{"kind":"group","record":{...}}`, and `email_list` and `service` in the same way; the record's id is in `meta`
//! - `{"kind":"membership","record":{"group":"id","person":"id"}}`
//! - `{"kind":"person","delete":"id"}`, `{"kind":"membership","delete":{"group":"id","person":"id"}}`
//!
//! A line with `CoPerson` is a person document of the COmanage Core API.

mod line;
mod lines;

use std::io;

use tokio::io::AsyncBufRead;

use self::line::{LineForm, parse_line};
use self::lines::{Line, Lines};
use super::core_api::PersonId;
use super::validate::{InvalidRecord, MAX_RECORD_BYTES, Problem};
use super::write::{ImportItem, OnError, Registry, UnknownGroups, WriteError, WriteOptions, Written};
use crate::provisioning::PlannedInvocation;

/// Longest line: a record and its memberships.
pub const MAX_LINE_BYTES: usize = 2 * MAX_RECORD_BYTES;

/// How lines are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImportFormat {
    /// Each line tells by itself what it is.
    #[default]
    Auto,
    /// Native lines only.
    Native,
    /// Person documents of the COmanage Core API only.
    CoreApi,
}

/// How an import goes about its input.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// How lines are read.
    pub format: ImportFormat,
    /// Where the `id` of a person of the Core API comes from.
    pub person_id: PersonId,
    /// What becomes of memberships in groups that do not exist.
    pub unknown_groups: UnknownGroups,
    /// What follows a line that is refused.
    pub on_error: OnError,
    /// Lines stored in one transaction; at least 1.
    pub batch_lines: usize,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            format: ImportFormat::default(),
            person_id: PersonId::default(),
            unknown_groups: UnknownGroups::default(),
            on_error: OnError::Stop,
            batch_lines: 500,
        }
    }
}

/// How far an import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportProgress {
    /// Lines read, blank ones included.
    pub lines: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Lines that changed something.
    pub stored: u64,
    /// Lines that said what is stored already.
    pub unchanged: u64,
    /// Lines that were refused and changed nothing.
    pub refused: u64,
    /// Invocations that follow from what was stored.
    pub planned: u64,
}

/// A line that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedLine {
    /// Counted from 1.
    pub line: u64,
    /// Why. Pointers lead into the line; those to something the Core API has another name for, into the native record.
    pub problems: Vec<Problem>,
}

/// What the caller is told while an import runs.
#[derive(Clone, Copy, Debug)]
pub enum ImportEvent<'a> {
    /// A line was refused.
    Refused(&'a RefusedLine),
    /// A batch was committed.
    Committed {
        /// Totals so far.
        progress: &'a ImportProgress,
        /// What follows from the batch, in the order it is to run.
        planned: &'a [PlannedInvocation],
    },
}

/// What an import came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportSummary {
    /// Totals, up to the line it stopped at.
    pub progress: ImportProgress,
    /// The refused line after which nothing was stored; none if the import came to its end.
    pub stopped_at: Option<RefusedLine>,
}

/// An import broke off; what was committed before stays.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The input cannot be read.
    #[error("cannot read the input after line {after_line}")]
    Read {
        /// Last line that was read.
        after_line: u64,
        /// Why.
        source: io::Error,
    },
    /// Nothing can be stored.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Stores what the lines of `input` say, batch by batch, and reads one batch ahead.
pub async fn import<R: AsyncBufRead + Unpin>(
    registry: &Registry,
    co: &str,
    input: R,
    options: &ImportOptions,
    write: &WriteOptions,
    mut on_event: impl FnMut(ImportEvent<'_>),
) -> Result<ImportSummary, ImportError> {
    let mut lines = Lines::new(input, MAX_LINE_BYTES);
    let mut progress = ImportProgress::default();
    let mut batch = read_batch(&mut lines, options).await?;
    loop {
        let Batch { items, origins, refused, lines: read, bytes, last } = batch;
        let (written, next) = tokio::join!(registry.import(co, items, options.on_error, write), async {
            if last { Ok(None) } else { read_batch(&mut lines, options).await.map(Some) }
        });
        let outcome = Outcome::of(written?, &origins, refused, options.on_error);
        progress.add(&outcome);
        let stopped_at =
            (options.on_error == OnError::Stop).then(|| outcome.refused.first().cloned()).flatten();
        (progress.lines, progress.bytes) = (stopped_at.as_ref().map_or(read, |refused| refused.line), bytes);
        outcome.refused.iter().for_each(|refused| on_event(ImportEvent::Refused(refused)));
        on_event(ImportEvent::Committed { progress: &progress, planned: &outcome.planned });
        match next? {
            Some(next) if stopped_at.is_none() => batch = next,
            _ => return Ok(ImportSummary { progress, stopped_at }),
        }
    }
}

/// Lines that are stored in one transaction.
struct Batch {
    items: Vec<ImportItem>,
    /// By item: its line.
    origins: Vec<Origin>,
    refused: Vec<RefusedLine>,
    /// Lines and bytes read up to the end of the batch.
    lines: u64,
    bytes: u64,
    /// Whether the input is at its end, or is not to be read further.
    last: bool,
}

/// Where an item was read.
struct Origin {
    line: u64,
    form: LineForm,
}

async fn read_batch<R: AsyncBufRead + Unpin>(
    lines: &mut Lines<R>,
    options: &ImportOptions,
) -> Result<Batch, ImportError> {
    let mut batch = Batch {
        items: Vec::new(),
        origins: Vec::new(),
        refused: Vec::new(),
        lines: 0,
        bytes: 0,
        last: false,
    };
    // Lines that are refused count too: what is known of them is kept until the batch is told.
    while batch.items.len() + batch.refused.len() < options.batch_lines.max(1) && !batch.last {
        let count = lines.count;
        let read = lines.next().await.map_err(|source| ImportError::Read { after_line: count, source })?;
        let parsed = match read {
            None => {
                (batch.lines, batch.bytes, batch.last) = (lines.count, lines.bytes, true);
                return Ok(batch);
            }
            Some(Line::Text(text)) => parse_line(text, options),
            Some(Line::Unreadable(message)) => Err(InvalidRecord::new("", message)),
        };
        let line = lines.count;
        match parsed {
            Ok((item, form)) => {
                batch.items.push(item);
                batch.origins.push(Origin { line, form });
            }
            Err(InvalidRecord { problems }) => {
                batch.refused.push(RefusedLine { line, problems });
                batch.last = options.on_error == OnError::Stop;
            }
        }
    }
    (batch.lines, batch.bytes) = (lines.count, lines.bytes);
    Ok(batch)
}

/// What became of a batch.
#[derive(Default)]
struct Outcome {
    stored: u64,
    unchanged: u64,
    planned: Vec<PlannedInvocation>,
    /// By ascending line.
    refused: Vec<RefusedLine>,
}

impl Outcome {
    fn of(
        results: Vec<Result<Written, WriteError>>,
        origins: &[Origin],
        unreadable: Vec<RefusedLine>,
        on_error: OnError,
    ) -> Self {
        let mut outcome = Self { refused: unreadable, ..Self::default() };
        for (result, origin) in results.into_iter().zip(origins) {
            match result {
                Ok(written) if written.operation.is_none() => outcome.unchanged += 1,
                Ok(written) => {
                    outcome.stored += 1;
                    outcome.planned.extend(written.planned);
                }
                Err(error) => outcome.refused.push(origin.refusal(error)),
            }
        }
        outcome.refused.sort_by_key(|refused| refused.line);
        if on_error == OnError::Stop {
            outcome.refused.truncate(1);
        }
        outcome
    }
}

impl Origin {
    fn refusal(&self, error: WriteError) -> RefusedLine {
        let problems = match error {
            WriteError::InvalidRecord(InvalidRecord { mut problems }) => {
                let in_record = |problem: &&mut Problem| !problem.pointer.starts_with("/memberships");
                if self.form == LineForm::NativeRecord {
                    for problem in problems.iter_mut().filter(in_record) {
                        problem.pointer.insert_str(0, "/record");
                    }
                }
                problems
            }
            other => vec![Problem::new("", other.to_string())],
        };
        RefusedLine { line: self.line, problems }
    }
}

impl ImportProgress {
    fn add(&mut self, outcome: &Outcome) {
        self.stored += outcome.stored;
        self.unchanged += outcome.unchanged;
        self.planned += outcome.planned.len() as u64;
        self.refused += outcome.refused.len() as u64;
    }
}

#[cfg(test)]
mod tests;

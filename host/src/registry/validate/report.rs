//! Collects what is wrong with a record, with the place of each problem.

use std::collections::HashSet;
use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use super::check_id;

/// Most problems told at once.
pub const MAX_PROBLEMS: usize = 20;
/// Longest message of a problem, in characters.
const MAX_MESSAGE_CHARS: usize = 400;
/// Longest pointer.
const MAX_POINTER_BYTES: usize = 1024;
/// How deep a record may nest: readers of JSON end at 128 levels, and answers hold records a few levels down.
const MAX_NESTING: usize = 100;
/// Longest text of a record.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;
/// Largest record, as JSON.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024;

/// One reason why a record is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// JSON Pointer (RFC 6901) into the document.
    pub pointer: String,
    /// What is wrong and what helps.
    pub message: String,
}

impl Problem {
    /// A problem; what quotes too much of the input is cut.
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        let (mut pointer, mut message): (String, String) = (pointer.into(), message.into());
        cut(&mut message, MAX_MESSAGE_CHARS);
        cut_pointer(&mut pointer);
        Self { pointer, message }
    }
}

fn cut(text: &mut String, characters: usize) {
    if let Some((end, _)) = text.char_indices().nth(characters) {
        text.truncate(end);
    }
}

/// A pointer that is too long leads to something around the place: keys may have any length.
fn cut_pointer(pointer: &mut String) {
    if pointer.len() > MAX_POINTER_BYTES {
        let kept = pointer.get(..pointer.floor_char_boundary(MAX_POINTER_BYTES)).unwrap_or_default();
        let end = kept.rfind('/').unwrap_or_default();
        pointer.truncate(end);
    }
}

/// A document cannot be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct InvalidRecord {
    /// At least one, at most [`MAX_PROBLEMS`].
    pub problems: Vec<Problem>,
}

impl InvalidRecord {
    /// A single problem.
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { problems: vec![Problem::new(pointer, message)] }
    }

    /// The same problems in a document that holds this one at `prefix`.
    #[must_use]
    pub fn below(mut self, prefix: &str) -> Self {
        for problem in &mut self.problems {
            problem.pointer.insert_str(0, prefix);
        }
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.message),
            pointer => write!(f, "{pointer}: {}", self.message),
        }
    }
}

impl fmt::Display for InvalidRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// A step of a JSON Pointer.
#[derive(Clone, Debug)]
enum Step {
    Field(&'static str),
    Index(usize),
    Key(String),
}

/// Knows where in the document the check is, and what it found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    at: Vec<Step>,
    problems: Vec<Problem>,
    text_bytes: usize,
    parts: usize,
}

impl Report {
    /// Checks a field.
    pub(crate) fn within(&mut self, field: &'static str, check: impl FnOnce(&mut Self)) {
        self.step(Step::Field(field), check);
    }

    /// Checks an element of a list.
    pub(crate) fn at(&mut self, index: usize, check: impl FnOnce(&mut Self)) {
        self.step(Step::Index(index), check);
    }

    /// Checks a member of a JSON object.
    pub(crate) fn at_key(&mut self, key: &str, check: impl FnOnce(&mut Self)) {
        self.step(Step::Key(key.to_owned()), check);
    }

    fn step(&mut self, step: Step, check: impl FnOnce(&mut Self)) {
        self.at.push(step);
        check(self);
        self.at.pop();
    }

    /// Something is wrong here.
    pub(crate) fn problem(&mut self, message: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            let pointer: String = self.at.iter().map(|step| format!("/{step}")).collect();
            self.problems.push(Problem::new(pointer, message));
        }
    }

    /// Any text: bounded, and nothing in it that a terminal or a line-based format would trip over.
    pub(crate) fn text(&mut self, text: &str) {
        self.text_bytes = self.text_bytes.saturating_add(text.len());
        if text.len() > MAX_TEXT_BYTES {
            self.problem(format!("a text has at most {MAX_TEXT_BYTES} bytes, this one has {}", text.len()));
        }
        let unwanted = |character: &char| character.is_control() && !matches!(character, '\n' | '\t');
        if let Some(character) = text.chars().find(unwanted) {
            self.problem(format!(
                "control character U+{:04X}: only newline and tab are accepted",
                u32::from(character)
            ));
        }
    }

    /// How deep this place is.
    pub(crate) fn nesting(&mut self) {
        if self.at.len() == MAX_NESTING {
            self.problem(format!("nests more than {MAX_NESTING} levels deep"));
        }
    }

    /// A time or date as text: from year 0 to 9999, as RFC 3339 has it.
    pub(crate) fn year(&mut self, year: i16) {
        if year < 0 {
            self.problem(format!("the year {year} cannot be written by RFC 3339: years are 0000 to 9999"));
        }
    }

    /// A text that must say something.
    pub(crate) fn required(&mut self, text: &str) {
        self.text(text);
        self.filled(text);
    }

    /// Something must be there; the text itself was looked at already.
    pub(crate) fn filled(&mut self, text: &str) {
        if text.trim().is_empty() {
            self.problem("must not be empty");
        }
    }

    /// An id.
    pub(crate) fn id(&mut self, id: &str) {
        if let Err(message) = check_id(id) {
            self.problem(message);
        }
    }

    /// The length of a list of parts.
    pub(crate) fn count(&mut self, parts: usize, most: usize) {
        self.parts = self.parts.saturating_add(parts);
        if parts > most {
            self.problem(format!("a list has at most {most} elements, this one has {parts}"));
        }
    }

    /// No two elements of the list share a `field`, which may be empty where it is not given.
    pub(crate) fn unique<'a>(&mut self, values: impl ExactSizeIterator<Item = &'a str>, field: &'static str) {
        if values.len() < 2 {
            return;
        }
        let mut seen = HashSet::new();
        for (index, value) in values.enumerate().filter(|(_, value)| !value.is_empty()) {
            if !seen.insert(value) {
                self.at(index, |report| {
                    report.problem(format!("another element of the list has the same {field} \"{value}\""));
                });
            }
        }
    }

    /// The size of the whole document; `document` is written out only when it may be too large.
    pub(crate) fn size(&mut self, document: &impl Serialize) {
        // Quotes and newlines take two bytes; field names and metadata of a part take less than 1 KiB.
        let bound = self.text_bytes.saturating_mul(2).saturating_add((self.parts + 1).saturating_mul(1024));
        if bound <= MAX_RECORD_BYTES {
            return;
        }
        let bytes = serde_json::to_vec(document).map_or(usize::MAX, |json| json.len());
        if bytes > MAX_RECORD_BYTES {
            self.problem(format!(
                "a record has at most {MAX_RECORD_BYTES} bytes as JSON, this one has {bytes}"
            ));
        }
    }

    pub(crate) fn finish(self) -> Result<(), InvalidRecord> {
        if self.problems.is_empty() { Ok(()) } else { Err(InvalidRecord { problems: self.problems }) }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => f.write_str(name),
            Self::Index(index) => index.fmt(f),
            Self::Key(key) => f.write_str(&escape(key)),
        }
    }
}

/// A key as a step of a JSON Pointer (RFC 6901, section 3).
pub(crate) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

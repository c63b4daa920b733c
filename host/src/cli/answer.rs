//! What a command answers: for people or as JSON, on standard output and nowhere else.

use std::fmt::Display;
use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

/// The answer of a command in both forms.
#[derive(Debug)]
pub(super) struct Answer {
    json: Value,
    text: String,
    /// Whether the command did what was asked for; if not, the process ends with 1.
    succeeded: bool,
}

impl Answer {
    pub(super) fn new(json: &impl Serialize, text: impl Display) -> anyhow::Result<Self> {
        Ok(Self { json: serde_json::to_value(json)?, text: text.to_string(), succeeded: true })
    }

    /// A command that has said everything already.
    pub(super) fn nothing() -> Self {
        Self { json: Value::Null, text: String::new(), succeeded: true }
    }

    pub(super) fn failed_if(mut self, failed: bool) -> Self {
        self.succeeded = !failed;
        self
    }

    pub(super) fn succeeded(&self) -> bool {
        self.succeeded
    }

    pub(super) fn print(&self, as_json: bool) -> io::Result<()> {
        let text = match as_json {
            true if self.json.is_null() => String::new(),
            true => format!("{:#}", self.json),
            false => self.text.clone(),
        };
        if text.is_empty() {
            return Ok(());
        }
        let mut output = io::stdout().lock();
        match writeln!(output, "{}", text.trim_end()).and_then(|()| output.flush()) {
            // Who reads has seen enough: `provender changes ... | head`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            printed => printed,
        }
    }
}

/// Rows under a header, in columns as wide as a terminal shows them.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(header: &[&str]) -> Self {
        Self { rows: vec![header.iter().map(|title| title.to_uppercase()).collect()] }
    }

    /// Names and values below each other, without a header.
    pub(super) fn of_fields<'a>(fields: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        let rows = fields.into_iter().map(|(name, value)| vec![format!("{name}:"), printable(&value)]);
        Self { rows: rows.collect() }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| printable(&cell)).collect());
    }

    /// The table, or a sentence where it has no rows.
    pub(super) fn or(self, nothing: &str) -> String {
        if self.rows.len() > 1 { self.to_string() } else { nothing.to_owned() }
    }
}

impl FromIterator<Vec<String>> for Table {
    fn from_iter<I: IntoIterator<Item = Vec<String>>>(rows: I) -> Self {
        let mut table = Self { rows: Vec::new() };
        rows.into_iter().for_each(|row| table.row(row));
        table
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell: &String| cell.width())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width()) + 2));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A text from outside without what a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '\n' | '\t' => ' ',
            _ if letter.is_control() || is_direction(letter) => char::REPLACEMENT_CHARACTER,
            _ => letter,
        })
        .collect()
}

/// Characters that change the direction of what follows them (Unicode, UAX #9).
fn is_direction(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A moment in UTC to the second.
pub(super) fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A moment that may not have come.
pub(super) fn utc_or_dash(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), utc)
}

/// A truth value in words.
pub(super) fn yes_or_no(so: bool) -> String {
    if so { "yes" } else { "no" }.to_owned()
}

/// A value of the contract as its word in JSON: "rate_limited".
pub(super) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_a_terminal_shows_them() {
        let mut table = Table::new(&["name", "id"]);
        table.row(["山田 花子".to_owned(), "1".to_owned()]);
        table.row(["Zoë".to_owned(), "2".to_owned()]);
        // Each ideograph takes two columns, a combining mark none.
        table.row(["Zoe\u{308}".to_owned(), "3".to_owned()]);
        assert_eq!(table.to_string(), "NAME       ID\n山田 花子  1\nZoë        2\nZoe\u{308}        3\n");
    }

    #[test]
    fn a_table_without_rows_is_a_sentence() {
        assert_eq!(Table::new(&["id"]).or("no collaborations"), "no collaborations");
    }

    #[test]
    fn a_terminal_is_told_nothing_by_a_record() {
        assert_eq!(printable("a\u{1b}[31mb\nc\u{202e}d"), "a\u{fffd}[31mb c\u{fffd}d");
    }

    #[test]
    fn times_are_in_utc_to_the_second() {
        let at: Timestamp = "2026-02-28T23:59:59.999999+02:00".parse().unwrap();
        assert_eq!(utc(at), "2026-02-28 21:59:59Z");
    }

    #[test]
    fn a_value_is_shown_by_its_word() {
        assert_eq!(word(&crate::provisioning::FailureClass::RateLimited), "rate_limited");
    }
}

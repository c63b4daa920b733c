//! Reads lines of bounded length.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// Splits an input into lines and counts them.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    max_bytes: usize,
    /// Lines so far.
    pub(super) count: u64,
    /// Bytes so far.
    pub(super) bytes: u64,
}

/// A line that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Its text, without the end of the line.
    Text(&'a str),
    /// It cannot be read.
    Unreadable(String),
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(super) fn new(input: R, max_bytes: usize) -> Self {
        Self { input, line: Vec::new(), max_bytes, count: 0, bytes: 0 }
    }

    /// The next line that is not blank.
    pub(super) async fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            self.line.clear();
            let whole = match self.read_line().await? {
                0 => return Ok(None),
                read => read,
            };
            self.count += 1;
            self.bytes += whole as u64;
            if whole > self.max_bytes {
                let message = format!("a line has at most {} bytes, this one has {whole}", self.max_bytes);
                return Ok(Some(Line::Unreadable(message)));
            }
            if !self.line.trim_ascii().is_empty() {
                break;
            }
        }
        // Editors on Windows mark a file as UTF-8 by this character.
        let line =
            self.line.strip_prefix("\u{feff}".as_bytes()).filter(|_| self.count == 1).unwrap_or(&self.line);
        Ok(Some(match str::from_utf8(line) {
            Ok(text) => Line::Text(text.trim_ascii()),
            Err(error) => {
                Line::Unreadable(format!("not UTF-8 at byte {} of the line", error.valid_up_to() + 1))
            }
        }))
    }

    /// Reads up to the end of the line, keeps what is not too long, and tells how long the line is.
    async fn read_line(&mut self) -> io::Result<usize> {
        let mut whole = 0;
        loop {
            let chunk = self.input.fill_buf().await?;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(chunk.len(), |end| end + 1);
            if whole + taken <= self.max_bytes {
                self.line.extend(chunk.iter().take(taken));
            }
            whole += taken;
            let is_end = end.is_some() || chunk.is_empty();
            self.input.consume(taken);
            if is_end {
                return Ok(whole);
            }
        }
    }
}

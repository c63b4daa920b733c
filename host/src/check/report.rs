//! What a check found.

use serde::Serialize;

/// Findings that one check lists; the others are counted.
pub(super) const LISTED: u32 = 20;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// An invariant does not hold.
    Broken,
    /// The host mends it by itself.
    Warning,
}

/// One thing that is not as it should be, named by its ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    pub what: String,
}

/// One check and what it came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    /// What must hold.
    pub covers: &'static str,
    /// Rows, files or documents that were looked at.
    pub examined: u64,
    pub broken: u64,
    pub warnings: u64,
    /// The first findings.
    pub findings: Vec<Finding>,
}

/// All checks of a host, in the order they were made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Without user and password.
    pub database: String,
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether every invariant holds.
    pub fn is_healthy(&self) -> bool {
        self.checks.iter().all(|check| check.broken == 0)
    }
}

impl Check {
    pub(super) fn new(name: &'static str, covers: &'static str) -> Self {
        Self { name, covers, examined: 0, broken: 0, warnings: 0, findings: Vec::new() }
    }

    /// Counts something that was looked at.
    pub(super) fn examine(&mut self, count: u64) {
        self.examined += count;
    }

    pub(super) fn broken(&mut self, what: impl Into<String>) {
        self.broken += 1;
        self.list(Severity::Broken, what.into());
    }

    pub(super) fn warn(&mut self, what: impl Into<String>) {
        self.warnings += 1;
        self.list(Severity::Warning, what.into());
    }

    /// Counts findings that are not listed.
    pub(super) fn broken_beside(&mut self, count: u64) {
        self.broken += count;
    }

    fn list(&mut self, severity: Severity, what: String) {
        if self.findings.len() < LISTED as usize {
            self.findings.push(Finding { severity, what });
        }
    }
}

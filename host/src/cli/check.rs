//! `provender check`: whether the invariants of the host hold.

use std::fmt::Write;

use super::answer::{Answer, Table, printable};
use crate::check::{Report, Severity, check};
use crate::configuration::Configuration;

pub(super) async fn run(configuration: &Configuration) -> anyhow::Result<Answer> {
    let report = check(configuration).await?;
    let healthy = report.is_healthy();
    Ok(Answer::new(&report, text(&report)?)?.failed_if(!healthy))
}

fn text(report: &Report) -> anyhow::Result<String> {
    let mut table = Table::new(&["check", "examined", "broken", "warnings", "what must hold"]);
    for check in &report.checks {
        let numbers = [check.examined, check.broken, check.warnings].map(|number| number.to_string());
        let cells = [check.name.to_owned()].into_iter().chain(numbers);
        table.row(cells.chain([check.covers.to_owned()]));
    }
    let mut text = format!("{table}\n");
    for check in &report.checks {
        for finding in &check.findings {
            let severity = match finding.severity {
                Severity::Broken => "broken",
                Severity::Warning => "warning",
            };
            writeln!(text, "{severity}: {}: {}", check.name, printable(&finding.what))?;
        }
        let beside = (check.broken + check.warnings).saturating_sub(check.findings.len() as u64);
        if beside > 0 {
            writeln!(text, "and {beside} more of {}", check.name)?;
        }
    }
    let end = if report.is_healthy() { "every invariant holds" } else { "not every invariant holds" };
    writeln!(text, "{}: {end}", printable(&report.database))?;
    Ok(text)
}

//! `provender limits`: the limits of a plugin call.

use serde::Serialize;

use super::answer::{Answer, Table};
use crate::configuration::Configuration;
use crate::sandbox::LIMITS;

#[derive(Serialize)]
struct LimitRow {
    name: &'static str,
    /// In force on this host.
    value: u64,
    default: u64,
    maximum: u64,
    unit: &'static str,
    covers: &'static str,
}

pub(super) fn run(configuration: &Configuration) -> anyhow::Result<Answer> {
    let values = configuration.limits()?;
    let rows = LIMITS.map(|limit| LimitRow {
        name: limit.word,
        value: values.get(limit.name),
        default: limit.default,
        maximum: limit.maximum,
        unit: limit.unit,
        covers: limit.covers,
    });
    let mut table = Table::new(&["limit", "here", "default", "maximum", "unit", "covers"]);
    for row in &rows {
        let numbers = [row.value, row.default, row.maximum].map(|number| number.to_string());
        let words = [row.unit.to_owned(), row.covers.to_owned()];
        table.row([row.name.to_owned()].into_iter().chain(numbers).chain(words));
    }
    Answer::new(
        &rows,
        format!(
            "{table}\nSet them in the configuration under [limits], or for one target by `--limit name=value`."
        ),
    )
}

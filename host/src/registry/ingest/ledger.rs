//! Which document is older: what is remembered of those that came, and the rule.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Content;

/// The state of a row of the Registry. Later ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    /// How often it changed.
    pub revision: u64,
    /// When it last changed.
    pub modified: Option<Timestamp>,
}

/// What the documents about one person said so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// By kind and id of the row.
    rows: BTreeMap<String, Row>,
    /// Names of the groups in the last one.
    groups: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    version: Version,
    /// Whether a later document did not have it any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    gone: bool,
}

impl Ledger {
    /// A row that tells that a document is older than one that came before: it is there in an earlier state, or was gone
    /// by then. What only a membership tells apart is taken in the order it comes, since memberships carry no version.
    pub fn evidence_of_age<'a>(&self, content: &'a Content) -> Option<&'a str> {
        let older = |(row, version): &(&String, &Version)| {
            self.rows
                .get(*row)
                .is_some_and(|known| **version < known.version || known.gone && **version == known.version)
        };
        content.versions.iter().find(older).map(|(row, _)| row.as_str())
    }

    /// Notes a document that was stored.
    pub fn note(&mut self, content: &Content) {
        for (row, known) in &mut self.rows {
            known.gone = !content.versions.contains_key(row);
        }
        for (row, version) in &content.versions {
            self.rows.insert(row.clone(), Row { version: *version, gone: false });
        }
        self.groups.clone_from(&content.groups);
    }

    /// Notes a removal. It carries no versions; whoever comes back comes with the rows there were.
    pub fn note_removal(&mut self) {
        self.rows.values_mut().for_each(|row| row.gone = false);
        self.groups.clear();
    }

    /// Names of groups of the last document.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }
}

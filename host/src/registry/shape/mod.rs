//! What records are made of, so that validation and reconciliation walk them without knowing their fields.
//!
//! The fields themselves are listed once, in [`records`]; leaving one out does not compile. What is asked of single
//! types is in [`super::validate`], how metadata is filled in is in [`super::reconcile`].

mod leaf;
mod records;

use super::reconcile::{self, Stamp};
use super::record::Meta;
use super::validate::Report;
use crate::provisioning::Reach;

/// Longest list of parts in a record.
pub(crate) const MAX_PARTS: usize = 1_000;

/// Anything that a record holds.
pub(crate) trait Field {
    /// Removes what only stands for "no value".
    fn tidy(&mut self) {}

    /// Reports what cannot be stored.
    fn check(&self, _report: &mut Report) {}

    /// Whether it says the same as `old`, apart from metadata that the host keeps.
    fn same(&self, old: &Self) -> bool;

    /// Fills in the metadata of the parts in it, from `old` where they are known already.
    fn settle(&mut self, _old: Option<&Self>, _stamp: &mut Stamp<'_>) {}
}

/// A field with metadata of its own.
pub(crate) trait Part: Field + Clone {
    fn meta(&self) -> &Meta;
    fn meta_mut(&mut self) -> &mut Meta;

    /// Whether `other` is of the same type, affiliation, tag: what tells parts of a list apart when ids do not.
    fn same_key(&self, _other: &Self) -> bool {
        false
    }

    /// Whether it stays when a write leaves it out.
    fn outlives_omission(&self) -> bool {
        false
    }
}

/// A record as a whole.
pub(crate) trait Document: Part + Default {
    /// All fields, as if all had changed.
    const FIELDS: &'static [ChangedPart];

    /// The fields that differ.
    fn changed_parts(&self, old: &Self) -> Vec<ChangedPart>;
}

/// A field of a record that a write changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangedPart {
    /// As in JSON.
    pub name: &'static str,
    /// Whom that concerns beside the record.
    pub reach: Reach,
}

impl Field for Meta {
    fn tidy(&mut self) {
        self.source.tidy();
    }

    fn check(&self, report: &mut Report) {
        if !self.id.is_empty() {
            report.within("id", |report| report.id(&self.id));
        }
        report.within("source", |report| self.source.check(report));
    }

    /// A part that gives no id leaves it to the host.
    fn same(&self, old: &Self) -> bool {
        (self.id.is_empty() || self.id == old.id) && self.source == old.source
    }
}

impl<P: Part> Field for Vec<P> {
    fn tidy(&mut self) {
        self.iter_mut().for_each(P::tidy);
    }

    fn check(&self, report: &mut Report) {
        report.count(self.len(), MAX_PARTS);
        report.unique(self.iter().map(|part| part.meta().id.as_str()), "id");
        for (index, part) in self.iter().enumerate().take(MAX_PARTS) {
            report.at(index, |report| part.check(report));
        }
    }

    fn same(&self, old: &Self) -> bool {
        self.len() == old.len() && self.iter().zip(old).all(|(part, old)| part.same(old))
    }

    fn settle(&mut self, old: Option<&Self>, stamp: &mut Stamp<'_>) {
        reconcile::settle_list(self, old.map_or(&[], Vec::as_slice), stamp);
    }
}

#[cfg(test)]
mod tests;

//! What a write changes: the new record with its metadata filled in, and the names of the parts that differ.
//!
//! Time and ids come from the caller, so that the same input always gives the same result.

use jiff::Timestamp;

use super::record::{Membership, Meta, Record};
use super::shape::{Document, Part};

pub use super::shape::ChangedPart;

/// When a write happens, and where ids of new parts come from.
pub struct Stamp<'a> {
    /// Becomes `created` and `modified` of what changes.
    pub at: Timestamp,
    /// Gives an id that no part has yet.
    pub new_id: &'a mut dyn FnMut() -> String,
}

/// A record as it is to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconciled {
    /// The new record with all metadata.
    pub record: Record,
    /// The changed parts; empty when nothing changed. For a record that did not exist: the parts that hold something.
    pub parts: Vec<ChangedPart>,
}

/// Compares a record with the stored one and fills in its metadata.
///
/// A part keeps the metadata of the stored part with its id; one without an id that of an equal part, else of the only
/// one of its type. `created`, `modified` and `revision` of the input count for nothing. Identifiers that a plugin wrote
/// back stay when the input leaves them out.
pub fn reconcile(id: &str, old: Option<&Record>, new: Record, stamp: &mut Stamp<'_>) -> Reconciled {
    macro_rules! settled {
        ($kind:ident, $new:ident) => {{
            let old = if let Some(Record::$kind(old)) = old { Some(&**old) } else { None };
            let parts = settle_document(id, old, &mut *$new, stamp);
            Reconciled { record: Record::$kind($new), parts }
        }};
    }
    match new {
        Record::Person(mut new) => settled!(Person, new),
        Record::Group(mut new) => settled!(Group, new),
        Record::EmailList(mut new) => settled!(EmailList, new),
        Record::Service(mut new) => settled!(Service, new),
        Record::Department(mut new) => settled!(Department, new),
    }
}

/// Compares a membership with the stored one, fills in its metadata and tells whether it differs.
pub fn reconcile_membership(
    old: Option<&Membership>,
    mut new: Membership,
    stamp: &mut Stamp<'_>,
) -> (Membership, bool) {
    settle_part(&mut new, old, stamp);
    let changed = old != Some(&new);
    (new, changed)
}

fn settle_document<D: Document>(
    id: &str,
    old: Option<&D>,
    new: &mut D,
    stamp: &mut Stamp<'_>,
) -> Vec<ChangedPart> {
    id.clone_into(&mut new.meta_mut().id);
    settle_part(new, old, stamp);
    match old {
        Some(old) => new.changed_parts(old),
        None => new.changed_parts(&D::default()),
    }
}

fn settle_part<P: Part>(part: &mut P, old: Option<&P>, stamp: &mut Stamp<'_>) {
    part.settle(old, stamp);
    let meta = match old {
        Some(old) if part.same(old) => old.meta().clone(),
        Some(old) => Meta {
            id: old.meta().id.clone(),
            created: old.meta().created,
            modified: stamp.at,
            revision: old.meta().revision.saturating_add(1),
            source: part.meta_mut().source.take(),
        },
        None => {
            let mut id = std::mem::take(&mut part.meta_mut().id);
            if id.is_empty() {
                id = (stamp.new_id)();
            }
            let source = part.meta_mut().source.take();
            Meta { id, created: stamp.at, modified: stamp.at, revision: 0, source }
        }
    };
    *part.meta_mut() = meta;
}

/// Fills in the metadata of the parts of a list, and appends those of `old` that outlive their omission.
pub(super) fn settle_list<P: Part>(parts: &mut Vec<P>, old: &[P], stamp: &mut Stamp<'_>) {
    let Matching { of, taken } = Matching::of(parts, old);
    for (part, of) in parts.iter_mut().zip(of) {
        settle_part(part, of.and_then(|index| old.get(index)), stamp);
    }
    let omitted = old.iter().zip(taken).filter(|(_, taken)| !taken);
    parts.extend(omitted.filter(|(part, _)| part.outlives_omission()).map(|(part, _)| part.clone()));
}

/// Which stored part each new part stands for.
struct Matching {
    /// By new part: the index of the stored one.
    of: Vec<Option<usize>>,
    /// By stored part: whether a new one stands for it.
    taken: Vec<bool>,
}

impl Matching {
    fn of<P: Part>(new: &[P], old: &[P]) -> Self {
        let mut matching = Self { of: vec![None; new.len()], taken: vec![false; old.len()] };
        let unnamed = |part: &P| part.meta().id.is_empty();
        matching.pair(new, old, |part, old| !unnamed(part) && part.meta().id == old.meta().id);
        matching.pair(new, old, |part, old| unnamed(part) && part.same(old));
        matching.pair_by_key(new, old);
        matching
    }

    /// Gives each new part the first stored one that fits. The one at the same place is tried first: lists rarely change
    /// their order.
    fn pair<P>(&mut self, new: &[P], old: &[P], fits: impl Fn(&P, &P) -> bool) {
        for (index, (part, of)) in new.iter().zip(&mut self.of).enumerate() {
            if of.is_some() {
                continue;
            }
            let free = |at: &usize| self.taken.get(*at) == Some(&false);
            let here = Some(index).filter(|at| free(at) && old.get(*at).is_some_and(|old| fits(part, old)));
            let found =
                here.or_else(|| old.iter().enumerate().position(|(at, old)| free(&at) && fits(part, old)));
            if let Some(taken) = found.and_then(|at| self.taken.get_mut(at)) {
                *taken = true;
                *of = found;
            }
        }
    }

    /// Pairs what is left, where there is only one of a type on both sides.
    fn pair_by_key<P: Part>(&mut self, new: &[P], old: &[P]) {
        let open: Vec<bool> =
            new.iter().zip(&self.of).map(|(part, of)| of.is_none() && part.meta().id.is_empty()).collect();
        for (part, (of, _)) in new.iter().zip(self.of.iter_mut().zip(&open)).filter(|(_, (_, open))| **open) {
            let rivals = new.iter().zip(&open).filter(|(other, open)| **open && part.same_key(other)).count();
            let mut candidates = old
                .iter()
                .zip(&mut self.taken)
                .enumerate()
                .filter(|(_, (old, taken))| !**taken && part.same_key(old) && !old.outlives_omission());
            if let (1, Some((at, (_, taken))), None) = (rivals, candidates.next(), candidates.next()) {
                *taken = true;
                *of = Some(at);
            }
        }
    }
}

#[cfg(test)]
mod tests;

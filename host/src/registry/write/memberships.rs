//! The memberships that a batch of writes looks at, and what becomes of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::registry::reconcile::{Stamp, reconcile_membership};
use crate::registry::record::Membership;

/// Memberships of the people of a batch, by person and group.
#[derive(Default)]
pub(super) struct Memberships {
    by_person: HashMap<String, BTreeMap<String, Membership>>,
    /// What the store is still to be told, by group and person; none removes.
    pending: BTreeMap<(String, String), Option<Membership>>,
    /// Groups in which something changed.
    changed: BTreeSet<String>,
}

impl Memberships {
    pub(super) fn load(stored: Vec<Membership>) -> Self {
        let mut memberships = Self::default();
        for membership in stored {
            memberships.remember(membership);
        }
        memberships
    }

    /// Adds what the store has of more people.
    pub(super) fn add(&mut self, stored: Vec<Membership>) {
        stored.into_iter().for_each(|membership| self.remember(membership));
    }

    fn remember(&mut self, membership: Membership) {
        self.by_person
            .entry(membership.person.clone())
            .or_default()
            .insert(membership.group.clone(), membership);
    }

    pub(super) fn get(&self, group: &str, person: &str) -> Option<&Membership> {
        self.by_person.get(person)?.get(group)
    }

    /// Groups of a person.
    pub(super) fn groups_of(&self, person: &str) -> Vec<String> {
        self.by_person.get(person).map(|groups| groups.keys().cloned().collect()).unwrap_or_default()
    }

    /// Everything of a person.
    pub(super) fn of(&self, person: &str) -> Vec<Membership> {
        self.by_person.get(person).map(|groups| groups.values().cloned().collect()).unwrap_or_default()
    }

    /// Stores a membership and tells whether it differs from what was there.
    pub(super) fn put(&mut self, membership: Membership, stamp: &mut Stamp<'_>) -> bool {
        let old = self.get(&membership.group, &membership.person);
        let (membership, changed) = reconcile_membership(old, membership, stamp);
        if changed {
            let key = (membership.group.clone(), membership.person.clone());
            self.changed.insert(membership.group.clone());
            self.pending.insert(key, Some(membership.clone()));
            self.remember(membership);
        }
        changed
    }

    /// Removes a membership and tells whether there was one.
    pub(super) fn remove(&mut self, group: &str, person: &str) -> bool {
        let removed = self.by_person.get_mut(person).and_then(|groups| groups.remove(group)).is_some();
        if removed {
            self.changed.insert(group.to_owned());
            self.pending.insert((group.to_owned(), person.to_owned()), None);
        }
        removed
    }

    /// Forgets what the store removed with a person.
    pub(super) fn forget_person(&mut self, person: &str) {
        self.by_person.remove(person);
    }

    /// Forgets what the store removed with a group.
    pub(super) fn forget_group(&mut self, group: &str) {
        for groups in self.by_person.values_mut() {
            groups.remove(group);
        }
    }

    /// Notes that time changed what is valid in a group.
    pub(super) fn mark_changed(&mut self, group: &str) {
        self.changed.insert(group.to_owned());
    }

    /// Groups in which something changed since this was asked last.
    pub(super) fn take_changed(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.changed)
    }

    /// What the store is to be told: memberships to store, and (group, person) of those to remove.
    pub(super) fn take_pending(&mut self) -> (Vec<Membership>, Vec<(String, String)>) {
        let (mut put, mut removed) = (Vec::new(), Vec::new());
        for (key, membership) in std::mem::take(&mut self.pending) {
            match membership {
                Some(membership) => put.push(membership),
                None => removed.push(key),
            }
        }
        (put, removed)
    }
}

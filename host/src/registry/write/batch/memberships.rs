//! Writes to memberships, one at a time or all of a person's.

use std::collections::HashSet;

use uuid::Uuid;

use super::{Batch, group, not_found, person, written};
use crate::registry::history::Operation;
use crate::registry::reconcile::Stamp;
use crate::registry::record::{Membership, SubjectKey};
use crate::registry::validate::InvalidRecord;
use crate::registry::write::request::UnknownGroups;
use crate::registry::write::{WriteError, Written};

impl Batch<'_, '_> {
    pub(super) fn put_membership(
        &mut self,
        membership: Membership,
    ) -> Result<(Option<usize>, Written), WriteError> {
        let (of, member) = (group(&membership.group), person(&membership.person));
        if let Some(missing) = [&of, &member].into_iter().find(|key| self.live(key).is_none()) {
            return Err(not_found(missing));
        }
        let membership = self.accept_membership(membership)?;
        let existed = self.memberships.get(&of.id, &member.id).is_some();
        let changed = self.put_in_memory(membership);
        let operation = match (changed, existed) {
            (false, _) => None,
            (true, true) => Some(Operation::Updated),
            (true, false) => Some(Operation::Created),
        };
        let change = changed.then(|| self.note_membership(&of.id, &member));
        let membership = self.memberships.get(&of.id, &member.id).cloned();
        Ok((change, Written { membership, ..written(member, operation) }))
    }

    pub(super) fn delete_membership(
        &mut self,
        of: &str,
        member: &str,
        again: bool,
    ) -> Result<(Option<usize>, Written), WriteError> {
        let key = person(member);
        self.refuse_removal_of_membership(of, member)?;
        if self.memberships.remove(of, member) {
            let change = self.note_membership(of, &key);
            return Ok((Some(change), written(key, Some(Operation::Deleted))));
        }
        let known = |key: &SubjectKey| self.records.get(key).is_some_and(|entry| entry.known);
        if again && known(&key) && known(&group(of)) {
            return Ok((None, written(key, None)));
        }
        Err(WriteError::NotFound { kind: "membership", id: format!("{of}/{member}") })
    }

    /// Groups of a person's new memberships that do not exist; refused if that is asked for.
    pub(super) fn unknown_groups(
        &self,
        memberships: &[Membership],
        unknown_groups: UnknownGroups,
    ) -> Result<HashSet<String>, InvalidRecord> {
        let mut seen = HashSet::new();
        let mut unknown = HashSet::new();
        for (index, membership) in memberships.iter().enumerate() {
            let key = group(&membership.group);
            let problem = |message| Err(InvalidRecord::new(format!("/memberships/{index}/group"), message));
            if !seen.insert(&membership.group) {
                return problem(format!("there are two memberships in group \"{}\"", membership.group));
            }
            if self.live(&key).is_none() {
                if unknown_groups == UnknownGroups::Refuse {
                    let advice = "create it first, or have the import create or skip it";
                    return problem(format!("{}: {advice}", not_found(&key)));
                }
                unknown.insert(key.id);
            }
        }
        Ok(unknown)
    }

    /// Makes these all the memberships of a person, and returns the groups where something changed.
    pub(super) fn replace_memberships(&mut self, member: &str, memberships: Vec<Membership>) -> Vec<String> {
        let mut left: Vec<String> = self.memberships.groups_of(member);
        left.retain(|group| !memberships.iter().any(|membership| membership.group == *group));
        left.retain(|group| !self.is_kept(group, member));
        left.retain(|group| self.memberships.remove(group, member));
        let mut moved = left;
        for membership in memberships {
            let group = membership.group.clone();
            if self.put_in_memory(membership) {
                moved.push(group);
            }
        }
        moved
    }

    pub(super) fn put_in_memory(&mut self, membership: Membership) -> bool {
        let mut new_id = || Uuid::now_v7().to_string();
        self.memberships.put(membership, &mut Stamp { at: self.at, new_id: &mut new_id })
    }
}

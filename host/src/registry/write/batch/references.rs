//! What a write refers to, and what refers to what it is about to change.

use super::Batch;
use crate::registry::record::{Group, GroupType, Record, Status, SubjectKey};
use crate::registry::validate::{InvalidRecord, MAX_PROBLEMS, Problem};
use crate::registry::write::WriteError;
use crate::registry::write::request::UnknownGroups;

impl Batch<'_, '_> {
    /// Sees to it that the entries of the collaboration are there that a record refers to. What the stored record names
    /// may stay.
    pub(super) fn know_references(
        &mut self,
        key: &SubjectKey,
        record: &Record,
        unknown_groups: UnknownGroups,
    ) -> Result<(), InvalidRecord> {
        let mut problems = Vec::new();
        for (pointer, reference, id) in record.references() {
            let is_named = |stored: &Record| reference.is_in(stored, id);
            if reference.is_there(&self.collaboration, id) || self.live(key).is_some_and(is_named) {
                continue;
            }
            if unknown_groups == UnknownGroups::Create {
                reference.create(&mut self.collaboration, id);
                self.new_entries = true;
            } else if problems.len() < MAX_PROBLEMS {
                problems.push(Problem::new(pointer, reference.missing(id)));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(InvalidRecord { problems }) }
    }

    /// Keeps all people from being removed from a target at once because of its provisioning group: that is not deleted,
    /// and suspended only by who says so. `after` is none when it is about to be deleted.
    pub(super) async fn keep_provisioning_group(
        &mut self,
        key: &SubjectKey,
        after: Option<&Record>,
    ) -> Result<(), WriteError> {
        let Some(Record::Group(before)) = self.live(key) else { return Ok(()) };
        if let Some(Record::Group(after)) = after
            && (self.options.deprovision || shows_members(after) || !shows_members(before))
        {
            return Ok(());
        }
        let mut targets = Vec::new();
        for target in self.transaction.targets(&self.co).await? {
            if target.provisioning_group.as_ref() == Some(&key.id) {
                let people = self.transaction.people_held(&self.co, &target.id).await?;
                targets.push((target.id, people));
            }
        }
        match targets.is_empty() {
            true => Ok(()),
            false => Err(WriteError::ProvisioningGroup {
                group: key.id.clone(),
                targets,
                deleted: after.is_none(),
            }),
        }
    }
}

/// Whether members of a group count as such for provisioning.
fn shows_members(group: &Group) -> bool {
    group.status == Status::Active || group.group_type == GroupType::AllMembers
}

//! Writes to the nesting of groups, and what writes to groups mean for it.

use super::{Batch, group, not_found, written};
use crate::provisioning::{Action, WriteEffect};
use crate::registry::automatic;
use crate::registry::history::Operation;
use crate::registry::nesting::way;
use crate::registry::reconcile::ChangedPart;
use crate::registry::record::{GroupNesting, Record, RecordKind, Status, SubjectKey};
use crate::registry::validate::InvalidRecord;
use crate::registry::write::{WriteError, Written};
use crate::store::StoreError;

impl Batch<'_, '_> {
    pub(super) async fn nest(
        &mut self,
        nesting: GroupNesting,
    ) -> Result<(Option<usize>, Written), WriteError> {
        let (target, source) = (group(&nesting.group), group(&nesting.source));
        if let Some(missing) = [&target, &source].into_iter().find(|key| self.live(key).is_none()) {
            return Err(not_found(missing));
        }
        if automatic::keeps_members(&self.collaboration, &target.id) {
            let what = format!("the membership of group \"{}\"", target.id);
            let why = "follows from the status of people and their roles: nest in another group".to_owned();
            return Err(WriteError::Kept { what, why });
        }
        self.refuse_cycle(&nesting).await?;
        let stored = self.nesting(&nesting.group, &nesting.source).await?;
        let operation = match &stored {
            Some(stored) if *stored == nesting => None,
            Some(_) => Some(Operation::Updated),
            None => Some(Operation::Created),
        };
        let mut change = None;
        if operation.is_some() {
            self.transaction.put_nesting(&self.co, &nesting).await?;
            change = Some(self.note_rule(&target));
        }
        Ok((change, Written { nesting: Some(nesting), ..written(target, operation) }))
    }

    pub(super) async fn unnest(
        &mut self,
        of: &str,
        source: &str,
    ) -> Result<(Option<usize>, Written), WriteError> {
        if !self.transaction.delete_nesting(&self.co, of, source).await? {
            return Err(WriteError::NotFound { kind: "nesting", id: format!("{of}/{source}") });
        }
        let target = group(of);
        let change = self.note_rule(&target);
        Ok((Some(change), written(target, Some(Operation::Deleted))))
    }

    async fn nesting(&mut self, of: &str, source: &str) -> Result<Option<GroupNesting>, StoreError> {
        let nestings = self.transaction.nestings_of_groups(&self.co, &[of.to_owned()]).await?;
        Ok(nestings.into_iter().find(|nesting| nesting.source == source))
    }

    async fn refuse_cycle(&mut self, nesting: &GroupNesting) -> Result<(), WriteError> {
        let GroupNesting { group, source, .. } = nesting;
        if group == source {
            return Err(InvalidRecord::new("/source", "a group cannot be nested in itself").into());
        }
        let mut above = Vec::new();
        let mut frontier = vec![group.clone()];
        let mut seen = std::collections::HashSet::from([group.clone()]);
        while !frontier.is_empty() {
            let nestings = self.transaction.nestings_of_sources(&self.co, &frontier).await?;
            let groups = nestings.iter().map(|nesting| nesting.group.clone());
            frontier = groups.filter(|group| seen.insert(group.clone())).collect();
            above.extend(nestings);
        }
        match way(&above, group, source) {
            Some(way) => {
                Err(WriteError::NestingCycle { group: group.clone(), source_group: source.clone(), way })
            }
            None => Ok(()),
        }
    }

    /// What is nested in a group changed: the history has it with the group.
    fn note_rule(&mut self, target: &SubjectKey) -> usize {
        self.unsettled.rules.insert(target.id.clone());
        let change = self.note(target, Operation::Updated, vec!["nestings".to_owned()]);
        let status = self.live(target).map(Record::status);
        let (subject, related) = (target.clone(), Vec::new());
        let effect =
            WriteEffect::Record { subject, before: status, after: status, related, intent: Action::Updated };
        self.effects.push((Some(change), effect));
        change
    }

    /// Notes what a write to a group means for those it is nested in, and for those nested in it.
    pub(super) fn note_nesting_change(
        &mut self,
        key: &SubjectKey,
        before: Option<Status>,
        after: Option<Status>,
        parts: &[ChangedPart],
    ) {
        if key.kind != RecordKind::Group || before.is_none() {
            return;
        }
        if (before == Some(Status::Active)) != (after == Some(Status::Active)) {
            self.unsettled.sources.insert(key.id.clone());
        }
        if parts.iter().any(|part| part.name == "nesting_mode") {
            self.unsettled.rules.insert(key.id.clone());
        }
    }

    /// Notes on the groups that a group is nested in that it is about to be deleted.
    pub(super) async fn note_nesting_deletion(&mut self, key: &SubjectKey) -> Result<(), StoreError> {
        if key.kind != RecordKind::Group {
            return Ok(());
        }
        let nestings = self.transaction.nestings_of_sources(&self.co, std::slice::from_ref(&key.id)).await?;
        self.load_more(nestings.iter().map(|nesting| group(&nesting.group))).await?;
        for nesting in nestings {
            self.note_rule(&group(&nesting.group));
        }
        Ok(())
    }
}

//! Brings a collaboration and the people that are there already in line with its automatic groups, a page at a time.

use super::time::by_the_host;
use super::{Batch, group, person};
use crate::clock::Clock;
use crate::registry::automatic;
use crate::registry::write::request::Needs;
use crate::registry::write::{Passed, WriteError};
use crate::store::Transaction;

/// People taken at once.
const PAGE: u32 = 250;

/// Creates what is missing of the automatic groups, and brings some people into those they belong to.
pub(in crate::registry::write) async fn settle_collaboration(
    transaction: &mut Transaction<'_>,
    co: &str,
    clock: &Clock,
) -> Result<Passed, WriteError> {
    let Some(behind) = transaction.unsettled_behind(co).await? else { return Ok(Passed::default()) };
    let people = transaction.people_behind(co, &behind, PAGE).await?;
    let mut needs = Needs::default();
    people.iter().for_each(|id| needs.record(&person(id)));
    let mut batch = Batch::load(transaction, co, needs, by_the_host(), false, clock).await?;
    let groups = automatic::groups(&batch.collaboration);
    if behind.is_empty() {
        batch.delete_groups_of_former_units().await?;
        batch.create_automatic_groups(groups.iter().map(|group| group.meta.id.clone()).collect()).await?;
    }
    batch.settle_automatic(&people).await?;
    batch.settle().await?;
    let more = people.len() == PAGE as usize && !groups.is_empty();
    let last = people.last().filter(|_| more);
    batch.transaction.set_unsettled_behind(co, last.map(String::as_str)).await?;
    let (_, planned) = batch.complete().await?;
    Ok(Passed { planned, more })
}

impl Batch<'_, '_> {
    /// The groups that were created for a unit go with it. Nobody has a role there any more. One that was made by hand, as
    /// if for a unit, stays as long as a target provisions its members.
    async fn delete_groups_of_former_units(&mut self) -> Result<(), WriteError> {
        let targets = self.transaction.targets(&self.co).await?;
        let is_needed =
            |id: &String| targets.iter().any(|target| target.provisioning_group.as_ref() == Some(id));
        let mut ids = self.transaction.group_ids_below(&self.co, "CO:COU:").await?;
        ids.retain(|id| automatic::is_of_former_unit(&self.collaboration, id) && !is_needed(id));
        self.load_more(ids.iter().map(|id| group(id))).await?;
        for id in ids {
            self.delete(group(&id), true).await?;
        }
        Ok(())
    }
}

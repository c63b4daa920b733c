//! What the passing of time brings about: whatever became valid or ceased to be so is noted, settled and planned like a
//! write, in one transaction with the note of when it is due next.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Batch, group, names_of, person};
use crate::clock::Clock;
use crate::provisioning::{Action, PlannedInvocation, WriteEffect, reaches_memberships};
use crate::registry::history::Operation;
use crate::registry::record::{Membership, Record};
use crate::registry::validity::{membership_turned, next_of_membership, next_of_record, turned_parts};
use crate::registry::write::request::Needs;
use crate::registry::write::{Passed, WriteError, WriteOptions};
use crate::store::{Due, Transaction};

/// People, and memberships, taken at once.
const PAGE: u32 = 250;

/// Who the history says it was.
pub(super) const SCHEDULE: &str = "schedule";

pub(super) fn by_the_host() -> WriteOptions {
    WriteOptions::by(SCHEDULE)
}

/// Takes some of what is due in a collaboration.
pub(in crate::registry::write) async fn pass_time(
    transaction: &mut Transaction<'_>,
    co: &str,
    clock: &Clock,
) -> Result<Passed, WriteError> {
    let now = clock.now();
    let due = transaction.due(co, now, PAGE).await?;
    let more = due.people.len().max(due.memberships.len()) == PAGE as usize;
    Ok(Passed { planned: pass(transaction, co, clock, now, due).await?, more })
}

/// Takes what is due of the people that a request is about, and in the groups that it deletes, so that it finds everything as
/// time has left it: what it writes without provisioning must not take the place of what is still to be provisioned.
pub(super) async fn pass_time_of(
    transaction: &mut Transaction<'_>,
    co: &str,
    needs: &Needs,
    clock: &Clock,
) -> Result<Vec<PlannedInvocation>, WriteError> {
    let people: Vec<String> = needs.people.iter().cloned().collect();
    let groups: Vec<String> = needs.deleted_groups.iter().cloned().collect();
    let now = clock.now();
    let due = match people.is_empty() && groups.is_empty() {
        true => Due::default(),
        false => transaction.due_of(co, now, &people, &groups).await?,
    };
    match due == Due::default() {
        true => Ok(Vec::new()),
        false => pass(transaction, co, clock, now, due).await,
    }
}

async fn pass(
    transaction: &mut Transaction<'_>,
    co: &str,
    clock: &Clock,
    now: Timestamp,
    Due { people, memberships }: Due,
) -> Result<Vec<PlannedInvocation>, WriteError> {
    let mut needs = Needs::default();
    for id in people.iter().map(|(id, _)| id).chain(memberships.iter().map(|(row, _)| &row.person)) {
        needs.record(&person(id));
    }
    memberships.iter().for_each(|(row, _)| needs.record(&group(&row.group)));
    let mut batch = Batch::load(transaction, co, needs, by_the_host(), false, clock).await?;
    // What is valid is told by the same instant as what is due.
    batch.at = now;
    for (id, due) in &people {
        batch.pass_person(id, *due).await?;
    }
    for (membership, due) in &memberships {
        batch.pass_membership(membership, *due);
    }
    batch.settle().await?;
    batch.flush().await?;
    for (id, _) in &people {
        let next = batch.live(&person(id)).and_then(|record| next_of_record(record, now));
        batch.transaction.set_person_due(co, id, next).await?;
    }
    for (membership, _) in &memberships {
        // One that is gone by now takes its instant with it.
        let next = next_of_membership(membership, now);
        batch.transaction.set_membership_due(co, membership, next).await?;
    }
    let (_, planned) = batch.complete().await?;
    Ok(planned)
}

/// From when on something that is due was not brought about. Of what was stored before the host kept track, it is only
/// known when it was written.
fn since(due: Timestamp, modified: Timestamp) -> Timestamp {
    if due == Timestamp::UNIX_EPOCH { modified } else { due - jiff::SignedDuration::from_micros(1) }
}

impl Batch<'_, '_> {
    async fn pass_person(&mut self, id: &str, due: Timestamp) -> Result<(), WriteError> {
        let key = person(id);
        let Some(Record::Person(stored)) = self.live(&key).cloned() else { return Ok(()) };
        let turned = turned_parts(&stored, since(due, stored.meta.modified), self.at);
        if turned.is_empty() {
            return Ok(());
        }
        let status = stored.status;
        let changed = self.store(&key, Record::Person(stored));
        let after = self.live(&key).map(Record::status);
        let mut parts: BTreeSet<String> = names_of(&changed.parts).into_iter().collect();
        parts.extend(turned.into_iter().map(str::to_owned));
        let parts: Vec<String> = parts.into_iter().collect();
        let related = match reaches_memberships(
            key.kind,
            Some(status),
            after,
            changed.parts.iter().map(|part| part.reach),
        ) {
            true => self.related(&key).await?,
            false => Vec::new(),
        };
        let change = self.note(&key, Operation::Updated, parts);
        let before = Some(status);
        let effect = WriteEffect::Record { subject: key, before, after, related, intent: Action::Updated };
        self.effects.push((Some(change), effect));
        Ok(())
    }

    fn pass_membership(&mut self, membership: &Membership, due: Timestamp) {
        let Membership { group, person: member, meta, .. } = membership;
        if !membership_turned(membership, since(due, meta.modified), self.at) {
            return;
        }
        self.memberships.mark_changed(group);
        self.note_moves(member, std::slice::from_ref(group));
    }
}

//! Stores what a COmanage Registry delivers: in the order of its own history, and as often as it likes.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::batch::Batch;
use super::request::{Needs, Step, UnknownGroups, accept};
use super::{Registry, WriteError, WriteOptions, Written};
use crate::clock::Clock;
use crate::provisioning::PlannedInvocation;
use crate::registry::history::Operation;
use crate::registry::ingest::{Content, Delivery, Ledger, group_id, group_named};
use crate::registry::record::{Membership, Meta, Record, RecordKind, SubjectKey};
use crate::store::{StoreError, Transaction};

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub enum Ingested {
    /// It is stored.
    Stored {
        /// What was done to the person; none when the person was so already.
        operation: Option<Operation>,
        /// Number of the last change in the history; none when nothing changed.
        change: Option<i64>,
        /// What follows, in the order it is to run.
        planned: Vec<PlannedInvocation>,
    },
    /// It is older than what came before, and left out.
    Stale {
        /// The Registry's row that tells so, by kind and id.
        row: String,
    },
}

impl Registry {
    /// Stores a delivery, with the groups and units it names, or leaves it out.
    pub async fn ingest(
        &self,
        co: &str,
        delivery: Delivery,
        options: &WriteOptions,
    ) -> Result<Ingested, WriteError> {
        let (co, options, clock) = (co.to_owned(), options.clone(), self.clock.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    if transaction.collaboration(&co).await?.is_none() {
                        return Err(WriteError::UnknownCollaboration(co));
                    }
                    ingest(transaction, &co, delivery, options, &clock).await
                })
            })
            .await
    }
}

async fn ingest(
    transaction: &mut Transaction<'_>,
    co: &str,
    delivery: Delivery,
    options: WriteOptions,
    clock: &Clock,
) -> Result<Ingested, WriteError> {
    let mut ledger = transaction.delivery_ledger(co, &delivery.id).await?.unwrap_or_default();
    let before = ledger.clone();
    let person = SubjectKey { kind: RecordKind::Person, id: delivery.id };
    let steps = match delivery.content {
        None => {
            ledger.note_removal();
            // Whoever never was here need not be removed.
            match transaction.record(co, &person).await? {
                Some(_) => vec![Step::Delete { key: person.clone(), again: true }],
                None => Vec::new(),
            }
        }
        Some(content) => {
            if let Some(row) = ledger.evidence_of_age(&content) {
                return Ok(Ingested::Stale { row: row.to_owned() });
            }
            ledger.note(&content);
            steps(transaction, co, &person, content, &before).await?
        }
    };
    let ingested = carry_out(transaction, co, steps, options, &person, clock).await?;
    if ledger != before {
        transaction.put_delivery_ledger(co, &person.id, &ledger).await?;
    }
    Ok(ingested)
}

/// The writes that make the registry say what a document says. Memberships that no document spoke of stay.
async fn steps(
    transaction: &mut Transaction<'_>,
    co: &str,
    key: &SubjectKey,
    content: Content,
    before: &Ledger,
) -> Result<Vec<Step>, WriteError> {
    let groups: BTreeMap<String, String> =
        content.groups.iter().map(|name| (group_id(name), name.clone())).collect();
    let ids: Vec<String> = groups.keys().cloned().collect();
    let known = living(transaction, co, &ids).await?;
    let mut steps = Vec::new();
    for name in groups.iter().filter(|(id, _)| !known.contains(*id)).map(|(_, name)| name) {
        let record = Record::Group(Box::new(group_named(name)));
        steps.push(Step::put(record.key(), record)?);
    }
    let stored = match transaction.record(co, key).await? {
        Some(stored) if stored.deleted.is_none() => match stored.record {
            Record::Person(person) => Some(*person),
            _ => None,
        },
        _ => None,
    };
    let record = accept(key, Record::Person(Box::new(content.merged_into(stored))))?;
    let unknown_groups = UnknownGroups::Create;
    steps.push(Step::Put { key: key.clone(), record, memberships: None, unknown_groups });
    let member_of: HashSet<String> = transaction
        .memberships_of_people(co, std::slice::from_ref(&key.id))
        .await?
        .into_iter()
        .map(|membership| membership.group)
        .collect();
    for group in ids.iter().filter(|id| !member_of.contains(*id)) {
        steps.push(Step::put_membership(membership(group, &key.id))?);
    }
    let left: BTreeSet<String> = before.groups().iter().map(|name| group_id(name)).collect();
    for group in left.into_iter().filter(|id| !groups.contains_key(id) && member_of.contains(id)) {
        steps.push(Step::DeleteMembership { group, person: key.id.clone(), again: true });
    }
    Ok(steps)
}

async fn living(
    transaction: &mut Transaction<'_>,
    co: &str,
    groups: &[String],
) -> Result<HashSet<String>, StoreError> {
    let stored = transaction.records_by_id(co, RecordKind::Group, groups).await?;
    Ok(stored.into_iter().filter(|group| group.deleted.is_none()).map(|group| group.key.id).collect())
}

fn membership(group: &str, person: &str) -> Membership {
    Membership {
        meta: Meta::default(),
        group: group.to_owned(),
        person: person.to_owned(),
        member: true,
        owner: false,
        valid_from: None,
        valid_through: None,
        nested_from: None,
    }
}

/// Carries out all of the writes, or none.
async fn carry_out(
    transaction: &mut Transaction<'_>,
    co: &str,
    steps: Vec<Step>,
    options: WriteOptions,
    person: &SubjectKey,
    clock: &Clock,
) -> Result<Ingested, WriteError> {
    let needs = Needs::of(steps.iter());
    let mut batch = Batch::begin(transaction, co, needs, options, false, clock).await?;
    for step in steps {
        batch.apply(Ok(step)).await?;
    }
    let written: Vec<Written> = batch.finish().await?.into_iter().collect::<Result<_, _>>()?;
    // The write of the person comes before those of memberships, and a membership that is new or gone changes the person.
    let mut of_person = written.iter().filter(|written| written.subject == *person);
    let own = of_person.next().and_then(|written| written.operation);
    let moved = || of_person.find_map(|written| written.operation).map(|_| Operation::Updated);
    let operation = own.or_else(moved);
    let change = written.iter().filter_map(|written| written.change).max();
    let mut planned: Vec<PlannedInvocation> =
        written.into_iter().flat_map(|written| written.planned).collect();
    planned.sort_by_key(|invocation| invocation.id);
    Ok(Ingested::Stored { operation, change, planned })
}

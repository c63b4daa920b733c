//! The one way into the registry: a write is stored, noted in the history and planned for provisioning in one
//! transaction, or not at all.

mod batch;
mod collaboration;
mod ingest;
mod memberships;
mod request;

use super::history::Operation;
use super::record::{GroupNesting, Membership, Record, RecordKind, SubjectKey};
use super::validate::InvalidRecord;
use crate::clock::Clock;
use crate::provisioning::{PlannedInvocation, RegisteredJob};
use crate::store::{Store, StoreError};
use batch::Batch;
use request::{Needs, Step};

pub use ingest::Ingested;
pub use request::{ImportItem, OnError, UnknownGroups};

/// Who writes, and whether it is to be provisioned.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// Appears in the history.
    pub actor: String,
    /// Whether targets are told. The history notes the change either way.
    pub provision: bool,
    /// Whether it is the last write of a pipeline: then the person is provisioned for that, with all the person's groups,
    /// even if the write itself changes nothing.
    pub pipeline: bool,
    /// Whether a provisioning group may be suspended, so that its targets remove everybody.
    pub deprovision: bool,
}

impl WriteOptions {
    /// An ordinary write, which is provisioned.
    pub fn by(actor: impl Into<String>) -> Self {
        Self { actor: actor.into(), provision: true, pipeline: false, deprovision: false }
    }
}

/// What a write came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The record; for a membership its person.
    pub subject: SubjectKey,
    /// What was done to the record or membership; none when it was so already.
    pub operation: Option<Operation>,
    /// Number in the change history; none when nothing changed.
    pub change: Option<i64>,
    /// The record as stored; none when it was deleted, for a membership, and in an import.
    pub record: Option<Record>,
    /// The membership as stored; none when it was removed, and for a record.
    pub membership: Option<Membership>,
    /// The nesting as stored; none when it was removed, and for everything else.
    pub nesting: Option<GroupNesting>,
    /// What follows, in the order it is to run. In an import, work that follows from several lines is with the last.
    pub planned: Vec<PlannedInvocation>,
    /// Jobs that were registered for it, also superseded ones.
    pub queued: Vec<RegisteredJob>,
}

/// What the host brought about by itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Passed {
    /// What follows, in the order it is to run.
    pub planned: Vec<PlannedInvocation>,
    /// Whether there is more to be done at once.
    pub more: bool,
}

/// Why a write was refused. A refused write leaves nothing behind.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The record or membership cannot be stored as it is.
    #[error(transparent)]
    InvalidRecord(#[from] InvalidRecord),
    /// There is no such collaboration.
    #[error("there is no collaboration \"{0}\": create it first")]
    UnknownCollaboration(String),
    /// What the write is about does not exist.
    #[error("there is no {kind} \"{id}\" in this collaboration")]
    NotFound {
        /// "person", "group", "email list", "service", "department", "membership".
        kind: &'static str,
        /// Its id; group and person of a membership, separated by a slash.
        id: String,
    },
    /// The record is no longer what the write was based on.
    #[error("the record has revision {revision} by now: read it again and repeat the change")]
    Superseded {
        /// The revision it has.
        revision: u64,
    },
    /// The host decides what was to be written.
    #[error("{what} {why}")]
    Kept {
        /// "the membership of \"42\" in group \"staff\"".
        what: String,
        /// What it follows from, and what helps.
        why: String,
    },
    /// A group would be nested in itself.
    #[error("group \"{source_group}\" cannot be nested in \"{group}\", which is nested in it: {}", way.join(" in "))]
    NestingCycle {
        group: String,
        source_group: String,
        /// From `group` to `source_group`, each nested in the next.
        way: Vec<String>,
    },
    /// All people would be removed from targets at once.
    #[error(
        "group \"{group}\" is the provisioning group of {}: {}",
        holding(targets),
        way_out(*deleted)
    )]
    ProvisioningGroup {
        group: String,
        /// `id` of the targets, with the number of people that each holds.
        targets: Vec<(String, u64)>,
        /// Whether the group was to be deleted; else it was to be suspended.
        deleted: bool,
    },
    /// An entry of the collaboration is to be removed, and something refers to it.
    #[error("{by} refers to the {kind} \"{id}\": change that first")]
    InUse {
        /// "unit", "org identity source", "terms and conditions".
        kind: &'static str,
        /// Its id.
        id: String,
        /// Kind and id of a record or target.
        by: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// People, groups, memberships, lists and services of all collaborations.
#[derive(Clone, Debug)]
pub struct Registry {
    store: Store,
    clock: Clock,
}

impl Registry {
    /// The registry in a store.
    pub fn new(store: Store) -> Self {
        Self::with_clock(store, Clock::default())
    }

    /// The registry in a store, at a time that a clock tells.
    pub fn with_clock(store: Store, clock: Clock) -> Self {
        Self { store, clock }
    }

    /// Creates a record or replaces it as a whole.
    pub async fn put(
        &self,
        co: &str,
        key: SubjectKey,
        record: Record,
        options: &WriteOptions,
    ) -> Result<Written, WriteError> {
        self.one(co, Step::put(key, record)?, options).await
    }

    /// Changes an existing record: what `change` makes of the stored one takes its place.
    pub async fn update(
        &self,
        co: &str,
        key: SubjectKey,
        change: impl FnOnce(Record) -> Result<Record, WriteError> + Send + 'static,
        options: &WriteOptions,
    ) -> Result<Written, WriteError> {
        self.one(co, Step::Change { key, change: Box::new(change) }, options).await
    }

    /// Deletes a record with its memberships.
    pub async fn delete(
        &self,
        co: &str,
        key: &SubjectKey,
        options: &WriteOptions,
    ) -> Result<Written, WriteError> {
        self.one(co, Step::Delete { key: key.clone(), again: false }, options).await
    }

    /// Tells the targets that a person's enrollment has come to its end; the person must exist.
    pub async fn finalize_enrollment(
        &self,
        co: &str,
        person: &str,
        options: &WriteOptions,
    ) -> Result<Written, WriteError> {
        let key = SubjectKey { kind: RecordKind::Person, id: person.to_owned() };
        self.one(co, Step::FinalizeEnrollment(key), options).await
    }

    /// Creates a membership or replaces it. Person and group must exist.
    pub async fn put_membership(
        &self,
        co: &str,
        membership: Membership,
        options: &WriteOptions,
    ) -> Result<Written, WriteError> {
        self.one(co, Step::put_membership(membership)?, options).await
    }

    /// Removes a membership.
    pub async fn delete_membership(
        &self,
        co: &str,
        group: &str,
        person: &str,
        options: &WriteOptions,
    ) -> Result<Written, WriteError> {
        let (group, person) = (group.to_owned(), person.to_owned());
        self.one(co, Step::DeleteMembership { group, person, again: false }, options).await
    }

    /// Nests a group in another, or changes how. Both must exist, and no group may come to be nested in itself.
    pub async fn nest(
        &self,
        co: &str,
        nesting: GroupNesting,
        options: &WriteOptions,
    ) -> Result<Written, WriteError> {
        self.one(co, Step::Nest(nesting), options).await
    }

    /// Takes a group out of another that it is nested in.
    pub async fn unnest(
        &self,
        co: &str,
        group: &str,
        source: &str,
        options: &WriteOptions,
    ) -> Result<Written, WriteError> {
        let (group, source) = (group.to_owned(), source.to_owned());
        self.one(co, Step::Unnest { group, source }, options).await
    }

    /// Brings about what follows from the passing of time, some of what is due at once; tells what was planned for
    /// provisioning, and whether more is due.
    pub async fn pass_time(&self, co: &str) -> Result<Passed, WriteError> {
        let (co, clock) = (co.to_owned(), self.clock.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move { batch::pass_time(transaction, &co, &clock).await })
            })
            .await
    }

    /// Creates the automatic groups of a collaboration that are missing, and brings some of its people into them; tells
    /// what was planned for provisioning, and whether more are waiting.
    pub async fn settle_collaboration(&self, co: &str) -> Result<Passed, WriteError> {
        let (co, clock) = (co.to_owned(), self.clock.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move { batch::settle_collaboration(transaction, &co, &clock).await })
            })
            .await
    }

    /// Carries out many writes in one transaction, in order. An item that is refused harms no other; after the first of
    /// them, [`OnError::Stop`] ends the list of results.
    pub async fn import(
        &self,
        co: &str,
        items: Vec<ImportItem>,
        on_error: OnError,
        options: &WriteOptions,
    ) -> Result<Vec<Result<Written, WriteError>>, WriteError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        // Outside the transaction, which keeps other writers waiting.
        let steps = items.into_iter().map(Step::try_from).collect();
        self.run(co, steps, on_error, false, options).await
    }

    async fn one(&self, co: &str, step: Step, options: &WriteOptions) -> Result<Written, WriteError> {
        only(self.run(co, vec![Ok(step)], OnError::Continue, true, options).await?)
    }

    async fn run(
        &self,
        co: &str,
        steps: Vec<Result<Step, WriteError>>,
        on_error: OnError,
        keep_records: bool,
        options: &WriteOptions,
    ) -> Result<Vec<Result<Written, WriteError>>, WriteError> {
        let (co, options, clock) = (co.to_owned(), options.clone(), self.clock.clone());
        let needs = Needs::of(steps.iter().flatten());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let mut batch =
                        Batch::begin(transaction, &co, needs, options, keep_records, &clock).await?;
                    for step in steps {
                        let refused = batch.apply(step).await?;
                        if refused && on_error == OnError::Stop {
                            break;
                        }
                    }
                    batch.finish().await
                })
            })
            .await
    }
}

/// The result of the only step.
fn only(mut results: Vec<Result<Written, WriteError>>) -> Result<Written, WriteError> {
    results.pop().unwrap_or(Err(WriteError::Store(StoreError::Closed)))
}

fn holding(targets: &[(String, u64)]) -> String {
    let told = targets.iter().map(|(id, people)| format!("target \"{id}\" (people there: {people})"));
    told.collect::<Vec<_>>().join(" and of ")
}

fn way_out(deleted: bool) -> &'static str {
    match deleted {
        true => "give that another group, or none, first",
        false => {
            "all of them would be removed; give it another group first, or confirm this with deprovision=true \
             (command line: --deprovision)"
        }
    }
}

/// A kind in a message.
fn kind_name(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Person => "person",
        RecordKind::Group => "group",
        RecordKind::EmailList => "email list",
        RecordKind::Service => "service",
        RecordKind::Department => "department",
    }
}

#[cfg(test)]
mod tests;

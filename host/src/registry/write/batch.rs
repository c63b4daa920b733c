//! Carries out the writes of one request inside a transaction: everything they need is read at once, they are applied in
//! memory one after the other, and what came of them is stored at once.

mod collaboration;
mod memberships;
mod nestings;
mod references;
mod settle;
mod time;

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use uuid::Uuid;

use super::memberships::Memberships;
use super::request::{Needs, Step, UnknownGroups, accept};
use super::{WriteError, WriteOptions, Written, kind_name};
use crate::clock::Clock;
use crate::provisioning::{
    Action, Mode, Plan, PlannedInvocation, Target, WriteEffect, affected, intent, plan, reaches_memberships,
};
use crate::registry::history::{NewChange, Operation};
use crate::registry::reconcile::{ChangedPart, Reconciled, Stamp, reconcile};
use crate::registry::record::{
    Collaboration, Group, Membership, Meta, Record, RecordKind, Status, SubjectKey,
};
use crate::registry::status::recalculate;
use crate::store::{StoreError, Transaction};
use settle::Unsettled;
use time::pass_time_of;

pub(super) use collaboration::settle_collaboration;
pub(super) use time::pass_time;

/// Members of a group read at once.
const MEMBERS_PAGE: u32 = 1_000;

/// A request under way.
pub(super) struct Batch<'t, 'c> {
    transaction: &'t mut Transaction<'c>,
    co: String,
    collaboration: Collaboration,
    /// Whether the store is still to be told of entries.
    new_entries: bool,
    options: WriteOptions,
    at: Timestamp,
    /// Whether results carry the record.
    keep_records: bool,
    /// Empty when nothing is to be provisioned.
    targets: Vec<Target>,
    records: HashMap<SubjectKey, Entry>,
    /// Records that the store is still to be told of.
    pending: Vec<SubjectKey>,
    memberships: Memberships,
    /// What time brought about before the writes.
    passed: Vec<PlannedInvocation>,
    /// What is still to follow from the writes.
    unsettled: Unsettled,
    changes: Vec<NewChange>,
    /// What happened, with the index of its change in `changes`, if it was one.
    effects: Vec<(Option<usize>, WriteEffect)>,
    /// With the index of the change in `changes`.
    results: Vec<Result<(Option<usize>, Written), WriteError>>,
}

/// What is known of a record.
#[derive(Default)]
struct Entry {
    /// None when there is none now.
    live: Option<Record>,
    /// Whether there ever was one.
    known: bool,
}

/// What a write to a record did, before it is noted.
struct Stored {
    operation: Option<Operation>,
    parts: Vec<ChangedPart>,
    before: Option<Status>,
    after: Option<Status>,
}

impl<'t, 'c> Batch<'t, 'c> {
    /// Begins a request, once time has brought about what is due of what it is about.
    pub(super) async fn begin(
        transaction: &'t mut Transaction<'c>,
        co: &str,
        needs: Needs,
        options: WriteOptions,
        keep_records: bool,
        clock: &Clock,
    ) -> Result<Self, WriteError> {
        let passed = pass_time_of(transaction, co, &needs, clock).await?;
        Ok(Self { passed, ..Self::load(transaction, co, needs, options, keep_records, clock).await? })
    }

    async fn load(
        transaction: &'t mut Transaction<'c>,
        co: &str,
        needs: Needs,
        options: WriteOptions,
        keep_records: bool,
        clock: &Clock,
    ) -> Result<Self, WriteError> {
        let collaboration = transaction.collaboration(co).await?;
        let collaboration = collaboration.ok_or_else(|| WriteError::UnknownCollaboration(co.to_owned()))?;
        let mut targets = if options.provision { transaction.targets(co).await? } else { Vec::new() };
        targets.retain(|target| !matches!(target.mode, Mode::Manual | Mode::Disabled));
        let records = load_records(transaction, co, needs.keys).await?;
        let lives = |id: &String| records.get(&person(id)).is_some_and(|entry| entry.live.is_some());
        let people: Vec<String> = needs.people.into_iter().filter(lives).collect();
        let memberships = match people.is_empty() {
            true => Memberships::default(),
            false => Memberships::load(transaction.memberships_of_people(co, &people).await?),
        };
        Ok(Self {
            transaction,
            co: co.to_owned(),
            collaboration,
            new_entries: false,
            options,
            // Read inside the transaction, so that times ascend with the history.
            at: clock.now(),
            keep_records,
            targets,
            records,
            pending: Vec::new(),
            memberships,
            passed: Vec::new(),
            unsettled: Unsettled::default(),
            changes: Vec::new(),
            effects: Vec::new(),
            results: Vec::new(),
        })
    }

    /// Carries out one write and tells whether it was refused. An error ends the whole request.
    pub(super) async fn apply(&mut self, step: Result<Step, WriteError>) -> Result<bool, WriteError> {
        let mut result = match step {
            Ok(step) => self.carry_out(step).await,
            Err(refused) => Err(refused),
        };
        if let Ok((change, written)) = &mut result
            && self.options.pipeline
        {
            self.end_flow(&written.subject, *change, Action::Pipeline);
        }
        if let Err(WriteError::Store(error)) = result {
            return Err(error.into());
        }
        let refused = result.is_err();
        self.results.push(result);
        Ok(refused)
    }

    async fn carry_out(&mut self, step: Step) -> Result<(Option<usize>, Written), WriteError> {
        match step {
            Step::Put { key, record, memberships, unknown_groups } => {
                let unknown = match &memberships {
                    Some(memberships) => self.unknown_groups(memberships, unknown_groups)?,
                    None => HashSet::new(),
                };
                self.put(key, record, memberships, unknown, unknown_groups).await
            }
            Step::Change { key, change } => {
                let stored = self.live(&key).cloned().ok_or_else(|| not_found(&key))?;
                let record = accept(&key, change(stored)?)?;
                self.put(key, record, None, HashSet::new(), UnknownGroups::Refuse).await
            }
            Step::Delete { key, again } => self.delete(key, again).await,
            Step::PutMembership(membership) => self.put_membership(membership),
            Step::DeleteMembership { group, person, again } => self.delete_membership(&group, &person, again),
            Step::Nest(nesting) => self.nest(nesting).await,
            Step::Unnest { group, source } => self.unnest(&group, &source).await,
            Step::FinalizeEnrollment(key) => {
                self.live(&key).ok_or_else(|| not_found(&key))?;
                self.end_flow(&key, None, Action::EnrollmentFinalized);
                Ok((None, written(key, None)))
            }
        }
    }
}

/// Writes to records.
impl Batch<'_, '_> {
    async fn put(
        &mut self,
        key: SubjectKey,
        record: Record,
        memberships: Option<Vec<Membership>>,
        unknown: HashSet<String>,
        unknown_groups: UnknownGroups,
    ) -> Result<(Option<usize>, Written), WriteError> {
        self.refuse_another_automatic_group(&record, &key)?;
        self.keep_provisioning_group(&key, Some(&record)).await?;
        self.know_references(&key, &record, unknown_groups)?;
        if unknown_groups == UnknownGroups::Create {
            unknown.iter().for_each(|id| self.create_group(id));
        }
        let Stored { operation, parts, before, after } = self.store(&key, record);
        let changed = || parts.iter().map(|part| part.reach);
        let mut intent = intent(changed());
        self.note_nesting_change(&key, before, after, &parts);
        let mut related = match operation {
            Some(_) if reaches_memberships(key.kind, before, after, changed()) => self.related(&key).await?,
            _ => Vec::new(),
        };
        let mut parts = names_of(&parts);
        let mut operation = operation;
        if let Some(mut memberships) = memberships {
            memberships.retain(|membership| {
                unknown_groups == UnknownGroups::Create || !unknown.contains(&membership.group)
            });
            memberships.retain(|membership| !self.follows_from_elsewhere(membership, &key.id));
            let moved = self.replace_memberships(&key.id, memberships);
            if !moved.is_empty() {
                operation = operation.or(Some(Operation::Updated));
                parts.push("memberships".to_owned());
                intent = Action::Updated;
                related.extend(moved);
            }
        }
        let change = operation.map(|operation| self.note(&key, operation, parts));
        if let Some(change) = change {
            let subject = key.clone();
            self.effects
                .push((Some(change), WriteEffect::Record { subject, before, after, intent, related }));
        }
        let record = if self.keep_records { self.live(&key).cloned() } else { None };
        Ok((change, Written { record, ..written(key, operation) }))
    }

    /// Puts a record in its place in memory.
    fn store(&mut self, key: &SubjectKey, mut record: Record) -> Stored {
        let entry = self.records.entry(key.clone()).or_default();
        if let Record::Person(person) = &mut record
            && self.collaboration.status_recalculation
        {
            let stored = if let Some(Record::Person(stored)) = &entry.live { Some(&**stored) } else { None };
            recalculate(stored, person, self.at);
        }
        let before = entry.live.as_ref().map(Record::status);
        let mut new_id = || Uuid::now_v7().to_string();
        let mut stamp = Stamp { at: self.at, new_id: &mut new_id };
        let Reconciled { record, parts } = reconcile(&key.id, entry.live.as_ref(), record, &mut stamp);
        let after = Some(record.status());
        let operation = match before {
            None => Some(Operation::Created),
            Some(_) if parts.is_empty() => None,
            Some(_) => Some(Operation::Updated),
        };
        if operation.is_some() {
            *entry = Entry { live: Some(record), known: true };
            self.pending.push(key.clone());
        }
        Stored { operation, parts, before, after }
    }

    fn create_group(&mut self, id: &str) {
        let key = group(id);
        let record = Group { meta: Meta::default(), name: id.to_owned(), ..Group::default() };
        let Stored { parts, before, after, .. } = self.store(&key, Record::Group(Box::new(record)));
        let change = self.note(&key, Operation::Created, names_of(&parts));
        let intent = Action::Updated;
        let effect = WriteEffect::Record { subject: key, before, after, intent, related: Vec::new() };
        self.effects.push((Some(change), effect));
    }

    async fn delete(&mut self, key: SubjectKey, again: bool) -> Result<(Option<usize>, Written), WriteError> {
        let Some(before) = self.live(&key).map(Record::status) else {
            let known = self.records.get(&key).is_some_and(|entry| entry.known);
            return if known && again { Ok((None, written(key, None))) } else { Err(not_found(&key)) };
        };
        self.refuse_deletion_of_automatic_group(&key)?;
        self.keep_provisioning_group(&key, None).await?;
        self.note_nesting_deletion(&key).await?;
        let related = self.related(&key).await?;
        let last_memberships = match key.kind {
            RecordKind::Person => self.memberships.of(&key.id),
            _ => Vec::new(),
        };
        // What waits must be stored first, so that the store removes it too.
        self.flush().await?;
        self.transaction.delete_record(&self.co, &key, &last_memberships, self.at).await?;
        self.records.insert(key.clone(), Entry { live: None, known: true });
        match key.kind {
            RecordKind::Person => self.memberships.forget_person(&key.id),
            RecordKind::Group => self.memberships.forget_group(&key.id),
            RecordKind::EmailList | RecordKind::Service | RecordKind::Department => {}
        }
        let change = self.note(&key, Operation::Deleted, Vec::new());
        let (subject, before, intent) = (key.clone(), Some(before), Action::Updated);
        let effect = WriteEffect::Record { subject, before, after: None, intent, related };
        self.effects.push((Some(change), effect));
        Ok((Some(change), written(key, Some(Operation::Deleted))))
    }

    /// The other side of a record's memberships: groups of a person, people of a group.
    async fn related(&mut self, key: &SubjectKey) -> Result<Vec<String>, WriteError> {
        match key.kind {
            _ if self.targets.is_empty() => Ok(Vec::new()),
            RecordKind::Person => Ok(self.memberships.groups_of(&key.id)),
            RecordKind::Group => {
                // Members may be many, so they are read from the store, which must know all of them by now.
                self.flush().await?;
                let mut people: Vec<String> = Vec::new();
                loop {
                    let after = people.last().map(String::as_str);
                    let page =
                        self.transaction.members_of_group(&self.co, &key.id, after, MEMBERS_PAGE).await?;
                    if page.is_empty() {
                        return Ok(people);
                    }
                    people.extend(page.into_iter().map(|membership| membership.person));
                }
            }
            RecordKind::EmailList | RecordKind::Service | RecordKind::Department => Ok(Vec::new()),
        }
    }
}

/// Notes.
impl Batch<'_, '_> {
    /// A membership changed; the history has it with the person.
    fn note_membership(&mut self, of: &str, member: &SubjectKey) -> usize {
        let change = self.note(member, Operation::Updated, vec!["memberships".to_owned()]);
        let person_status = self.live(member).map(Record::status).unwrap_or_default();
        let (person, group) = (member.id.clone(), of.to_owned());
        self.effects.push((Some(change), WriteEffect::Membership { person, person_status, group }));
        change
    }
}

/// The end of a request.
impl Batch<'_, '_> {
    /// Something came to its end for a person, whether or not that changed anything: the person is told, and all the
    /// person's groups.
    fn end_flow(&mut self, subject: &SubjectKey, change: Option<usize>, intent: Action) {
        if subject.kind != RecordKind::Person || self.targets.is_empty() {
            return;
        }
        let Some(status) = self.live(subject).map(Record::status) else { return };
        let related = self.memberships.groups_of(&subject.id);
        let (subject, before, after) = (subject.clone(), Some(status), Some(status));
        self.effects.push((change, WriteEffect::Record { subject, before, after, intent, related }));
    }

    fn live(&self, key: &SubjectKey) -> Option<&Record> {
        self.records.get(key)?.live.as_ref()
    }

    /// Adds to the history, and returns the index of the change.
    fn note(&mut self, subject: &SubjectKey, operation: Operation, parts: Vec<String>) -> usize {
        if subject.kind == RecordKind::Person {
            self.unsettled.person(&subject.id, self.changes.len());
        }
        self.changes.push(NewChange {
            subject: subject.clone(),
            operation,
            parts,
            actor: self.options.actor.clone(),
            provision: self.options.provision,
        });
        self.changes.len() - 1
    }

    /// Tells the store what it does not know yet.
    async fn flush(&mut self) -> Result<(), StoreError> {
        self.flush_records(|live| live.clone()).await
    }

    async fn flush_records(
        &mut self,
        take: fn(&mut Option<Record>) -> Option<Record>,
    ) -> Result<(), StoreError> {
        let keys: BTreeSet<SubjectKey> = std::mem::take(&mut self.pending).into_iter().collect();
        let record = |key: SubjectKey| {
            let live = &mut self.records.get_mut(&key)?.live;
            take(live).map(|record| (key, record))
        };
        let records: Vec<(SubjectKey, Record)> = keys.into_iter().filter_map(record).collect();
        if !records.is_empty() {
            self.transaction.put_records(&self.co, &records, self.at).await?;
        }
        let (memberships, removed) = self.memberships.take_pending();
        if !removed.is_empty() {
            self.transaction.delete_memberships(&self.co, &removed).await?;
        }
        if !memberships.is_empty() {
            self.transaction.put_memberships(&self.co, &memberships, self.at).await?;
        }
        Ok(())
    }

    /// Stores everything, and returns what came of each write. What follows from time, and from changes of other records,
    /// is with the last.
    pub(super) async fn finish(mut self) -> Result<Vec<Result<Written, WriteError>>, WriteError> {
        let mut planned = std::mem::take(&mut self.passed);
        let (mut results, consequences) = self.complete().await?;
        if let Some(last) = results.iter_mut().flatten().next_back() {
            planned.append(&mut last.planned);
            planned.extend(consequences);
            last.planned = planned;
        }
        Ok(results)
    }

    /// Stores everything, and returns what came of each write, and what follows from changes that none of them made.
    async fn complete(
        mut self,
    ) -> Result<(Vec<Result<Written, WriteError>>, Vec<PlannedInvocation>), WriteError> {
        self.settle().await?;
        if self.new_entries {
            self.transaction.put_collaboration(&self.collaboration).await?;
        }
        // Nobody looks at the records in memory any more.
        self.flush_records(Option::take).await?;
        let mut sequences = Vec::new();
        if !self.changes.is_empty() {
            sequences = self.transaction.append_changes(&self.co, &self.changes, self.at).await?;
        }
        let mut results: Vec<Result<Written, WriteError>> = Vec::with_capacity(self.results.len());
        for result in std::mem::take(&mut self.results) {
            results.push(result.map(|(change, written)| Written {
                change: change.and_then(|index| sequences.get(index).copied()),
                ..written
            }));
        }
        let consequences = self.plan(&sequences, &mut results).await?;
        Ok((results, consequences))
    }

    async fn plan(
        &mut self,
        sequences: &[i64],
        results: &mut [Result<Written, WriteError>],
    ) -> Result<Vec<PlannedInvocation>, StoreError> {
        if self.targets.is_empty() {
            return Ok(Vec::new());
        }
        let effects: Vec<(Option<i64>, WriteEffect)> = std::mem::take(&mut self.effects)
            .into_iter()
            .map(|(index, effect)| (index.and_then(|index| sequences.get(index).copied()), effect))
            .collect();
        let Plan { now: mut planned, queued } =
            plan(&affected(&effects), &self.targets, self.at, Uuid::now_v7);
        if !planned.is_empty() {
            self.transaction.plan_invocations(&self.co, &mut planned, self.at).await?;
        }
        let registered =
            self.transaction.register_jobs(&self.co, &queued, &self.options.actor, self.at).await?;
        let mut by_change: HashMap<Option<i64>, &mut Written> =
            results.iter_mut().flatten().map(|written| (written.change, written)).collect();
        let mut consequences = Vec::new();
        for invocation in planned {
            match by_change.get_mut(&invocation.change) {
                Some(written) => written.planned.push(invocation),
                None => consequences.push(invocation),
            }
        }
        for job in registered {
            if let Some(written) = by_change.get_mut(&job.change) {
                written.queued.push(job);
            }
        }
        Ok(consequences)
    }
}

async fn load_records(
    transaction: &mut Transaction<'_>,
    co: &str,
    keys: HashSet<SubjectKey>,
) -> Result<HashMap<SubjectKey, Entry>, StoreError> {
    let mut ids: HashMap<RecordKind, Vec<String>> = HashMap::new();
    for key in keys {
        ids.entry(key.kind).or_default().push(key.id);
    }
    let mut records = HashMap::new();
    for (kind, ids) in ids {
        for stored in transaction.records_by_id(co, kind, &ids).await? {
            let live = stored.deleted.is_none().then_some(stored.record);
            records.insert(stored.key, Entry { live, known: true });
        }
    }
    Ok(records)
}

fn written(subject: SubjectKey, operation: Option<Operation>) -> Written {
    Written {
        subject,
        operation,
        change: None,
        record: None,
        membership: None,
        nesting: None,
        planned: Vec::new(),
        queued: Vec::new(),
    }
}

fn names_of(parts: &[ChangedPart]) -> Vec<String> {
    parts.iter().map(|part| part.name.to_owned()).collect()
}

fn not_found(key: &SubjectKey) -> WriteError {
    WriteError::NotFound { kind: kind_name(key.kind), id: key.id.clone() }
}

fn person(id: &str) -> SubjectKey {
    SubjectKey { kind: RecordKind::Person, id: id.to_owned() }
}

fn group(id: &str) -> SubjectKey {
    SubjectKey { kind: RecordKind::Group, id: id.to_owned() }
}

//! What a request asks for, checked as far as it can be without the store.

use std::collections::HashSet;

use super::WriteError;
use crate::registry::record::{GroupNesting, Membership, Record, RecordKind, SubjectKey};
use crate::registry::validate::{InvalidRecord, check_id, validate, validate_membership};

/// One write of an import.
#[derive(Clone, Debug, PartialEq)]
pub enum ImportItem {
    /// Stores a record. Its id is in its metadata.
    Put {
        /// The record.
        record: Record,
        /// For a person: all memberships that remain; none leaves them as they are.
        memberships: Option<Vec<Membership>>,
        /// What becomes of memberships in groups that do not exist.
        unknown_groups: UnknownGroups,
    },
    /// Deletes a record. One that was deleted before counts as unchanged.
    Delete(SubjectKey),
    /// Stores a membership.
    PutMembership(Membership),
    /// Removes a membership. One that does not exist counts as unchanged.
    DeleteMembership {
        /// `id` of the group.
        group: String,
        /// `id` of the person.
        person: String,
    },
}

/// What becomes of a person's membership in a group that does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownGroups {
    /// The item is refused.
    #[default]
    Refuse,
    /// The group is created; its id is its name. So is any entry of the collaboration that the record refers to.
    Create,
    /// The membership is left out.
    Skip,
}

/// What follows an item that is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// Nothing after it is stored.
    #[default]
    Stop,
    /// It is left out.
    Continue,
}

/// What is made of the stored record.
type ChangeRecord = Box<dyn FnOnce(Record) -> Result<Record, WriteError> + Send>;

/// One write, checked but for what the store knows.
pub(super) enum Step {
    Put {
        key: SubjectKey,
        record: Record,
        memberships: Option<Vec<Membership>>,
        unknown_groups: UnknownGroups,
    },
    Change {
        key: SubjectKey,
        change: ChangeRecord,
    },
    /// `again`: whether what was deleted before may be deleted again.
    Delete {
        key: SubjectKey,
        again: bool,
    },
    PutMembership(Membership),
    DeleteMembership {
        group: String,
        person: String,
        again: bool,
    },
    Nest(GroupNesting),
    Unnest {
        group: String,
        source: String,
    },
    /// Changes nothing, and is told to the person's targets.
    FinalizeEnrollment(SubjectKey),
}

impl Step {
    pub(super) fn put(key: SubjectKey, record: Record) -> Result<Self, WriteError> {
        let record = accept(&key, record)?;
        Ok(Self::Put { key, record, memberships: None, unknown_groups: UnknownGroups::default() })
    }

    pub(super) fn put_membership(membership: Membership) -> Result<Self, WriteError> {
        validate_membership(&membership)?;
        Ok(Self::PutMembership(membership))
    }
}

/// What the store is asked for before the writes begin.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Records that they look at.
    pub(super) keys: HashSet<SubjectKey>,
    /// People whose memberships they look at.
    pub(super) people: HashSet<String>,
    /// Groups that they delete, with all memberships.
    pub(super) deleted_groups: HashSet<String>,
}

impl Needs {
    pub(super) fn of<'a>(steps: impl Iterator<Item = &'a Step>) -> Self {
        let mut needs = Self::default();
        for step in steps {
            match step {
                Step::Put { key, memberships, .. } => {
                    needs.record(key);
                    memberships.iter().flatten().for_each(|membership| needs.group(&membership.group));
                }
                Step::Change { key, .. } | Step::FinalizeEnrollment(key) => needs.record(key),
                Step::Delete { key, .. } => {
                    needs.record(key);
                    if key.kind == RecordKind::Group {
                        needs.deleted_groups.insert(key.id.clone());
                    }
                }
                Step::PutMembership(Membership { group, person, .. })
                | Step::DeleteMembership { group, person, .. } => {
                    needs.record(&SubjectKey { kind: RecordKind::Person, id: person.clone() });
                    needs.group(group);
                }
                Step::Nest(GroupNesting { group, source, .. }) | Step::Unnest { group, source } => {
                    needs.group(group);
                    needs.group(source);
                }
            }
        }
        needs
    }

    pub(super) fn record(&mut self, key: &SubjectKey) {
        if key.kind == RecordKind::Person {
            self.people.insert(key.id.clone());
        }
        self.keys.insert(key.clone());
    }

    fn group(&mut self, id: &str) {
        self.keys.insert(SubjectKey { kind: RecordKind::Group, id: id.to_owned() });
    }
}

impl TryFrom<ImportItem> for Step {
    type Error = WriteError;

    fn try_from(item: ImportItem) -> Result<Self, WriteError> {
        match item {
            ImportItem::Put { record, mut memberships, unknown_groups } => {
                let key = record.key();
                let record = accept(&key, record)?;
                for (index, membership) in memberships.iter_mut().flatten().enumerate() {
                    belong_to(membership, &key)
                        .and_then(|()| validate_membership(membership))
                        .map_err(|error| error.below(&format!("/memberships/{index}")))?;
                }
                Ok(Self::Put { key, record, memberships, unknown_groups })
            }
            ImportItem::Delete(key) => Ok(Self::Delete { key, again: true }),
            ImportItem::PutMembership(membership) => Self::put_membership(membership),
            ImportItem::DeleteMembership { group, person } => {
                Ok(Self::DeleteMembership { group, person, again: true })
            }
        }
    }
}

/// Checks that a record can be stored under a key.
pub(super) fn accept(key: &SubjectKey, record: Record) -> Result<Record, InvalidRecord> {
    check_id(&key.id).map_err(|message| InvalidRecord::new("/meta/id", message))?;
    let (kind, id) = (record.kind(), &record.meta().id);
    if kind != key.kind {
        return Err(InvalidRecord::new("", "the record is of another kind than its place says"));
    }
    if !id.is_empty() && *id != key.id {
        let message = format!("the record is \"{}\" here: leave the id out or make them equal", key.id);
        return Err(InvalidRecord::new("/meta/id", message));
    }
    validate(record)
}

/// A membership that comes with a person is the person's.
fn belong_to(membership: &mut Membership, person: &SubjectKey) -> Result<(), InvalidRecord> {
    if membership.person.is_empty() {
        membership.person.clone_from(&person.id);
    }
    if person.kind != RecordKind::Person || membership.person != person.id {
        return Err(InvalidRecord::new("/person", "must be the person of the same line: leave it out"));
    }
    Ok(())
}

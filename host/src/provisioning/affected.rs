//! Which subjects follow from what was written, and with which action.

use std::collections::HashMap;

use super::{Action, SubjectChange, action_for_change};
use crate::registry::record::{RecordKind, Status, SubjectKey};

/// One write as far as provisioning is concerned.
#[derive(Clone, Debug, PartialEq)]
pub enum WriteEffect {
    /// A record was created, changed or deleted.
    Record {
        /// The record.
        subject: SubjectKey,
        /// Its status before; none when there was no such record.
        before: Option<Status>,
        /// Its status now; none when it was deleted.
        after: Option<Status>,
        /// The action, as long as the status says nothing else.
        intent: Action,
        /// Groups of a person whose memberships changed too, and, if [`super::reaches_memberships`] or a flow came to its
        /// end, the other side of all its memberships: groups of a person, people of a group.
        related: Vec<String>,
    },
    /// A membership was created, changed or removed.
    Membership {
        /// `id` of the person.
        person: String,
        /// Status of the person.
        person_status: Status,
        /// `id` of the group.
        group: String,
    },
}

/// The subjects that follow from the writes of one request, each once: a person where it is first mentioned, anything
/// else where it is last, so that people are there when groups name them. Each write comes with its number in the change
/// history.
///
/// What happened to one record in several writes counts as one step from the first state to the last; a person who was
/// and is not provisionable is left out. A group has a cause if one person alone is it.
pub fn affected(effects: &[(Option<i64>, WriteEffect)]) -> Vec<SubjectChange> {
    let mut mentions = Mentions::default();
    for (change, effect) in effects {
        match effect {
            WriteEffect::Record { subject, before, after, intent, related } => {
                mentions.add(subject.clone(), Some((*before, *after)), *intent, None, *change);
                let told = if intent.ends_a_flow() { *intent } else { Action::Updated };
                for id in related {
                    match subject.kind {
                        RecordKind::Person => mentions.add(group(id), None, told, Some(&subject.id), *change),
                        _ => mentions.add(person(id), None, told, None, *change),
                    }
                }
            }
            WriteEffect::Membership { person: member, person_status, group: of } => {
                let same = Some(*person_status);
                mentions.add(person(member), Some((same, same)), Action::Updated, None, *change);
                mentions.add(group(of), None, Action::Updated, Some(member), *change);
            }
        }
    }
    mentions.into_changes()
}

/// What one request says of a subject.
struct Mention {
    /// Its place in the order.
    place: usize,
    /// Its status before and after, if it was written itself.
    step: Option<(Option<Status>, Option<Status>)>,
    /// The action, as long as the status says nothing else.
    intent: Action,
    /// The person whose membership is the cause, as long as all mentions agree.
    cause: Option<String>,
    change: Option<i64>,
}

#[derive(Default)]
struct Mentions {
    by_subject: HashMap<SubjectKey, Mention>,
    count: usize,
}

impl Mentions {
    fn add(
        &mut self,
        subject: SubjectKey,
        step: Option<(Option<Status>, Option<Status>)>,
        intent: Action,
        cause: Option<&str>,
        change: Option<i64>,
    ) {
        self.count += 1;
        let place = self.count;
        let is_person = subject.kind == RecordKind::Person;
        self.by_subject
            .entry(subject)
            .and_modify(|mention| {
                if !is_person {
                    mention.place = place;
                }
                // What follows from an earlier write may be noted later.
                mention.change = mention.change.max(change);
                mention.intent = mention.intent.or_stronger(intent);
                if mention.cause.as_deref() != cause {
                    mention.cause = None;
                }
                mention.step = match (mention.step, step) {
                    (Some((first, _)), Some((_, last))) => Some((first, last)),
                    (earlier, later) => later.or(earlier),
                };
            })
            .or_insert_with(|| Mention { place, step, intent, cause: cause.map(str::to_owned), change });
    }

    fn into_changes(self) -> Vec<SubjectChange> {
        let mut mentions: Vec<(SubjectKey, Mention)> = self.by_subject.into_iter().collect();
        mentions.sort_by_key(|(_, mention)| mention.place);
        mentions.into_iter().filter_map(|(subject, mention)| mention.into_change(subject)).collect()
    }
}

impl Mention {
    fn into_change(self, subject: SubjectKey) -> Option<SubjectChange> {
        let action = match self.step {
            Some((before, after)) => action_for_change(subject.kind, before, after, self.intent)?,
            None => self.intent,
        };
        let inactive = match (subject.kind, self.step) {
            (RecordKind::Group, Some((_, after))) => after != Some(Status::Active),
            (RecordKind::Person, Some((_, after))) => !after.is_some_and(Status::is_provisionable),
            _ => false,
        };
        Some(SubjectChange { subject, action, change: self.change, cause: self.cause, inactive })
    }
}

fn person(id: &str) -> SubjectKey {
    SubjectKey { kind: RecordKind::Person, id: id.to_owned() }
}

fn group(id: &str) -> SubjectKey {
    SubjectKey { kind: RecordKind::Group, id: id.to_owned() }
}

#[cfg(test)]
mod tests;

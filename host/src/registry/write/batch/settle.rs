//! What follows, inside the registry, from the writes of a request: memberships in automatic groups, and those that come
//! from nesting. Done once, when all writes are in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Batch, Entry, MEMBERS_PAGE, group, load_records, names_of, person};
use crate::provisioning::{Action, WriteEffect};
use crate::registry::automatic;
use crate::registry::history::Operation;
use crate::registry::nesting::{Follows, NestingRule, counts, follows, in_order};
use crate::registry::record::{Group, GroupNesting, Membership, Meta, Record, Status, SubjectKey};
use crate::registry::write::WriteError;
use crate::store::StoreError;

/// What is still to follow from the writes so far.
#[derive(Default)]
pub(super) struct Unsettled {
    /// People who were written, and people whose memberships were.
    people: BTreeSet<String>,
    /// The last change of each person in this request, by its index.
    changes: HashMap<String, usize>,
    /// Groups whose nested groups, or the way they count, changed.
    pub(super) rules: BTreeSet<String>,
    /// Groups that became active or ceased to be so.
    pub(super) sources: BTreeSet<String>,
}

impl Unsettled {
    /// Notes a person, with the index of the change.
    pub(super) fn person(&mut self, id: &str, change: usize) {
        self.people.insert(id.to_owned());
        self.changes.insert(id.to_owned(), change);
    }
}

impl Batch<'_, '_> {
    /// Brings up to date what follows from all writes since this was called last.
    pub(super) async fn settle(&mut self) -> Result<(), StoreError> {
        let people = std::mem::take(&mut self.unsettled.people);
        let people: Vec<String> = people.into_iter().filter(|id| self.live(&person(id)).is_some()).collect();
        self.settle_automatic(&people).await?;
        self.settle_nested(&people).await?;
        // What settling noted of people needs no settling.
        self.unsettled.people.clear();
        Ok(())
    }

    /// Brings people into the automatic groups they belong to, and out of the others.
    pub(super) async fn settle_automatic(&mut self, people: &[String]) -> Result<(), StoreError> {
        if !self.collaboration.automatic_groups {
            return Ok(());
        }
        let mut moves: Vec<(&String, Vec<String>, Vec<String>)> = Vec::new();
        let mut entered: BTreeSet<String> = BTreeSet::new();
        for id in people {
            let Some(Record::Person(record)) = self.live(&person(id)) else { continue };
            let belongs = automatic::groups_of(record, &self.collaboration, self.at);
            let mut left = self.memberships.groups_of(id);
            left.retain(|group| {
                automatic::keeps_members(&self.collaboration, group) && !belongs.contains(group)
            });
            let missing = |group: &String| !self.memberships.get(group, id).is_some_and(is_undated);
            let missing: Vec<String> = belongs.into_iter().filter(missing).collect();
            entered.extend(missing.iter().cloned());
            moves.push((id, missing, left));
        }
        self.create_automatic_groups(entered).await?;
        for (id, entered, left) in moves {
            let mut moved = left;
            moved.retain(|group| self.memberships.remove(group, id));
            for group in entered {
                if self.put_in_memory(membership(&group, id)) {
                    moved.push(group);
                }
            }
            self.note_moves(id, &moved);
        }
        Ok(())
    }

    /// Creates those of these groups that are not there, or were made something else before the host kept them.
    pub(super) async fn create_automatic_groups(&mut self, ids: BTreeSet<String>) -> Result<(), StoreError> {
        self.load_more(ids.iter().map(|id| group(id))).await?;
        for id in ids {
            let key = group(&id);
            let Some(wanted) = automatic::group(&self.collaboration, &id) else { continue };
            let record = match self.live(&key) {
                Some(Record::Group(stored)) if is_kept_as(stored, &wanted) => continue,
                Some(Record::Group(stored)) => Group {
                    group_type: wanted.group_type,
                    cou: wanted.cou,
                    status: wanted.status,
                    ..(**stored).clone()
                },
                _ => wanted,
            };
            let stored = self.store(&key, Record::Group(Box::new(record)));
            let Some(operation) = stored.operation else { continue };
            let change = self.note(&key, operation, names_of(&stored.parts));
            let (before, after, related) = (stored.before, stored.after, Vec::new());
            let effect =
                WriteEffect::Record { subject: key, before, after, related, intent: Action::Updated };
            self.effects.push((Some(change), effect));
        }
        Ok(())
    }

    /// Brings memberships that come from nesting up to date: those of `people`, and of everybody in groups whose rule
    /// changed.
    async fn settle_nested(&mut self, people: &[String]) -> Result<(), StoreError> {
        let changed = self.memberships.take_changed();
        let mut groups = std::mem::take(&mut self.unsettled.rules);
        let sources: Vec<String> = std::mem::take(&mut self.unsettled.sources).into_iter().collect();
        if !sources.is_empty() {
            let nestings = self.transaction.nestings_of_sources(&self.co, &sources).await?;
            groups.extend(nestings.into_iter().map(|nesting| nesting.group));
        }
        if changed.is_empty() && groups.is_empty() {
            return Ok(());
        }
        let rules = self.nesting_rules(changed.union(&groups).cloned().collect(), &groups).await?;
        if rules.is_empty() {
            return Ok(());
        }
        for id in people {
            let moved = self.follow_nesting(id, &rules);
            self.note_moves(id, &moved);
        }
        let everybody = self.everybody_in(&groups, &rules).await?;
        let others: Vec<String> =
            everybody.into_iter().filter(|id| people.binary_search(id).is_err()).collect();
        for page in others.chunks(MEMBERS_PAGE as usize) {
            self.settle_page(page, &rules).await?;
        }
        Ok(())
    }

    /// The same for people whom this request does not mention; they are in memory only meanwhile.
    async fn settle_page(&mut self, page: &[String], rules: &[NestingRule]) -> Result<(), StoreError> {
        let stored = self.transaction.memberships_of_people(&self.co, page).await?;
        self.memberships.add(stored);
        let moves: Vec<(&String, Vec<String>)> = page
            .iter()
            .map(|id| (id, self.follow_nesting(id, rules)))
            .filter(|(_, moved)| !moved.is_empty())
            .collect();
        self.load_more(moves.iter().map(|(id, _)| person(id))).await?;
        for (id, moved) in &moves {
            self.note_moves(id, moved);
        }
        self.flush().await?;
        for id in page {
            self.memberships.forget_person(id);
            self.records.remove(&person(id));
        }
        Ok(())
    }

    /// The rules of groups, and of all that these are nested in, in the order in which they follow from each other. Those
    /// of `always` come even where nothing is nested any more.
    async fn nesting_rules(
        &mut self,
        mut groups: BTreeSet<String>,
        always: &BTreeSet<String>,
    ) -> Result<Vec<NestingRule>, StoreError> {
        let mut frontier: Vec<String> = groups.iter().cloned().collect();
        while !frontier.is_empty() {
            let nestings = self.transaction.nestings_of_sources(&self.co, &frontier).await?;
            frontier = nestings
                .into_iter()
                .map(|nesting| nesting.group)
                .filter(|group| groups.insert(group.clone()))
                .collect();
        }
        let groups: Vec<String> = groups.into_iter().collect();
        let mut nested: BTreeMap<String, Vec<GroupNesting>> =
            always.iter().map(|group| (group.clone(), Vec::new())).collect();
        for nesting in self.transaction.nestings_of_groups(&self.co, &groups).await? {
            nested.entry(nesting.group.clone()).or_default().push(nesting);
        }
        let both = nested.iter().flat_map(|(group, nestings)| {
            std::iter::once(group).chain(nestings.iter().map(|nesting| &nesting.source))
        });
        let both: HashSet<SubjectKey> = both.map(|id| group(id)).collect();
        self.load_more(both.into_iter()).await?;
        let rules = nested.into_iter().filter_map(|(id, nestings)| {
            let Some(Record::Group(target)) = self.live(&group(&id)) else { return None };
            let is_active = |nesting: &GroupNesting| {
                self.live(&group(&nesting.source)).is_some_and(|source| source.status() == Status::Active)
            };
            let sources = nestings.into_iter().filter(is_active);
            let sources = sources.map(|nesting| (nesting.source, nesting.negate)).collect();
            Some(NestingRule { group: id, mode: target.nesting_mode, sources })
        });
        Ok(in_order(rules.collect()))
    }

    /// Everybody who is in these groups, or in a group nested there.
    async fn everybody_in(
        &mut self,
        groups: &BTreeSet<String>,
        rules: &[NestingRule],
    ) -> Result<BTreeSet<String>, StoreError> {
        let mut people = BTreeSet::new();
        if groups.is_empty() {
            return Ok(people);
        }
        self.flush().await?;
        let of = rules.iter().filter(|rule| groups.contains(&rule.group));
        let looked_at: BTreeSet<&String> =
            of.flat_map(|rule| std::iter::once(&rule.group).chain(rule.sources.keys())).collect();
        for id in looked_at {
            let mut after: Option<String> = None;
            loop {
                let page =
                    self.transaction.people_in_group(&self.co, id, after.as_deref(), MEMBERS_PAGE).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.clone());
                people.extend(page);
            }
        }
        Ok(people)
    }

    /// Brings one person's memberships in line with the rules, and returns the groups where something changed.
    fn follow_nesting(&mut self, id: &str, rules: &[NestingRule]) -> Vec<String> {
        let mut moved = Vec::new();
        for rule in rules {
            let is_member =
                |source: &str| self.memberships.get(source, id).is_some_and(|row| counts(row, self.at));
            let from = rule.nested_from(is_member);
            let row = self.memberships.get(&rule.group, id);
            let owner = row.is_some_and(|row| row.owner);
            let changed = match follows(row, from) {
                Follows::Nothing => false,
                Follows::Gone => self.memberships.remove(&rule.group, id),
                Follows::Member => {
                    let nested_from = from.map(str::to_owned);
                    self.put_in_memory(Membership { owner, nested_from, ..membership(&rule.group, id) })
                }
                Follows::OwnerOnly => self.put_in_memory(Membership {
                    member: false,
                    owner: true,
                    ..membership(&rule.group, id)
                }),
            };
            if changed {
                moved.push(rule.group.clone());
            }
        }
        moved
    }

    /// Notes that memberships of a person changed: with its change in this request, if there is one.
    pub(super) fn note_moves(&mut self, id: &str, groups: &[String]) {
        if groups.is_empty() {
            return;
        }
        let key = person(id);
        let part = || "memberships".to_owned();
        let change = match self.unsettled.changes.get(id).copied() {
            Some(index) => {
                if let Some(change) = self.changes.get_mut(index)
                    && change.operation != Operation::Deleted
                    && !change.parts.contains(&part())
                {
                    change.parts.push(part());
                }
                index
            }
            None => self.note(&key, Operation::Updated, vec![part()]),
        };
        let person_status = self.live(&key).map(Record::status).unwrap_or_default();
        for group in groups {
            let (person, group) = (id.to_owned(), group.clone());
            self.effects.push((Some(change), WriteEffect::Membership { person, person_status, group }));
        }
    }

    /// Reads records that are not in memory yet.
    pub(super) async fn load_more(
        &mut self,
        keys: impl Iterator<Item = SubjectKey>,
    ) -> Result<(), StoreError> {
        let missing: HashSet<SubjectKey> = keys.filter(|key| !self.records.contains_key(key)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut found = load_records(self.transaction, &self.co, missing.clone()).await?;
        for key in missing {
            let entry = found.remove(&key).unwrap_or_else(Entry::default);
            self.records.insert(key, entry);
        }
        Ok(())
    }
}

/// What the host decides, and nobody else.
impl Batch<'_, '_> {
    /// Whether a person's membership in a group follows from nesting or status.
    pub(super) fn is_kept(&self, group: &str, person: &str) -> bool {
        automatic::keeps_members(&self.collaboration, group)
            || self.memberships.get(group, person).is_some_and(|row| row.nested_from.is_some())
    }

    /// Whether a membership that comes with its person is one that the host keeps: it is passed over, so that what was
    /// read from one host can be written to another.
    pub(super) fn follows_from_elsewhere(&self, membership: &Membership, person: &str) -> bool {
        membership.nested_from.is_some() || self.is_kept(&membership.group, person)
    }

    /// Refuses a membership that the host keeps; of one that comes from nesting, ownership may be changed.
    pub(super) fn accept_membership(&self, membership: Membership) -> Result<Membership, WriteError> {
        let Membership { group, person, .. } = &membership;
        self.refuse_automatic(group, person)?;
        let stored = self.memberships.get(group, person);
        match (stored.and_then(|row| row.nested_from.as_deref()), membership.nested_from.as_deref()) {
            (None, None) => Ok(membership),
            (Some(from), given) if given.is_none_or(|given| given == from) && is_undated(&membership) => {
                Ok(Membership { nested_from: Some(from.to_owned()), ..membership })
            }
            (Some(from), _) => Err(kept_by_nesting(group, person, from)),
            (None, Some(_)) => Err(WriteError::Kept {
                what: name(group, person),
                why: "does not come from nesting: leave nested_from out, or nest the group".to_owned(),
            }),
        }
    }

    pub(super) fn refuse_removal_of_membership(&self, group: &str, person: &str) -> Result<(), WriteError> {
        self.refuse_automatic(group, person)?;
        match self.memberships.get(group, person).and_then(|row| row.nested_from.as_deref()) {
            Some(from) => Err(kept_by_nesting(group, person, from)),
            None => Ok(()),
        }
    }

    fn refuse_automatic(&self, group: &str, person: &str) -> Result<(), WriteError> {
        if !automatic::keeps_members(&self.collaboration, group) {
            return Ok(());
        }
        let why = "follows from the status of the person and its roles: change that instead".to_owned();
        Err(WriteError::Kept { what: name(group, person), why })
    }

    /// An automatic group keeps its type, unit and status.
    pub(super) fn refuse_another_automatic_group(
        &self,
        record: &Record,
        key: &SubjectKey,
    ) -> Result<(), WriteError> {
        let (Record::Group(record), Some(wanted)) = (record, automatic::group(&self.collaboration, &key.id))
        else {
            return Ok(());
        };
        if is_kept_as(record, &wanted) {
            return Ok(());
        }
        let why = "is an automatic group: its type, cou and status stay as they are".to_owned();
        Err(WriteError::Kept { what: format!("group \"{}\"", key.id), why })
    }

    pub(super) fn refuse_deletion_of_automatic_group(&self, key: &SubjectKey) -> Result<(), WriteError> {
        if *key != group(&key.id) || automatic::group(&self.collaboration, &key.id).is_none() {
            return Ok(());
        }
        let why = "is an automatic group: have the collaboration do without them first".to_owned();
        Err(WriteError::Kept { what: format!("group \"{}\"", key.id), why })
    }
}

/// Whether somebody is a member without any dates.
fn is_undated(membership: &Membership) -> bool {
    membership.member && membership.valid_from.is_none() && membership.valid_through.is_none()
}

fn is_kept_as(group: &Group, wanted: &Group) -> bool {
    (group.group_type, &group.cou, group.status) == (wanted.group_type, &wanted.cou, wanted.status)
}

fn kept_by_nesting(group: &str, person: &str, from: &str) -> WriteError {
    let why = format!("follows from the nested group \"{from}\": change the membership there");
    WriteError::Kept { what: name(group, person), why }
}

fn name(group: &str, person: &str) -> String {
    format!("the membership of \"{person}\" in group \"{group}\"")
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

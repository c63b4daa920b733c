//! Memberships that follow from something else, and the instants at which time changes what is valid.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::report::Check;
use super::{finished, report};
use crate::registry::automatic;
use crate::registry::nesting::{Follows, NestingRule, counts, follows};
use crate::registry::record::{Collaboration, Status};
use crate::registry::validity::{next_of_membership, next_of_record};
use crate::store::{CheckedPerson, Defect, PageKey, Snapshot, StoreError};

pub(super) async fn checks(snapshot: &mut Snapshot, now: Timestamp) -> Vec<Check> {
    let groups = Check::new("groups", "memberships are as nested and automatic groups say");
    let due = Check::new("due", "no instant at which validity changes is missing");
    vec![
        finished(groups, async |check| self::groups(check, snapshot, now).await).await,
        finished(due, async |check| self::due(check, snapshot, now).await).await,
    ]
}

async fn groups(check: &mut Check, snapshot: &mut Snapshot, now: Timestamp) -> Result<(), StoreError> {
    report(check, snapshot, Defect::NestingWithoutGroup, "is of a group that does not live").await?;
    for mut collaboration in snapshot.collaborations().await?.into_iter().flatten() {
        let co = collaboration.id.clone();
        let rules = rules(snapshot, &co).await?;
        if snapshot.is_unsettled(&co).await? {
            collaboration.automatic_groups = false;
        }
        for group in automatic::groups(&collaboration) {
            check.examine(1);
            let id = &group.meta.id;
            let stored = snapshot.group(&co, id).await?;
            if stored.is_none_or(|stored| stored.group_type != group.group_type) {
                check.broken(format!("automatic group {id} in {co} is not there, or of another type"));
            }
        }
        if rules.is_empty() && !collaboration.automatic_groups {
            continue;
        }
        let mut after = Some(String::new());
        while let Some(key) = after {
            let (people, next) = snapshot.people_in_groups(&co, &key, now).await?;
            check.examine(people.len() as u64);
            // What is due is not brought about yet, and the host will see to it.
            for person in people.iter().filter(|person| !person.is_due) {
                for group in wrong_groups(person, &rules, &collaboration, now) {
                    let id = &person.person.meta.id;
                    check.broken(format!("membership {group}/{id} in {co} is not as it should follow"));
                }
            }
            after = next;
        }
    }
    Ok(())
}

async fn rules(snapshot: &mut Snapshot, co: &str) -> Result<Vec<NestingRule>, StoreError> {
    let mut rules: BTreeMap<String, NestingRule> = BTreeMap::new();
    for nesting in snapshot.nestings(co).await? {
        if !rules.contains_key(&nesting.group) {
            let Some(group) = snapshot.group(co, &nesting.group).await? else { continue };
            let mode = group.nesting_mode;
            let rule = NestingRule { group: nesting.group.clone(), mode, sources: BTreeMap::new() };
            rules.insert(nesting.group.clone(), rule);
        }
        let source = snapshot.group(co, &nesting.source).await?;
        if source.is_some_and(|source| source.status == Status::Active)
            && let Some(rule) = rules.get_mut(&nesting.group)
        {
            rule.sources.insert(nesting.source, nesting.negate);
        }
    }
    Ok(rules.into_values().collect())
}

/// Groups in which a person's membership is not what follows from nesting, status and roles.
fn wrong_groups(
    checked: &CheckedPerson,
    rules: &[NestingRule],
    collaboration: &Collaboration,
    now: Timestamp,
) -> Vec<String> {
    let row = |group: &str| checked.memberships.iter().find(|row| row.group == group);
    let is_wrong = |rule: &&NestingRule| {
        let from = rule.nested_from(|source| row(source).is_some_and(|row| counts(row, now)));
        follows(row(&rule.group), from) != Follows::Nothing
    };
    let mut wrong: Vec<String> = rules.iter().filter(is_wrong).map(|rule| rule.group.clone()).collect();
    let left = |row: &&crate::registry::record::Membership| {
        row.nested_from.is_some() && !rules.iter().any(|rule| rule.group == row.group)
    };
    wrong.extend(checked.memberships.iter().filter(left).map(|row| row.group.clone()));
    if collaboration.automatic_groups {
        let belongs = automatic::groups_of(&checked.person, collaboration, now);
        wrong.extend(belongs.iter().filter(|group| row(group).is_none()).cloned());
        let kept = checked.memberships.iter().map(|row| &row.group);
        let kept = kept.filter(|group| automatic::keeps_members(collaboration, group));
        wrong.extend(kept.filter(|group| !belongs.contains(*group)).cloned());
    }
    wrong
}

async fn due(check: &mut Check, snapshot: &mut Snapshot, now: Timestamp) -> Result<(), StoreError> {
    // What is due already may be kept for later instants, too: the host goes on from there.
    let is_right =
        |due: Option<Timestamp>, next: Option<Timestamp>| due == next || due.is_some_and(|due| due <= now);
    let mut after = Some(PageKey::default());
    while let Some(key) = after {
        let page = snapshot.checked_records(&key).await?;
        check.examine(page.rows.len() as u64);
        for found in page.rows.into_iter().flatten() {
            let living = found.stored.deleted.is_none();
            let next = next_of_record(&found.stored.record, now).filter(|_| living);
            if !is_right(found.due, next) {
                let key = &found.stored.key;
                check.broken(format!("{:?} {} in {} is due at another instant", key.kind, key.id, found.co));
            }
        }
        after = page.next;
    }
    let mut after = Some(PageKey::default());
    while let Some(key) = after {
        let page = snapshot.checked_memberships(&key).await?;
        check.examine(page.rows.len() as u64);
        for found in page.rows.into_iter().flatten() {
            if !is_right(found.due, next_of_membership(&found.membership, now)) {
                let (group, person, co) = (&found.group, &found.person, &found.co);
                check.broken(format!("membership {group}/{person} in {co} is due at another instant"));
            }
        }
        after = page.next;
    }
    Ok(())
}

//! Records, memberships and the change history.

use std::collections::HashMap;

use super::report::Check;
use super::{finished, report};
use crate::registry::record::{Collaboration, SubjectKey};
use crate::store::{CheckedRecord, Defect, PageKey, Snapshot, StoreError, StoredRecord, Table};

pub(super) async fn checks(snapshot: &mut Snapshot) -> Vec<Check> {
    let records = Check::new(
        "records",
        "documents can be read, and belong to a collaboration as what they refer to does",
    );
    let memberships = Check::new("memberships", "person and group live, and both sides agree");
    let history = Check::new("history", "changes have no gap, and records are as the last one says");
    vec![
        finished(records, async |check| self::records(check, snapshot).await).await,
        finished(memberships, async |check| self::memberships(check, snapshot).await).await,
        finished(history, async |check| self::history(check, snapshot).await).await,
    ]
}

async fn records(check: &mut Check, snapshot: &mut Snapshot) -> Result<(), StoreError> {
    let mut collaborations = HashMap::new();
    for collaboration in snapshot.collaborations().await? {
        check.examine(1);
        match collaboration {
            Ok(collaboration) => drop(collaborations.insert(collaboration.id.clone(), collaboration)),
            Err(error) => check.broken(error.to_string()),
        }
    }
    let mut after = Some(PageKey::default());
    while let Some(key) = after {
        let page = snapshot.checked_records(&key).await?;
        check.examine(page.rows.len() as u64);
        for row in page.rows {
            match row {
                Err(error) => check.broken(error.to_string()),
                Ok(CheckedRecord { co, stored, .. }) if stored.record.meta().id != stored.key.id => {
                    let SubjectKey { kind, id } = &stored.key;
                    check.broken(format!(
                        "{kind:?} {id} in {co} holds the document of {}",
                        stored.record.meta().id
                    ));
                }
                Ok(CheckedRecord { co, stored, .. }) => {
                    // Before references were looked at, a record could name what is not there.
                    let co_of = collaborations.get(&co);
                    if let Some((word, unknown)) = co_of.and_then(|co| unknown_entry(co, &stored)) {
                        let SubjectKey { kind, id } = &stored.key;
                        let kind = kind.word();
                        check.warn(format!("{kind} {id} in {co} names {word} {unknown}, which is not there"));
                    }
                }
            }
        }
        after = page.next;
    }
    report(check, snapshot, Defect::WithoutCollaboration, "belongs to no collaboration").await?;
    report(check, snapshot, Defect::ApiKeyWithoutCollaboration, "is for a collaboration that is not there")
        .await?;
    check.examine(snapshot.count(Table::ApiKeys).await?);
    Ok(())
}

/// An entry that a living record refers to and that its collaboration does not have.
fn unknown_entry(co: &Collaboration, stored: &StoredRecord) -> Option<(&'static str, String)> {
    let references = if stored.deleted.is_none() { stored.record.references() } else { Vec::new() };
    let mut unknown = references.into_iter().filter(|(_, reference, id)| !reference.is_there(co, id));
    unknown.next().map(|(_, reference, id)| (reference.word(), id.to_owned()))
}

async fn memberships(check: &mut Check, snapshot: &mut Snapshot) -> Result<(), StoreError> {
    let mut after = Some(PageKey::default());
    while let Some(key) = after {
        let page = snapshot.checked_memberships(&key).await?;
        check.examine(page.rows.len() as u64);
        for row in page.rows {
            match row {
                Err(error) => check.broken(error.to_string()),
                Ok(found)
                    if (&found.membership.group, &found.membership.person)
                        != (&found.group, &found.person) =>
                {
                    check.broken(format!(
                        "membership {}/{} in {} holds the document of {}/{}",
                        found.group, found.person, found.co, found.membership.group, found.membership.person
                    ));
                }
                Ok(_) => {}
            }
        }
        after = page.next;
    }
    report(check, snapshot, Defect::MembershipWithoutPerson, "has no living person").await?;
    report(check, snapshot, Defect::MembershipWithoutGroup, "has no living group").await
}

async fn history(check: &mut Check, snapshot: &mut Snapshot) -> Result<(), StoreError> {
    check.examine(snapshot.count(Table::Changes).await?);
    report(check, snapshot, Defect::ChangeAfterGap, "follows no other: the one before is missing").await?;
    report(check, snapshot, Defect::ChangeWithoutRecord, "is of a record that is not there").await?;
    report(check, snapshot, Defect::RecordUnlikeItsHistory, "is not as its last change says").await
}

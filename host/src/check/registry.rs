//! Records, memberships and the change history.

use std::collections::HashMap;

use super::report::Check;
use super::{finished, report};
use crate::registry::record::{Collaboration, SubjectKey};
use crate::store::{CheckedRecord, Defect, PageKey, Snapshot, StoreError, StoredRecord, Table};

pub(super) async fn checks(snapshot: &mut Snapshot) -> Vec<Check> {
    let records =
        Check::new("records", "documents can be read, belong to a collaboration and to units of it");
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
                    // Before units were looked for, a record could name one that is not there.
                    if let Some(unit) = collaborations.get(&co).and_then(|co| unknown_unit(co, &stored)) {
                        let SubjectKey { kind, id } = &stored.key;
                        check.warn(format!(
                            "{} {id} in {co} names a unit {unit}, which is not there",
                            kind.word()
                        ));
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

/// A unit that a living record names and that its collaboration does not have.
fn unknown_unit(co: &Collaboration, stored: &StoredRecord) -> Option<String> {
    let units = if stored.deleted.is_none() { stored.record.units() } else { Vec::new() };
    units.into_iter().map(|(_, unit)| unit).find(|unit| !co.has_unit(unit)).map(str::to_owned)
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

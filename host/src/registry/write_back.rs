//! Identifiers that a counterpart gave, stored with the subject: part of the change history, and not provisioned again.

use jiff::Timestamp;
use uuid::Uuid;

use super::history::{NewChange, Operation};
use super::record::{Identifier, Meta, Record, Status, SubjectKey};
use crate::store::{StoreError, Transaction};

/// Stores identifiers, pairs of value and type, in place of those that the target stored before. A record that is gone
/// or has no identifiers stays as it is.
pub(crate) async fn write_back(
    transaction: &mut Transaction<'_>,
    co: &str,
    target: &str,
    subject: &SubjectKey,
    identifiers: Vec<(String, String)>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let ids = std::slice::from_ref(&subject.id);
    let stored = transaction.records_by_id(co, subject.kind, ids).await?.pop();
    let Some(stored) = stored.filter(|stored| stored.deleted.is_none()) else { return Ok(()) };
    let mut record = stored.record;
    let (meta, part) = match &mut record {
        Record::Person(person) => (&mut person.meta, &mut person.identifiers),
        Record::Group(group) => (&mut group.meta, &mut group.identifiers),
        Record::EmailList(list) => (&mut list.meta, &mut list.identifiers),
        Record::Department(department) => (&mut department.meta, &mut department.identifiers),
        Record::Service(_) => return Ok(()),
    };
    if !replace(part, target, identifiers, at) {
        return Ok(());
    }
    meta.modified = at;
    meta.revision += 1;
    transaction.put_records(co, &[(subject.clone(), record)], at).await?;
    let change = NewChange {
        subject: subject.clone(),
        operation: Operation::Updated,
        parts: vec!["identifiers".to_owned()],
        actor: format!("target:{target}"),
        provision: false,
    };
    transaction.append_changes(co, &[change], at).await?;
    Ok(())
}

/// Puts a target's identifiers in place of those it stored before. Tells whether anything changed.
fn replace(stored: &mut Vec<Identifier>, target: &str, given: Vec<(String, String)>, at: Timestamp) -> bool {
    let is_own = |identifier: &Identifier| identifier.provisioning_target.as_deref() == Some(target);
    let before: Vec<(&str, &str)> = stored
        .iter()
        .filter(|identifier| is_own(identifier))
        .map(|identifier| (identifier.identifier.as_str(), identifier.identifier_type.as_str()))
        .collect();
    if before.iter().copied().eq(given.iter().map(|(value, kind)| (value.as_str(), kind.as_str()))) {
        return false;
    }
    let (mut own, others): (Vec<_>, Vec<_>) = stored.drain(..).partition(is_own);
    *stored = others;
    stored.extend(given.into_iter().map(|(identifier, identifier_type)| {
        let same =
            |kept: &Identifier| kept.identifier == identifier && kept.identifier_type == identifier_type;
        match own.iter().position(same) {
            Some(kept) => own.swap_remove(kept),
            None => Identifier {
                meta: Meta { id: Uuid::now_v7().to_string(), created: at, modified: at, ..Meta::default() },
                identifier,
                identifier_type,
                status: Status::Active,
                provisioning_target: Some(target.to_owned()),
                ..Identifier::default()
            },
        }
    }));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(values: &[&str]) -> Vec<(String, String)> {
        values.iter().map(|value| ((*value).to_owned(), "provisioningtarget".to_owned())).collect()
    }

    #[test]
    fn a_target_replaces_its_own_identifiers_and_no_others() {
        let foreign = Identifier {
            identifier: "anna".to_owned(),
            identifier_type: "uid".to_owned(),
            ..Identifier::default()
        };
        let mut stored = vec![foreign.clone()];
        let at = Timestamp::UNIX_EPOCH;
        assert!(replace(&mut stored, "crowd", given(&["1", "2"]), at));
        let second = stored[2].meta.id.clone();
        assert!(!replace(&mut stored, "crowd", given(&["1", "2"]), at));
        assert!(replace(&mut stored, "crowd", given(&["2"]), at));
        assert_eq!(stored.len(), 2);
        assert_eq!(stored[0], foreign);
        assert_eq!(stored[1].meta.id, second, "an identifier that stays keeps its id");
        assert!(!replace(&mut stored, "jira", Vec::new(), at));
    }
}

//! Assembles what a plugin gets: the visible record of the moment, or the last known one of a record that is gone; and
//! what decides whether it gets it.

use jiff::Timestamp;

use super::contract::{
    subject_department, subject_email_list, subject_group, subject_person, subject_service,
};
use super::loader::Loaded;
use super::targets::CollaborationState;
use crate::capabilities::contract::records::Subject;
use crate::provisioning::Candidate;
use crate::registry::record::{Group, Record, RecordKind, SubjectKey};
use crate::registry::visible::{MembershipCause, group_member, visible_group, visible_person};
use crate::store::{Store, StoreError};

/// A subject as it is now.
pub(super) struct Assembled {
    pub(super) subject: Subject,
    pub(super) candidate: Candidate,
}

/// Makes the subject of what was read of it. None when there is no trace of it. `cause`: the person whose membership
/// caused the provisioning of a group.
pub(super) async fn assemble(
    store: &Store,
    co: &CollaborationState,
    cause: Option<&str>,
    loaded: Loaded,
    now: Timestamp,
) -> Result<Option<Assembled>, StoreError> {
    let Loaded { stored: Some(stored), memberships, .. } = loaded else { return Ok(None) };
    let (key, deleted) = (stored.key, stored.deleted.is_some());
    let other = |subject| Assembled { subject, candidate: Candidate::other(key.clone(), deleted) };
    Ok(Some(match stored.record {
        Record::Person(person) => {
            let visible = visible_person(*person, memberships, &co.email_lists, now);
            let candidate = Candidate::person(key, deleted, &visible);
            Assembled { subject: subject_person(visible, &co.view), candidate }
        }
        Record::Group(group) => other(assemble_group(store, co, cause, *group).await?),
        Record::EmailList(list) => other(subject_email_list(*list, &co.view)),
        Record::Service(service) => other(subject_service(*service, &co.view)),
        Record::Department(department) => other(
            subject_department(*department, &co.view)
                .map_err(|error| StoreError::Value(format!("a department as JSON: {error}")))?,
        ),
    }))
}

async fn assemble_group(
    store: &Store,
    co: &CollaborationState,
    cause: Option<&str>,
    group: Group,
) -> Result<Subject, StoreError> {
    let cause = match cause {
        Some(person) => Some(membership_cause(store, &co.collaboration.id, &group.meta.id, person).await?),
        None => None,
    };
    Ok(subject_group(visible_group(group, &co.email_lists, cause), &co.view))
}

async fn membership_cause(
    store: &Store,
    co: &str,
    group: &str,
    person: &str,
) -> Result<MembershipCause, StoreError> {
    let membership = store.membership(co, group, person).await?;
    let key = SubjectKey { kind: RecordKind::Person, id: person.to_owned() };
    let member = match (membership, store.record(co, &key).await?.map(|stored| stored.record)) {
        (Some(membership), Some(Record::Person(person))) => Some(group_member(membership, &person, None)),
        _ => None,
    };
    Ok(MembershipCause { person: person.to_owned(), member })
}

//! Assembles what a plugin gets: the visible record of the moment, or the last known one of a record that is gone.

use jiff::Timestamp;

use super::contract::{
    subject_department, subject_email_list, subject_group, subject_person, subject_service,
};
use super::dispatch::Work;
use super::loader::Loaded;
use super::targets::CollaborationState;
use crate::capabilities::contract::records::Subject;
use crate::provisioning::Action;
use crate::registry::record::{Group, Record, RecordKind, SubjectKey};
use crate::registry::visible::{MembershipCause, group_member, visible_group, visible_person};
use crate::store::{Store, StoreError};

/// A subject and why it is provisioned, as it is now.
pub(super) struct Assembled {
    pub(super) subject: Subject,
    pub(super) action: Action,
}

/// Makes the subject of some work of what was read of it. None when there is no trace of it.
pub(super) async fn assemble(
    store: &Store,
    co: &CollaborationState,
    work: &Work,
    loaded: Loaded,
    now: Timestamp,
) -> Result<Option<Assembled>, StoreError> {
    let Loaded { stored: Some(stored), memberships, .. } = loaded else { return Ok(None) };
    let gone = stored.deleted.is_some();
    let (subject, provisionable) = match stored.record {
        Record::Person(person) => {
            let provisionable = person.status.is_provisionable();
            let visible = visible_person(*person, memberships, &co.email_lists, now);
            (subject_person(visible, &co.view), provisionable)
        }
        Record::Group(group) => (assemble_group(store, co, work, *group).await?, true),
        Record::EmailList(list) => (subject_email_list(*list, &co.view), true),
        Record::Service(service) => (subject_service(*service, &co.view), true),
        Record::Department(department) => {
            let subject = subject_department(*department, &co.view);
            (subject.map_err(|error| StoreError::Value(format!("a department as JSON: {error}")))?, true)
        }
    };
    Ok(Some(Assembled { subject, action: current_action(work.action, gone || !provisionable) }))
}

/// The planned action says why; whether the subject is to be there is decided by the state of the moment.
fn current_action(planned: Action, absent: bool) -> Action {
    match (absent, planned) {
        (true, _) => Action::Deleted,
        (false, Action::Deleted) => Action::Updated,
        (false, action) => action,
    }
}

async fn assemble_group(
    store: &Store,
    co: &CollaborationState,
    work: &Work,
    group: Group,
) -> Result<Subject, StoreError> {
    let cause = match &work.cause {
        Some(person) => Some(cause(store, &work.co, &work.subject.id, person).await?),
        None => None,
    };
    Ok(subject_group(visible_group(group, &co.email_lists, cause), &co.view))
}

async fn cause(store: &Store, co: &str, group: &str, person: &str) -> Result<MembershipCause, StoreError> {
    let membership = store.membership(co, group, person).await?;
    let key = SubjectKey { kind: RecordKind::Person, id: person.to_owned() };
    let member = match (membership, store.record(co, &key).await?.map(|stored| stored.record)) {
        (Some(membership), Some(Record::Person(person))) => Some(group_member(membership, &person, None)),
        _ => None,
    };
    Ok(MembershipCause { person: person.to_owned(), member })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_subject_is_deleted_whatever_was_planned() {
        for planned in [Action::Added, Action::Updated, Action::ReprovisionRequested, Action::Deleted] {
            assert_eq!(current_action(planned, true), Action::Deleted);
        }
    }

    #[test]
    fn a_deletion_of_a_subject_that_is_back_brings_it_up_to_date() {
        assert_eq!(current_action(Action::Deleted, false), Action::Updated);
        assert_eq!(current_action(Action::Added, false), Action::Added);
    }
}

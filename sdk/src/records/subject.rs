//! What all kinds of subjects have in common.

use super::{Metadata, Subject, SubjectKind};

impl Subject {
    /// The kind of the subject.
    pub fn kind(&self) -> SubjectKind {
        match self {
            Subject::Person(_) => SubjectKind::Person,
            Subject::Group(_) => SubjectKind::Group,
            Subject::EmailList(_) => SubjectKind::EmailList,
            Subject::Service(_) => SubjectKind::Service,
            Subject::Other(record) => SubjectKind::Other(record.kind.clone()),
        }
    }

    /// `id` of the subject, unique within CO and kind.
    pub fn id(&self) -> &str {
        &self.metadata().id
    }

    /// Where the subject stands in its own history.
    pub fn metadata(&self) -> &Metadata {
        match self {
            Subject::Person(person) => &person.metadata,
            Subject::Group(group) => &group.metadata,
            Subject::EmailList(list) => &list.metadata,
            Subject::Service(service) => &service.metadata,
            Subject::Other(record) => &record.metadata,
        }
    }
}

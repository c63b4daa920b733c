//! What can be stored: the form of a record and its parts. Whether what it refers to exists is not known here.

mod collaboration;
mod id;
mod parse;
mod report;
mod rules;

pub use id::{MAX_ID_BYTES, check_id};
pub use parse::parse_record;
pub use report::{InvalidRecord, MAX_PROBLEMS, MAX_RECORD_BYTES, MAX_TEXT_BYTES, Problem};

pub(crate) use parse::{read_json, read_record};
pub(crate) use report::{Report, escape};
pub(crate) use rules::Rules;

use super::record::{Collaboration, Membership, Person, Record};
use super::shape::Field;

/// Checks a record, and settles what its writer may leave open: empty optional texts are none, and the only name of a
/// person is the primary one.
pub fn validate(mut record: Record) -> Result<Record, InvalidRecord> {
    let mut report = Report::default();
    match &mut record {
        Record::Person(person) => {
            mark_the_only_name(person);
            tidy_and_check(&mut **person, &mut report);
        }
        Record::Group(group) => tidy_and_check(&mut **group, &mut report),
        Record::EmailList(list) => tidy_and_check(&mut **list, &mut report),
        Record::Service(service) => tidy_and_check(&mut **service, &mut report),
        Record::Department(department) => tidy_and_check(&mut **department, &mut report),
    }
    report.size(&record);
    report.finish().map(|()| record)
}

/// Checks a membership.
pub fn validate_membership(membership: &Membership) -> Result<(), InvalidRecord> {
    let mut report = Report::default();
    membership.check(&mut report);
    report.finish()
}

/// Checks a collaboration: its id, the tree of its units, its words for affiliations.
pub fn validate_collaboration(collaboration: &Collaboration) -> Result<(), InvalidRecord> {
    let mut report = Report::default();
    collaboration.rules(&mut report);
    report.finish()
}

fn tidy_and_check(document: &mut impl Field, report: &mut Report) {
    document.tidy();
    document.check(report);
}

fn mark_the_only_name(person: &mut Person) {
    if let [name] = person.names.as_mut_slice() {
        name.primary = true;
    }
}

#[cfg(test)]
mod tests;

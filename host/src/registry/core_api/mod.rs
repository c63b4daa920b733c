//! Reads people as the COmanage Core API writes them.
//!
//! Columns become the fields of the native record. What has no field is kept in the person's extensions as
//! `core_api/<JSON Pointer>`; only the bookkeeping of COmanage's own tables (`meta`) is not, apart from what is read of
//! it. Status codes are the two-letter ones; times without a zone are UTC.

mod codes;
mod columns;
mod row;

use serde_json::{Map, Value};

use super::record::{Membership, Person, Status};
use super::validate::{InvalidRecord, read_json};
use row::Row;

/// Where the `id` of a person comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PersonId {
    /// From `CoPerson.meta.id`.
    #[default]
    CoPerson,
    /// From the first active identifier of this type.
    Identifier(String),
}

/// A document of the Core API in native terms.
#[derive(Clone, Debug, PartialEq)]
pub struct CoreApiPerson {
    /// The person; the record's id is in its metadata.
    pub person: Person,
    /// All memberships, if the document speaks of them (`CoGroupMember`). `id`s of groups are COmanage's as text.
    pub memberships: Option<Vec<Membership>>,
}

/// Reads a person document. Problems carry JSON Pointers into it.
pub fn parse_person(json: &[u8], person_id: &PersonId) -> Result<CoreApiPerson, InvalidRecord> {
    match read_json(json)? {
        Value::Object(document) if is_person(&document) => read_person(document, person_id),
        _ => Err(InvalidRecord::new(
            "",
            "not a person document of the Core API: an object with \"CoPerson\" is expected",
        )),
    }
}

/// Whether an object looks like a person document.
pub(crate) fn is_person(document: &Map<String, Value>) -> bool {
    document.contains_key("CoPerson")
}

/// Reads an object that [`is_person`].
pub(crate) fn read_person(
    document: Map<String, Value>,
    person_id: &PersonId,
) -> Result<CoreApiPerson, InvalidRecord> {
    let mut row = Row::document(document);
    let mut person = columns::person(&mut row);
    let mut memberships = columns::memberships(&mut row);
    let id = id_of(&person, person_id, &mut row);
    person.extensions = row.finish()?;
    for membership in memberships.iter_mut().flatten() {
        membership.person.clone_from(&id);
    }
    person.meta.id = id;
    Ok(CoreApiPerson { person, memberships })
}

fn id_of(person: &Person, source: &PersonId, row: &mut Row) -> String {
    match source {
        PersonId::CoPerson if person.meta.id.is_empty() => {
            row.problem("/CoPerson/meta/id", "an id is needed; or choose an identifier type to take it from");
            String::new()
        }
        PersonId::CoPerson => person.meta.id.clone(),
        PersonId::Identifier(wanted) => {
            let found = person.identifiers.iter().find(|identifier| {
                identifier.identifier_type == *wanted && identifier.status == Status::Active
            });
            if found.is_none() {
                row.problem(
                    "/Identifier",
                    format!("no active identifier of type \"{wanted}\" to take the id from"),
                );
            }
            found.map(|identifier| identifier.identifier.clone()).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests;

//! Reads people and departments as the COmanage Core API writes them.
//!
//! Columns become the fields of the native record. What has no field is kept in the person's extensions as
//! `core_api/<JSON Pointer>`; only the bookkeeping of COmanage's own tables (`meta`) is not, apart from what is read of
//! it. Status codes are the two-letter ones; times without a zone are UTC.

mod codes;
mod columns;
mod row;

use serde_json::{Map, Value};

use super::record::{Department, Membership, Person, Status};
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

/// A document of the Core API.
#[derive(Clone, Debug, PartialEq)]
pub enum CoreApiDocument {
    /// Of a person.
    Person(Box<CoreApiPerson>),
    /// Of a department; the record's id is in its metadata.
    Department(Box<Department>),
}

/// Reads a document. Problems carry JSON Pointers into it.
pub fn parse_document(json: &[u8], person_id: &PersonId) -> Result<CoreApiDocument, InvalidRecord> {
    match read_json(json)? {
        Value::Object(document) if is_document(&document) => read_document(document, person_id),
        _ => Err(InvalidRecord::new(
            "",
            "not a document of the Core API: an object with \"CoPerson\" or \"CoDepartment\" is expected",
        )),
    }
}

/// Reads a document of a person.
pub fn parse_person(json: &[u8], person_id: &PersonId) -> Result<CoreApiPerson, InvalidRecord> {
    match parse_document(json, person_id)? {
        CoreApiDocument::Person(person) => Ok(*person),
        CoreApiDocument::Department(_) => Err(InvalidRecord::new("", "this is a department, not a person")),
    }
}

/// Whether an object looks like a document.
pub(crate) fn is_document(document: &Map<String, Value>) -> bool {
    document.contains_key("CoPerson") || document.contains_key("CoDepartment")
}

/// Reads an object that [`is_document`].
pub(crate) fn read_document(
    document: Map<String, Value>,
    person_id: &PersonId,
) -> Result<CoreApiDocument, InvalidRecord> {
    match document.contains_key("CoPerson") {
        true => read_person(document, person_id).map(|person| CoreApiDocument::Person(Box::new(person))),
        false => {
            read_department(document).map(|department| CoreApiDocument::Department(Box::new(department)))
        }
    }
}

fn read_department(document: Map<String, Value>) -> Result<Department, InvalidRecord> {
    let mut row = Row::document(document);
    let mut department = columns::department(&mut row);
    if department.meta.id.is_empty() {
        row.problem("/CoDepartment/meta/id", "an id is needed");
    }
    department.extensions = row.finish()?;
    Ok(department)
}

fn read_person(document: Map<String, Value>, person_id: &PersonId) -> Result<CoreApiPerson, InvalidRecord> {
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

//! What the API provisioner of a COmanage Registry (version 4) sends about a person, in native terms.
//!
//! Such a document holds what the Registry shows of a person; what it cannot hold (agreements, authenticators, cluster
//! accounts, org identities) stays as it is here. How it is stored is in [`super::write`].

mod document;
mod ledger;
mod lenient;

use super::record::{Group, Meta, Person};
use super::validate::check_id;
use ring::digest::{SHA256, digest};
use std::collections::BTreeMap;
use std::fmt::Write as _;

pub use document::parse_delivery;
pub use ledger::{Ledger, Version};

/// One document.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The identifier that the Registry chose: the `id` of the person here.
    pub id: String,
    /// None: the person is to be removed.
    pub content: Option<Content>,
}

/// What a document says of a person.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    /// Only the fields that a document has.
    pub person: Person,
    /// Names of the groups the person is in, without those of all and of active members.
    pub groups: Vec<String>,
    /// The state of each of the Registry's rows in it, by kind and id.
    pub versions: BTreeMap<String, Version>,
}

impl Content {
    /// The person as it is to be stored.
    pub(super) fn merged_into(self, stored: Option<Person>) -> Person {
        let Person {
            meta: _, status, date_of_birth, names, email_addresses, identifiers, urls, roles, ..
        } = self.person;
        let stored = stored.unwrap_or_default();
        let primary = stored.names.iter().find(|name| name.primary).map(|name| name.meta.id.clone());
        let mut person = Person {
            meta: Meta { source: stored.meta.source.clone(), ..Meta::default() },
            status,
            date_of_birth,
            names,
            email_addresses,
            identifiers,
            urls,
            roles,
            ..stored
        };
        mark_primary(&mut person, primary.as_deref());
        person
    }
}

/// A document does not say which name is primary: the one that is so here, else the first official one, else the first.
fn mark_primary(person: &mut Person, primary: Option<&str>) {
    let names = &person.names;
    let chosen = names
        .iter()
        .position(|name| primary == Some(name.meta.id.as_str()))
        .or_else(|| names.iter().position(|name| name.name_type == "official"))
        .unwrap_or_default();
    if let Some(name) = person.names.get_mut(chosen) {
        name.primary = true;
    }
}

/// The group that the Registry calls so. Its `id` is the name, with "=" and two hexadecimal digits for each byte that an
/// id cannot hold; for a name that is too long, its SHA-256.
pub(super) fn group_named(name: &str) -> Group {
    Group { meta: Meta { id: group_id(name), ..Meta::default() }, name: name.to_owned(), ..Group::default() }
}

/// Whether the Registry keeps the members of a group by itself: all or the active ones, of a CO or of a unit. Who they are
/// here follows from the people themselves.
fn is_automatic(name: &str) -> bool {
    name.starts_with("CO:") && (name.ends_with(":members:all") || name.ends_with(":members:active"))
}

pub(super) fn group_id(name: &str) -> String {
    let mut id = String::with_capacity(name.len());
    for byte in name.bytes() {
        let character = char::from(byte);
        // Writing to a string cannot fail.
        let _ = match character != '=' && check_id(character.encode_utf8(&mut [0; 4])).is_ok() {
            true => write!(id, "{character}"),
            false if matches!(byte, b'.') => write!(id, "."),
            false => write!(id, "={byte:02X}"),
        };
    }
    if check_id(&id).is_ok() {
        return id;
    }
    let hash = digest(&SHA256, name.as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;

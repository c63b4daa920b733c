//! The election.

use provender_sdk::records::{
    Address, EmailAddress, Identifier, Metadata, Name, Subject, TelephoneNumber, Url,
};

use crate::configuration::{Attribute, Configuration, Precedence, Replacement, TieBreak};

/// Elects among the entries of a subject: once for the subject, or once for each role where roles have the attribute.
pub(crate) fn subject(subject: &mut Subject, election: &Configuration) {
    match subject {
        Subject::Person(person) => match election.attribute {
            Attribute::Name => elect(&mut person.names, election),
            Attribute::Url => elect(&mut person.urls, election),
            Attribute::EmailAddress => elect(&mut person.email_addresses, election),
            Attribute::Identifier => elect(&mut person.identifiers, election),
            Attribute::Address => {
                person.roles.iter_mut().for_each(|role| elect(&mut role.addresses, election));
            }
            Attribute::TelephoneNumber => {
                person.roles.iter_mut().for_each(|role| elect(&mut role.telephone_numbers, election));
            }
        },
        Subject::Group(group) if election.attribute == Attribute::Identifier => {
            elect(&mut group.identifiers, election);
        }
        Subject::EmailList(list) if election.attribute == Attribute::Identifier => {
            elect(&mut list.identifiers, election);
        }
        _ => {}
    }
}

/// Where nothing fits any precedence, all stays as it is.
fn elect<T: Entry>(entries: &mut Vec<T>, election: &Configuration) {
    let outbound_type = election.outbound_type.to_lowercase();
    let candidates = |precedence| entries.iter().filter(move |entry| fits(*entry, precedence));
    let elected = election.precedences.iter().find_map(|precedence| {
        let of = candidates(precedence);
        match election.tie_break {
            TieBreak::Oldest => of.min_by_key(|entry| age(*entry)),
            TieBreak::Newest => of.max_by_key(|entry| age(*entry)),
        }
    });
    let Some(mut elected) = elected.cloned() else { return };
    match election.replacement {
        Replacement::Replace => {
            elected.make(outbound_type, true);
            *entries = vec![elected];
        }
        // It is there as it is to be.
        Replacement::Insert if elected.entry_type() == outbound_type => {}
        Replacement::Insert => {
            elected.make(outbound_type, false);
            // Ids are unique within a record; this one tells where the copy comes from.
            elected.metadata_mut().id.push_str(COPY);
            entries.push(elected);
        }
    }
}

/// Behind the `id` of an entry that an elected copy was made of.
const COPY: &str = "-elected";

fn fits<T: Entry>(entry: &T, precedence: &Precedence) -> bool {
    let source = precedence.source.as_ref();
    entry.entry_type() == precedence.inbound_type
        && source.is_none_or(|source| entry.metadata().source.as_ref() == Some(source))
}

/// Timestamps of the contract sort as text. Of entries of the same second, as an import makes them, the ids tell: those that
/// the host gives sort as text, and those of a Registry are numbers.
fn age<T: Entry>(entry: &T) -> (&str, usize, &str) {
    let Metadata { created, id, .. } = entry.metadata();
    (created, id.len(), id)
}

/// An entry that can be elected.
trait Entry: Clone {
    fn metadata(&self) -> &Metadata;
    fn metadata_mut(&mut self) -> &mut Metadata;
    fn entry_type(&self) -> &str;
    /// Makes it the elected one; `alone`: it takes the place of all.
    fn make(&mut self, entry_type: String, alone: bool);
}

macro_rules! entry {
    ($entry:ident, $field:ident $(, $primary:ident)?) => {
        impl Entry for $entry {
            fn metadata(&self) -> &Metadata {
                &self.metadata
            }

            fn metadata_mut(&mut self) -> &mut Metadata {
                &mut self.metadata
            }

            fn entry_type(&self) -> &str {
                &self.$field
            }

            fn make(&mut self, entry_type: String, _alone: bool) {
                self.$field = entry_type;
                // Exactly one name is primary.
                $(self.$primary = _alone;)?
            }
        }
    };
}

entry!(Address, address_type);
entry!(EmailAddress, email_type);
entry!(Identifier, identifier_type);
entry!(Name, name_type, primary);
entry!(TelephoneNumber, telephone_type);
entry!(Url, url_type);

#[cfg(test)]
mod tests;

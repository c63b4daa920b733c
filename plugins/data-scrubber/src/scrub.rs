//! The rules, applied to a person.

use provender_sdk::records::{
    Address, EmailAddress, Identifier, Name, OrgIdentity, Person, Role, TelephoneNumber, Url,
};

use crate::configuration::{Attribute, Place, Presence, Rule};

/// Applies the rules one after the other. The error says what a person lacks that must be there.
pub(crate) fn person(person: &mut Person, rules: &[Rule]) -> Result<(), String> {
    for rule in rules {
        let present = apply(person, rule);
        if rule.presence == Presence::Required && !present {
            return Err(format!("has no {rule}"));
        }
    }
    Ok(())
}

/// Tells whether the attribute is there; takes it out if it is not permitted.
fn apply(person: &mut Person, rule: &Rule) -> bool {
    let mut present = false;
    if rule.places.contains(&Place::Person) {
        present |= of_person(person, rule);
    }
    if rule.places.contains(&Place::Roles) {
        for role in &mut person.roles {
            present |= of_role(role, rule);
        }
    }
    if rule.places.contains(&Place::OrgIdentities) {
        for identity in &mut person.org_identities {
            present |= of_org_identity(identity, rule);
        }
    }
    present
}

fn of_person(person: &mut Person, rule: &Rule) -> bool {
    match rule.attribute {
        Attribute::DateOfBirth => value(&mut person.date_of_birth, rule),
        Attribute::EmailAddress => entries(&mut person.email_addresses, rule),
        Attribute::Identifier => entries(&mut person.identifiers, rule),
        Attribute::Name => {
            let present = entries(&mut person.names, rule);
            keep_primary(&mut person.names);
            present
        }
        Attribute::Url => entries(&mut person.urls, rule),
        Attribute::Affiliation
        | Attribute::Organization
        | Attribute::Department
        | Attribute::Title
        | Attribute::Address
        | Attribute::TelephoneNumber => false,
    }
}

fn of_role(role: &mut Role, rule: &Rule) -> bool {
    match rule.attribute {
        Attribute::Affiliation => value(&mut role.affiliation, rule),
        Attribute::Organization => value(&mut role.organization, rule),
        Attribute::Department => value(&mut role.department, rule),
        Attribute::Title => value(&mut role.title, rule),
        Attribute::Address => entries(&mut role.addresses, rule),
        Attribute::TelephoneNumber => entries(&mut role.telephone_numbers, rule),
        Attribute::DateOfBirth
        | Attribute::EmailAddress
        | Attribute::Identifier
        | Attribute::Name
        | Attribute::Url => false,
    }
}

fn of_org_identity(identity: &mut OrgIdentity, rule: &Rule) -> bool {
    match rule.attribute {
        Attribute::Affiliation => value(&mut identity.affiliation, rule),
        Attribute::DateOfBirth => value(&mut identity.date_of_birth, rule),
        Attribute::Organization => value(&mut identity.organization, rule),
        Attribute::Department => value(&mut identity.department, rule),
        Attribute::Title => value(&mut identity.title, rule),
        Attribute::Address => entries(&mut identity.addresses, rule),
        Attribute::EmailAddress => entries(&mut identity.email_addresses, rule),
        Attribute::Identifier => entries(&mut identity.identifiers, rule),
        Attribute::Name => {
            let present = entries(&mut identity.names, rule);
            keep_primary(&mut identity.names);
            present
        }
        Attribute::TelephoneNumber => entries(&mut identity.telephone_numbers, rule),
        Attribute::Url => entries(&mut identity.urls, rule),
    }
}

fn value<T>(value: &mut Option<T>, rule: &Rule) -> bool {
    let present = value.is_some();
    if rule.presence == Presence::NotPermitted {
        *value = None;
    }
    present
}

fn entries<T: Typed>(entries: &mut Vec<T>, rule: &Rule) -> bool {
    let meant = |entry: &T| rule.attribute_type.as_ref().is_none_or(|wanted| entry.type_word() == wanted);
    let present = entries.iter().any(meant);
    if rule.presence == Presence::NotPermitted {
        entries.retain(|entry| !meant(entry));
    }
    present
}

/// Where the primary name was taken out, the first of the others takes its place: exactly one is primary.
fn keep_primary(names: &mut [Name]) {
    if !names.iter().any(|name| name.primary)
        && let Some(first) = names.first_mut()
    {
        first.primary = true;
    }
}

/// An entry with a type.
trait Typed {
    fn type_word(&self) -> &str;
}

macro_rules! typed {
    ($($entry:ident: $field:ident),+) => {
        $(impl Typed for $entry {
            fn type_word(&self) -> &str {
                &self.$field
            }
        })+
    };
}

typed!(
    Address: address_type,
    EmailAddress: email_type,
    Identifier: identifier_type,
    Name: name_type,
    TelephoneNumber: telephone_type,
    Url: url_type
);

#[cfg(test)]
mod tests;

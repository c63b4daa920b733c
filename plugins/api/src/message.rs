//! The messages that the endpoint receives; `message.schema.json` describes them for its author.
//!
//! What the registry holds no value for is left out. False, zero and empty lists are values.

use provender_sdk::records::{self, Membership, Metadata, Person, Status};
use serde::Serialize;
use serde_with::skip_serializing_none;

/// A message of one person.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message<P> {
    meta: MessageMeta,
    person: P,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageMeta {
    version: &'static str,
    object_type: &'static str,
}

/// A person as it is now, known to the endpoint by `identifier`.
pub(crate) fn of_person<'a>(person: &'a Person, identifier: &'a str) -> Message<PresentPerson<'a>> {
    message(PresentPerson {
        meta: PersonMeta {
            id: identifier,
            created: &person.metadata.created,
            last_modified: &person.metadata.modified,
        },
        status: label(&person.status),
        names: all(&person.names),
        identifiers: all(&person.identifiers),
        email_addresses: all(&person.email_addresses),
        urls: all(&person.urls),
        roles: all(&person.roles),
        date_of_birth: person.date_of_birth.as_deref(),
        members: member_of(&person.memberships),
    })
}

/// That a person is gone.
pub(crate) fn of_removal(identifier: &str) -> Message<RemovedPerson<'_>> {
    message(RemovedPerson { meta: RemovedPersonMeta { id: identifier, deleted: true } })
}

fn message<P>(person: P) -> Message<P> {
    Message { meta: MessageMeta { version: "1.0.0", object_type: "person" }, person }
}

fn all<'a, R, P: From<&'a R>>(parts: &'a [R]) -> Vec<P> {
    parts.iter().map(P::from).collect()
}

#[skip_serializing_none]
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PresentPerson<'a> {
    meta: PersonMeta<'a>,
    status: String,
    names: Vec<Name<'a>>,
    identifiers: Vec<Identifier<'a>>,
    email_addresses: Vec<EmailAddress<'a>>,
    urls: Vec<Url<'a>>,
    roles: Vec<Role<'a>>,
    date_of_birth: Option<&'a str>,
    members: Vec<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PersonMeta<'a> {
    id: &'a str,
    created: &'a str,
    last_modified: &'a str,
}

#[derive(Serialize)]
pub(crate) struct RemovedPerson<'a> {
    meta: RemovedPersonMeta<'a>,
}

#[derive(Serialize)]
struct RemovedPersonMeta<'a> {
    id: &'a str,
    deleted: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PartMeta<'a> {
    id: &'a str,
    created: &'a str,
    last_modified: &'a str,
    revision: u64,
}

impl<'a> From<&'a Metadata> for PartMeta<'a> {
    fn from(metadata: &'a Metadata) -> Self {
        Self {
            id: &metadata.id,
            created: &metadata.created,
            last_modified: &metadata.modified,
            revision: metadata.revision,
        }
    }
}

#[skip_serializing_none]
#[derive(Serialize)]
struct Name<'a> {
    meta: PartMeta<'a>,
    prefix: Option<&'a str>,
    given: Option<&'a str>,
    middle: Option<&'a str>,
    family: Option<&'a str>,
    suffix: Option<&'a str>,
    language: Option<&'a str>,
    formatted: String,
    r#type: &'a str,
}

impl<'a> From<&'a records::Name> for Name<'a> {
    fn from(name: &'a records::Name) -> Self {
        Self {
            meta: (&name.metadata).into(),
            prefix: name.honorific.as_deref(),
            given: name.given.as_deref(),
            middle: name.middle.as_deref(),
            family: name.family.as_deref(),
            suffix: name.suffix.as_deref(),
            language: name.language.as_deref(),
            formatted: name.formatted(),
            r#type: &name.name_type,
        }
    }
}

#[derive(Serialize)]
struct Identifier<'a> {
    meta: PartMeta<'a>,
    identifier: &'a str,
    r#type: &'a str,
}

impl<'a> From<&'a records::Identifier> for Identifier<'a> {
    fn from(identifier: &'a records::Identifier) -> Self {
        Self {
            meta: (&identifier.metadata).into(),
            identifier: &identifier.identifier,
            r#type: &identifier.identifier_type,
        }
    }
}

#[derive(Serialize)]
struct EmailAddress<'a> {
    meta: PartMeta<'a>,
    address: &'a str,
    verified: bool,
    r#type: &'a str,
}

impl<'a> From<&'a records::EmailAddress> for EmailAddress<'a> {
    fn from(email: &'a records::EmailAddress) -> Self {
        Self {
            meta: (&email.metadata).into(),
            address: &email.mail,
            verified: email.verified,
            r#type: &email.email_type,
        }
    }
}

#[derive(Serialize)]
struct Url<'a> {
    meta: PartMeta<'a>,
    url: &'a str,
    r#type: &'a str,
}

impl<'a> From<&'a records::Url> for Url<'a> {
    fn from(url: &'a records::Url) -> Self {
        Self { meta: (&url.metadata).into(), url: &url.url, r#type: &url.url_type }
    }
}

#[skip_serializing_none]
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Role<'a> {
    meta: PartMeta<'a>,
    cou_id: Option<&'a str>,
    title: Option<&'a str>,
    organization: Option<&'a str>,
    department: Option<&'a str>,
    valid_from: Option<&'a str>,
    valid_through: Option<&'a str>,
    affiliation: Option<&'a str>,
    rank: Option<i64>,
    addresses: Vec<Address<'a>>,
    telephone_numbers: Vec<TelephoneNumber<'a>>,
    status: String,
}

impl<'a> From<&'a records::Role> for Role<'a> {
    fn from(role: &'a records::Role) -> Self {
        Self {
            meta: (&role.metadata).into(),
            cou_id: role.cou.as_ref().map(|cou| cou.id.as_str()),
            title: role.title.as_deref(),
            organization: role.organization.as_deref(),
            department: role.department.as_deref(),
            valid_from: role.valid_from.as_deref(),
            valid_through: role.valid_through.as_deref(),
            affiliation: role.affiliation.as_deref(),
            rank: role.rank,
            addresses: all(&role.addresses),
            telephone_numbers: all(&role.telephone_numbers),
            status: label(&role.status),
        }
    }
}

#[skip_serializing_none]
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Address<'a> {
    meta: PartMeta<'a>,
    street_address: Option<&'a str>,
    room: Option<&'a str>,
    locality: Option<&'a str>,
    region: Option<&'a str>,
    postal_code: Option<&'a str>,
    country: Option<&'a str>,
    language: Option<&'a str>,
    formatted: String,
    r#type: &'a str,
}

impl<'a> From<&'a records::Address> for Address<'a> {
    fn from(address: &'a records::Address) -> Self {
        Self {
            meta: (&address.metadata).into(),
            street_address: address.street.as_deref(),
            room: address.room.as_deref(),
            locality: address.locality.as_deref(),
            region: address.state.as_deref(),
            postal_code: address.postal_code.as_deref(),
            country: address.country.as_deref(),
            language: address.language.as_deref(),
            formatted: address.formatted(),
            r#type: &address.address_type,
        }
    }
}

#[derive(Serialize)]
struct TelephoneNumber<'a> {
    meta: PartMeta<'a>,
    number: String,
    r#type: &'a str,
}

impl<'a> From<&'a records::TelephoneNumber> for TelephoneNumber<'a> {
    fn from(number: &'a records::TelephoneNumber) -> Self {
        Self { meta: (&number.metadata).into(), number: number.formatted(), r#type: &number.telephone_type }
    }
}

/// A status in words: "grace period".
fn label(status: &Status) -> String {
    status.word().replace('_', " ")
}

/// Names of the groups that the person is a member of, each once. Owners need not be members.
fn member_of(memberships: &[Membership]) -> Vec<&str> {
    let mut names = Vec::new();
    for membership in memberships.iter().filter(|membership| membership.member) {
        let name = membership.group.name.as_str();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests;

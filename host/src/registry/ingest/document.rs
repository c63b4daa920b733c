//! The document of the API provisioner, version 1.0.0: reads it and makes native fields of its keys.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as WordError, StringDeserializer};

use super::lenient::{flag, list, number, text, time};
use super::{Content, Delivery, Version, is_automatic};
use crate::registry::record::{
    Address, EmailAddress, Identifier, Meta, Name, Person, Role, Status, TelephoneNumber, Url,
};
use crate::registry::validate::{InvalidRecord, check_id, read_json};

#[derive(Deserialize)]
struct Message {
    person: MessagePerson,
}

/// What is not listed (`formatted` of addresses, for one) can be told from the rest.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MessagePerson {
    meta: RowMeta,
    #[serde(deserialize_with = "text")]
    status: Option<String>,
    #[serde(deserialize_with = "list")]
    names: Vec<MessageName>,
    #[serde(deserialize_with = "list")]
    identifiers: Vec<MessageIdentifier>,
    #[serde(deserialize_with = "list")]
    email_addresses: Vec<MessageEmailAddress>,
    #[serde(deserialize_with = "list")]
    urls: Vec<MessageUrl>,
    #[serde(deserialize_with = "list")]
    roles: Vec<MessageRole>,
    date_of_birth: Option<Date>,
    #[serde(deserialize_with = "list")]
    members: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RowMeta {
    #[serde(deserialize_with = "text")]
    id: Option<String>,
    #[serde(deserialize_with = "time")]
    last_modified: Option<Timestamp>,
    #[serde(deserialize_with = "number")]
    revision: Option<i64>,
    #[serde(deserialize_with = "flag")]
    deleted: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MessageName {
    meta: RowMeta,
    #[serde(deserialize_with = "text")]
    prefix: Option<String>,
    #[serde(deserialize_with = "text")]
    given: Option<String>,
    #[serde(deserialize_with = "text")]
    middle: Option<String>,
    #[serde(deserialize_with = "text")]
    family: Option<String>,
    #[serde(deserialize_with = "text")]
    suffix: Option<String>,
    #[serde(deserialize_with = "text")]
    language: Option<String>,
    #[serde(rename = "type", deserialize_with = "text")]
    name_type: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MessageIdentifier {
    meta: RowMeta,
    #[serde(deserialize_with = "text")]
    identifier: Option<String>,
    #[serde(rename = "type", deserialize_with = "text")]
    identifier_type: Option<String>,
}

/// The published schema calls the address `mail`, the provisioner sends `address`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MessageEmailAddress {
    meta: RowMeta,
    #[serde(alias = "mail", deserialize_with = "text")]
    address: Option<String>,
    #[serde(deserialize_with = "flag")]
    verified: bool,
    #[serde(rename = "type", deserialize_with = "text")]
    email_type: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MessageUrl {
    meta: RowMeta,
    #[serde(deserialize_with = "text")]
    url: Option<String>,
    #[serde(rename = "type", deserialize_with = "text")]
    url_type: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MessageRole {
    meta: RowMeta,
    #[serde(deserialize_with = "text")]
    cou_id: Option<String>,
    #[serde(deserialize_with = "text")]
    title: Option<String>,
    #[serde(deserialize_with = "text")]
    organization: Option<String>,
    #[serde(deserialize_with = "text")]
    department: Option<String>,
    #[serde(deserialize_with = "time")]
    valid_from: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    valid_through: Option<Timestamp>,
    #[serde(deserialize_with = "text")]
    affiliation: Option<String>,
    #[serde(deserialize_with = "number")]
    rank: Option<i64>,
    #[serde(deserialize_with = "list")]
    addresses: Vec<MessageAddress>,
    #[serde(deserialize_with = "list")]
    telephone_numbers: Vec<MessageTelephoneNumber>,
}

/// The published schema calls the street `street`, the provisioner sends `streetAddress`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MessageAddress {
    meta: RowMeta,
    #[serde(alias = "street", deserialize_with = "text")]
    street_address: Option<String>,
    #[serde(deserialize_with = "text")]
    room: Option<String>,
    #[serde(deserialize_with = "text")]
    locality: Option<String>,
    #[serde(deserialize_with = "text")]
    region: Option<String>,
    #[serde(deserialize_with = "text")]
    postal_code: Option<String>,
    #[serde(deserialize_with = "text")]
    country: Option<String>,
    #[serde(deserialize_with = "text")]
    language: Option<String>,
    #[serde(rename = "type", deserialize_with = "text")]
    address_type: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MessageTelephoneNumber {
    meta: RowMeta,
    #[serde(deserialize_with = "text")]
    number: Option<String>,
    #[serde(rename = "type", deserialize_with = "text")]
    telephone_type: Option<String>,
}

/// Reads a document. Problems carry JSON Pointers into it.
pub fn parse_delivery(json: &[u8]) -> Result<Delivery, InvalidRecord> {
    let Message { person } = read_json(json)?;
    let id = person.meta.id.clone().unwrap_or_default();
    check_id(&id).map_err(|message| InvalidRecord::new("/person/meta/id", message))?;
    let status = status(person.status.as_deref())?;
    if person.meta.deleted || status == Status::Deleted {
        return Ok(Delivery { id, content: None });
    }
    Ok(Delivery { id, content: Some(content(person, status)) })
}

/// The label of a status: its words in small letters.
fn status(label: Option<&str>) -> Result<Status, InvalidRecord> {
    let Some(label) = label else { return Ok(Status::Active) };
    let word = label.trim().to_lowercase().replace([' ', '-'], "_");
    let word: StringDeserializer<WordError> = word.into_deserializer();
    Status::deserialize(word)
        .map_err(|_| InvalidRecord::new("/person/status", format!("\"{label}\" is not a status")))
}

fn content(message: MessagePerson, status: Status) -> Content {
    let mut content = Content { groups: message.members, ..Content::default() };
    content.groups.retain(|group| !group.is_empty() && !is_automatic(group));
    content.groups.sort();
    content.groups.dedup();
    content.note("person", &message.meta);
    content.person = Person {
        status,
        date_of_birth: message.date_of_birth,
        names: message.names.into_iter().map(|row| content.name(row)).collect(),
        identifiers: message.identifiers.into_iter().map(|row| content.identifier(row)).collect(),
        email_addresses: message.email_addresses.into_iter().map(|row| content.email_address(row)).collect(),
        urls: message.urls.into_iter().map(|row| content.url(row)).collect(),
        roles: message.roles.into_iter().map(|row| content.role(row, status)).collect(),
        ..Person::default()
    };
    content
}

impl Content {
    /// Remembers the state of a row.
    fn note(&mut self, kind: &str, meta: &RowMeta) -> Meta {
        let id = meta.id.clone().unwrap_or_default();
        let revision = meta.revision.and_then(|revision| u64::try_from(revision).ok()).unwrap_or_default();
        let version = Version { revision, modified: meta.last_modified };
        // There is one person, by whatever identifier.
        let row = if kind == "person" { kind.to_owned() } else { format!("{kind}/{id}") };
        self.versions.insert(row, version);
        Meta { id, ..Meta::default() }
    }

    fn name(&mut self, row: MessageName) -> Name {
        Name {
            meta: self.note("name", &row.meta),
            honorific: row.prefix,
            given: row.given,
            middle: row.middle,
            family: row.family,
            suffix: row.suffix,
            name_type: row.name_type.unwrap_or_else(|| "official".to_owned()),
            language: row.language,
            primary: false,
        }
    }

    fn identifier(&mut self, row: MessageIdentifier) -> Identifier {
        Identifier {
            meta: self.note("identifier", &row.meta),
            identifier: row.identifier.unwrap_or_default(),
            identifier_type: row.identifier_type.unwrap_or_default(),
            ..Identifier::default()
        }
    }

    fn email_address(&mut self, row: MessageEmailAddress) -> EmailAddress {
        EmailAddress {
            meta: self.note("email_address", &row.meta),
            mail: row.address.unwrap_or_default(),
            email_type: row.email_type.unwrap_or_else(|| "official".to_owned()),
            verified: row.verified,
            ..EmailAddress::default()
        }
    }

    fn url(&mut self, row: MessageUrl) -> Url {
        Url {
            meta: self.note("url", &row.meta),
            url: row.url.unwrap_or_default(),
            url_type: row.url_type.unwrap_or_else(|| "official".to_owned()),
            ..Url::default()
        }
    }

    /// The status of a role is sent as that of the person, and only roles in force are sent.
    fn role(&mut self, row: MessageRole, person: Status) -> Role {
        Role {
            meta: self.note("role", &row.meta),
            cou: row.cou_id,
            affiliation: row.affiliation,
            title: row.title,
            organization: row.organization,
            department: row.department,
            valid_from: row.valid_from,
            valid_through: row.valid_through,
            rank: row.rank,
            status: if person.is_in_force() { Status::Active } else { person },
            addresses: row.addresses.into_iter().map(|row| self.address(row)).collect(),
            telephone_numbers: row
                .telephone_numbers
                .into_iter()
                .map(|row| self.telephone_number(row))
                .collect(),
            ..Role::default()
        }
    }

    fn address(&mut self, row: MessageAddress) -> Address {
        Address {
            meta: self.note("address", &row.meta),
            street: row.street_address,
            room: row.room,
            locality: row.locality,
            state: row.region,
            postal_code: row.postal_code,
            country: row.country,
            description: None,
            address_type: row.address_type.unwrap_or_else(|| "office".to_owned()),
            language: row.language,
        }
    }

    /// A number comes as one text, with everything in it.
    fn telephone_number(&mut self, row: MessageTelephoneNumber) -> TelephoneNumber {
        TelephoneNumber {
            meta: self.note("telephone_number", &row.meta),
            number: row.number.unwrap_or_default(),
            telephone_type: row.telephone_type.unwrap_or_else(|| "office".to_owned()),
            ..TelephoneNumber::default()
        }
    }
}

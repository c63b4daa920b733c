//! The work that every side of a comparison does: of a person, the document of an account. The side that gets typed
//! records borrows from them; the sides that get JSON parse it into the same [`Person`].

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The key of the state that is read.
pub const KEY: &str = "account";

/// The line of the log.
pub const LOG_MESSAGE: &str = "account mapped";

/// What an account is made of.
#[derive(Serialize, Deserialize)]
pub struct Person<'a> {
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    pub status: Cow<'a, str>,
    pub given: Cow<'a, str>,
    pub family: Cow<'a, str>,
    pub emails: Vec<Email<'a>>,
    pub identifiers: Vec<Identifier<'a>>,
    pub roles: Vec<Role<'a>>,
    pub memberships: Vec<Membership<'a>>,
}

#[derive(Serialize, Deserialize)]
pub struct Email<'a> {
    #[serde(borrow)]
    pub mail: Cow<'a, str>,
    pub email_type: Cow<'a, str>,
    pub verified: bool,
}

#[derive(Serialize, Deserialize)]
pub struct Identifier<'a> {
    #[serde(borrow)]
    pub identifier: Cow<'a, str>,
    pub identifier_type: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
pub struct Role<'a> {
    #[serde(borrow)]
    pub affiliation: Option<Cow<'a, str>>,
    pub title: Option<Cow<'a, str>>,
    pub organization: Option<Cow<'a, str>>,
    pub department: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
pub struct Membership<'a> {
    #[serde(borrow)]
    pub group: Group<'a>,
    pub member: bool,
    pub owner: bool,
}

#[derive(Serialize, Deserialize)]
pub struct Group<'a> {
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    pub name: Cow<'a, str>,
    pub identifiers: Vec<Identifier<'a>>,
}

#[derive(Serialize)]
struct Account<'a> {
    name: &'a str,
    person: &'a str,
    active: bool,
    display_name: String,
    sort_name: String,
    mail: Option<&'a str>,
    aliases: Vec<&'a str>,
    identifiers: Vec<String>,
    affiliations: BTreeSet<&'a str>,
    roles: Vec<String>,
    groups: Vec<AccountGroup<'a>>,
}

#[derive(Serialize)]
struct AccountGroup<'a> {
    name: &'a str,
    gid: Option<&'a str>,
    member: bool,
    owner: bool,
}

/// The document of an account, as JSON text.
pub fn document(person: &Person<'_>, identifier_type: &str) -> String {
    let preferred = person.emails.iter().find(|email| email.verified && email.email_type == "official");
    let preferred = preferred.or(person.emails.first()).map(|email| email.mail.as_ref());
    let mut groups: Vec<AccountGroup<'_>> = person
        .memberships
        .iter()
        .map(|membership| AccountGroup {
            name: &membership.group.name,
            gid: of_type(&membership.group.identifiers, "gid"),
            member: membership.member,
            owner: membership.owner,
        })
        .collect();
    groups.sort_by(|one, other| one.name.cmp(other.name));
    let account = Account {
        name: of_type(&person.identifiers, identifier_type).unwrap_or(&person.id),
        person: &person.id,
        active: person.status == "active",
        display_name: format!("{} {}", person.given, person.family),
        sort_name: format!("{}, {}", person.family, person.given).to_lowercase(),
        mail: preferred,
        aliases: person
            .emails
            .iter()
            .map(|email| email.mail.as_ref())
            .filter(|mail| Some(*mail) != preferred)
            .collect(),
        identifiers: person
            .identifiers
            .iter()
            .map(|identifier| format!("{}:{}", identifier.identifier_type, identifier.identifier))
            .collect(),
        affiliations: person.roles.iter().filter_map(|role| role.affiliation.as_deref()).collect(),
        roles: person.roles.iter().map(role_line).collect(),
        groups,
    };
    // Text keys and no failing implementation of `Serialize`: cannot fail.
    serde_json::to_string(&account).unwrap_or_default()
}

/// The line for the history of the person.
pub fn history(document: &str) -> String {
    format!("account of {} bytes", document.len())
}

fn of_type<'a>(identifiers: &'a [Identifier<'_>], identifier_type: &str) -> Option<&'a str> {
    let found = identifiers.iter().find(|identifier| identifier.identifier_type == identifier_type);
    found.map(|identifier| identifier.identifier.as_ref())
}

fn role_line(role: &Role<'_>) -> String {
    let parts = [&role.title, &role.department, &role.organization];
    parts.into_iter().filter_map(|part| part.as_deref()).collect::<Vec<_>>().join(", ")
}

//! A well-behaved provisioner: makes the document of an account of a person, reads one key of its state, and logs one
//! line. What a call of it costs is what the benches measure.

pub mod account;

use std::borrow::Cow;

use account::{Email, Group, Identifier, Membership, Person, Role};
use provender_sdk::records::{self, Subject, SubjectKind};
use provender_sdk::{Applied, Description, Failure, Invocation, Outcome, Provisioner, log, state};
use schemars::JsonSchema;
use serde::Deserialize;

/// There is nothing to configure but what every plugin has: a word.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Configuration {
    /// The type of the identifier that names an account.
    identifier_type: String,
}

struct Mapping;

impl Provisioner for Mapping {
    type Configuration = Configuration;

    const DESCRIPTION: Description = Description::new("mapping", env!("CARGO_PKG_VERSION"))
        .summary("Makes the document of an account of a person")
        .subjects(&[SubjectKind::Person]);

    fn provision(invocation: &Invocation<Configuration>) -> Result<Outcome, Failure> {
        let Subject::Person(person) = &invocation.subject else {
            return Ok(Outcome::skipped("only people have accounts"));
        };
        let document = account::document(&view(person), &invocation.context.configuration.identifier_type);
        if state::of_subject().get(account::KEY)?.as_deref() == Some(document.as_bytes()) {
            return Ok(Outcome::Unchanged);
        }
        log::info(account::LOG_MESSAGE, &[("bytes", &document.len())]);
        Ok(Applied::new().with_history(account::history(&document)).into())
    }
}

/// What the account is made of.
pub fn view(person: &records::Person) -> Person<'_> {
    let name = person.primary_name();
    let part = |part: fn(&records::Name) -> &Option<String>| {
        name.and_then(|name| part(name).as_deref()).unwrap_or_default().into()
    };
    Person {
        id: text(&person.metadata.id),
        status: person.status.word().into(),
        given: part(|name| &name.given),
        family: part(|name| &name.family),
        emails: person
            .email_addresses
            .iter()
            .map(|email| Email {
                mail: text(&email.mail),
                email_type: text(&email.email_type),
                verified: email.verified,
            })
            .collect(),
        identifiers: identifiers(&person.identifiers),
        roles: person
            .roles
            .iter()
            .map(|role| Role {
                affiliation: optional(&role.affiliation),
                title: optional(&role.title),
                organization: optional(&role.organization),
                department: optional(&role.department),
            })
            .collect(),
        memberships: person
            .memberships
            .iter()
            .map(|membership| Membership {
                group: Group {
                    id: text(&membership.group.metadata.id),
                    name: text(&membership.group.name),
                    identifiers: identifiers(&membership.group.identifiers),
                },
                member: membership.member,
                owner: membership.owner,
            })
            .collect(),
    }
}

fn identifiers(identifiers: &[records::Identifier]) -> Vec<Identifier<'_>> {
    identifiers
        .iter()
        .map(|identifier| Identifier {
            identifier: text(&identifier.identifier),
            identifier_type: text(&identifier.identifier_type),
        })
        .collect()
}

fn text(text: &str) -> Cow<'_, str> {
    text.into()
}

fn optional(text: &Option<String>) -> Option<Cow<'_, str>> {
    text.as_deref().map(Cow::from)
}

provender_sdk::export_provisioner!(Mapping);

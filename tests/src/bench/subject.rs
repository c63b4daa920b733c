//! The one person of all benches: 3 email addresses, 5 identifiers, 2 roles, 8 memberships. About 2 KB as the JSON that
//! [`json`] gives; the typed record holds more, since every part brings its metadata.

use std::sync::Arc;

use crate::calls::TIME;
use provender::capabilities::contract::records::{
    Collaboration, EmailAddress, GroupSummary, GroupType, Identifier, Membership, Metadata, Name, Person,
    Role, Status, Subject,
};
use provender::capabilities::contract::types::{Action, Context, Invocation};
use provender_guest_mapping::account;

/// The type of identifier that names accounts.
pub const IDENTIFIER_TYPE: &str = "uid";

fn metadata(id: &str) -> Metadata {
    Metadata {
        id: id.to_owned(),
        created: TIME.to_owned(),
        modified: TIME.to_owned(),
        revision: 3,
        source: None,
    }
}

fn identifier(number: usize, identifier_type: &str, value: &str) -> Identifier {
    Identifier {
        metadata: metadata(&format!("identifier-{number}")),
        identifier: value.to_owned(),
        identifier_type: identifier_type.to_owned(),
        login: number == 0,
        status: Status::Active,
        language: None,
        provisioning_target: None,
    }
}

fn role(number: usize, affiliation: &str, title: &str) -> Role {
    Role {
        metadata: metadata(&format!("role-{number}")),
        cou: None,
        affiliation: Some(affiliation.to_owned()),
        title: Some(title.to_owned()),
        organization: Some("Example University".to_owned()),
        department: Some("Department of Condensed Matter Physics".to_owned()),
        sponsor: None,
        manager: Some("person-17".to_owned()),
        valid_from: Some(TIME.to_owned()),
        valid_through: None,
        rank: Some(1),
        status: Status::Active,
        addresses: Vec::new(),
        telephone_numbers: Vec::new(),
        ad_hoc_attributes: Vec::new(),
        extensions: Vec::new(),
    }
}

fn membership(number: usize) -> Membership {
    Membership {
        metadata: metadata(&format!("membership-{number}")),
        group: GroupSummary {
            metadata: metadata(&format!("group-{number}")),
            name: format!("Experiment {number}: low temperatures"),
            description: Some("Those who work at the cryostat".to_owned()),
            status: Status::Active,
            group_type: GroupType::Standard,
            open: false,
            automatic: false,
            cou: None,
            identifiers: vec![
                identifier(number, "gid", &format!("{}", 30_000 + number)),
                identifier(number, "posix", &format!("exp-{number}")),
            ],
            email_lists: Vec::new(),
            extensions: Vec::new(),
        },
        member: true,
        owner: number == 2,
        valid_from: None,
        valid_through: None,
        nested_from: None,
    }
}

/// The person, typed.
pub fn person() -> Person {
    let email = |number: usize, email_type: &str, mail: &str| EmailAddress {
        metadata: metadata(&format!("email-{number}")),
        mail: mail.to_owned(),
        description: None,
        email_type: email_type.to_owned(),
        verified: number < 2,
    };
    Person {
        metadata: metadata("0198c0de-0000-7000-8000-0000000000aa"),
        co: Collaboration { id: "physics".to_owned(), name: "Physics".to_owned(), description: None },
        status: Status::Active,
        date_of_birth: None,
        timezone: Some("Europe/Budapest".to_owned()),
        names: vec![Name {
            metadata: metadata("name-1"),
            honorific: Some("Dr".to_owned()),
            given: Some("Ágnes Mária".to_owned()),
            middle: None,
            family: Some("Kovács-Szabó".to_owned()),
            suffix: None,
            name_type: "official".to_owned(),
            language: Some("hu".to_owned()),
            primary: true,
        }],
        email_addresses: vec![
            email(0, "personal", "agnes@home.example"),
            email(1, "official", "agnes.kovacs-szabo@example.org"),
            email(2, "recovery", "kovacs.agnes@mail.example"),
        ],
        identifiers: vec![
            identifier(0, "eppn", "akovacs@example.org"),
            identifier(1, "uid", "akovacs"),
            identifier(2, "orcid", "0000-0002-1825-0097"),
            identifier(3, "employee-number", "1045523"),
            identifier(4, "uidnumber", "20045"),
        ],
        urls: Vec::new(),
        roles: vec![role(1, "faculty", "Associate professor"), role(2, "member", "Principal investigator")],
        memberships: (0..8).map(membership).collect(),
        org_identities: Vec::new(),
        agreements: Vec::new(),
        authenticators: Vec::new(),
        cluster_accounts: Vec::new(),
        extensions: Vec::new(),
    }
}

/// An invocation for the person.
pub fn invocation(configuration: &str) -> Arc<Invocation> {
    Arc::new(Invocation {
        id: "0198c0de-0000-7000-8000-000000000000".to_owned(),
        attempt: 1,
        context: Context {
            co: "physics".to_owned(),
            target: "accounts".to_owned(),
            target_description: "Accounts of the cluster".to_owned(),
            configuration: configuration.to_owned(),
            slots: Vec::new(),
            time: TIME.to_owned(),
        },
        action: Action::Updated,
        subject: Subject::Person(person()),
        extensions: Vec::new(),
    })
}

/// The configuration of the plugin that maps the person.
pub fn mapping_configuration() -> String {
    format!(r#"{{"identifier_type":"{IDENTIFIER_TYPE}"}}"#)
}

/// The person as the JSON that goes to those who take JSON: what the mapping uses, and no more.
pub fn json() -> String {
    serde_json::to_string(&borrowed(&person())).expect("a person as JSON")
}

/// The person as the native function gets it.
pub fn borrowed(person: &Person) -> account::Person<'_> {
    let name = person.names.first().expect("a name");
    account::Person {
        id: person.metadata.id.as_str().into(),
        status: "active".into(),
        given: name.given.as_deref().unwrap_or_default().into(),
        family: name.family.as_deref().unwrap_or_default().into(),
        emails: person
            .email_addresses
            .iter()
            .map(|email| account::Email {
                mail: email.mail.as_str().into(),
                email_type: email.email_type.as_str().into(),
                verified: email.verified,
            })
            .collect(),
        identifiers: identifiers(&person.identifiers),
        roles: person
            .roles
            .iter()
            .map(|role| account::Role {
                affiliation: role.affiliation.as_deref().map(Into::into),
                title: role.title.as_deref().map(Into::into),
                organization: role.organization.as_deref().map(Into::into),
                department: role.department.as_deref().map(Into::into),
            })
            .collect(),
        memberships: person
            .memberships
            .iter()
            .map(|membership| account::Membership {
                group: account::Group {
                    id: membership.group.metadata.id.as_str().into(),
                    name: membership.group.name.as_str().into(),
                    identifiers: identifiers(&membership.group.identifiers),
                },
                member: membership.member,
                owner: membership.owner,
            })
            .collect(),
    }
}

fn identifiers(identifiers: &[Identifier]) -> Vec<account::Identifier<'_>> {
    identifiers
        .iter()
        .map(|identifier| account::Identifier {
            identifier: identifier.identifier.as_str().into(),
            identifier_type: identifier.identifier_type.as_str().into(),
        })
        .collect()
}

/// The document that every side must come to, and the line of history that says so.
pub fn expected() -> (String, String) {
    let document = account::document(&borrowed(&person()), IDENTIFIER_TYPE);
    let history = account::history(&document);
    (document, history)
}

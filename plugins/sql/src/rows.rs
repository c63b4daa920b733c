//! What each table holds of a person or a group.

use provender_sdk::records::{
    CollaborationUnit, Group, GroupMember, Metadata, Person, Role, edu_person_affiliation,
};
use provender_sdk::registry::Affiliation;
use provender_sdk::sql::Value;

use crate::tables::{
    AD_HOC_ATTRIBUTES, ADDRESSES, AGREEMENTS, EMAIL_ADDRESSES, IDENTIFIERS, MEMBERS, NAMES, ROLES,
    TELEPHONE_NUMBERS, Table, URLS,
};

/// The values of a row by the table's columns.
pub(crate) type Row = Vec<Value>;

/// A row: the collaboration and the `id`, what the table is about, and its times.
fn row(co: &str, metadata: &Metadata, values: impl IntoIterator<Item = Value>) -> Row {
    [co.into(), metadata.id.as_str().into()]
        .into_iter()
        .chain(values)
        .chain([time(Some(&metadata.created)), time(Some(&metadata.modified))])
        .collect()
}

fn time(timestamp: Option<&String>) -> Value {
    timestamp.map_or(Value::Null, |timestamp| Value::Timestamp(timestamp.clone()))
}

fn text(text: &Option<String>) -> Value {
    text.as_deref().into()
}

fn source(metadata: &Metadata) -> Value {
    text(&metadata.source)
}

/// The person itself.
pub(crate) fn of_person(person: &Person) -> Row {
    let date_of_birth = person.date_of_birth.clone().map_or(Value::Null, Value::Other);
    row(&person.co.id, &person.metadata, [person.status.word().into(), date_of_birth, text(&person.timezone)])
}

/// What belongs to a person, but memberships: tables each behind those it refers to.
pub(crate) fn of_parts(person: &Person, affiliations: &[Affiliation]) -> Vec<(&'static Table, Vec<Row>)> {
    let (co, id) = (person.co.id.as_str(), Value::from(person.metadata.id.as_str()));
    let names = person.names.iter().map(|name| {
        row(
            co,
            &name.metadata,
            [
                id.clone(),
                text(&name.honorific),
                text(&name.given),
                text(&name.middle),
                text(&name.family),
                text(&name.suffix),
                name.name_type.as_str().into(),
                text(&name.language),
                name.primary.into(),
                source(&name.metadata),
            ],
        )
    });
    let identifiers = person.identifiers.iter().map(|identifier| {
        row(
            co,
            &identifier.metadata,
            [
                id.clone(),
                identifier.identifier.as_str().into(),
                identifier.identifier_type.as_str().into(),
                identifier.login.into(),
                identifier.status.word().into(),
                source(&identifier.metadata),
            ],
        )
    });
    let mails = person.email_addresses.iter().map(|email| {
        row(
            co,
            &email.metadata,
            [
                id.clone(),
                email.mail.as_str().into(),
                text(&email.description),
                email.email_type.as_str().into(),
                email.verified.into(),
                source(&email.metadata),
            ],
        )
    });
    let urls = person.urls.iter().map(|url| {
        row(
            co,
            &url.metadata,
            [
                id.clone(),
                url.url.as_str().into(),
                text(&url.description),
                url.url_type.as_str().into(),
                source(&url.metadata),
            ],
        )
    });
    let agreements = person.agreements.iter().map(|agreement| {
        row(
            co,
            &agreement.metadata,
            [
                id.clone(),
                agreement.terms.as_str().into(),
                text(&agreement.url),
                time(Some(&agreement.agreed)),
                text(&agreement.identifier),
            ],
        )
    });
    let roles = person.roles.iter().map(|role| of_role(co, &id, role, affiliations));
    let mut parts = vec![
        (&NAMES, names.collect()),
        (&IDENTIFIERS, identifiers.collect()),
        (&EMAIL_ADDRESSES, mails.collect()),
        (&URLS, urls.collect()),
        (&AGREEMENTS, agreements.collect()),
        (&ROLES, roles.collect()),
    ];
    parts.extend(of_roles(co, &id, &person.roles));
    parts
}

fn of_role(co: &str, person: &Value, role: &Role, affiliations: &[Affiliation]) -> Row {
    let affiliation = role.affiliation.as_deref();
    let edu_person = affiliation.and_then(|affiliation| edu_person_affiliation(affiliation, affiliations));
    row(
        co,
        &role.metadata,
        [
            person.clone(),
            text(&role.sponsor),
            text(&role.manager),
            role.cou.as_ref().map(|cou| cou.id.as_str()).into(),
            affiliation.into(),
            edu_person.into(),
            text(&role.title),
            text(&role.organization),
            text(&role.department),
            time(role.valid_from.as_ref()),
            time(role.valid_through.as_ref()),
            role.rank.into(),
            role.status.word().into(),
            source(&role.metadata),
        ],
    )
}

/// What belongs to roles.
fn of_roles(co: &str, person: &Value, roles: &[Role]) -> [(&'static Table, Vec<Row>); 3] {
    let (mut attributes, mut addresses, mut telephones) = (Vec::new(), Vec::new(), Vec::new());
    for role in roles {
        let of_role = [person.clone(), role.metadata.id.as_str().into()];
        attributes.extend(role.ad_hoc_attributes.iter().map(|attribute| {
            let values =
                [attribute.tag.as_str().into(), attribute.value.as_str().into(), source(&attribute.metadata)];
            row(co, &attribute.metadata, of_role.clone().into_iter().chain(values))
        }));
        addresses.extend(role.addresses.iter().map(|address| {
            let values = [
                text(&address.street),
                text(&address.room),
                text(&address.locality),
                text(&address.state),
                text(&address.postal_code),
                text(&address.country),
                text(&address.description),
                address.address_type.as_str().into(),
                text(&address.language),
                source(&address.metadata),
            ];
            row(co, &address.metadata, of_role.clone().into_iter().chain(values))
        }));
        telephones.extend(role.telephone_numbers.iter().map(|telephone| {
            let values = [
                text(&telephone.country_code),
                text(&telephone.area_code),
                telephone.number.as_str().into(),
                text(&telephone.extension),
                text(&telephone.description),
                telephone.telephone_type.as_str().into(),
                source(&telephone.metadata),
            ];
            row(co, &telephone.metadata, of_role.clone().into_iter().chain(values))
        }));
    }
    [(&AD_HOC_ATTRIBUTES, attributes), (&ADDRESSES, addresses), (&TELEPHONE_NUMBERS, telephones)]
}

/// Memberships of a person in groups that the database has.
pub(crate) fn of_memberships(person: &Person, known: &[String]) -> (&'static Table, Vec<Row>) {
    let known = person.memberships.iter().filter(|membership| known.contains(&membership.group.metadata.id));
    let rows = known.map(|membership| {
        row(
            &person.co.id,
            &membership.metadata,
            [
                membership.group.metadata.id.as_str().into(),
                person.metadata.id.as_str().into(),
                membership.member.into(),
                membership.owner.into(),
                time(membership.valid_from.as_ref()),
                time(membership.valid_through.as_ref()),
                source(&membership.metadata),
            ],
        )
    });
    (&MEMBERS, rows.collect())
}

/// A membership as seen from its group.
pub(crate) fn of_member(group: &Group, member: &GroupMember) -> Row {
    row(
        &group.co.id,
        &member.metadata,
        [
            group.metadata.id.as_str().into(),
            member.person.as_str().into(),
            member.member.into(),
            member.owner.into(),
            time(member.valid_from.as_ref()),
            time(member.valid_through.as_ref()),
            source(&member.metadata),
        ],
    )
}

/// The group itself.
pub(crate) fn of_group(group: &Group) -> Row {
    let group_type = serde_json::to_value(&group.group_type).unwrap_or_default();
    row(
        &group.co.id,
        &group.metadata,
        [
            group.cou.as_ref().map(|cou| cou.id.as_str()).into(),
            group.name.as_str().into(),
            text(&group.description),
            group.open.into(),
            group.status.word().into(),
            group_type.as_str().into(),
            group.automatic.into(),
        ],
    )
}

/// A unit; its parent is the one whose path leads to it. Units have no times.
pub(crate) fn of_unit(co: &str, unit: &CollaborationUnit, all: &[CollaborationUnit]) -> Row {
    let parent = unit.path.split_last().and_then(|(_, above)| all.iter().find(|other| other.path == above));
    vec![
        co.into(),
        unit.id.as_str().into(),
        unit.name.as_str().into(),
        parent.map(|parent| parent.id.as_str()).into(),
        Value::Null,
        Value::Null,
    ]
}

//! Whole subjects.

use std::borrow::Cow;
use std::collections::HashMap;

use super::parts::{
    agreement, all, authenticator, cluster_account, email_address, identifier, name, org_identity, role, url,
};
use super::{extensions, metadata, status, timestamp_option};
use crate::capabilities::contract::records as wit;
use crate::capabilities::contract::types;
use crate::provisioning::Action;
use crate::registry::record::{
    Collaboration, Department, EmailList, GroupType, Identifier, RecordKind, Service, ServiceVisibility,
};
use crate::registry::visible::{
    EmailListReference, EmailListUse, GroupMember, VisibleGroup, VisibleMembership, VisiblePerson,
};

/// A collaboration as records show it, with its units by `id`.
#[derive(Clone, Debug)]
pub(in crate::pipeline) struct CollaborationView {
    pub(in crate::pipeline) collaboration: wit::Collaboration,
    units: HashMap<String, wit::CollaborationUnit>,
    /// Where terms and conditions are published, by `id`.
    terms: HashMap<String, String>,
}

impl CollaborationView {
    pub(in crate::pipeline) fn new(co: &Collaboration) -> Self {
        let collaboration = wit::Collaboration {
            id: co.id.clone(),
            name: co.name.clone(),
            description: co.description.clone(),
        };
        let units = collaboration_units(co).into_iter().map(|unit| (unit.id.clone(), unit)).collect();
        let terms = co.terms_and_conditions.iter();
        let terms = terms.filter_map(|terms| Some((terms.id.clone(), terms.url.clone()?))).collect();
        Self { collaboration, units, terms }
    }

    /// Where terms are published.
    pub(super) fn terms_url(&self, id: &str) -> Option<String> {
        self.terms.get(id).cloned()
    }

    pub(super) fn unit(&self, id: &str) -> Option<wit::CollaborationUnit> {
        self.units.get(id).cloned()
    }
}

/// The units of a collaboration, by path.
pub(in crate::pipeline) fn collaboration_units(co: &Collaboration) -> Vec<wit::CollaborationUnit> {
    let by_id: HashMap<&str, _> = co.cous.iter().map(|cou| (cou.id.as_str(), cou)).collect();
    let mut units = all(co.cous.iter().collect(), |cou| {
        let mut path = vec![cou.name.clone()];
        let mut above = cou.parent.as_deref();
        // The tree was checked when it was stored; the bound keeps a damaged one from looping.
        while let Some(parent) = above.and_then(|id| by_id.get(id)).filter(|_| path.len() <= by_id.len()) {
            path.insert(0, parent.name.clone());
            above = parent.parent.as_deref();
        }
        wit::CollaborationUnit { id: cou.id.clone(), name: cou.name.clone(), path }
    });
    units.sort_by(|a, b| a.path.cmp(&b.path));
    units
}

/// A person with what is in force.
pub(in crate::pipeline) fn subject_person(visible: VisiblePerson, co: &CollaborationView) -> wit::Subject {
    let VisiblePerson { person, memberships } = visible;
    wit::Subject::Person(wit::Person {
        metadata: metadata(person.meta),
        co: co.collaboration.clone(),
        status: status(person.status),
        date_of_birth: person.date_of_birth.map(|date| date.to_string()),
        timezone: person.timezone,
        names: all(person.names, name),
        email_addresses: all(person.email_addresses, email_address),
        identifiers: all(person.identifiers, identifier),
        urls: all(person.urls, url),
        roles: all(person.roles, |part| role(part, co)),
        memberships: all(memberships, |part| membership(part, co)),
        org_identities: all(person.org_identities, org_identity),
        agreements: all(person.agreements, |part| agreement(part, co)),
        authenticators: all(person.authenticators, authenticator),
        cluster_accounts: all(person.cluster_accounts, cluster_account),
        extensions: extensions(person.extensions),
    })
}

fn membership(visible: VisibleMembership, co: &CollaborationView) -> wit::Membership {
    let VisibleMembership { membership, group, email_lists } = visible;
    wit::Membership {
        metadata: metadata(membership.meta),
        group: wit::GroupSummary {
            metadata: metadata(group.meta),
            name: group.name,
            description: group.description,
            status: status(group.status),
            group_type: group_type(group.group_type),
            open: group.open,
            automatic: is_automatic(group.group_type),
            cou: group.cou.and_then(|cou| co.unit(&cou)),
            identifiers: all(group.identifiers, identifier),
            email_lists: all(email_lists, email_list_reference),
            extensions: extensions(group.extensions),
        },
        member: membership.member,
        owner: membership.owner,
        valid_from: timestamp_option(membership.valid_from),
        valid_through: timestamp_option(membership.valid_through),
        nested_from: membership.nested_from,
    }
}

/// A group with the one membership that caused its provisioning.
pub(in crate::pipeline) fn subject_group(visible: VisibleGroup, co: &CollaborationView) -> wit::Subject {
    wit::Subject::Group(group(visible, co))
}

/// A group by itself, as look-ups give it.
pub(in crate::pipeline) fn group(visible: VisibleGroup, co: &CollaborationView) -> wit::Group {
    let VisibleGroup { group, email_lists, cause } = visible;
    wit::Group {
        metadata: metadata(group.meta),
        co: co.collaboration.clone(),
        name: group.name,
        description: group.description,
        introduction: group.introduction,
        status: status(group.status),
        group_type: group_type(group.group_type),
        open: group.open,
        automatic: is_automatic(group.group_type),
        cou: group.cou.and_then(|cou| co.unit(&cou)),
        identifiers: all(group.identifiers, identifier),
        email_lists: all(email_lists, email_list_reference),
        cause: cause.map(|cause| wit::MembershipCause {
            person: cause.person,
            membership: cause.member.map(group_member),
        }),
        extensions: extensions(group.extensions),
    }
}

/// A member or owner as seen from its group.
pub(in crate::pipeline) fn group_member(member: GroupMember) -> wit::GroupMember {
    let GroupMember { membership, person_status, identifiers } = member;
    wit::GroupMember {
        metadata: metadata(membership.meta),
        person: membership.person,
        person_status: status(person_status),
        member: membership.member,
        owner: membership.owner,
        valid_from: timestamp_option(membership.valid_from),
        valid_through: timestamp_option(membership.valid_through),
        nested_from: membership.nested_from,
        identifiers: all(identifiers, identifier),
    }
}

/// An email list.
pub(in crate::pipeline) fn subject_email_list(list: EmailList, co: &CollaborationView) -> wit::Subject {
    wit::Subject::EmailList(wit::EmailList {
        metadata: metadata(list.meta),
        co: co.collaboration.clone(),
        name: list.name,
        description: list.description,
        status: status(list.status),
        admins_group: list.admins_group,
        members_group: list.members_group,
        moderators_group: list.moderators_group,
        identifiers: all(list.identifiers, identifier),
        extensions: extensions(list.extensions),
    })
}

/// A service.
pub(in crate::pipeline) fn subject_service(stored: Service, co: &CollaborationView) -> wit::Subject {
    wit::Subject::Service(service(stored, co))
}

/// A service by itself, as look-ups give it.
pub(in crate::pipeline) fn service(service: Service, co: &CollaborationView) -> wit::Service {
    wit::Service {
        metadata: metadata(service.meta),
        co: co.collaboration.clone(),
        name: service.name,
        description: service.description,
        status: status(service.status),
        short_label: service.short_label,
        cou: service.cou.and_then(|cou| co.unit(&cou)),
        group: service.group,
        service_url: service.service_url,
        service_label: service.service_label,
        contact_email: service.contact_email,
        logo_url: service.logo_url,
        entitlement_uri: service.entitlement_uri,
        visibility: match service.visibility {
            ServiceVisibility::CoAdmins => wit::ServiceVisibility::CoAdmins,
            ServiceVisibility::CoGroupMembers => wit::ServiceVisibility::CoGroupMembers,
            ServiceVisibility::CoMembers => wit::ServiceVisibility::CoMembers,
            ServiceVisibility::Unauthenticated => wit::ServiceVisibility::Unauthenticated,
        },
        identifier_type: service.identifier_type,
        authenticator: service.authenticator,
        cluster: service.cluster,
        extensions: extensions(service.extensions),
    }
}

/// A department, which the contract has no type for.
pub(in crate::pipeline) fn subject_department(
    department: Department,
    co: &CollaborationView,
) -> Result<wit::Subject, serde_json::Error> {
    Ok(wit::Subject::Other(wit::OtherRecord {
        json: serde_json::to_string(&department)?,
        metadata: metadata(department.meta),
        co: co.collaboration.clone(),
        kind: RecordKind::Department.word().to_owned(),
    }))
}

fn email_list_reference(reference: EmailListReference) -> wit::EmailListReference {
    wit::EmailListReference {
        id: reference.id,
        name: reference.name,
        use_: match reference.list_use {
            EmailListUse::Admins => wit::EmailListUse::Admins,
            EmailListUse::Members => wit::EmailListUse::Members,
            EmailListUse::Moderators => wit::EmailListUse::Moderators,
        },
    }
}

fn group_type(group_type: GroupType) -> wit::GroupType {
    match group_type {
        GroupType::Standard => wit::GroupType::Standard,
        GroupType::ActiveMembers => wit::GroupType::ActiveMembers,
        GroupType::AllMembers => wit::GroupType::AllMembers,
        GroupType::Admins => wit::GroupType::Admins,
        GroupType::Approvers => wit::GroupType::Approvers,
        GroupType::Clusters => wit::GroupType::Clusters,
    }
}

fn is_automatic(group_type: GroupType) -> bool {
    matches!(group_type, GroupType::ActiveMembers | GroupType::AllMembers)
}

/// Identifiers that one target wrote back.
pub(in crate::pipeline) fn identifiers_of_target(
    identifiers: Vec<Identifier>,
    target: &str,
) -> Vec<wit::Identifier> {
    let of_target = |stored: &Identifier| stored.provisioning_target.as_deref() == Some(target);
    all(identifiers.into_iter().filter(of_target).collect(), identifier)
}

/// The action's case in the contract.
pub(in crate::pipeline) fn action(action: Action) -> types::Action {
    match action {
        Action::Added => types::Action::Added,
        Action::Updated => types::Action::Updated,
        Action::Deleted => types::Action::Deleted,
        Action::ReprovisionRequested => types::Action::ReprovisionRequested,
        Action::EnrollmentFinalized => types::Action::EnrollmentFinalized,
        Action::Pipeline => types::Action::Pipeline,
        Action::EnteredGracePeriod => types::Action::EnteredGracePeriod,
        Action::Expired => types::Action::Expired,
        Action::Unexpired => types::Action::Unexpired,
        Action::AuthenticatorUpdated => types::Action::AuthenticatorUpdated,
    }
}

/// The word of a kind of subject in a plugin's manifest.
pub(in crate::pipeline) fn subject_kind(kind: RecordKind) -> &'static str {
    kind.word()
}

/// A subject without what belongs to one call only: the membership on whose account a group was provisioned.
pub(in crate::pipeline) fn without_cause(subject: &wit::Subject) -> Cow<'_, wit::Subject> {
    match subject {
        wit::Subject::Group(group) if group.cause.is_some() => {
            Cow::Owned(wit::Subject::Group(wit::Group { cause: None, ..group.clone() }))
        }
        other => Cow::Borrowed(other),
    }
}

/// The kind and `id` of a subject in the contract.
pub(in crate::pipeline) fn kind_of(subject: &wit::Subject) -> &str {
    match subject {
        wit::Subject::Person(_) => "person",
        wit::Subject::Group(_) => "group",
        wit::Subject::EmailList(_) => "email_list",
        wit::Subject::Service(_) => "service",
        wit::Subject::Other(other) => &other.kind,
    }
}

/// The `id` of a subject in the contract.
pub(in crate::pipeline) fn record_id(subject: &wit::Subject) -> &str {
    match subject {
        wit::Subject::Person(person) => &person.metadata.id,
        wit::Subject::Group(group) => &group.metadata.id,
        wit::Subject::EmailList(list) => &list.metadata.id,
        wit::Subject::Service(service) => &service.metadata.id,
        wit::Subject::Other(other) => &other.metadata.id,
    }
}

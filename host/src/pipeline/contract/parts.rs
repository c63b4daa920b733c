//! Parts of records, one by one.

use super::subjects::CollaborationView;
use super::{extensions, metadata, status, timestamp, timestamp_option};
use crate::capabilities::contract::records as wit;
use crate::registry::record::{
    AdHocAttribute, Address, Agreement, Authenticator, ClusterAccount, Credential, EmailAddress, Identifier,
    Name, OrgIdentity, Role, TelephoneNumber, Url,
};

pub(super) fn all<P, W>(parts: Vec<P>, convert: impl Fn(P) -> W) -> Vec<W> {
    parts.into_iter().map(convert).collect()
}

pub(super) fn name(name: Name) -> wit::Name {
    wit::Name {
        metadata: metadata(name.meta),
        honorific: name.honorific,
        given: name.given,
        middle: name.middle,
        family: name.family,
        suffix: name.suffix,
        name_type: name.name_type,
        language: name.language,
        primary: name.primary,
    }
}

pub(super) fn email_address(email: EmailAddress) -> wit::EmailAddress {
    wit::EmailAddress {
        metadata: metadata(email.meta),
        mail: email.mail,
        description: email.description,
        email_type: email.email_type,
        verified: email.verified,
    }
}

pub(super) fn identifier(identifier: Identifier) -> wit::Identifier {
    wit::Identifier {
        metadata: metadata(identifier.meta),
        identifier: identifier.identifier,
        identifier_type: identifier.identifier_type,
        login: identifier.login,
        status: status(identifier.status),
        language: identifier.language,
        provisioning_target: identifier.provisioning_target,
    }
}

pub(super) fn url(url: Url) -> wit::Url {
    wit::Url {
        metadata: metadata(url.meta),
        url: url.url,
        description: url.description,
        url_type: url.url_type,
        language: url.language,
    }
}

fn address(address: Address) -> wit::Address {
    wit::Address {
        metadata: metadata(address.meta),
        street: address.street,
        room: address.room,
        locality: address.locality,
        state: address.state,
        postal_code: address.postal_code,
        country: address.country,
        description: address.description,
        address_type: address.address_type,
        language: address.language,
    }
}

fn telephone_number(number: TelephoneNumber) -> wit::TelephoneNumber {
    wit::TelephoneNumber {
        metadata: metadata(number.meta),
        country_code: number.country_code,
        area_code: number.area_code,
        number: number.number,
        extension: number.extension,
        description: number.description,
        telephone_type: number.telephone_type,
    }
}

fn ad_hoc_attribute(attribute: AdHocAttribute) -> wit::AdHocAttribute {
    wit::AdHocAttribute { metadata: metadata(attribute.meta), tag: attribute.tag, value: attribute.value }
}

pub(super) fn role(role: Role, co: &CollaborationView) -> wit::Role {
    wit::Role {
        metadata: metadata(role.meta),
        cou: role.cou.and_then(|cou| co.unit(&cou)),
        affiliation: role.affiliation,
        title: role.title,
        organization: role.organization,
        department: role.department,
        sponsor: role.sponsor,
        manager: role.manager,
        valid_from: timestamp_option(role.valid_from),
        valid_through: timestamp_option(role.valid_through),
        rank: role.rank,
        status: status(role.status),
        addresses: all(role.addresses, address),
        telephone_numbers: all(role.telephone_numbers, telephone_number),
        ad_hoc_attributes: all(role.ad_hoc_attributes, ad_hoc_attribute),
        extensions: extensions(role.extensions),
    }
}

pub(super) fn org_identity(identity: OrgIdentity) -> wit::OrgIdentity {
    wit::OrgIdentity {
        metadata: metadata(identity.meta),
        status: status(identity.status),
        identity_source: identity.identity_source,
        source_key: identity.source_key,
        affiliation: identity.affiliation,
        title: identity.title,
        organization: identity.organization,
        department: identity.department,
        manager_identifier: identity.manager_identifier,
        sponsor_identifier: identity.sponsor_identifier,
        date_of_birth: identity.date_of_birth.map(|date| date.to_string()),
        valid_from: timestamp_option(identity.valid_from),
        valid_through: timestamp_option(identity.valid_through),
        names: all(identity.names, name),
        email_addresses: all(identity.email_addresses, email_address),
        identifiers: all(identity.identifiers, identifier),
        urls: all(identity.urls, url),
        addresses: all(identity.addresses, address),
        telephone_numbers: all(identity.telephone_numbers, telephone_number),
        ad_hoc_attributes: all(identity.ad_hoc_attributes, ad_hoc_attribute),
        extensions: extensions(identity.extensions),
    }
}

pub(super) fn agreement(agreement: Agreement, co: &CollaborationView) -> wit::Agreement {
    wit::Agreement {
        metadata: metadata(agreement.meta),
        url: agreement.url.or_else(|| co.terms_url(&agreement.terms)),
        terms: agreement.terms,
        agreed: timestamp(agreement.agreed),
        identifier: agreement.identifier,
    }
}

pub(super) fn authenticator(authenticator: Authenticator) -> wit::Authenticator {
    wit::Authenticator {
        metadata: metadata(authenticator.meta),
        authenticator: authenticator.authenticator,
        credential: credential(authenticator.credential),
    }
}

fn credential(credential: Credential) -> wit::Credential {
    match credential {
        Credential::SshKey { key_type, key, comment, options } => {
            wit::Credential::SshKey(wit::SshKey { key_type, key, comment, options })
        }
        Credential::Password { scheme, hash } => {
            wit::Credential::Password(wit::PasswordHash { scheme, hash })
        }
        Credential::Certificate { subject_dn, issuer_dn, description, valid_from, valid_through } => {
            wit::Credential::Certificate(wit::Certificate {
                subject_dn,
                issuer_dn,
                description,
                valid_from: timestamp_option(valid_from),
                valid_through: timestamp_option(valid_through),
            })
        }
        Credential::Other { name, value } => {
            wit::Credential::Other(wit::Extension { name, json: value.to_string() })
        }
    }
}

pub(super) fn cluster_account(account: ClusterAccount) -> wit::ClusterAccount {
    wit::ClusterAccount {
        metadata: metadata(account.meta),
        cluster: account.cluster,
        status: status(account.status),
        username: account.username,
        uid_number: account.uid_number,
        gid_number: account.gid_number,
        primary_group: account.primary_group,
        gecos: account.gecos,
        login_shell: account.login_shell,
        home_directory: account.home_directory,
        valid_from: timestamp_option(account.valid_from),
        valid_through: timestamp_option(account.valid_through),
        extensions: extensions(account.extensions),
    }
}

//! Which column becomes which field.

use std::collections::HashMap;

use super::row::Row;
use crate::registry::record::{
    AdHocAttribute, Address, Agreement, Authenticator, ClusterAccount, Credential, Department, EmailAddress,
    Identifier, Membership, Meta, Name, OrgIdentity, Person, Role, Status, TelephoneNumber, Url,
};

/// The source that manages an org identity, by the `id` of the org identity and of each of its parts.
#[derive(Default)]
struct Sources(HashMap<(&'static str, String), String>);

/// Columns that tell which part of an org identity a part of the person was copied from.
const ORG_IDENTITY: &str = "source_org_identity_id";
const NAME: &str = "source_name_id";
const EMAIL_ADDRESS: &str = "source_email_address_id";
const IDENTIFIER: &str = "source_identifier_id";
const URL: &str = "source_url_id";
const ADDRESS: &str = "source_address_id";
const TELEPHONE_NUMBER: &str = "source_telephone_number_id";
const AD_HOC_ATTRIBUTE: &str = "source_ad_hoc_attribute_id";

impl Sources {
    fn of(org_identities: &[OrgIdentity]) -> Self {
        let mut sources = HashMap::new();
        for identity in org_identities {
            let Some(source) = &identity.identity_source else { continue };
            let mut note = |column, meta: &Meta| {
                sources.insert((column, meta.id.clone()), source.clone());
            };
            note(ORG_IDENTITY, &identity.meta);
            identity.names.iter().for_each(|part| note(NAME, &part.meta));
            identity.email_addresses.iter().for_each(|part| note(EMAIL_ADDRESS, &part.meta));
            identity.identifiers.iter().for_each(|part| note(IDENTIFIER, &part.meta));
            identity.urls.iter().for_each(|part| note(URL, &part.meta));
            identity.addresses.iter().for_each(|part| note(ADDRESS, &part.meta));
            identity.telephone_numbers.iter().for_each(|part| note(TELEPHONE_NUMBER, &part.meta));
            identity.ad_hoc_attributes.iter().for_each(|part| note(AD_HOC_ATTRIBUTE, &part.meta));
        }
        Self(sources)
    }

    /// The metadata of a row that was copied by `column`, if at all.
    fn meta(&self, row: &mut Row, column: &'static str) -> Meta {
        let mut meta = meta(row);
        if let Some(original) = row.text(column) {
            match self.0.get(&(column, original.clone())) {
                Some(source) => meta.source = Some(source.clone()),
                None => row.leave(column, &original),
            }
        }
        meta
    }
}

/// `created`, `modified` and `revision` are the host's own.
fn meta(row: &mut Row) -> Meta {
    Meta { id: row.text("id").unwrap_or_default(), ..Meta::default() }
}

/// The person, without what the document says of memberships.
pub(super) fn person(row: &mut Row) -> Person {
    let org_identities = row.rows("OrgIdentity", org_identity).unwrap_or_default();
    let sources = Sources::of(&org_identities);
    let mut person = row.object("CoPerson", |row| {
        // The caller says which collaboration it becomes.
        row.text("co_id");
        Person {
            meta: meta(row),
            status: row.status("status"),
            date_of_birth: row.date("date_of_birth"),
            timezone: row.text("timezone"),
            ..Person::default()
        }
    });
    person.names = row.rows("Name", |row| name(row, &sources)).unwrap_or_default();
    person.email_addresses = row.rows("EmailAddress", |row| email_address(row, &sources)).unwrap_or_default();
    person.identifiers = row.rows("Identifier", |row| identifier(row, &sources)).unwrap_or_default();
    person.urls = row.rows("Url", |row| url(row, &sources)).unwrap_or_default();
    person.roles = row.rows("CoPersonRole", |row| role(row, &sources)).unwrap_or_default();
    person.agreements = row.rows("CoTAndCAgreement", agreement).unwrap_or_default();
    person.cluster_accounts = row.rows("UnixClusterAccount", cluster_account).unwrap_or_default();
    person.authenticators = authenticators(row);
    person.org_identities = org_identities;
    person
}

/// The department.
pub(super) fn department(row: &mut Row) -> Department {
    let none = &Sources::default();
    let mut department = row.object("CoDepartment", |row| {
        row.text("co_id");
        Department {
            meta: meta(row),
            name: row.required("name"),
            department_type: row.text_or("type", "department"),
            description: row.text("description"),
            introduction: row.text("introduction"),
            cou: row.text("cou_id"),
            leadership_group: row.text("leadership_co_group_id"),
            administrative_group: row.text("administrative_co_group_id"),
            support_group: row.text("support_co_group_id"),
            ..Department::default()
        }
    });
    department.email_addresses = row.rows("EmailAddress", |row| email_address(row, none)).unwrap_or_default();
    department.identifiers = row.rows("Identifier", |row| identifier(row, none)).unwrap_or_default();
    department.urls = row.rows("Url", |row| url(row, none)).unwrap_or_default();
    department.addresses = row.rows("Address", |row| address(row, none)).unwrap_or_default();
    department.telephone_numbers =
        row.rows("TelephoneNumber", |row| telephone_number(row, none)).unwrap_or_default();
    department.ad_hoc_attributes =
        row.rows("AdHocAttribute", |row| ad_hoc_attribute(row, none)).unwrap_or_default();
    department
}

/// All memberships, one for each group; none if the document does not speak of them.
pub(super) fn memberships(row: &mut Row) -> Option<Vec<Membership>> {
    let rows = row.rows("CoGroupMember", |row| Membership {
        meta: meta(row),
        group: row.required("co_group_id"),
        person: String::new(),
        member: row.flag("member"),
        owner: row.flag("owner"),
        valid_from: row.time("valid_from"),
        valid_through: row.time("valid_through"),
        nested_from: None,
    })?;
    let mut memberships: Vec<Membership> = Vec::with_capacity(rows.len());
    for row in rows {
        // There may be one row for the member and one for the owner.
        match memberships.iter_mut().find(|membership| membership.group == row.group) {
            Some(membership) => {
                if row.member && !membership.member {
                    (membership.valid_from, membership.valid_through) = (row.valid_from, row.valid_through);
                }
                membership.member |= row.member;
                membership.owner |= row.owner;
            }
            None => memberships.push(row),
        }
    }
    memberships.retain(|membership| membership.member || membership.owner);
    Some(memberships)
}

fn name(row: &mut Row, sources: &Sources) -> Name {
    Name {
        meta: sources.meta(row, NAME),
        honorific: row.text("honorific"),
        given: row.text("given"),
        middle: row.text("middle"),
        family: row.text("family"),
        suffix: row.text("suffix"),
        name_type: row.text_or("type", "official"),
        language: row.text("language"),
        primary: row.flag("primary_name"),
    }
}

fn email_address(row: &mut Row, sources: &Sources) -> EmailAddress {
    EmailAddress {
        meta: sources.meta(row, EMAIL_ADDRESS),
        mail: row.required("mail"),
        description: row.text("description"),
        email_type: row.text_or("type", "official"),
        verified: row.flag("verified"),
    }
}

fn identifier(row: &mut Row, sources: &Sources) -> Identifier {
    Identifier {
        meta: sources.meta(row, IDENTIFIER),
        identifier: row.required("identifier"),
        identifier_type: row.required("type"),
        login: row.flag("login"),
        status: row.status("status"),
        language: row.text("language"),
        provisioning_target: row.text("co_provisioning_target_id"),
    }
}

fn url(row: &mut Row, sources: &Sources) -> Url {
    Url {
        meta: sources.meta(row, URL),
        url: row.required("url"),
        description: row.text("description"),
        url_type: row.text_or("type", "official"),
        language: row.text("language"),
    }
}

fn address(row: &mut Row, sources: &Sources) -> Address {
    Address {
        meta: sources.meta(row, ADDRESS),
        street: row.text("street"),
        room: row.text("room"),
        locality: row.text("locality"),
        state: row.text("state"),
        postal_code: row.text("postal_code"),
        country: row.text("country"),
        description: row.text("description"),
        address_type: row.text_or("type", "office"),
        language: row.text("language"),
    }
}

fn telephone_number(row: &mut Row, sources: &Sources) -> TelephoneNumber {
    TelephoneNumber {
        meta: sources.meta(row, TELEPHONE_NUMBER),
        country_code: row.text("country_code"),
        area_code: row.text("area_code"),
        number: row.required("number"),
        extension: row.text("extension"),
        description: row.text("description"),
        telephone_type: row.text_or("type", "office"),
    }
}

fn ad_hoc_attribute(row: &mut Row, sources: &Sources) -> AdHocAttribute {
    AdHocAttribute {
        meta: sources.meta(row, AD_HOC_ATTRIBUTE),
        tag: row.required("tag"),
        value: row.text("value").unwrap_or_default(),
    }
}

fn role(row: &mut Row, sources: &Sources) -> Role {
    Role {
        meta: sources.meta(row, ORG_IDENTITY),
        cou: row.text("cou_id"),
        affiliation: row.text("affiliation"),
        title: row.text("title"),
        organization: row.text("o"),
        department: row.text("ou"),
        sponsor: row.text("sponsor_co_person_id"),
        manager: row.text("manager_co_person_id"),
        valid_from: row.time("valid_from"),
        valid_through: row.time("valid_through"),
        rank: row.number("ordr"),
        status: row.status("status"),
        addresses: row.rows("Address", |row| address(row, sources)).unwrap_or_default(),
        telephone_numbers: row
            .rows("TelephoneNumber", |row| telephone_number(row, sources))
            .unwrap_or_default(),
        ad_hoc_attributes: row
            .rows("AdHocAttribute", |row| ad_hoc_attribute(row, sources))
            .unwrap_or_default(),
        extensions: Vec::new(),
    }
}

fn org_identity(row: &mut Row) -> OrgIdentity {
    let none = &Sources::default();
    let (identity_source, source_key) = row.object("OrgIdentitySourceRecord", |row| {
        // The row's own key and times say nothing of the person.
        for column in ["id", "created", "modified", "revision", "deleted"] {
            row.text(column);
        }
        (row.text("org_identity_source_id"), row.text("sorid"))
    });
    row.text("co_id");
    OrgIdentity {
        meta: meta(row),
        status: row.status("status"),
        identity_source,
        source_key,
        affiliation: row.text("affiliation"),
        title: row.text("title"),
        organization: row.text("o"),
        department: row.text("ou"),
        manager_identifier: row.text("manager_identifier"),
        sponsor_identifier: row.text("sponsor_identifier"),
        date_of_birth: row.date("date_of_birth"),
        valid_from: row.time("valid_from"),
        valid_through: row.time("valid_through"),
        names: row.rows("Name", |row| name(row, none)).unwrap_or_default(),
        email_addresses: row.rows("EmailAddress", |row| email_address(row, none)).unwrap_or_default(),
        identifiers: row.rows("Identifier", |row| identifier(row, none)).unwrap_or_default(),
        urls: row.rows("Url", |row| url(row, none)).unwrap_or_default(),
        addresses: row.rows("Address", |row| address(row, none)).unwrap_or_default(),
        telephone_numbers: row.rows("TelephoneNumber", |row| telephone_number(row, none)).unwrap_or_default(),
        ad_hoc_attributes: row.rows("AdHocAttribute", |row| ad_hoc_attribute(row, none)).unwrap_or_default(),
        extensions: Vec::new(),
    }
}

fn agreement(row: &mut Row) -> Agreement {
    let agreed = row.time("agreement_time");
    if agreed.is_none() {
        row.problem("/agreement_time", "a time is needed");
    }
    Agreement {
        meta: meta(row),
        terms: row.required("co_terms_and_conditions_id"),
        url: None,
        agreed: agreed.unwrap_or_default(),
        identifier: row.text("identifier"),
    }
}

fn authenticators(row: &mut Row) -> Vec<Authenticator> {
    let mut found = Vec::new();
    let mut add = |key, kind, read: fn(&mut Row) -> Credential| {
        found.extend(row.rows(key, |row| authenticator(row, kind, read)).unwrap_or_default());
    };
    add("SshKey", "ssh_key", ssh_key);
    add("Password", "password", password);
    add("Certificate", "certificate", certificate);
    add("TotpToken", "totp_token", totp_token);
    found
}

/// An authenticator is named by its key in COmanage; by its kind where that is missing.
fn authenticator(row: &mut Row, kind: &str, read: fn(&mut Row) -> Credential) -> Authenticator {
    let mut meta = meta(row);
    if !meta.id.is_empty() {
        // Rows of several tables end up in one list, and each table counts from 1.
        meta.id = format!("{kind}:{}", meta.id);
    }
    let authenticator = row.text_or(&format!("{kind}_authenticator_id"), kind);
    Authenticator { meta, authenticator, status: Status::Active, locked: false, credential: read(row) }
}

fn ssh_key(row: &mut Row) -> Credential {
    Credential::SshKey {
        key_type: row.required("type"),
        key: row.required("skey"),
        comment: row.text("comment"),
        options: None,
    }
}

fn password(row: &mut Row) -> Credential {
    Credential::Password { scheme: row.password_scheme("password_type"), hash: row.required("password") }
}

fn certificate(row: &mut Row) -> Credential {
    Credential::Certificate {
        subject_dn: row.required("subject_dn"),
        issuer_dn: row.text("issuer_dn"),
        description: row.text("description"),
        valid_from: row.time("valid_from"),
        valid_through: row.time("valid_through"),
    }
}

fn totp_token(row: &mut Row) -> Credential {
    Credential::Other { name: "totp_token".to_owned(), value: row.rest() }
}

fn cluster_account(row: &mut Row) -> ClusterAccount {
    ClusterAccount {
        meta: meta(row),
        cluster: row.text_or("unix_cluster_id", "unix_cluster"),
        status: row.status("status"),
        username: row.required("username"),
        uid_number: row.number("uid"),
        gid_number: None,
        primary_group: row.text("primary_co_group_id"),
        gecos: row.text("gecos"),
        login_shell: row.text("login_shell"),
        home_directory: row.text("home_directory"),
        valid_from: row.time("valid_from"),
        valid_through: row.time("valid_through"),
        extensions: Vec::new(),
    }
}

//! Arbitrary values of the contract's types: what a guest can give back.

use std::cell::Cell;

use arbitrary::{Result, Unstructured};
use provender::capabilities::contract::Filtered;
use provender::capabilities::contract::records::{
    AdHocAttribute, Address, Agreement, Authenticator, Certificate, ClusterAccount, Collaboration,
    CollaborationUnit, Credential, EmailAddress, EmailList, EmailListReference, EmailListUse, Extension,
    Group, GroupMember, GroupSummary, GroupType, Identifier, Membership, MembershipCause, Metadata, Name,
    OrgIdentity, OtherRecord, PasswordHash, Person, Role, Service, ServiceVisibility, SshKey, Status,
    Subject, SubjectKind, TelephoneNumber, Url,
};
use provender::capabilities::contract::types::{
    Applied, Description, ExpectedAnswer, Failure, LocatedFailure, Outcome, PassingFailure, SafeRequest,
    ServerKind, Slot, WrittenIdentifier,
};
use serde::Serialize;

/// A value made of bytes; few of them make large ones too.
pub trait Arbitrary: Sized {
    fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self>;
}

/// Longest list or text that a few bytes make.
const MANY: usize = 5_000;
/// Bytes that all repetitions of one value make together: about what a call can give back.
const MAX_REPEATED_BYTES: usize = 8 << 20;

thread_local! {
    static ROOM: Cell<usize> = const { Cell::new(0) };
}

/// A value, and all that is in it.
pub fn value<T: Arbitrary>(u: &mut Unstructured<'_>) -> Result<T> {
    ROOM.set(MAX_REPEATED_BYTES);
    T::arbitrary(u)
}

/// How often something of so many bytes is repeated.
fn times(u: &mut Unstructured<'_>, bytes: usize) -> Result<usize> {
    let times = u.int_in_range(0..=MANY)?.min(ROOM.get() / bytes.max(1));
    ROOM.set(ROOM.get() - times * bytes);
    Ok(times)
}

macro_rules! plain {
    ($($type:ty),*) => {$(
        impl Arbitrary for $type {
            fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
                u.arbitrary()
            }
        }
    )*};
}

plain!(bool, u16, u32, u64, i64);

impl Arbitrary for String {
    fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let text: String = u.arbitrary()?;
        Ok(if u.ratio(1, 16)? { text.repeat(times(u, text.len())?) } else { text })
    }
}

impl<T: Arbitrary> Arbitrary for Option<T> {
    fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        if u.arbitrary()? { T::arbitrary(u).map(Some) } else { Ok(None) }
    }
}

impl<T: Arbitrary + Clone + Serialize> Arbitrary for Vec<T> {
    fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let mut items = Vec::new();
        while !u.is_empty() && u.arbitrary()? {
            items.push(T::arbitrary(u)?);
        }
        if let Some(last) = items.last().cloned()
            && u.ratio(1, 32)?
        {
            let bytes = serde_json::to_string(&last).map_or(0, |json| json.len());
            items.resize(items.len() + times(u, bytes)?, last);
        }
        Ok(items)
    }
}

macro_rules! record {
    ($($type:ident { $($field:ident),* $(,)? })*) => {$(
        impl Arbitrary for $type {
            fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
                Ok(Self { $($field: Arbitrary::arbitrary(u)?),* })
            }
        }
    )*};
}

/// Cases without a value, then cases with one.
macro_rules! variant {
    ($($type:ident { $($case:ident),* $(; $($with:ident),*)? })*) => {$(
        impl Arbitrary for $type {
            fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
                let cases: &[fn(&mut Unstructured<'_>) -> Result<Self>] = &[
                    $(|_| Ok(Self::$case),)*
                    $($(|u| Arbitrary::arbitrary(u).map(Self::$with),)*)?
                ];
                u.choose(cases)?(u)
            }
        }
    )*};
}

record! {
    Extension { name, json }
    Metadata { id, created, modified, revision, source }
    Collaboration { id, name, description }
    CollaborationUnit { id, name, path }
    Name { metadata, honorific, given, middle, family, suffix, name_type, language, primary }
    EmailAddress { metadata, mail, description, email_type, verified }
    Identifier { metadata, identifier, identifier_type, login, status, language, provisioning_target }
    Url { metadata, url, description, url_type, language }
    Address {
        metadata, street, room, locality, state, postal_code, country, description, address_type, language,
    }
    TelephoneNumber { metadata, country_code, area_code, number, extension, description, telephone_type }
    AdHocAttribute { metadata, tag, value }
    Role {
        metadata, cou, affiliation, title, organization, department, sponsor, manager, valid_from, valid_through, rank,
        status, addresses, telephone_numbers, ad_hoc_attributes, extensions,
    }
    EmailListReference { id, name, use_ }
    GroupSummary {
        metadata, name, description, status, group_type, open, automatic, cou, identifiers, email_lists, extensions,
    }
    Membership { metadata, group, member, owner, valid_from, valid_through, nested_from }
    OrgIdentity {
        metadata, status, identity_source, source_key, affiliation, title, organization, department,
        manager_identifier, sponsor_identifier, date_of_birth, valid_from, valid_through, names, email_addresses,
        identifiers, urls, addresses, telephone_numbers, ad_hoc_attributes, extensions,
    }
    Agreement { metadata, terms, url, agreed, identifier }
    SshKey { key_type, key, comment, options }
    PasswordHash { scheme, hash }
    Certificate { subject_dn, issuer_dn, description, valid_from, valid_through }
    Authenticator { metadata, authenticator, credential }
    ClusterAccount {
        metadata, cluster, status, username, uid_number, gid_number, primary_group, gecos, login_shell,
        home_directory, valid_from, valid_through, extensions,
    }
    Person {
        metadata, co, status, date_of_birth, timezone, names, email_addresses, identifiers, urls, roles, memberships,
        org_identities, agreements, authenticators, cluster_accounts, extensions,
    }
    GroupMember {
        metadata, person, person_status, member, owner, valid_from, valid_through, nested_from, identifiers,
    }
    MembershipCause { person, membership }
    Group {
        metadata, co, name, description, introduction, status, group_type, open, automatic, cou, identifiers,
        email_lists, cause, extensions,
    }
    EmailList {
        metadata, co, name, description, status, admins_group, members_group, moderators_group, identifiers,
        extensions,
    }
    Service {
        metadata, co, name, description, status, short_label, cou, group, service_url, service_label, contact_email,
        logo_url, entitlement_uri, visibility, identifier_type, authenticator, cluster, extensions,
    }
    OtherRecord { metadata, co, kind, json }
    Slot { name, kind, required, summary, operations }
    SafeRequest { slot, method, path }
    ExpectedAnswer { slot, method, path, status, body }
    Description {
        name, version, summary, subject_kinds, configuration_schema, slots, safe_requests, expected_answers,
        extensions,
    }
    WrittenIdentifier { identifier, identifier_type }
    Applied { identifiers, history }
    PassingFailure { message, retry_after_seconds }
    LocatedFailure { message, location }
}

variant! {
    Status {
        Active, Approved, Confirmed, Declined, Deleted, Denied, Duplicate, Expired, GracePeriod, Invited, Locked,
        Pending, PendingApproval, PendingConfirmation, PendingVetting, Suspended; Other
    }
    GroupType { Standard, ActiveMembers, AllMembers, Admins, Approvers, Clusters; Other }
    EmailListUse { Admins, Members, Moderators; Other }
    ServiceVisibility { CoAdmins, CoGroupMembers, CoMembers, Unauthenticated; Other }
    Credential { ; SshKey, Password, Certificate, Other }
    Subject { ; Person, Group, EmailList, Service, Other }
    SubjectKind { Person, Group, EmailList, Service; Other }
    ServerKind { Http, Files, Ldap, Sql, Messaging; Other }
    Outcome { Unchanged; Applied, Skipped, Other }
    Failure {
        ; Transient, RateLimited, Authentication, Configuration, InvalidData, Conflict, Permanent, Other
    }
    Filtered { ; Pass, Drop, Other }
}

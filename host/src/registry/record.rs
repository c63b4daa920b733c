//! The stored records of a collaboration and their parts, as the REST API and the import read and write them.
//!
//! Shapes follow the data trees of COmanage Registry; names of fields are those of the plugin contract in snake_case.
//! A membership is not part of a document: it is a row of its own, see [`Membership`]. What a plugin sees of all this
//! is decided in [`super::visible`].

mod collaboration;
mod kind;

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

pub use collaboration::{
    Affiliation, Collaboration, Cou, Entry, OrgIdentitySource, Reference, TermsAndConditions,
};
pub use kind::{Record, RecordKind, SubjectKey};

/// Where a record or a part stands in its own history. The host keeps all of it but `id` and `source`.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Meta {
    /// Unique within the record; given by the host where it is left out.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// When it was first stored.
    pub created: Timestamp,
    /// When it last changed.
    pub modified: Timestamp,
    /// How often it changed since it was stored.
    pub revision: u64,
    /// The org identity source that manages it.
    pub source: Option<String>,
}

/// Status of a record or part (COmanage: StatusEnum).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    Active,
    Approved,
    Confirmed,
    Declined,
    Deleted,
    Denied,
    Duplicate,
    Expired,
    GracePeriod,
    Invited,
    Locked,
    Pending,
    PendingApproval,
    PendingConfirmation,
    PendingVetting,
    Suspended,
}

/// A part that this version has no field for: a name and any JSON value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    pub name: String,
    pub value: serde_json::Value,
}

/// A name of a person. Exactly one of a person's names is primary.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Name {
    pub meta: Meta,
    pub honorific: Option<String>,
    pub given: Option<String>,
    pub middle: Option<String>,
    pub family: Option<String>,
    pub suffix: Option<String>,
    #[serde(rename = "type", default = "official")]
    pub name_type: String,
    pub language: Option<String>,
    pub primary: bool,
}

#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailAddress {
    #[serde(default)]
    pub meta: Meta,
    pub mail: String,
    pub description: Option<String>,
    #[serde(rename = "type", default = "official")]
    pub email_type: String,
    #[serde(default)]
    pub verified: bool,
}

#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Identifier {
    #[serde(default)]
    pub meta: Meta,
    pub identifier: String,
    #[serde(rename = "type")]
    pub identifier_type: String,
    #[serde(default)]
    pub login: bool,
    #[serde(default)]
    pub status: Status,
    pub language: Option<String>,
    /// The provisioning target that wrote it back.
    pub provisioning_target: Option<String>,
}

#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Url {
    #[serde(default)]
    pub meta: Meta,
    pub url: String,
    pub description: Option<String>,
    #[serde(rename = "type", default = "official")]
    pub url_type: String,
    pub language: Option<String>,
}

#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Address {
    pub meta: Meta,
    pub street: Option<String>,
    pub room: Option<String>,
    pub locality: Option<String>,
    pub state: Option<String>,
    pub postal_code: Option<String>,
    pub country: Option<String>,
    pub description: Option<String>,
    #[serde(rename = "type", default = "office")]
    pub address_type: String,
    pub language: Option<String>,
}

#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TelephoneNumber {
    #[serde(default)]
    pub meta: Meta,
    pub country_code: Option<String>,
    pub area_code: Option<String>,
    pub number: String,
    pub extension: Option<String>,
    pub description: Option<String>,
    #[serde(rename = "type", default = "office")]
    pub telephone_type: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdHocAttribute {
    #[serde(default)]
    pub meta: Meta,
    pub tag: String,
    #[serde(default)]
    pub value: String,
}

/// A role of a person.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Role {
    pub meta: Meta,
    /// `id` of a unit of the CO.
    pub cou: Option<String>,
    pub affiliation: Option<String>,
    pub title: Option<String>,
    pub organization: Option<String>,
    pub department: Option<String>,
    /// `id` of the sponsoring person.
    pub sponsor: Option<String>,
    /// `id` of the managing person.
    pub manager: Option<String>,
    pub valid_from: Option<Timestamp>,
    pub valid_through: Option<Timestamp>,
    /// Position among the roles, ascending.
    pub rank: Option<i64>,
    pub status: Status,
    pub addresses: Vec<Address>,
    pub telephone_numbers: Vec<TelephoneNumber>,
    pub ad_hoc_attributes: Vec<AdHocAttribute>,
    pub extensions: Vec<Extension>,
}

/// What an organisation says of a person.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OrgIdentity {
    pub meta: Meta,
    pub status: Status,
    /// The org identity source it came from.
    pub identity_source: Option<String>,
    /// Key of the person in that source.
    pub source_key: Option<String>,
    pub affiliation: Option<String>,
    pub title: Option<String>,
    pub organization: Option<String>,
    pub department: Option<String>,
    pub manager_identifier: Option<String>,
    pub sponsor_identifier: Option<String>,
    pub date_of_birth: Option<Date>,
    pub valid_from: Option<Timestamp>,
    pub valid_through: Option<Timestamp>,
    pub names: Vec<Name>,
    pub email_addresses: Vec<EmailAddress>,
    pub identifiers: Vec<Identifier>,
    pub urls: Vec<Url>,
    pub addresses: Vec<Address>,
    pub telephone_numbers: Vec<TelephoneNumber>,
    pub ad_hoc_attributes: Vec<AdHocAttribute>,
    pub extensions: Vec<Extension>,
}

/// An agreement to terms and conditions.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    #[serde(default)]
    pub meta: Meta,
    pub terms: String,
    pub url: Option<String>,
    pub agreed: Timestamp,
    pub identifier: Option<String>,
}

/// What proves who somebody is.
#[skip_serializing_none]
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Credential {
    SshKey {
        key_type: String,
        key: String,
        comment: Option<String>,
        options: Option<String>,
    },
    /// A hash, never a password in clear.
    Password {
        scheme: String,
        hash: String,
    },
    Certificate {
        subject_dn: String,
        issuer_dn: Option<String>,
        description: Option<String>,
        valid_from: Option<Timestamp>,
        valid_through: Option<Timestamp>,
    },
    Other {
        name: String,
        value: serde_json::Value,
    },
}

/// Tells what kind of credential it is, and nothing that must stay secret.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, field, shown) = match self {
            Self::SshKey { key, .. } => ("SshKey", "key", key),
            Self::Password { scheme, .. } => ("Password", "scheme", scheme),
            Self::Certificate { subject_dn, .. } => ("Certificate", "subject_dn", subject_dn),
            Self::Other { name, .. } => ("Other", "name", name),
        };
        f.debug_struct(kind).field(field, shown).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Authenticator {
    #[serde(default)]
    pub meta: Meta,
    /// The authenticator it was enrolled with.
    pub authenticator: String,
    /// Only an active one reaches a plugin.
    #[serde(default)]
    pub status: Status,
    /// A locked one never reaches a plugin.
    #[serde(default)]
    pub locked: bool,
    pub credential: Credential,
}

#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterAccount {
    #[serde(default)]
    pub meta: Meta,
    pub cluster: String,
    #[serde(default)]
    pub status: Status,
    pub username: String,
    pub uid_number: Option<u64>,
    pub gid_number: Option<u64>,
    /// `id` of the primary group.
    pub primary_group: Option<String>,
    pub gecos: Option<String>,
    pub login_shell: Option<String>,
    pub home_directory: Option<String>,
    pub valid_from: Option<Timestamp>,
    pub valid_through: Option<Timestamp>,
    #[serde(default)]
    pub extensions: Vec<Extension>,
}

/// A person (COmanage: CO Person), without memberships.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Person {
    pub meta: Meta,
    pub status: Status,
    pub date_of_birth: Option<Date>,
    pub timezone: Option<String>,
    pub names: Vec<Name>,
    pub email_addresses: Vec<EmailAddress>,
    pub identifiers: Vec<Identifier>,
    pub urls: Vec<Url>,
    pub roles: Vec<Role>,
    pub org_identities: Vec<OrgIdentity>,
    pub agreements: Vec<Agreement>,
    pub authenticators: Vec<Authenticator>,
    pub cluster_accounts: Vec<ClusterAccount>,
    pub extensions: Vec<Extension>,
}

/// What a group is for (COmanage: group_type).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupType {
    #[default]
    Standard,
    ActiveMembers,
    AllMembers,
    Admins,
    Approvers,
    Clusters,
}

/// How many of the groups nested in a group somebody must be in, to be in it (COmanage: nesting_mode_all).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NestingMode {
    /// One of them.
    #[default]
    Any,
    /// Each of them.
    All,
}

/// A group (COmanage: CO Group), without members.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    #[serde(default)]
    pub meta: Meta,
    pub name: String,
    pub description: Option<String>,
    pub introduction: Option<String>,
    #[serde(default)]
    pub status: Status,
    #[serde(rename = "type", default)]
    pub group_type: GroupType,
    /// Whether people may join by themselves.
    #[serde(default)]
    pub open: bool,
    /// Who becomes a member by the groups nested in this one.
    #[serde(default)]
    pub nesting_mode: NestingMode,
    /// `id` of a unit of the CO.
    pub cou: Option<String>,
    #[serde(default)]
    pub identifiers: Vec<Identifier>,
    #[serde(default)]
    pub extensions: Vec<Extension>,
}

/// An email list (COmanage: CO Email List).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailList {
    #[serde(default)]
    pub meta: Meta,
    pub name: String,
    pub description: Option<String>,
    #[serde(default)]
    pub status: Status,
    pub admins_group: Option<String>,
    pub members_group: Option<String>,
    pub moderators_group: Option<String>,
    #[serde(default)]
    pub identifiers: Vec<Identifier>,
    #[serde(default)]
    pub extensions: Vec<Extension>,
}

/// Who may see a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceVisibility {
    CoAdmins,
    CoGroupMembers,
    #[default]
    CoMembers,
    Unauthenticated,
}

/// A service (COmanage: CO Service).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    #[serde(default)]
    pub meta: Meta,
    pub name: String,
    pub description: Option<String>,
    #[serde(default)]
    pub status: Status,
    pub short_label: Option<String>,
    pub cou: Option<String>,
    pub group: Option<String>,
    pub service_url: Option<String>,
    pub service_label: Option<String>,
    pub contact_email: Option<String>,
    pub logo_url: Option<String>,
    pub entitlement_uri: Option<String>,
    #[serde(default)]
    pub visibility: ServiceVisibility,
    pub identifier_type: Option<String>,
    pub authenticator: Option<String>,
    pub cluster: Option<String>,
    #[serde(default)]
    pub extensions: Vec<Extension>,
}

/// A department (COmanage: CO Department). It has no status: it is there, or it is not.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Department {
    #[serde(default)]
    pub meta: Meta,
    pub name: String,
    /// "department", "division", "researchinstitute", "vo", or a word that the CO defined.
    #[serde(rename = "type", default = "department")]
    pub department_type: String,
    pub description: Option<String>,
    pub introduction: Option<String>,
    /// `id` of a unit of the CO.
    pub cou: Option<String>,
    /// `id` of the group of those who lead it.
    pub leadership_group: Option<String>,
    /// `id` of the group of those who administer it.
    pub administrative_group: Option<String>,
    /// `id` of the group of those who support it.
    pub support_group: Option<String>,
    #[serde(default)]
    pub email_addresses: Vec<EmailAddress>,
    #[serde(default)]
    pub identifiers: Vec<Identifier>,
    #[serde(default)]
    pub urls: Vec<Url>,
    #[serde(default)]
    pub addresses: Vec<Address>,
    #[serde(default)]
    pub telephone_numbers: Vec<TelephoneNumber>,
    #[serde(default)]
    pub ad_hoc_attributes: Vec<AdHocAttribute>,
    #[serde(default)]
    pub extensions: Vec<Extension>,
}

/// A person's place in a group.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    #[serde(default)]
    pub meta: Meta,
    /// `id` of the group; taken from the path in the REST API.
    #[serde(default)]
    pub group: String,
    /// `id` of the person; taken from the path in the REST API.
    #[serde(default)]
    pub person: String,
    #[serde(default = "yes")]
    pub member: bool,
    #[serde(default)]
    pub owner: bool,
    pub valid_from: Option<Timestamp>,
    pub valid_through: Option<Timestamp>,
    /// `id` of the nested group that makes the person a member; the host keeps it.
    pub nested_from: Option<String>,
}

/// A group nested in another: its members are members there, or are kept out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupNesting {
    /// `id` of the group that the other is nested in; taken from the path in the REST API.
    #[serde(default)]
    pub group: String,
    /// `id` of the nested group; taken from the path in the REST API.
    #[serde(default)]
    pub source: String,
    /// Whether members of the nested group are kept out instead.
    #[serde(default)]
    pub negate: bool,
}

fn official() -> String {
    "official".to_owned()
}

fn office() -> String {
    "office".to_owned()
}

fn department() -> String {
    "department".to_owned()
}

fn yes() -> bool {
    true
}

impl Status {
    /// Whether a person of this status is provisioned with data (registry statuses A, XP, GP, LK, S).
    pub fn is_provisionable(self) -> bool {
        matches!(self, Self::Active | Self::Expired | Self::GracePeriod | Self::Locked | Self::Suspended)
    }

    /// Whether something of this status is in force (registry statuses A, GP).
    pub fn is_in_force(self) -> bool {
        matches!(self, Self::Active | Self::GracePeriod)
    }
}

#[cfg(test)]
mod tests;

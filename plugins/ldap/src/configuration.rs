//! What is written to the directory, and where.

use std::collections::{BTreeMap, BTreeSet};

use provender_sdk::Failure;
use provender_sdk::ldap::Dn;
use schemars::JsonSchema;
use serde::Deserialize;

/// Where entries are, and what they hold.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Configuration {
    /// The entry below which people are.
    #[schemars(length(min = 1))]
    pub(crate) people_base_dn: String,
    /// The attribute that names people.
    #[serde(default = "uid")]
    pub(crate) rdn_attribute: String,
    /// The type of the identifier that is its value.
    #[serde(default = "uid")]
    pub(crate) rdn_identifier_type: String,
    /// The entry below which groups are; without it groups are skipped.
    pub(crate) groups_base_dn: Option<String>,
    /// Object classes beyond person, organizationalPerson and inetOrgPerson, and of groups.
    #[serde(default)]
    pub(crate) object_classes: BTreeSet<ObjectClass>,
    /// Object classes of people whose attributes others keep.
    #[serde(default)]
    pub(crate) person_object_classes: Vec<String>,
    /// Object classes of groups whose attributes others keep.
    #[serde(default)]
    pub(crate) group_object_classes: Vec<String>,
    /// The attributes that are written, by name, beside those that an object class requires.
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, Export>,
    /// Types of the postal address; none takes any.
    #[serde(default = "office")]
    pub(crate) address_types: Vec<String>,
    /// Whether attribute options tell languages, roles and services apart. The directory must allow them.
    #[serde(default)]
    pub(crate) attribute_options: bool,
    /// What follows "@" in scoped values.
    pub(crate) scope: Option<String>,
    /// What becomes of attributes of these object classes that are not written.
    #[serde(default)]
    pub(crate) unconfigured_attributes: Unconfigured,
    /// What becomes of an entry that is in the way and is not of this target.
    #[serde(default)]
    pub(crate) existing_entries: Existing,
    /// The cluster whose accounts are written as posixAccount.
    pub(crate) cluster: Option<String>,
    /// The type of the identifier of a group that is its gidNumber.
    #[serde(default = "gid")]
    pub(crate) gid_type: String,
    /// The type of the identifier of members that is memberUid.
    #[serde(default = "uid")]
    pub(crate) member_uid_type: String,
}

/// How an attribute is written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Export {
    /// Types of names, addresses, numbers or identifiers that it takes, in place of the usual one; none takes any.
    pub(crate) types: Option<Vec<String>>,
    /// Whether identifiers and addresses of org identities are taken, and not those of the person.
    pub(crate) org_identities: bool,
}

/// An object class that is written on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
pub(crate) enum ObjectClass {
    #[serde(rename = "eduPerson")]
    EduPerson,
    #[serde(rename = "eduMember")]
    EduMember,
    #[serde(rename = "groupOfNames")]
    GroupOfNames,
    #[serde(rename = "ldapPublicKey")]
    LdapPublicKey,
    #[serde(rename = "posixAccount")]
    PosixAccount,
    #[serde(rename = "posixGroup")]
    PosixGroup,
    #[serde(rename = "voPerson")]
    VoPerson,
    #[serde(rename = "voPosixAccount")]
    VoPosixAccount,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unconfigured {
    /// They are removed.
    #[default]
    Remove,
    /// They are left as they are.
    Ignore,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Existing {
    /// The call fails, unless the entry holds just what would be written.
    #[default]
    Conflict,
    /// It is taken over.
    Adopt,
}

impl ObjectClass {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::EduPerson => "eduPerson",
            Self::EduMember => "eduMember",
            Self::GroupOfNames => "groupOfNames",
            Self::LdapPublicKey => "ldapPublicKey",
            Self::PosixAccount => "posixAccount",
            Self::PosixGroup => "posixGroup",
            Self::VoPerson => "voPerson",
            Self::VoPosixAccount => "voPosixAccount",
        }
    }
}

impl Configuration {
    /// What no schema can tell.
    pub(crate) fn validated(&self) -> Result<(), Failure> {
        let wrong = |message: &str, place: &str| Err(Failure::configuration(message).at(place));
        self.people()?;
        self.groups()?;
        if self.has(ObjectClass::GroupOfNames) && self.has(ObjectClass::PosixGroup) {
            return wrong("groupOfNames and posixGroup are both structural: choose one", "/object_classes");
        }
        if self.has(ObjectClass::GroupOfNames) && self.groups_base_dn.is_none() {
            return wrong("groupOfNames needs `groups_base_dn`", "/groups_base_dn");
        }
        if self.has(ObjectClass::PosixAccount) && self.cluster.is_none() {
            return wrong("posixAccount needs `cluster`", "/cluster");
        }
        if self.has(ObjectClass::VoPosixAccount) && !self.attribute_options {
            return wrong("voPosixAccount needs `attribute_options`", "/attribute_options");
        }
        let scoped = ["eduPersonScopedAffiliation", "eduPersonUniqueId"];
        if self.scope.is_none() && scoped.iter().any(|name| self.attributes.contains_key(*name)) {
            return wrong("scoped attributes need `scope`", "/scope");
        }
        if let Some(unknown) = self.attributes.keys().find(|name| !crate::schema::is_known(name)) {
            let place = format!("/attributes/{unknown}");
            return Err(Failure::configuration(format!(
                "{unknown:?} is no attribute of these object classes"
            ))
            .at(place));
        }
        Ok(())
    }

    pub(crate) fn has(&self, class: ObjectClass) -> bool {
        self.object_classes.contains(&class)
    }

    pub(crate) fn people(&self) -> Result<Dn, Failure> {
        base(&self.people_base_dn, "/people_base_dn")
    }

    pub(crate) fn groups(&self) -> Result<Option<Dn>, Failure> {
        self.groups_base_dn.as_deref().map(|text| base(text, "/groups_base_dn")).transpose()
    }
}

fn base(text: &str, place: &str) -> Result<Dn, Failure> {
    Dn::parse(text).map_err(|error| Failure::configuration(error.to_string()).at(place))
}

fn uid() -> String {
    "uid".to_owned()
}

fn gid() -> String {
    "gid".to_owned()
}

fn office() -> Vec<String> {
    vec!["office".to_owned()]
}

//! What is written to the directory, and where.

use std::collections::{BTreeMap, BTreeSet};

use provender_sdk::Failure;
use provender_sdk::ldap::Dn;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::schema;

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
    #[schemars(length(min = 1))]
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
    /// Attributes of these object classes that others keep, such as a userPassword that another target writes.
    #[serde(default)]
    pub(crate) kept_by_others: BTreeSet<String>,
    /// The cluster whose accounts and groups are written as posixAccount and posixGroup.
    pub(crate) cluster: Option<String>,
    /// By cluster the identifiers that groups and their members have there. A group without a gid is not on the cluster.
    #[serde(default)]
    pub(crate) clusters: BTreeMap<String, Cluster>,
}

/// Types of the identifiers of groups and their members on a cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Cluster {
    /// Of the group: its gidNumber.
    pub(crate) gid_type: String,
    /// Of the group: its name on the cluster, beside the one that it has in the registry.
    pub(crate) group_name_type: Option<String>,
    /// Of members: memberUid.
    pub(crate) member_uid_type: String,
}

impl Default for Cluster {
    fn default() -> Self {
        Self { gid_type: "gid".to_owned(), group_name_type: None, member_uid_type: "uid".to_owned() }
    }
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
    #[serde(rename = "voPosixGroup")]
    VoPosixGroup,
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
            Self::VoPosixGroup => "voPosixGroup",
        }
    }
}

impl Configuration {
    /// What no schema can tell.
    pub(crate) fn validated(&self) -> Result<(), Failure> {
        let people = self.people()?;
        self.groups()?;
        if let Err(error) = people.child(&self.rdn_attribute, "x") {
            return wrong(&error.problem, "/rdn_attribute");
        }
        if self.scope.as_ref().is_some_and(|scope| scope.trim().is_empty() || scope.contains('@')) {
            return wrong("the scope is what follows \"@\", without it", "/scope");
        }
        self.validated_classes()?;
        self.attributes.iter().try_for_each(|(name, export)| self.validated_attribute(name, export))?;
        self.kept_by_others.iter().try_for_each(|name| {
            if self.attributes.contains_key(name) {
                return wrong(&format!("{name:?} is among `attributes`, too"), "/kept_by_others");
            }
            if !schema::is_known(name) {
                return wrong(
                    &format!("{name:?} is never touched, so others keep it anyway"),
                    "/kept_by_others",
                );
            }
            Ok(())
        })
    }

    fn validated_classes(&self) -> Result<(), Failure> {
        use ObjectClass::{GroupOfNames, PosixAccount, PosixGroup, VoPosixAccount, VoPosixGroup};
        let of_groups = [GroupOfNames, PosixGroup, VoPosixGroup].into_iter().find(|class| self.has(*class));
        if let (Some(class), None) = (of_groups, &self.groups_base_dn) {
            return wrong(&format!("{} needs `groups_base_dn`", class.name()), "/groups_base_dn");
        }
        if self.has(GroupOfNames) && self.has(PosixGroup) {
            return wrong("groupOfNames and posixGroup are both structural: choose one", "/object_classes");
        }
        if self.has(VoPosixGroup) && !self.has(GroupOfNames) && !self.has(PosixGroup) {
            return wrong("voPosixGroup needs groupOfNames or posixGroup beside it", "/object_classes");
        }
        if self.has(VoPosixGroup) && self.clusters.is_empty() {
            return wrong("voPosixGroup needs `clusters`", "/clusters");
        }
        if let (Some(class), None) =
            ([PosixAccount, PosixGroup].into_iter().find(|class| self.has(*class)), &self.cluster)
        {
            return wrong(&format!("{} needs `cluster`", class.name()), "/cluster");
        }
        let by_options = [VoPosixAccount, VoPosixGroup].into_iter().find(|class| self.has(*class));
        if let (Some(class), false) = (by_options, self.attribute_options) {
            return wrong(&format!("{} needs `attribute_options`", class.name()), "/attribute_options");
        }
        for (classes, place) in [
            (&self.person_object_classes, "/person_object_classes"),
            (&self.group_object_classes, "/group_object_classes"),
        ] {
            if let Some(own) = classes.iter().find(|class| schema::is_own_class(self, class)) {
                return wrong(&format!("{own} is kept by the plugin: see `object_classes`"), place);
            }
        }
        Ok(())
    }

    fn validated_attribute(&self, name: &str, export: &Export) -> Result<(), Failure> {
        let place = |part: &str| format!("/attributes/{name}{part}");
        if !schema::is_known(name) {
            return wrong(&format!("{name:?} is no attribute of these object classes"), &place(""));
        }
        if let Some(class) = schema::missing_class(self, name) {
            return wrong(&format!("{name} is of {class}, which is not among `object_classes`"), &place(""));
        }
        if self.scope.is_none() && schema::SCOPED.contains(&name) {
            return wrong("scoped attributes need `scope`", "/scope");
        }
        if !self.attribute_options && name == "voPersonApplicationPassword" {
            return wrong(&format!("{name} needs `attribute_options`"), "/attribute_options");
        }
        if export.types.is_some() && !schema::TYPED.contains(&name) {
            return wrong(&format!("{name} has no types"), &place("/types"));
        }
        if export.org_identities && !schema::OF_ORG_IDENTITIES.contains(&name) {
            return wrong(&format!("{name} is not of org identities"), &place("/org_identities"));
        }
        Ok(())
    }

    pub(crate) fn has(&self, class: ObjectClass) -> bool {
        self.object_classes.contains(&class)
    }

    /// Identifiers on the cluster of posixGroup.
    pub(crate) fn posix(&self) -> Cluster {
        self.cluster.as_ref().and_then(|cluster| self.clusters.get(cluster)).cloned().unwrap_or_default()
    }

    pub(crate) fn people(&self) -> Result<Dn, Failure> {
        base(&self.people_base_dn, "/people_base_dn")
    }

    pub(crate) fn groups(&self) -> Result<Option<Dn>, Failure> {
        self.groups_base_dn.as_deref().map(|text| base(text, "/groups_base_dn")).transpose()
    }
}

fn wrong<T>(message: &str, place: &str) -> Result<T, Failure> {
    Err(Failure::configuration(message).at(place))
}

fn base(text: &str, place: &str) -> Result<Dn, Failure> {
    Dn::parse(text).map_err(|error| Failure::configuration(error.to_string()).at(place))
}

fn uid() -> String {
    "uid".to_owned()
}

fn office() -> Vec<String> {
    vec!["office".to_owned()]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn validated(more: &Value) -> Result<(), Failure> {
        let mut configuration =
            json!({"people_base_dn": "ou=people,dc=x", "groups_base_dn": "ou=groups,dc=x"});
        if let (Some(fields), Some(more)) = (configuration.as_object_mut(), more.as_object()) {
            fields.extend(more.clone());
        }
        serde_json::from_value::<Configuration>(configuration).unwrap().validated()
    }

    #[test]
    fn what_cannot_work_together_is_refused_with_its_place() {
        let clusters = json!({"hpc": {}});
        for (more, place, part) in [
            (json!({"people_base_dn": "people"}), "/people_base_dn", "no attribute"),
            (json!({"groups_base_dn": "ou=a\u{0}"}), "/groups_base_dn", "groups_base_dn"),
            (json!({"rdn_attribute": "u id"}), "/rdn_attribute", "no valid name"),
            (json!({"scope": "@example.org"}), "/scope", "without it"),
            (json!({"scope": ""}), "/scope", "without it"),
            (
                json!({"object_classes": ["eduPerson"], "attributes": {"eduPersonUniqueId": {}}}),
                "/scope",
                "need `scope`",
            ),
            (json!({"object_classes": ["groupOfNames", "posixGroup"]}), "/object_classes", "both structural"),
            (
                json!({"object_classes": ["groupOfNames"], "groups_base_dn": null}),
                "/groups_base_dn",
                "groupOfNames needs",
            ),
            (json!({"object_classes": ["posixAccount"]}), "/cluster", "posixAccount needs"),
            (json!({"object_classes": ["posixGroup"]}), "/cluster", "posixGroup needs"),
            (json!({"object_classes": ["voPosixAccount"]}), "/attribute_options", "voPosixAccount needs"),
            (
                json!({"object_classes": ["voPosixGroup", "groupOfNames"], "clusters": clusters}),
                "/attribute_options",
                "voPosixGroup needs",
            ),
            (json!({"object_classes": ["voPosixGroup", "groupOfNames"]}), "/clusters", "voPosixGroup needs"),
            (json!({"object_classes": ["voPosixGroup"]}), "/object_classes", "beside it"),
            (json!({"person_object_classes": ["inetorgperson"]}), "/person_object_classes", "kept by"),
            (
                json!({"object_classes": ["groupOfNames"], "group_object_classes": ["groupOfNames"]}),
                "/group_object_classes",
                "kept by",
            ),
            (json!({"attributes": {"shoeSize": {}}}), "/attributes/shoeSize", "no attribute"),
            (json!({"attributes": {"voPersonID": {}}}), "/attributes/voPersonID", "is of voPerson"),
            (
                json!({"object_classes": ["voPerson"], "attributes": {"voPersonApplicationPassword": {}}}),
                "/attribute_options",
                "needs `attribute_options`",
            ),
            (json!({"attributes": {"title": {"types": ["x"]}}}), "/attributes/title/types", "no types"),
            (
                json!({"attributes": {"title": {"org_identities": true}}}),
                "/attributes/title/org_identities",
                "not of org identities",
            ),
            (
                json!({"attributes": {"mail": {}}, "kept_by_others": ["mail"]}),
                "/kept_by_others",
                "among `attributes`",
            ),
            (json!({"kept_by_others": ["userpasswort"]}), "/kept_by_others", "never touched"),
        ] {
            let failure = validated(&more).unwrap_err();
            let Failure::Configuration(located) = &failure else { panic!("{failure:?}") };
            let text = format!("{} {place}", located.message);
            assert!(located.location.as_deref() == Some(place) && text.contains(part), "{more}: {failure:?}");
        }
        let all = json!({
            "object_classes": ["posixAccount", "posixGroup", "voPosixAccount", "voPosixGroup"], "scope": "x.org",
            "attribute_options": true, "cluster": "hpc", "clusters": clusters, "attributes": {"memberUid": {}},
        });
        assert_eq!(validated(&all), Ok(()));
        let unknown = json!({"people_base_dn": "dc=x", "object_class": []});
        assert!(serde_json::from_value::<Configuration>(unknown).is_err());
    }
}

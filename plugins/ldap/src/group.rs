//! What the entry of a group holds.

use std::collections::BTreeMap;

use provender_sdk::Failure;
use provender_sdk::ldap::Dn;
use provender_sdk::records::{Group, GroupMember, Status, identifier_of_type, identifiers_of_type};
use provender_sdk::registry::{self, Error};

use crate::configuration::{Configuration, ObjectClass};
use crate::entry::{Attributes, Wanted, classes_with_content, put};
use crate::person::{name_itself, named};
use crate::schema;

/// The name of the entry.
pub(crate) fn dn(groups: &Dn, group: &Group) -> Result<Dn, Failure> {
    groups.child("cn", group.name.trim()).map_err(|error| Failure::invalid_data(error.to_string()).at("name"))
}

/// The entry as it is to be; none where its object class knows no group without members, and it has none.
pub(crate) fn wanted(
    configuration: &Configuration,
    group: &Group,
    dn: Dn,
) -> Result<Option<Wanted>, Failure> {
    let classes = schema::of_group(configuration);
    let mut attributes = Attributes::new();
    let mut kept = BTreeMap::new();
    for (name, required) in classes.iter().flat_map(|(_, attributes)| attributes.iter()) {
        let written = *required || configuration.attributes.contains_key(*name);
        let before = kept.get(name).copied().unwrap_or(false);
        kept.insert(*name, written || before);
    }
    let writes = |name: &str| kept.get(name) == Some(&true);
    put(&mut attributes, "cn", None, &group.name);
    if writes("description") {
        put(&mut attributes, "description", None, group.description.as_deref().unwrap_or_default());
    }
    if writes("gidNumber") {
        let Some(gid) = group.identifier(&configuration.gid_type) else {
            let problem = format!("the group has no identifier of type {:?}", configuration.gid_type);
            return Err(Failure::invalid_data(problem).at("identifiers"));
        };
        put(&mut attributes, "gidNumber", None, gid);
    }
    members(configuration, group, &writes, &mut attributes)?;
    if configuration.has(ObjectClass::GroupOfNames) && !attributes.contains_key("member") {
        return Ok(None);
    }
    name_itself(&dn, &mut attributes);
    let mut object_classes = classes_with_content(&classes, &attributes);
    object_classes.extend(configuration.group_object_classes.iter().cloned());
    Ok(Some(Wanted {
        dn,
        object_classes,
        attributes,
        kept,
        optional_classes: schema::optional(false).collect(),
        unconfigured: configuration.unconfigured_attributes,
        options: false,
    }))
}

/// Members and owners, by pages of the registry.
fn members(
    configuration: &Configuration,
    group: &Group,
    writes: &impl Fn(&str) -> bool,
    attributes: &mut Attributes,
) -> Result<(), Failure> {
    let of_members = configuration.attributes.get("hasMember").cloned().unwrap_or_default();
    let member_types = of_members.types.unwrap_or_else(|| vec!["uid".to_owned()]);
    let mut values: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for member in registry::members(&group.metadata.id, None) {
        let member = match member {
            Err(Error::NotFound(_)) => break,
            member => member?,
        };
        if !matches!(member.person_status, Status::Active | Status::GracePeriod) {
            continue;
        }
        let name = dn_of(configuration, &member)?;
        let mut add = |attribute: &'static str, value: String| {
            if writes(attribute) {
                values.entry(attribute).or_default().push(value);
            }
        };
        if let (true, Some(name)) = (member.member, &name) {
            add("member", name.clone());
        }
        if let (true, Some(name)) = (member.owner, &name) {
            add("owner", name.clone());
        }
        if member.member {
            for identifier in &member.identifiers {
                if member_types.is_empty() || member_types.contains(&identifier.identifier_type) {
                    add("hasMember", identifier.identifier.clone());
                }
            }
            for uid in
                identifiers_of_type(&member.identifiers, &configuration.member_uid_type, &Status::Active)
            {
                add("memberUid", uid.identifier.clone());
            }
        }
    }
    for (attribute, mut values) in values {
        values.sort();
        values.dedup();
        attributes.insert(attribute.to_owned(), values);
    }
    Ok(())
}

/// Where the entry of a member is at this target; none of a member without an identifier for it.
fn dn_of(configuration: &Configuration, member: &GroupMember) -> Result<Option<String>, Failure> {
    let value = identifier_of_type(&member.identifiers, &configuration.rdn_identifier_type);
    value.map(|value| named(configuration, value).map(|dn| dn.to_string())).transpose()
}

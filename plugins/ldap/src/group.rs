//! What the entry of a group holds.

use std::collections::{BTreeMap, BTreeSet};

use provender_sdk::Failure;
use provender_sdk::ldap::Dn;
use provender_sdk::records::{Group, GroupMember, Service, Status, identifier_of_type, identifiers_of_type};
use provender_sdk::registry::{self, Error};

use crate::configuration::{Cluster, Configuration, ObjectClass};
use crate::entry::{Attributes, Wanted, classes_with_content, option, put};
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
    before: &BTreeSet<String>,
) -> Result<Option<Wanted>, Failure> {
    let classes = schema::of_group(configuration);
    let mut attributes = Attributes::new();
    let mut kept = BTreeMap::new();
    for (name, required) in classes.iter().flat_map(|(_, attributes)| attributes.iter()) {
        let written = *required || configuration.attributes.contains_key(*name);
        *kept.entry(*name).or_default() |= written;
    }
    let left_over = schema::left_over(configuration, before);
    for (name, _) in left_over.iter().flat_map(|(_, attributes)| attributes.iter()) {
        kept.entry(*name).or_default();
    }
    kept.retain(|name, _| !configuration.kept_by_others.contains(*name));
    let writes = |name: &str| kept.get(name) == Some(&true);
    put(&mut attributes, "cn", None, &group.name);
    if writes("description") {
        put(&mut attributes, "description", None, group.description.as_deref().unwrap_or_default());
    }
    if writes("gidNumber") {
        posix(&configuration.posix(), group, &mut attributes)?;
    }
    let services = if configuration.has(ObjectClass::VoPosixGroup) {
        registry::services().collect::<Result<Vec<_>, _>>()?
    } else {
        Vec::new()
    };
    let scopes = scopes(configuration, group, &services);
    for (scope, cluster) in &scopes {
        on_cluster(scope, cluster, group, &mut attributes);
    }
    members(configuration, group, &scopes, &writes, &mut attributes)?;
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
        optional_classes: classes.iter().chain(&left_over).map(|(class, _)| *class).collect(),
        unconfigured: configuration.unconfigured_attributes,
        options: configuration.attribute_options,
    }))
}

/// What posixGroup needs.
fn posix(cluster: &Cluster, group: &Group, attributes: &mut Attributes) -> Result<(), Failure> {
    let Some(gid) = group.identifier(&cluster.gid_type) else {
        let problem = format!("the group has no identifier of type {:?}", cluster.gid_type);
        return Err(Failure::invalid_data(problem).at("identifiers"));
    };
    put(attributes, "gidNumber", None, gid);
    let name = cluster.group_name_type.as_deref().and_then(|kind| group.identifier(kind));
    put(attributes, "cn", None, name.unwrap_or_default());
    Ok(())
}

/// What voPosixGroup tells of one cluster.
fn on_cluster(scope: &str, cluster: &Cluster, group: &Group, attributes: &mut Attributes) {
    let mut put = |name: &str, kind: &str| {
        put(attributes, name, Some(scope.to_owned()), group.identifier(kind).unwrap_or_default());
    };
    put("voPosixAccountGidNumber", &cluster.gid_type);
    if let Some(kind) = &cluster.group_name_type {
        put("cn", kind);
    }
}

/// Options of attributes for the clusters that the group is on, by the services that run there.
fn scopes<'c>(
    configuration: &'c Configuration,
    group: &Group,
    services: &[Service],
) -> BTreeMap<String, &'c Cluster> {
    let of_service = |service: &Service| {
        let cluster = configuration.clusters.get(service.cluster.as_ref()?)?;
        group.identifier(&cluster.gid_type)?;
        Some((option("scope", service.short_label.as_ref()?), cluster))
    };
    services.iter().filter_map(of_service).collect()
}

/// Members and owners, by pages of the registry.
fn members(
    configuration: &Configuration,
    group: &Group,
    scopes: &BTreeMap<String, &Cluster>,
    writes: &impl Fn(&str) -> bool,
    attributes: &mut Attributes,
) -> Result<(), Failure> {
    let of_members = configuration.attributes.get("hasMember").cloned().unwrap_or_default();
    let member_types = of_members.types.unwrap_or_else(|| vec!["uid".to_owned()]);
    let posix = configuration.has(ObjectClass::PosixGroup).then(|| configuration.posix());
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for member in registry::members(&group.metadata.id, None) {
        let member = match member {
            Err(Error::NotFound(_)) => break,
            member => member?,
        };
        if !matches!(member.person_status, Status::Active | Status::GracePeriod) {
            continue;
        }
        let name = dn_of(configuration, &member)?;
        let mut add = |attribute: &'static str, option: &str, value: String| {
            if writes(attribute) {
                values.entry(format!("{attribute}{option}")).or_default().push(value);
            }
        };
        if let (true, Some(name)) = (member.member, &name) {
            add("member", "", name.clone());
        }
        if let (true, Some(name)) = (member.owner, &name) {
            add("owner", "", name.clone());
        }
        if member.member {
            for identifier in &member.identifiers {
                if member_types.is_empty() || member_types.contains(&identifier.identifier_type) {
                    add("hasMember", "", identifier.identifier.clone());
                }
            }
            let scoped = scopes.iter().map(|(scope, cluster)| (format!(";{scope}"), *cluster));
            for (option, cluster) in posix.iter().map(|posix| (String::new(), posix)).chain(scoped) {
                let kind = &cluster.member_uid_type;
                for uid in identifiers_of_type(&member.identifiers, kind, &Status::Active) {
                    add("memberUid", &option, uid.identifier.clone());
                }
            }
        }
    }
    for (attribute, mut values) in values {
        values.sort();
        values.dedup();
        attributes.insert(attribute, values);
    }
    Ok(())
}

/// Where the entry of a member is at this target; none of a member without an identifier for it.
fn dn_of(configuration: &Configuration, member: &GroupMember) -> Result<Option<String>, Failure> {
    let value = identifier_of_type(&member.identifiers, &configuration.rdn_identifier_type);
    value.map(|value| named(configuration, value).map(|dn| dn.to_string())).transpose()
}

//! Groups and their members.

use std::collections::BTreeSet;

use provender_sdk::records::{Group, Identifier, Status};
use provender_sdk::{Failure, Inspection, registry, state};
use serde_json::{Value, json};

use crate::attributes::Change;
use crate::service::{Endpoint, GROUP, Resource, Service, filter};
use crate::user::{compared, keys, told};
use crate::{Done, WRITTEN, attributes};

/// Key of the target's state: the identifier that the server gave to a group.
pub(crate) fn key(group: &str) -> String {
    format!("group/{group}")
}

pub(crate) fn provision(
    service: &Service<'_>,
    group: &Group,
    is_gone: bool,
    known: Option<&str>,
) -> Result<Done, Failure> {
    if is_gone || group.status == Status::Deleted {
        return remove(service, group, known);
    }
    let wanted = resource(group, service.configuration.group_name_type.as_deref())?;
    let mut history = Vec::new();
    let (id, found) = match service.find(Endpoint::Groups, known, keys(&wanted))? {
        Some(read) => {
            let (id, members) = (read.id.clone(), members_of(&read.resource));
            if known != Some(&id) {
                history.push(format!("took over the group {id}"));
            }
            let changes = service.bring_up_to_date(Endpoint::Groups, read, &wanted)?;
            if !changes.is_empty() {
                history.push(told(&id, &changes));
            }
            (id, members)
        }
        None => {
            let id = service.create(Endpoint::Groups, &attributes::created(&wanted))?;
            history.push(format!("created the group {id}"));
            (id, BTreeSet::new())
        }
    };
    let is_new = known != Some(&id);
    if is_new {
        state::of_target().set_json(&key(&group.metadata.id), &id)?;
    }
    let wanted = if is_new { all_members(service, group)? } else { wanted_members(service, group, &found)? };
    let to_add: Vec<String> = wanted.difference(&found).cloned().collect();
    let to_remove: Vec<String> = found.difference(&wanted).cloned().collect();
    if !to_add.is_empty() || !to_remove.is_empty() {
        if service.patches()? {
            add(service, &id, &to_add)?;
            // At once only where nobody is to join meanwhile.
            if wanted.is_empty() && group.status != Status::Active {
                service.patch_members(&id, &[json!({ "op": "remove", "path": "members" })])?;
            } else {
                take_out(service, &id, &to_remove)?;
            }
        } else {
            replace(service, &id, &wanted)?;
        }
        history.push(format!(
            "added {} members to the group {id}, removed {}",
            to_add.len(),
            to_remove.len()
        ));
    }
    Ok(Done { id: Some(id), history })
}

fn remove(service: &Service<'_>, group: &Group, known: Option<&str>) -> Result<Done, Failure> {
    let id = match known {
        Some(id) => Some(id.to_owned()),
        None => service.id_by_external_id(Endpoint::Groups, &group.metadata.id)?,
    };
    let mut history = Vec::new();
    if let Some(id) = id {
        if service.delete(Endpoint::Groups, &id)? {
            history.push(format!("deleted the group {id}"));
        }
        state::of_target().delete(&key(&group.metadata.id))?;
    }
    Ok(Done { id: None, history })
}

pub(crate) fn inspect(
    service: &Service<'_>,
    group: &Group,
    known: Option<&str>,
) -> Result<Inspection, Failure> {
    let wanted = resource(group, service.configuration.group_name_type.as_deref())?;
    let found = match known {
        Some(id) => service.read(Endpoint::Groups, id)?.map(|read| read.resource),
        None => service.look_up(Endpoint::Groups, "externalId", keys(&wanted).0)?,
    };
    let Some(found) = found else { return Ok(Inspection::Absent) };
    let mut differences: Vec<String> =
        attributes::changes(&found, &wanted).iter().map(Change::told).collect();
    let (has, is_to_have) = (members_of(&found), all_members(service, group)?);
    let missing = is_to_have.difference(&has).count();
    let too_many = has.difference(&is_to_have).count();
    if missing + too_many > 0 {
        differences.push(format!("members: {missing} are missing, {too_many} are too many"));
    }
    Ok(compared(differences))
}

fn resource(group: &Group, name_type: Option<&str>) -> Result<Resource, Failure> {
    let name = match name_type {
        None => &group.name,
        Some(of) => group.identifier(of).ok_or_else(|| {
            Failure::invalid_data(format!("the group has no active identifier of type {of:?}"))
                .at("identifiers")
        })?,
    };
    Ok(Resource::from_iter([
        ("schemas".to_owned(), json!([GROUP])),
        ("externalId".to_owned(), json!(group.metadata.id)),
        ("displayName".to_owned(), json!(name)),
    ]))
}

fn members_of(group: &Resource) -> BTreeSet<String> {
    let members = group.get("members").and_then(Value::as_array).into_iter().flatten();
    members.filter_map(|member| Some(member.get("value")?.as_str()?.to_owned())).collect()
}

fn members(ids: &BTreeSet<String>) -> Value {
    attributes::list(ids.iter().map(|id| json!({ "value": id })))
}

/// Who is to be in the group. Where one membership was the cause, only that one is looked at: a group may be large.
fn wanted_members(
    service: &Service<'_>,
    group: &Group,
    found: &BTreeSet<String>,
) -> Result<BTreeSet<String>, Failure> {
    let Some(cause) = &group.cause else { return all_members(service, group) };
    let ids = match registry::written_identifiers(&cause.person) {
        Ok(written) => written_here(service, written),
        // Who is deleted is known by nothing any more.
        Err(registry::Error::NotFound(_)) => return all_members(service, group),
        Err(error) => return Err(error.into()),
    };
    let mut wanted = found.clone();
    let is_member = group.status == Status::Active && cause.membership.as_ref().is_some_and(|one| one.member);
    for id in ids {
        if is_member {
            wanted.insert(id);
        } else {
            wanted.remove(&id);
        }
    }
    Ok(wanted)
}

/// Members who are users of the server. Others join when they become users.
fn all_members(service: &Service<'_>, group: &Group) -> Result<BTreeSet<String>, Failure> {
    let mut ids = BTreeSet::new();
    if group.status != Status::Active {
        return Ok(ids);
    }
    for member in registry::members(&group.metadata.id, Some(WRITTEN)) {
        let member = member?;
        if member.member {
            ids.extend(written_here(service, member.identifiers));
        }
    }
    Ok(ids)
}

/// Identifiers that this target stored, among those of others.
fn written_here(service: &Service<'_>, identifiers: Vec<Identifier>) -> impl Iterator<Item = String> {
    let target = service.target.to_owned();
    identifiers
        .into_iter()
        .filter(move |identifier| {
            identifier.identifier_type == WRITTEN
                && identifier.provisioning_target.as_deref().is_none_or(|of| of == target)
        })
        .map(|identifier| identifier.identifier)
}

/// Adds members, so many at once as the configuration says.
pub(crate) fn add(service: &Service<'_>, group: &str, ids: &[String]) -> Result<(), Failure> {
    if !service.patches()? {
        let Some(read) = service.read(Endpoint::Groups, group)? else { return Ok(()) };
        let mut members = members_of(&read.resource);
        members.extend(ids.iter().cloned());
        return replace(service, group, &members);
    }
    for chunk in ids.chunks(service.configuration.members_per_request) {
        let values: Vec<Value> = chunk.iter().map(|id| json!({ "value": id })).collect();
        service.patch_members(group, &[json!({ "op": "add", "path": "members", "value": values })])?;
    }
    Ok(())
}

fn take_out(service: &Service<'_>, group: &str, ids: &[String]) -> Result<(), Failure> {
    for chunk in ids.chunks(service.configuration.members_per_request) {
        let operations: Vec<Value> = chunk
            .iter()
            .map(|id| json!({ "op": "remove", "path": format!("members[{}]", filter("value", id)) }))
            .collect();
        service.patch_members(group, &operations)?;
    }
    Ok(())
}

/// All members at once, for servers that cannot PATCH.
fn replace(service: &Service<'_>, group: &str, ids: &BTreeSet<String>) -> Result<(), Failure> {
    let read = service.read(Endpoint::Groups, group)?;
    let read = read.ok_or_else(|| Failure::transient("the group was deleted while it was changed"))?;
    let wanted = Resource::from_iter([("members".to_owned(), members(ids))]);
    service.bring_up_to_date(Endpoint::Groups, read, &wanted)?;
    Ok(())
}

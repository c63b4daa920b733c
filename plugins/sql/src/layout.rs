//! What is done with a person or a group in each layout.

use std::collections::BTreeSet;

use provender_sdk::records::{CollaborationUnit, Group, Person, Subject};
use provender_sdk::registry;
use provender_sdk::sql::Value;

use crate::rows::{self, Row};
use crate::sync::{Stop, Sync, differences};
use crate::tables::{COUS, GROUP_DOCUMENTS, GROUPS, MEMBERS, OF_PEOPLE, PEOPLE, PERSON_DOCUMENTS, Table};

/// Members that are compared with the database at once.
const PAGE: usize = 200;

/// The other ends of memberships that were not written, since they are not there.
pub(crate) struct Missing {
    table: &'static Table,
    ids: Vec<String>,
}

impl Missing {
    pub(crate) fn nothing() -> Self {
        Self { table: &PEOPLE, ids: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether one of them came meanwhile.
    pub(crate) fn any_is_there(&self, sync: &Sync<'_>, co: &str) -> Result<bool, Stop> {
        for ids in self.ids.chunks(PAGE) {
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            if !sync.known(self.table, co, &ids)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Writes a person with all that belongs to it, and removes what no longer does. Gives the groups that are not there.
pub(crate) fn write_person(sync: &Sync<'_>, person: &Person) -> Result<Missing, Stop> {
    let (co, id) = (person.co.id.as_str(), person.metadata.id.as_str());
    let groups = groups_of(person);
    let known = sync.known(&GROUPS, co, &groups)?;
    let parts = parts(person, &known)?;
    sync.upsert(&PEOPLE, vec![rows::of_person(person)])?;
    write_units(sync, co, person)?;
    for table in OF_PEOPLE {
        if std::ptr::eq(*table, &MEMBERS) {
            // Also those of groups that are not there yet: the group may be written beside this, with its members.
            let keep: Vec<Value> = groups.iter().map(|id| (*id).into()).collect();
            let of_person = [("co_id", co), ("co_person_id", id)];
            sync.delete_others(table, &of_person, "co_group_id", &keep, (None, None))?;
            continue;
        }
        let of_table = parts.iter().find(|(other, _)| std::ptr::eq(*table, *other));
        let rows = of_table.map(|(_, rows)| rows.as_slice()).unwrap_or_default();
        remove_others(sync, table, (co, id), rows)?;
    }
    for (table, rows) in parts {
        sync.upsert(table, rows)?;
    }
    // Members of a group that comes later come with it.
    let missing = groups.into_iter().map(str::to_owned).filter(|id| !known.contains(id));
    Ok(Missing { table: &GROUPS, ids: missing.collect() })
}

fn groups_of(person: &Person) -> Vec<&str> {
    person.memberships.iter().map(|one| one.group.metadata.id.as_str()).collect()
}

/// All rows that belong to a person who is in groups that are there.
fn parts(person: &Person, known: &[String]) -> Result<Vec<(&'static Table, Vec<Row>)>, Stop> {
    let affiliations = if person.roles.is_empty() { Vec::new() } else { registry::affiliations()? };
    let mut parts = rows::of_parts(person, &affiliations);
    parts.push(rows::of_memberships(person, known));
    Ok(parts)
}

/// Removes rows of a person, other than memberships, that are not among these. Those that belong to a role are told apart
/// by it.
fn remove_others(
    sync: &Sync<'_>,
    table: &Table,
    (co, person): (&str, &str),
    keep: &[Row],
) -> Result<(), Stop> {
    let column = |name: &str| table.columns.iter().position(|(column, _)| *column == name);
    let value =
        |row: &Row, name: &str| column(name).and_then(|at| row.get(at)).cloned().unwrap_or(Value::Null);
    let of_person = [("co_id", co), ("co_person_id", person)];
    let last = table.key.last().copied().unwrap_or("id");
    if !table.key.contains(&"co_person_role_id") {
        let ids: Vec<Value> = keep.iter().map(|row| value(row, last)).collect();
        return sync.delete_others(table, &of_person, last, &ids, (None, None));
    }
    let roles: BTreeSet<String> =
        keep.iter().filter_map(|row| value(row, "co_person_role_id").as_text().map(str::to_owned)).collect();
    let all: Vec<Value> = roles.iter().map(Value::from).collect();
    sync.delete_others(table, &of_person, "co_person_role_id", &all, (None, None))?;
    for role in &roles {
        let of_role = keep.iter().filter(|row| value(row, "co_person_role_id").as_text() == Some(role));
        let ids: Vec<Value> = of_role.map(|row| value(row, last)).collect();
        let scope = [("co_id", co), ("co_person_id", person), ("co_person_role_id", role.as_str())];
        sync.delete_others(table, &scope, last, &ids, (None, None))?;
    }
    Ok(())
}

/// Units that roles of a person are in, so that what they refer to is there.
fn write_units(sync: &Sync<'_>, co: &str, person: &Person) -> Result<(), Stop> {
    let wanted: Vec<&CollaborationUnit> = person.roles.iter().filter_map(|role| role.cou.as_ref()).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let all = registry::collaboration_units()?;
    let units = all.iter().filter(|unit| wanted.iter().any(|wanted| wanted.id == unit.id));
    sync.upsert(&COUS, units.map(|unit| rows::of_unit(co, unit, &all)).collect())
}

/// The units of the collaboration, and no others.
pub(crate) fn write_reference_data(sync: &Sync<'_>, co: &str) -> Result<usize, Stop> {
    let all = registry::collaboration_units()?;
    let ids: Vec<Value> = all.iter().map(|unit| Value::from(&unit.id)).collect();
    sync.delete_others(&COUS, &[("co_id", co)], "id", &ids, (None, None))?;
    sync.upsert(&COUS, all.iter().map(|unit| rows::of_unit(co, unit, &all)).collect())?;
    Ok(all.len())
}

/// Writes a group and its members, as far as the database has the people. Gives those that are not there.
pub(crate) fn write_group(sync: &Sync<'_>, group: &Group) -> Result<Missing, Stop> {
    let (co, id) = (group.co.id.as_str(), group.metadata.id.as_str());
    sync.upsert(&GROUPS, vec![rows::of_group(group)])?;
    let of_group = [("co_id", co), ("co_group_id", id)];
    let mut members = registry::members(id, None).peekable();
    let mut after: Option<String> = None;
    let mut missing = Vec::new();
    loop {
        let mut page = Vec::new();
        for member in members.by_ref().take(PAGE) {
            page.push(member?);
        }
        let last =
            if members.peek().is_some() { page.last().map(|member| member.person.clone()) } else { None };
        let people: Vec<&str> = page.iter().map(|member| member.person.as_str()).collect();
        // Also those of people who are not there yet: a person may be written beside this, with its memberships.
        let keep: Vec<Value> = people.iter().map(|id| (*id).into()).collect();
        let known = sync.known(&PEOPLE, co, &people)?;
        let range = (after.as_deref(), last.as_deref());
        sync.delete_others(&MEMBERS, &of_group, "co_person_id", &keep, range)?;
        let (members, others): (Vec<_>, Vec<_>) =
            page.into_iter().partition(|member| known.contains(&member.person));
        sync.upsert(&MEMBERS, members.iter().map(|member| rows::of_member(group, member)).collect())?;
        missing.extend(others.into_iter().map(|member| member.person));
        if last.is_none() {
            return Ok(Missing { table: &PEOPLE, ids: missing });
        }
        after = last;
    }
}

/// Removes a person or a group with all that belongs to it; whether it was there.
pub(crate) fn remove(sync: &Sync<'_>, subject: &Subject) -> Result<bool, Stop> {
    match subject {
        Subject::Person(person) => {
            let (co, id) = (person.co.id.as_str(), person.metadata.id.as_str());
            for table in OF_PEOPLE {
                sync.delete(table, &[("co_id", co), ("co_person_id", id)])?;
            }
            Ok(sync.delete(&PEOPLE, &[("co_id", co), ("id", id)])? > 0)
        }
        Subject::Group(group) => {
            let (co, id) = (group.co.id.as_str(), group.metadata.id.as_str());
            sync.delete(&MEMBERS, &[("co_id", co), ("co_group_id", id)])?;
            Ok(sync.delete(&GROUPS, &[("co_id", co), ("id", id)])? > 0)
        }
        _ => Ok(false),
    }
}

/// What differs between a person or a group and the tables; none where they do not have it.
pub(crate) fn compare(sync: &Sync<'_>, subject: &Subject) -> Result<Option<Vec<String>>, Stop> {
    let (mut lines, parts, scope) = match subject {
        Subject::Person(person) => {
            let (co, id) = (person.co.id.as_str(), person.metadata.id.as_str());
            let found = sync.rows(&PEOPLE, &[("co_id", co), ("id", id)])?;
            if found.rows.is_empty() {
                return Ok(None);
            }
            let lines = differences(&PEOPLE, &[rows::of_person(person)], &found);
            let known = sync.known(&GROUPS, co, &groups_of(person))?;
            (lines, parts(person, &known)?, [("co_id", co), ("co_person_id", id)])
        }
        Subject::Group(group) => {
            let (co, id) = (group.co.id.as_str(), group.metadata.id.as_str());
            let found = sync.rows(&GROUPS, &[("co_id", co), ("id", id)])?;
            if found.rows.is_empty() {
                return Ok(None);
            }
            let lines = differences(&GROUPS, &[rows::of_group(group)], &found);
            (lines, vec![(&MEMBERS, members(sync, group)?)], [("co_id", co), ("co_group_id", id)])
        }
        _ => return Ok(None),
    };
    for (table, rows) in parts {
        lines.extend(differences(table, &rows, &sync.rows(table, &scope)?));
    }
    Ok(Some(lines))
}

/// The members that the table should have.
fn members(sync: &Sync<'_>, group: &Group) -> Result<Vec<Row>, Stop> {
    let members: Vec<_> = registry::members(&group.metadata.id, None).collect::<Result<_, _>>()?;
    let mut rows = Vec::new();
    for page in members.chunks(PAGE) {
        let people: Vec<&str> = page.iter().map(|member| member.person.as_str()).collect();
        let known = sync.known(&PEOPLE, &group.co.id, &people)?;
        let page = page.iter().filter(|member| known.contains(&member.person));
        rows.extend(page.map(|member| rows::of_member(group, member)));
    }
    Ok(rows)
}

/// Table and row of the layout `documents`.
pub(crate) fn document(subject: &Subject) -> Option<(&'static Table, Row)> {
    let mut document = subject.to_json();
    if let Some(fields) = document.as_object_mut() {
        // Not the place for credentials.
        fields.remove("authenticators");
        // Of one call, not of the group.
        fields.remove("cause");
    }
    let (table, co, metadata, status, name) = match subject {
        Subject::Person(person) => {
            let name = person.primary_name().map(|name| name.formatted());
            (&PERSON_DOCUMENTS, &person.co, &person.metadata, &person.status, name)
        }
        Subject::Group(group) => {
            (&GROUP_DOCUMENTS, &group.co, &group.metadata, &group.status, Some(group.name.clone()))
        }
        _ => return None,
    };
    let time = |text: &String| Value::Timestamp(text.clone());
    Some((
        table,
        vec![
            Value::from(&co.id),
            Value::from(&metadata.id),
            status.word().into(),
            name.into(),
            Value::Json(document.to_string()),
            time(&metadata.created),
            time(&metadata.modified),
        ],
    ))
}

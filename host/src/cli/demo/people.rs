//! What is stored in the collaboration of the demo, as its script and its check look at it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::setup::CO;
use crate::registry::record::{Group, Identifier, Name, Person, Record, RecordKind, Status};
use crate::store::{MembershipInGroup, Store, StoreError};

const PAGE: u32 = 500;

/// A person with its memberships.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) person: Person,
    pub(super) memberships: Vec<MembershipInGroup>,
}

/// All people that are not deleted, by ascending id.
pub(super) async fn people(store: &Store) -> Result<Vec<Member>, StoreError> {
    let mut members = Vec::new();
    for record in records(store, RecordKind::Person).await? {
        if let Record::Person(person) = record {
            let memberships = store.memberships_of_person(CO, &person.meta.id).await?;
            members.push(Member { person: *person, memberships });
        }
    }
    Ok(members)
}

/// All groups that are not deleted, by ascending id.
pub(super) async fn groups(store: &Store) -> Result<Vec<Group>, StoreError> {
    let group = |record| match record {
        Record::Group(group) => Some(*group),
        _ => None,
    };
    Ok(records(store, RecordKind::Group).await?.into_iter().filter_map(group).collect())
}

async fn records(store: &Store, kind: RecordKind) -> Result<Vec<Record>, StoreError> {
    let mut records = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = store.records(CO, kind, after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(records) };
        after = Some(last.key.id.clone());
        records.extend(page.into_iter().map(|stored| stored.record));
    }
}

/// The type of identifier that most people of a file of records have.
pub(super) fn usual_identifier_type(lines: &str) -> Option<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for line in lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        // Native records, and documents of the Core API.
        let native =
            line.pointer("/record/identifiers").filter(|_| line.get("kind").is_some_and(|it| it == "person"));
        let identifiers = native.or_else(|| line.get("Identifier")).and_then(Value::as_array);
        let types: BTreeSet<&str> =
            identifiers.into_iter().flatten().filter_map(|it| it.get("type")?.as_str()).collect();
        types.into_iter().for_each(|it| *counts.entry(it.to_owned()).or_default() += 1);
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(identifier_type, _)| identifier_type)
}

impl Member {
    pub(super) fn id(&self) -> &str {
        &self.person.meta.id
    }

    /// The identifier that a target which asks for this type knows the person by.
    pub(super) fn identifier(&self, identifier_type: &str) -> Option<&str> {
        let asked = |it: &&Identifier| it.identifier_type == identifier_type && it.status == Status::Active;
        self.person.identifiers.iter().find(asked).map(|it| it.identifier.as_str())
    }

    /// The name as it is written where the person comes from.
    pub(super) fn name(&self) -> String {
        let primary = self.person.names.iter().find(|name| name.primary);
        primary.map_or_else(|| self.id().to_owned(), formatted)
    }

    /// The groups that a target may know of: the person is a member now, and both are in force.
    pub(super) fn visible_groups(&self, now: Timestamp) -> Vec<&Group> {
        if !self.person.status.is_in_force() {
            return Vec::new();
        }
        let visible = |it: &&MembershipInGroup| {
            let membership = &it.membership;
            membership.member
                && it.group.status == Status::Active
                && membership.valid_from.is_none_or(|from| from <= now)
                && membership.valid_through.is_none_or(|through| through >= now)
        };
        self.memberships.iter().filter(visible).map(|it| &it.group).collect()
    }
}

fn formatted(name: &Name) -> String {
    let language = name.language.as_deref().unwrap_or_default();
    let family_first = matches!(language, "hu" | "ja" | "ko" | "zh-Hans" | "zh-Hant");
    let parts = if family_first { [&name.family, &name.given] } else { [&name.given, &name.family] };
    parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_type_of_identifier_is_the_one_that_most_people_have() {
        let lines = r#"
            {"kind": "group", "record": {"identifiers": [{"type": "gid", "identifier": "1"}]}}
            {"kind": "person", "record": {"identifiers": [{"type": "uid", "identifier": "a"}]}}
            {"CoPerson": {}, "Identifier": [{"type": "uid", "identifier": "b"}, {"type": "eppn", "identifier": "c"}]}
            no JSON"#;
        assert_eq!(usual_identifier_type(lines).as_deref(), Some("uid"));
        assert_eq!(usual_identifier_type(""), None);
    }

    #[test]
    fn a_hungarian_name_begins_with_the_family() {
        let name = |language: &str| Name {
            given: Some("Ágnes".to_owned()),
            family: Some("Kovács".to_owned()),
            language: Some(language.to_owned()),
            ..Name::default()
        };
        assert_eq!(formatted(&name("hu")), "Kovács Ágnes");
        assert_eq!(formatted(&name("de")), "Ágnes Kovács");
        assert_eq!(formatted(&Name { given: Some("Suharto".to_owned()), ..Name::default() }), "Suharto");
    }
}

//! Records for tests and benches.

use provender::registry::record::{
    EmailAddress, Group, Identifier, Membership, Meta, Name, Person, Record, RecordKind, Role, SubjectKey,
};
use serde_json::{Value, json};

/// Names a person.
pub fn person_key(id: &str) -> SubjectKey {
    SubjectKey { kind: RecordKind::Person, id: id.to_owned() }
}

/// Names a group.
pub fn group_key(id: &str) -> SubjectKey {
    SubjectKey { kind: RecordKind::Group, id: id.to_owned() }
}

/// A person with a name, an email address and a uid made of the `id`.
pub fn person(id: &str) -> Record {
    Record::Person(Box::new(plain_person(id)))
}

/// As [`person`], to be changed.
pub fn plain_person(id: &str) -> Person {
    Person {
        meta: Meta { id: id.to_owned(), ..Meta::default() },
        names: vec![Name {
            given: Some(id.to_owned()),
            family: Some("Kovács".to_owned()),
            name_type: "official".to_owned(),
            primary: true,
            ..Name::default()
        }],
        email_addresses: vec![EmailAddress {
            mail: format!("{id}@example.org"),
            email_type: "official".to_owned(),
            verified: true,
            ..EmailAddress::default()
        }],
        identifiers: vec![Identifier {
            identifier: id.to_owned(),
            identifier_type: "uid".to_owned(),
            login: true,
            ..Identifier::default()
        }],
        ..Person::default()
    }
}

/// A group, with an identifier of type `posix`.
pub fn group(id: &str) -> Record {
    Record::Group(Box::new(Group {
        meta: Meta { id: id.to_owned(), ..Meta::default() },
        name: format!("Group {id}"),
        identifiers: vec![Identifier {
            identifier: format!("px-{id}"),
            identifier_type: "posix".to_owned(),
            ..Identifier::default()
        }],
        ..Group::default()
    }))
}

/// A membership.
pub fn membership(group: &str, person: &str) -> Membership {
    Membership {
        meta: Meta::default(),
        group: group.to_owned(),
        person: person.to_owned(),
        member: true,
        owner: false,
        valid_from: None,
        valid_through: None,
        nested_from: None,
    }
}

/// Groups of [`directory`].
pub const GROUPS: usize = 12;

/// Lines for the import: [`GROUPS`] groups, and people as varied as a real directory's, each in a few of the groups.
pub fn directory(people: usize) -> String {
    let groups = (0..GROUPS).map(|number| json!({"kind": "group", "record": group_document(number)}));
    let people = (0..people).map(|number| {
        let memberships: Vec<Value> = (0..number % 4)
            .map(|step| json!({"group": format!("group-{}", (number + 5 * step) % GROUPS), "owner": number % 50 == 0}))
            .collect();
        json!({"kind": "person", "record": person_document(number), "memberships": memberships})
    });
    groups.chain(people).map(|line| format!("{line}\n")).collect()
}

fn group_document(number: usize) -> Value {
    let Record::Group(mut group) = group(&format!("group-{number}")) else {
        unreachable!("a group is a group")
    };
    group.description = Some(format!("The group of number {number}"));
    serde_json::to_value(group).expect("a group as JSON")
}

const GIVEN: [&str; 8] = ["Anna", "Bálint", "Chloé", "Đorđe", "Ebru", "Fumiko", "Gabriël", "Hanna-Mária"];
const FAMILY: [&str; 8] =
    ["Kovács", "O'Brien", "de Souza", "Šimunović", "Yılmaz", "山田", "van der Berg", "Ng"];

fn person_document(number: usize) -> Value {
    let id = format!("person-{number}");
    let mut person = plain_person(&id);
    let name = &mut person.names[0];
    name.given = Some(GIVEN[number % GIVEN.len()].to_owned());
    name.family = Some(format!("{} {number}", FAMILY[number / GIVEN.len() % FAMILY.len()]));
    for kind in ["eppn", "orcid", "employee-number"].iter().take(number % 4) {
        person.identifiers.push(Identifier {
            identifier: format!("{kind}-{number}@example.org"),
            identifier_type: (*kind).to_owned(),
            ..Identifier::default()
        });
    }
    for rank in 0..1 + number % 3 {
        person.roles.push(Role {
            affiliation: Some(["staff", "faculty", "member"][rank].to_owned()),
            title: Some(format!("Title {}", number % 40)),
            department: Some(format!("Department {}", number % 25)),
            rank: i64::try_from(rank).ok(),
            ..Role::default()
        });
    }
    serde_json::to_value(person).expect("a person as JSON")
}

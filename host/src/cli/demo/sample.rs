//! The demo's own records: a collaboration, its groups, and people of every sort. The same at every run.

use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::names::CULTURES;
use crate::registry::record::{
    AdHocAttribute, Address, Affiliation, Authenticator, Collaboration, Cou, Credential, EmailAddress, Group,
    GroupType, Identifier, Membership, Meta, Name, OrgIdentity, OrgIdentitySource, Person, Role, Status,
    TelephoneNumber, Url,
};

/// People of the sample.
pub(super) const PEOPLE: usize = 200;
/// The type of the identifier that people are known by.
pub(super) const PERSON_IDENTIFIER: &str = "uid";
/// The type of the identifier that takes the place of a group's name.
pub(super) const GROUP_IDENTIFIER: &str = "groupname";
/// The one person without an identifier of that type.
const NAMELESS: usize = 77;

const UNITS: [(&str, &str, Option<&str>); 4] = [
    ("astronomy", "Astronomy", None),
    ("radio", "Radio astronomy", Some("astronomy")),
    ("linguistics", "Linguistics", None),
    ("operations", "Operations", None),
];

/// `id`, name, the identifier where there is one.
const GROUPS: [(&str, &str, Option<&str>); 12] = [
    ("g-everybody", "Everybody", Some("everybody")),
    ("g-admins", "Administrators", Some("admins")),
    ("g-telescope", "Télescope & récepteurs", Some("telescope")),
    ("g-field-work", "Field work (2026)", Some("field-work")),
    ("g-kanji", "漢字研究会", Some("kanji")),
    ("g-operators", "Оператори зв'язку", Some("operators")),
    ("g-grammar", "نحو وصرف", Some("grammar")),
    ("g-choir", "Kórus / choir", Some("choir")),
    ("g-board", "Board", None),
    ("g-data", "data;drop table groups", Some("data")),
    ("g-guests", "Gäste", None),
    // Suspended: nobody's membership in it is seen by a target.
    ("g-archive", "Archive", Some("archive")),
];

/// Where org identities come from.
const SOURCE: &str = "example-university";

pub(super) fn collaboration(id: &str) -> Collaboration {
    let unit = |(id, name, parent): (&str, &str, Option<&str>)| Cou {
        id: id.to_owned(),
        name: name.to_owned(),
        parent: parent.map(str::to_owned),
    };
    Collaboration {
        id: id.to_owned(),
        name: "Sample collaboration".to_owned(),
        description: Some("People and groups that the demo made up".to_owned()),
        cous: UNITS.map(unit).to_vec(),
        affiliations: vec![Affiliation {
            affiliation: "visiting researcher".to_owned(),
            edu_person_affiliation: Some("affiliate".to_owned()),
        }],
        org_identity_sources: vec![OrgIdentitySource {
            id: SOURCE.to_owned(),
            description: "Example University".to_owned(),
        }],
        // Each change of the demo is shown by what it alone brings about.
        automatic_groups: false,
        status_recalculation: true,
        ..Collaboration::default()
    }
}

/// Groups, then people with their memberships, as lines that an import reads.
pub(super) fn lines() -> impl Iterator<Item = Value> {
    let groups = GROUPS.iter().map(|group| json!({ "kind": "group", "record": sample_group(*group) }));
    let people = (1..=PEOPLE).map(
        |number| json!({ "kind": "person", "record": person(number), "memberships": memberships(number) }),
    );
    groups.chain(people)
}

fn sample_group((id, name, identifier): (&str, &str, Option<&str>)) -> Group {
    Group {
        meta: meta(id),
        name: name.to_owned(),
        description: Some(format!("The group {name} of the sample")),
        status: if id == "g-archive" { Status::Suspended } else { Status::Active },
        group_type: if id == "g-admins" { GroupType::Admins } else { GroupType::Standard },
        open: id == "g-choir",
        identifiers: identifier.map(|it| typed(GROUP_IDENTIFIER, it.to_owned())).into_iter().collect(),
        ..Group::default()
    }
}

/// `id` of the one person without an identifier of [`PERSON_IDENTIFIER`].
pub(super) fn nameless_person() -> String {
    person_id(NAMELESS)
}

fn person_id(number: usize) -> String {
    format!("p-{number:03}")
}

fn person(number: usize) -> Person {
    let name = name(number);
    let id = person_id(number);
    Person {
        status: person_status(number),
        date_of_birth: every(number, 4, 0).then(|| date(1950 + (number % 55) as i16, 2, 28)),
        timezone: every(number, 5, 1).then(|| "Europe/Budapest".to_owned()),
        email_addresses: email_addresses(number, &id),
        identifiers: identifiers(number, &name),
        urls: every(number, 9, 0).then(|| url(&id)).into_iter().collect(),
        roles: roles(number),
        org_identities: every(number, 6, 2).then(|| org_identity(&name, &id)).into_iter().collect(),
        authenticators: authenticators(number),
        names: if every(number, 12, 7) { vec![name, preferred_name()] } else { vec![name] },
        meta: meta(&id),
        ..Person::default()
    }
}

fn person_status(number: usize) -> Status {
    match number % 40 {
        13 => Status::Suspended,
        17 => Status::GracePeriod,
        27 => Status::Pending,
        33 => Status::Expired,
        _ => Status::Active,
    }
}

fn name(number: usize) -> Name {
    let culture = CULTURES.get(number % CULTURES.len()).unwrap_or(&CULTURES[0]);
    let (given, family) = culture.name(number / CULTURES.len());
    Name {
        honorific: every(number, 13, 0).then(|| "Prof. Dr.".to_owned()),
        given: Some(given.to_owned()),
        family: family.map(str::to_owned),
        suffix: every(number, 60, 20).then(|| "Jr.".to_owned()),
        name_type: "official".to_owned(),
        language: culture.language.map(str::to_owned),
        primary: true,
        ..Name::default()
    }
}

fn preferred_name() -> Name {
    Name { given: Some("Sam".to_owned()), name_type: "preferred".to_owned(), ..Name::default() }
}

fn email_addresses(number: usize, id: &str) -> Vec<EmailAddress> {
    let address = |mail: String, email_type: &str, verified| EmailAddress {
        mail,
        email_type: email_type.to_owned(),
        verified,
        ..EmailAddress::default()
    };
    let mut addresses = vec![address(format!("{id}@example.org"), "official", !every(number, 10, 6))];
    if every(number, 3, 1) {
        addresses.push(address(format!("{id}+lists@mail.example.net"), "delivery", false));
    }
    addresses
}

/// The uid is made of the name as it is written, so most of them need percent-encoding in a URL.
fn identifiers(number: usize, name: &Name) -> Vec<Identifier> {
    let mut identifiers = vec![typed("eppn", format!("{}@example.org", person_id(number)))];
    if number != NAMELESS {
        let parts = [name.given.as_deref(), name.family.as_deref()];
        let uid = parts.into_iter().flatten().collect::<Vec<_>>().join(".").to_lowercase();
        let uid = match number % 25 {
            8 => format!("{uid}/2"),
            16 => format!("100% {uid}?x=1&y#z"),
            _ => uid,
        };
        identifiers.push(typed(PERSON_IDENTIFIER, uid));
    }
    if every(number, 8, 3) {
        let suspended = typed(PERSON_IDENTIFIER, format!("former-{number}"));
        identifiers.insert(0, Identifier { status: Status::Suspended, ..suspended });
    }
    identifiers
}

fn url(id: &str) -> Url {
    Url { url: format!("https://people.example.org/{id}"), url_type: "official".to_owned(), ..Url::default() }
}

/// None, one, two or three roles; some are over, some are still to come.
fn roles(number: usize) -> Vec<Role> {
    let count = match number {
        _ if every(number, 40, 0) => 0,
        _ if every(number, 8, 5) => 3,
        _ if every(number, 3, 0) => 2,
        _ => 1,
    };
    (0..count).map(|index| role(number, index)).collect()
}

fn role(number: usize, index: usize) -> Role {
    const AFFILIATIONS: [&str; 5] = ["faculty", "staff", "student", "member", "visiting researcher"];
    const TITLES: [&str; 4] = ["Researcher", "Docteur ès lettres", "技師", "Оператор"];
    let seed = number + 3 * index;
    let pick = |words: &[&str]| words.iter().cycle().nth(seed).map(|word| (*word).to_owned());
    Role {
        cou: UNITS.iter().cycle().nth(seed).map(|(id, ..)| (*id).to_owned()),
        affiliation: pick(&AFFILIATIONS),
        title: pick(&TITLES),
        organization: Some("Example University".to_owned()),
        valid_from: every(seed, 22, 5).then(|| year(2090)),
        valid_through: every(seed, 10, 4).then(|| year(2022)),
        rank: Some(index as i64 + 1),
        status: if every(seed, 17, 3) { Status::Suspended } else { Status::Active },
        addresses: every(seed, 4, 2).then(address).into_iter().collect(),
        telephone_numbers: every(seed, 5, 2).then(telephone_number).into_iter().collect(),
        ad_hoc_attributes: every(seed, 7, 0).then(ad_hoc_attribute).into_iter().collect(),
        ..Role::default()
    }
}

fn address() -> Address {
    Address {
        street: Some("Konkoly-Thege Miklós út 15-17".to_owned()),
        locality: Some("Budapest".to_owned()),
        postal_code: Some("1121".to_owned()),
        country: Some("Magyarország".to_owned()),
        address_type: "office".to_owned(),
        language: Some("hu".to_owned()),
        ..Address::default()
    }
}

fn telephone_number() -> TelephoneNumber {
    TelephoneNumber {
        country_code: Some("36".to_owned()),
        area_code: Some("1".to_owned()),
        number: "555 0100".to_owned(),
        extension: Some("12".to_owned()),
        telephone_type: "office".to_owned(),
        ..TelephoneNumber::default()
    }
}

fn ad_hoc_attribute() -> AdHocAttribute {
    AdHocAttribute { tag: "locker".to_owned(), value: "B-12".to_owned(), ..AdHocAttribute::default() }
}

fn org_identity(name: &Name, id: &str) -> OrgIdentity {
    OrgIdentity {
        identity_source: Some(SOURCE.to_owned()),
        source_key: Some(id.to_owned()),
        organization: Some("Example University".to_owned()),
        names: vec![name.clone()],
        identifiers: vec![typed("employeenumber", format!("E{id}"))],
        ..OrgIdentity::default()
    }
}

fn authenticators(number: usize) -> Vec<Authenticator> {
    let of = |name: &str, credential| Authenticator {
        meta: Meta::default(),
        authenticator: name.to_owned(),
        status: Status::Active,
        locked: every(number, 30, 0),
        credential,
    };
    let ssh_key = every(number, 10, 0).then(|| {
        of(
            "ssh",
            Credential::SshKey {
                key_type: "ssh-ed25519".to_owned(),
                key: "AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExampleExa".to_owned(),
                comment: Some("laptop".to_owned()),
                options: None,
            },
        )
    });
    let password = every(number, 25, 0).then(|| {
        of(
            "password",
            Credential::Password {
                scheme: "crypt".to_owned(),
                hash: "$6$example$made-up-for-the-demo".to_owned(),
            },
        )
    });
    ssh_key.into_iter().chain(password).collect()
}

/// Everybody is in the first group and in some of the others; some memberships are over, some are still to come, and
/// each group has an owner who need not be a member.
fn memberships(number: usize) -> Vec<Membership> {
    let mut memberships = Vec::new();
    for (index, (group, ..)) in GROUPS.iter().enumerate() {
        let owner = number == 10 * (index + 1);
        let member = index == 0 || (number * (index + 2)) % 13 < 3;
        if member || owner {
            memberships.push(Membership {
                meta: Meta::default(),
                group: (*group).to_owned(),
                person: String::new(),
                member: member && !owner,
                owner,
                valid_from: (index > 0 && every(number + index, 7, 3)).then(|| year(2090)),
                valid_through: (index > 0 && every(number + index, 7, 2)).then(|| year(2021)),
                nested_from: None,
            });
        }
    }
    memberships
}

fn typed(identifier_type: &str, identifier: String) -> Identifier {
    Identifier { identifier, identifier_type: identifier_type.to_owned(), ..Identifier::default() }
}

fn meta(id: &str) -> Meta {
    Meta { id: id.to_owned(), ..Meta::default() }
}

/// Whether a number is among every `step`th, from `offset` on.
fn every(number: usize, step: usize, offset: usize) -> bool {
    number % step == offset
}

fn year(year: i16) -> Timestamp {
    // The first of July exists in every year there is.
    date(year, 7, 1).to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::registry::record::Record;
    use crate::registry::validate::{validate, validate_membership};

    fn people() -> Vec<Person> {
        (1..=PEOPLE).map(person).collect()
    }

    fn uid(person: &Person) -> Option<&str> {
        let active =
            |it: &&Identifier| it.identifier_type == PERSON_IDENTIFIER && it.status == Status::Active;
        person.identifiers.iter().find(active).map(|it| it.identifier.as_str())
    }

    #[test]
    fn every_person_but_one_has_a_name_and_a_uid_of_its_own() {
        let people = people();
        let uids: HashSet<&str> = people.iter().filter_map(uid).collect();
        assert_eq!(uids.len(), PEOPLE - 1);
        let names: HashSet<_> =
            people.iter().map(|it| (it.names[0].given.clone(), it.names[0].family.clone())).collect();
        assert_eq!(names.len(), PEOPLE);
    }

    #[test]
    fn the_sample_holds_people_of_every_sort() {
        let people = people();
        let now = year(2026);
        let count = |sort: &dyn Fn(&Person) -> bool| people.iter().filter(|person| sort(person)).count();
        for status in [Status::Suspended, Status::Pending, Status::Expired, Status::GracePeriod] {
            assert_eq!(count(&|person| person.status == status), 5, "{status:?}");
        }
        assert!(count(&|person| person.names[0].family.is_none()) >= 10, "single names");
        assert!(count(&|person| person.roles.len() > 1) > 50, "several roles");
        assert!(count(&|person| person.roles.is_empty()) > 0, "no role");
        let over = |role: &Role| role.valid_through.is_some_and(|end| end < now);
        assert!(count(&|person| person.roles.iter().any(over)) > 10, "expired roles");
        let encoded = |text: &str| text.contains(['/', '?', '%', '#', ' ', '\'']) || !text.is_ascii();
        assert!(count(&|person| uid(person).is_some_and(encoded)) > 100, "identifiers that need encoding");
    }

    #[test]
    fn memberships_are_past_present_and_to_come_and_some_owners_are_not_members() {
        let now = year(2026);
        let all: Vec<Membership> = (1..=PEOPLE).flat_map(memberships).collect();
        assert!(all.iter().filter(|it| it.valid_through.is_some_and(|end| end < now)).count() > 20);
        assert!(all.iter().filter(|it| it.valid_from.is_some_and(|start| start > now)).count() > 20);
        assert_eq!(all.iter().filter(|it| it.owner && !it.member).count(), GROUPS.len());
        for (group, ..) in GROUPS {
            assert!(all.iter().any(|it| it.group == group && it.member), "{group} has members");
        }
    }

    #[test]
    fn every_record_of_the_sample_is_valid() {
        let groups = GROUPS.map(|group| Record::Group(Box::new(sample_group(group))));
        for record in people().into_iter().map(|it| Record::Person(Box::new(it))).chain(groups) {
            validate(record).unwrap();
        }
        for membership in (1..=PEOPLE).flat_map(memberships) {
            validate_membership(&Membership { person: "p".to_owned(), ..membership }).unwrap();
        }
    }

    #[test]
    fn the_sample_is_the_same_at_every_run() {
        assert!(lines().eq(lines()));
        assert_eq!(lines().count(), GROUPS.len() + PEOPLE);
    }
}

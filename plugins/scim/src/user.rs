//! People as users.

use provender_sdk::records::{EmailAddress, Person, Role, Status};
use provender_sdk::{Failure, Inspection, state};
use serde_json::{Value, json};

use crate::attributes::{self, Change, ENTERPRISE};
use crate::configuration::{Configuration, OnDeletion};
use crate::service::{Endpoint, Resource, Service, USER};
use crate::{Done, group};

pub(crate) fn provision(
    service: &Service<'_>,
    person: &Person,
    is_gone: bool,
    known: Option<&str>,
) -> Result<Done, Failure> {
    if is_gone || person.status == Status::Deleted {
        return remove(service, person, known);
    }
    let wanted = resource(person, service.configuration)?;
    match service.find(Endpoint::Users, known, keys(&wanted))? {
        Some(read) => {
            let id = read.id.clone();
            let changes = service.bring_up_to_date(Endpoint::Users, read, &wanted)?;
            let mut history = Vec::new();
            if known != Some(&id) {
                history.push(format!("took over the user {id}"));
                history.extend(join(service, person, &id)?);
            }
            history.extend((!changes.is_empty()).then(|| told(&id, &changes)));
            Ok(Done { id: Some(id), history })
        }
        None => {
            let id = service.create(Endpoint::Users, &attributes::created(&wanted))?;
            let mut history = vec![format!("created the user {id}")];
            history.extend(join(service, person, &id)?);
            Ok(Done { id: Some(id), history })
        }
    }
}

/// Groups that are at the server already could not have somebody as member who was not.
fn join(service: &Service<'_>, person: &Person, id: &str) -> Result<Option<String>, Failure> {
    let mut joined = 0;
    for membership in person.memberships.iter().filter(|membership| membership.member) {
        let key = group::key(&membership.group.metadata.id);
        if let Some(group) = state::of_target().get_json::<String>(&key)? {
            group::add(service, &group, &[id.to_owned()])?;
            joined += 1;
        }
    }
    Ok((joined > 0).then(|| format!("added the user to {joined} groups")))
}

fn remove(service: &Service<'_>, person: &Person, known: Option<&str>) -> Result<Done, Failure> {
    let id = match (known, external_id(person, service.configuration)) {
        (Some(id), _) => Some(id.to_owned()),
        // Nothing else is proof that it was made for this person.
        (None, Some(external_id)) => service.id_by_external_id(Endpoint::Users, &external_id)?,
        (None, None) => None,
    };
    let nothing = Done { id: None, history: Vec::new() };
    let Some(id) = id else { return Ok(nothing) };
    match service.configuration.on_deletion {
        OnDeletion::Delete => {
            let was_there = service.delete(Endpoint::Users, &id)?;
            let history = was_there.then(|| format!("deleted the user {id}"));
            Ok(Done { id: None, history: history.into_iter().collect() })
        }
        OnDeletion::Deactivate => {
            let Some(read) = service.read(Endpoint::Users, &id)? else { return Ok(nothing) };
            let inactive = Resource::from_iter([("active".to_owned(), Value::Bool(false))]);
            let changes = service.bring_up_to_date(Endpoint::Users, read, &inactive)?;
            let history = (!changes.is_empty()).then(|| format!("deactivated the user {id}"));
            Ok(Done { id: Some(id), history: history.into_iter().collect() })
        }
    }
}

pub(crate) fn inspect(
    service: &Service<'_>,
    person: &Person,
    known: Option<&str>,
) -> Result<Inspection, Failure> {
    let wanted = resource(person, service.configuration)?;
    let read = match known {
        Some(id) => service.read(Endpoint::Users, id)?.map(|read| read.resource),
        None => service.look_up(Endpoint::Users, "externalId", keys(&wanted).0)?,
    };
    Ok(inspected(read.as_ref(), &wanted))
}

pub(crate) fn inspected(read: Option<&Resource>, wanted: &Resource) -> Inspection {
    let Some(found) = read else { return Inspection::Absent };
    compared(attributes::changes(found, wanted).iter().map(Change::told).collect())
}

pub(crate) fn compared(differences: Vec<String>) -> Inspection {
    if differences.is_empty() { Inspection::Present } else { Inspection::Different(differences) }
}

pub(crate) fn told(id: &str, changes: &[Change]) -> String {
    let names: Vec<&str> = changes.iter().map(Change::attribute).collect();
    format!("changed {id}: {}", names.join(", ")).chars().take(256).collect()
}

/// `externalId` and the name of a resource.
pub(crate) fn keys(resource: &Resource) -> (&str, &str) {
    let text = |name: &str| resource.get(name).and_then(Value::as_str);
    let name = text("userName").or_else(|| text("displayName")).unwrap_or_default();
    (text("externalId").unwrap_or_default(), name)
}

fn external_id(person: &Person, configuration: &Configuration) -> Option<String> {
    match &configuration.external_id_type {
        None => Some(person.metadata.id.clone()),
        Some(of) => person.identifier(of).map(str::to_owned),
    }
}

/// The user as it is to be; null is to be absent.
fn resource(person: &Person, configuration: &Configuration) -> Result<Resource, Failure> {
    let missing = |of: &str| {
        Failure::invalid_data(format!("the person has no active identifier of type {of:?}")).at("identifiers")
    };
    let user_name = person
        .identifier(&configuration.user_name_type)
        .ok_or_else(|| missing(&configuration.user_name_type))?;
    let external_id = external_id(person, configuration)
        .ok_or_else(|| missing(configuration.external_id_type.as_deref().unwrap_or_default()))?;
    let types: Vec<&str> = configuration.name_types.iter().map(String::as_str).collect();
    let name = person.preferred_name(&types);
    let role = person.roles.first();
    let mut schemas = vec![USER];
    let mut resource = Resource::new();
    let mut set = |attribute: &str, value: Value| drop(resource.insert(attribute.to_owned(), value));
    set("externalId", json!(external_id));
    set("userName", json!(user_name));
    set("active", json!(matches!(person.status, Status::Active | Status::GracePeriod)));
    set("displayName", json!(name.map(|name| name.formatted())));
    set(
        "name",
        json!(name.map(|name| json!({
            "formatted": name.formatted(),
            "familyName": name.family,
            "givenName": name.given,
            "middleName": name.middle,
            "honorificPrefix": name.honorific,
            "honorificSuffix": name.suffix,
        }))),
    );
    set("title", json!(role.and_then(|role| role.title.clone())));
    set("timezone", json!(person.timezone));
    set("emails", emails(person, configuration));
    set("phoneNumbers", phone_numbers(person));
    if configuration.enterprise {
        let of = |field: fn(&Role) -> &Option<String>| role.and_then(|role| field(role).as_deref());
        let number = configuration.employee_number_type.as_deref().and_then(|of| person.identifier(of));
        let (organization, department) = (of(|role| &role.organization), of(|role| &role.department));
        if number.or(organization).or(department).is_some() {
            schemas.push(ENTERPRISE);
        }
        let attributes =
            json!({"employeeNumber": number, "organization": organization, "department": department});
        set(ENTERPRISE, attributes);
    }
    set("schemas", json!(schemas));
    Ok(resource)
}

/// The values that RFC 7643 has for a type of an address.
fn kind(of: &str) -> &'static str {
    match of {
        "official" | "office" | "campus" => "work",
        "personal" | "home" => "home",
        "mobile" => "mobile",
        "fax" => "fax",
        _ => "other",
    }
}

fn emails(person: &Person, configuration: &Configuration) -> Value {
    let all = &person.email_addresses;
    let wanted: Vec<_> = if configuration.email_types.is_empty() {
        all.iter().collect()
    } else {
        let types = configuration.email_types.iter();
        types.flat_map(|of| all.iter().filter(move |email| email.email_type == *of)).collect()
    };
    let email = |(place, email): (usize, &&EmailAddress)| {
        let EmailAddress { mail, email_type, .. } = *email;
        json!({"value": mail, "type": kind(email_type), "primary": place == 0})
    };
    attributes::list(wanted.iter().enumerate().map(email))
}

fn phone_numbers(person: &Person) -> Value {
    let numbers = person.roles.iter().flat_map(|role| &role.telephone_numbers);
    attributes::list(
        numbers.map(|number| json!({"value": number.formatted(), "type": kind(&number.telephone_type)})),
    )
}

#[cfg(test)]
mod tests {
    use provender_sdk::records::{Identifier, Metadata, Name};

    use super::*;

    fn anna() -> Person {
        Person {
            metadata: Metadata { id: "p1".to_owned(), ..Metadata::default() },
            names: vec![Name {
                given: Some("Zoë \"Z\"".to_owned()),
                family: Some("Ng".to_owned()),
                primary: true,
                ..Name::default()
            }],
            identifiers: vec![Identifier {
                identifier: "zoë".to_owned(),
                identifier_type: "uid".to_owned(),
                ..Identifier::default()
            }],
            email_addresses: ["official", "personal"]
                .map(|of| EmailAddress {
                    mail: format!("{of}@x.org"),
                    email_type: of.to_owned(),
                    ..EmailAddress::default()
                })
                .into(),
            ..Person::default()
        }
    }

    #[test]
    fn a_person_becomes_a_user_of_the_core_schema() {
        let configuration =
            Configuration { email_types: vec!["personal".to_owned()], ..Configuration::default() };
        let user = attributes::created(&resource(&anna(), &configuration).unwrap());
        let expected = json!({
            "schemas": [USER], "externalId": "p1", "userName": "zoë", "active": true, "displayName": "Zoë \"Z\" Ng",
            "name": {"formatted": "Zoë \"Z\" Ng", "givenName": "Zoë \"Z\"", "familyName": "Ng"},
            "emails": [{"value": "personal@x.org", "type": "home", "primary": true}],
        });
        assert_eq!(Value::Object(user), expected);
    }

    #[test]
    fn who_is_expired_suspended_or_locked_is_inactive_and_who_lacks_the_identifier_cannot_be_sent() {
        for (status, active) in [
            (Status::Active, true),
            (Status::GracePeriod, true),
            (Status::Expired, false),
            (Status::Suspended, false),
            (Status::Locked, false),
        ] {
            let user = resource(&Person { status, ..anna() }, &Configuration::default()).unwrap();
            assert_eq!(user["active"], json!(active));
        }
        let nobody = Person { identifiers: Vec::new(), ..anna() };
        assert!(matches!(resource(&nobody, &Configuration::default()), Err(Failure::InvalidData(_))));
    }
}

//! Provisioner `ldap`: keeps people and groups as entries of a directory.

mod configuration;
mod directory;
mod entry;
mod group;
mod person;
mod schema;

use provender_sdk::ldap::{self, Dn};
use provender_sdk::records::{Group, Person, Status, Subject, SubjectKind};
use provender_sdk::{
    Action, Context, Description, Failure, Inspection, Invocation, Outcome, Provisioner, Slot, registry,
};

use self::configuration::{Configuration, ObjectClass};
use self::directory::Stored;
use self::entry::Wanted;
use self::person::Surroundings;

struct Ldap;

impl Provisioner for Ldap {
    type Configuration = Configuration;

    const DESCRIPTION: Description = Description::new("ldap", env!("CARGO_PKG_VERSION"))
        .summary("Keeps people and groups as entries of a directory")
        .subjects(&[SubjectKind::Person, SubjectKind::Group])
        .slots(&[Slot::ldap("directory")
            .summary("adds, changes, renames and removes entries of people and groups")
            .operations(&["search", "add", "modify", "modify-dn", "delete"])]);

    fn check(context: &Context<Configuration>) -> Result<Vec<String>, Failure> {
        let configuration = &context.configuration;
        configuration.validated()?;
        let directory = ldap::open("directory")?;
        let mut lines = Vec::new();
        let bases = [
            (Some(configuration.people()?), "/people_base_dn"),
            (configuration.groups()?, "/groups_base_dn"),
        ];
        for (base, place) in bases {
            let Some(base) = base else { continue };
            let base = base.to_string();
            match ldap::read(&directory, &base, &["objectClass"])? {
                Some(_) => lines.push(format!("{base} is there")),
                None => return Err(Failure::configuration(format!("{base} is not there")).at(place)),
            }
        }
        let Some(schema) = ldap::read(&directory, "cn=Subschema", &["objectClasses"])? else {
            lines.push("the directory does not show its schema".to_owned());
            return Ok(lines);
        };
        let known: Vec<String> = schema
            .values("objectClasses")
            .iter()
            .map(|class| String::from_utf8_lossy(class).to_ascii_lowercase())
            .collect();
        for class in classes(configuration) {
            let quoted = format!("'{}'", class.to_ascii_lowercase());
            if !known.iter().any(|definition| definition.contains(&quoted)) {
                let problem = format!("the directory does not know the object class {class}");
                return Err(Failure::configuration(problem).at("/object_classes"));
            }
        }
        lines.push(format!("the directory knows {}", classes(configuration).join(", ")));
        Ok(lines)
    }

    fn prepare(context: &Context<Configuration>) -> Result<Vec<String>, Failure> {
        Self::check(context)
    }

    fn provision(invocation: &Invocation<Configuration>) -> Result<Outcome, Failure> {
        let configuration = &invocation.context.configuration;
        configuration.validated()?;
        let gone = invocation.action == Action::Deleted;
        match &invocation.subject {
            Subject::Person(person) => provision_person(configuration, person, gone),
            Subject::Group(group) => provision_group(configuration, group, gone),
            _ => Ok(Outcome::skipped("only people and groups have entries")),
        }
    }

    fn inspect(context: &Context<Configuration>, subject: &Subject) -> Result<Inspection, Failure> {
        let configuration = &context.configuration;
        configuration.validated()?;
        let left = Stored::load()?;
        let wanted = match subject {
            Subject::Person(person) => wanted_person(configuration, person, &left)?,
            Subject::Group(group) => match configuration.groups()? {
                Some(groups) => {
                    group::wanted(configuration, group, group::dn(&groups, group)?, &left.classes)?
                }
                None => None,
            },
            _ => None,
        };
        let dn = left.dn()?.or_else(|| wanted.as_ref().map(|wanted| wanted.dn.clone()));
        let Some(dn) = dn else { return Ok(Inspection::Absent) };
        let attributes = wanted.as_ref().map_or_else(|| vec!["objectClass"], Wanted::read);
        let found = ldap::read(&ldap::open("directory")?, &dn.to_string(), &attributes)?;
        Ok(match (found, wanted) {
            (None, _) => Inspection::Absent,
            (Some(_), None) => Inspection::Different(vec![format!("{dn} should not be there")]),
            (Some(entry), Some(wanted)) => {
                let renamed = (dn != wanted.dn).then(|| format!("{dn} should be {}", wanted.dn));
                let changes = wanted.changes(&entry);
                let lines: Vec<_> = renamed.into_iter().chain(changes.iter().map(entry::line)).collect();
                if lines.is_empty() { Inspection::Present } else { Inspection::Different(lines) }
            }
        })
    }
}

/// All object classes that may be written.
fn classes(configuration: &Configuration) -> Vec<&str> {
    let chosen = configuration.object_classes.iter().map(|class| class.name());
    let others = configuration.person_object_classes.iter().chain(&configuration.group_object_classes);
    schema::PERSON_CLASSES.into_iter().chain(chosen).chain(others.map(String::as_str)).collect()
}

fn wanted_person(
    configuration: &Configuration,
    person: &Person,
    left: &Stored,
) -> Result<Option<Wanted>, Failure> {
    let Some(dn) = person::dn(configuration, person)? else { return Ok(None) };
    let (services, affiliations) = person::needs(configuration);
    let surroundings = Surroundings {
        services: if services { registry::services().collect::<Result<_, _>>()? } else { Vec::new() },
        affiliations: if affiliations { registry::affiliations()? } else { Vec::new() },
        classes: left.classes.clone(),
    };
    Ok(Some(person::wanted(configuration, person, &surroundings, dn)))
}

fn provision_person(configuration: &Configuration, person: &Person, gone: bool) -> Result<Outcome, Failure> {
    let left = Stored::load()?;
    match wanted_person(configuration, person, &left)? {
        wanted if gone => directory::remove(wanted.as_ref(), &left),
        Some(wanted) => directory::update(configuration, &wanted, &left),
        None if person.status == Status::Active => {
            let kind = &configuration.rdn_identifier_type;
            let problem = format!("the person has no active identifier of type {kind:?}");
            Err(Failure::invalid_data(problem).at("identifiers"))
        }
        None => Ok(Outcome::skipped("the person has no identifier that names an entry, and is not active")),
    }
}

fn provision_group(configuration: &Configuration, group: &Group, gone: bool) -> Result<Outcome, Failure> {
    let Some(groups) = configuration.groups()? else {
        return Ok(Outcome::skipped("the target has no `groups_base_dn`"));
    };
    if !configuration.has(ObjectClass::GroupOfNames) && !configuration.has(ObjectClass::PosixGroup) {
        return Ok(Outcome::skipped("the target writes no object class that makes a group"));
    }
    let dn: Dn = group::dn(&groups, group)?;
    let left = Stored::load()?;
    let wanted = if gone { None } else { group::wanted(configuration, group, dn, &left.classes)? };
    match wanted {
        Some(wanted) if group.status == Status::Active => directory::update(configuration, &wanted, &left),
        wanted => directory::remove(wanted.as_ref(), &left),
    }
}

provender_sdk::export_provisioner!(Ldap);

//! Provisioner `scim`: keeps users and groups of a server that speaks SCIM 2.0 (RFC 7643, RFC 7644).

mod attributes;
mod configuration;
mod group;
mod service;
mod user;

use provender_sdk::records::{Subject, SubjectKind};
use provender_sdk::{
    Action, Applied, Context, Description, ExpectedAnswer, Failure, Inspection, Invocation, Outcome,
    Provisioner, Slot, state,
};

use self::configuration::Configuration;
use self::service::Service;

/// Key of the subject's state: the identifier that the server gave.
const ID: &str = "id";
/// What identifiers that servers gave are stored as with a record.
const WRITTEN: &str = "provisioningtarget";

/// What a preview is told in place of an identifier that the server would give.
const CREATED: &str = r#"{"id": "given-by-the-server"}"#;

struct Scim;

impl Provisioner for Scim {
    type Configuration = Configuration;

    const DESCRIPTION: Description = Description::new("scim", env!("CARGO_PKG_VERSION"))
        .summary("Keeps users and groups of a server that speaks SCIM 2.0")
        .subjects(&[SubjectKind::Person, SubjectKind::Group])
        .slots(&[Slot::http("service")
            .summary("reads, creates, changes and deletes users and groups")
            .operations(&["GET", "POST", "PUT", "PATCH", "DELETE"])])
        .expected_answers(&[
            ExpectedAnswer::new("service", "POST", "/Users", 201).body(CREATED),
            ExpectedAnswer::new("service", "POST", "/Groups", 201).body(CREATED),
            ExpectedAnswer::new("service", "PUT", "/Users/*", 200),
            ExpectedAnswer::new("service", "PUT", "/Groups/*", 200),
            ExpectedAnswer::new("service", "PATCH", "/Users/*", 204),
            ExpectedAnswer::new("service", "PATCH", "/Groups/*", 204),
            ExpectedAnswer::new("service", "DELETE", "/Users/*", 204),
            ExpectedAnswer::new("service", "DELETE", "/Groups/*", 204),
        ]);

    fn check(context: &Context<Configuration>) -> Result<Vec<String>, Failure> {
        Service::of(context)?.check()
    }

    fn prepare(context: &Context<Configuration>) -> Result<Vec<String>, Failure> {
        let patches = Service::of(context)?.learn_whether_it_patches()?;
        Ok(vec![format!("resources are changed by {}", if patches { "PATCH" } else { "PUT" })])
    }

    fn provision(invocation: &Invocation<Configuration>) -> Result<Outcome, Failure> {
        let service = Service::of(&invocation.context)?;
        let state = state::of_subject();
        let known: Option<String> = state.get_json(ID)?;
        let is_gone = invocation.action == Action::Deleted;
        let done = match &invocation.subject {
            Subject::Person(person) => user::provision(&service, person, is_gone, known.as_deref())?,
            Subject::Group(_) if !invocation.context.configuration.groups => {
                return Ok(Outcome::skipped("groups are not provisioned"));
            }
            Subject::Group(group) => group::provision(&service, group, is_gone, known.as_deref())?,
            _ => return Ok(Outcome::skipped("only people and groups are provisioned")),
        };
        match &done.id {
            Some(id) if known.as_ref() != Some(id) => state.set_json(ID, id)?,
            None if known.is_some() => state.delete(ID)?,
            _ => {}
        }
        if done.history.is_empty() && known == done.id {
            return Ok(Outcome::Unchanged);
        }
        let applied = done.history.into_iter().fold(Applied::new(), Applied::with_history);
        Ok(done.id.into_iter().fold(applied, |applied, id| applied.with_identifier(id, WRITTEN)).into())
    }

    fn inspect(context: &Context<Configuration>, subject: &Subject) -> Result<Inspection, Failure> {
        let service = Service::of(context)?;
        let known: Option<String> = state::of_subject().get_json(ID)?;
        match subject {
            Subject::Person(person) => user::inspect(&service, person, known.as_deref()),
            Subject::Group(group) if context.configuration.groups => {
                group::inspect(&service, group, known.as_deref())
            }
            _ => Ok(Inspection::Absent),
        }
    }
}

/// What was done at the server, and who the subject is there now.
struct Done {
    id: Option<String>,
    history: Vec<String>,
}

provender_sdk::export_provisioner!(Scim);

//! A data filter that does what its configuration says, however bad.

use provender_sdk::records::{Extension, Subject, SubjectKind};
use provender_sdk::{DataFilter, Description, Failure, Filtered, Invocation};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Configuration {
    filter: Step,
}

/// What a call does.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum Step {
    /// Adds an extension of this name, with the filter's own position among those added before.
    Mark { name: String },
    /// Gives back a subject with another `id`.
    AnotherId,
    /// Gives back a subject of another kind.
    AnotherKind,
    /// Makes the subject this much larger.
    Enlarge { bytes: usize },
    /// Gives no subject.
    Drop { reason: String },
    /// Ends in a way that is newer than the host.
    Other { name: String, json: String },
    /// Fails.
    Fail { message: String },
    /// Crashes.
    Panic { message: String },
    /// Computes without end.
    Loop,
}

struct MisbehavingFilter;

impl DataFilter for MisbehavingFilter {
    type Configuration = Configuration;

    const DESCRIPTION: Description = Description::new("misbehaving-filter", env!("CARGO_PKG_VERSION"))
        .summary("Does what its configuration says, however bad")
        .subjects(&[SubjectKind::Person, SubjectKind::Group]);

    fn filter(invocation: Invocation<Configuration>) -> Result<Filtered, Failure> {
        let Invocation { context, mut subject, .. } = invocation;
        match context.configuration.filter {
            Step::Mark { name } => {
                let json = extensions(&mut subject).len().to_string();
                extensions(&mut subject).push(Extension { name, json });
            }
            Step::AnotherId => id(&mut subject).push_str("-of-another"),
            Step::AnotherKind => subject = Subject::Group(Default::default()),
            Step::Enlarge { bytes } => {
                let json = format!("{:?}", "x".repeat(bytes));
                extensions(&mut subject).push(Extension { name: "ballast".to_owned(), json });
            }
            Step::Drop { reason } => return Ok(Filtered::Drop(reason)),
            Step::Other { name, json } => return Ok(Filtered::Other(Extension { name, json })),
            Step::Fail { message } => return Err(Failure::permanent(message)),
            Step::Panic { message } => panic!("{message}"),
            Step::Loop => loop {
                std::hint::black_box(());
            },
        }
        Ok(Filtered::Pass(subject))
    }
}

fn id(subject: &mut Subject) -> &mut String {
    match subject {
        Subject::Person(person) => &mut person.metadata.id,
        Subject::Group(group) => &mut group.metadata.id,
        Subject::EmailList(list) => &mut list.metadata.id,
        Subject::Service(service) => &mut service.metadata.id,
        Subject::Other(other) => &mut other.metadata.id,
    }
}

fn extensions(subject: &mut Subject) -> &mut Vec<Extension> {
    match subject {
        Subject::Person(person) => &mut person.extensions,
        Subject::Group(group) => &mut group.extensions,
        Subject::EmailList(list) => &mut list.extensions,
        Subject::Service(service) => &mut service.extensions,
        Subject::Other(_) => panic!("a record without extensions"),
    }
}

provender_sdk::export_data_filter!(MisbehavingFilter);

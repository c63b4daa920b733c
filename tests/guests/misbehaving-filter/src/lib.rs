//! A data filter that does what its configuration says, however bad.

use provender_guest_crash::crash;
use provender_sdk::records::{Extension, Subject, SubjectKind};
use provender_sdk::{Context, DataFilter, Description, Failure, Filtered, Invocation};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Configuration {
    #[serde(default)]
    filter: Option<Step>,
    /// A way to crash, see `guests/crash`.
    #[serde(default)]
    check: Option<String>,
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
    /// Gives back a subject that has this many extensions more.
    Multiply { times: usize },
    /// Gives back a subject whose `id` is no text.
    NoText,
    /// Crashes, in one of the ways of `guests/crash`.
    Crash { how: String },
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

    fn check(context: &Context<Configuration>) -> Result<Vec<String>, Failure> {
        crash(context.configuration.check.as_deref().unwrap_or_default());
        Ok(Vec::new())
    }

    fn filter(invocation: Invocation<Configuration>) -> Result<Filtered, Failure> {
        let Invocation { context, mut subject, .. } = invocation;
        let Some(step) = context.configuration.filter else { return Ok(Filtered::Pass(subject)) };
        match step {
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
            Step::Multiply { times } => {
                let extension = Extension { name: "ballast".to_owned(), json: "0".to_owned() };
                extensions(&mut subject).extend(std::iter::repeat_n(extension, times));
            }
            Step::NoText => *id(&mut subject) = no_text(),
            Step::Crash { how } => assert!(crash(&how), "no such crash: {how}"),
            Step::Panic { message } => panic!("{message}"),
            Step::Loop => provender_guest_crash::without_end(),
        }
        Ok(Filtered::Pass(subject))
    }
}

#[expect(unsafe_code, reason = "a plugin in another language may do it any time")]
fn no_text() -> String {
    // SAFETY: there is none; the host must look for itself.
    unsafe { String::from_utf8_unchecked(b"ab\xff".to_vec()) }
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

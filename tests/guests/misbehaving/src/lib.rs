//! A provisioner that does what its configuration says, step by step, however bad. A step that fails is noted, and the
//! next one follows: no error stops it. What it noted becomes the history of the subject.

#[allow(unsafe_code, clippy::all, reason = "generated")]
mod bindings;
mod boundary;
mod effects;
mod end;
mod hoard;
mod impatient;
mod machine;
mod memory;
mod observe;
mod wire;

use provender_guest_crash as crash;

use provender_sdk::records::{Subject, SubjectKind};
use provender_sdk::{
    Applied, Context, Description, Failure, Inspection, Invocation, Outcome, Provisioner, Slot,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Steps by the export that takes them.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Configuration {
    check: Vec<Step>,
    prepare: Vec<Step>,
    provision: Vec<Step>,
    inspect: Vec<Step>,
}

/// One thing to do.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
enum Step {
    /// Crashes, in one of the ways of `guests/crash`.
    Crash {
        how: String,
    },
    /// Breaks the rules of the boundary in a call of an import.
    Cross {
        how: String,
    },
    /// Breaks the rules of the boundary, or of measure, in what it gives back.
    GiveBack {
        what: String,
        #[serde(default)]
        times: usize,
    },
    /// Takes things of the host and keeps them.
    Hoard {
        what: String,
        times: usize,
    },
    /// Asks the machine for more than it should give, and notes the answer.
    Probe {
        what: String,
    },
    /// Notes what the call brought.
    Report,
    /// Notes what the sandbox shows of the machine.
    Observe,
    /// Computes without end.
    Loop,
    /// Takes memory, in pieces of a size, and uses it.
    Allocate {
        bytes: usize,
        piece: usize,
    },
    Panic {
        message: String,
    },
    /// Waits for a clock.
    Sleep {
        milliseconds: u64,
    },
    /// Writes to standard error.
    Stderr {
        text: String,
        times: usize,
    },
    /// Writes lines to the log.
    Log {
        message: String,
        times: usize,
    },
    /// Makes requests.
    Request(effects::Request),
    /// Makes a request by hand.
    RawRequest(wire::RawRequest),
    /// Makes many requests at once.
    Crowd(wire::Crowd),
    /// Notes how often it asked for a response until it was there.
    AskImpatiently {
        authority: String,
    },
    /// Works with files.
    File(effects::File),
    /// Looks up entries of a directory.
    Directory(effects::Directory),
    /// Works with the state.
    State(effects::State),
    /// Looks up records, again and again.
    LookUp {
        group: String,
        times: usize,
    },
    /// Looks for texts in the whole memory of the instance.
    SearchMemory(memory::Search),
    /// Ends the call well.
    Finish(end::Finish),
    /// Ends the call by a failure.
    Fail(end::Fail),
}

struct Misbehaving;

impl Provisioner for Misbehaving {
    type Configuration = Configuration;

    const DESCRIPTION: Description = Description::new("misbehaving", env!("CARGO_PKG_VERSION"))
        .summary("Does what its configuration says, however bad")
        .subjects(&[SubjectKind::Person, SubjectKind::Group])
        .slots(&[
            Slot::http("web").summary("makes requests").operations(&["GET", "PUT", "POST"]).optional(),
            Slot::http("another-web").summary("makes requests of any kind").optional(),
            Slot::files("folder")
                .summary("reads and writes")
                .operations(&["append", "read", "write", "list"])
                .optional(),
            Slot::files("another-folder").summary("does anything").optional(),
            Slot::ldap("directory").summary("looks up").operations(&["search"]).optional(),
        ]);

    fn check(context: &Context<Configuration>) -> Result<Vec<String>, Failure> {
        let mut notes = Vec::new();
        match take(&context.configuration.check, &mut notes, context, None) {
            Some(Err(failure)) => Err(failure),
            _ => Ok(notes),
        }
    }

    fn prepare(context: &Context<Configuration>) -> Result<Vec<String>, Failure> {
        let mut notes = Vec::new();
        match take(&context.configuration.prepare, &mut notes, context, None) {
            Some(Err(failure)) => Err(failure),
            _ => Ok(notes),
        }
    }

    fn provision(invocation: &Invocation<Configuration>) -> Result<Outcome, Failure> {
        let mut notes = Vec::new();
        let steps = &invocation.context.configuration.provision;
        let end = take(steps, &mut notes, &invocation.context, Some(invocation));
        end.unwrap_or_else(|| Ok(Applied { identifiers: Vec::new(), history: notes }.into()))
    }

    fn inspect(context: &Context<Configuration>, _: &Subject) -> Result<Inspection, Failure> {
        let mut notes = Vec::new();
        match take(&context.configuration.inspect, &mut notes, context, None) {
            Some(Err(failure)) => Err(failure),
            _ if notes.is_empty() => Ok(Inspection::Present),
            _ => Ok(Inspection::Different(notes)),
        }
    }
}

/// Takes the steps. None when they came to no end of their own.
fn take(
    steps: &[Step],
    notes: &mut Vec<String>,
    context: &Context<Configuration>,
    invocation: Option<&Invocation<Configuration>>,
) -> Option<Result<Outcome, Failure>> {
    for step in steps {
        match step {
            Step::Report => observe::report(notes, context, invocation),
            Step::Observe => observe::machine(notes),
            Step::Crash { how } => assert!(crash::crash(how), "no such crash: {how}"),
            Step::Cross { how } => boundary::cross(how, notes),
            Step::GiveBack { what, times } => return Some(boundary::give_back(what, *times)),
            Step::Hoard { what, times } => notes.push(hoard::hoard(what, *times)),
            Step::Probe { what } => notes.push(format!("{what}: {}", machine::probe(what))),
            Step::Loop => crash::without_end(),
            Step::Allocate { bytes, piece } => {
                crash::allocate(*bytes, *piece);
                notes.push(format!("{} pieces of {piece} bytes", bytes.div_ceil(*piece)));
            }
            Step::Panic { message } => panic!("{message}"),
            Step::Sleep { milliseconds } => {
                std::thread::sleep(std::time::Duration::from_millis(*milliseconds))
            }
            Step::Stderr { text, times } => (0..*times).for_each(|_| eprint!("{text}")),
            Step::Log { message, times } => (0..*times).for_each(|_| provender_sdk::log::info(message, &[])),
            Step::Request(request) => request.make(context, notes),
            Step::RawRequest(request) => request.make(notes),
            Step::Crowd(crowd) => crowd.make(notes),
            Step::AskImpatiently { authority } => {
                notes.push(format!("asked {} times", impatient::ask(authority)))
            }
            Step::File(file) => file.act(notes),
            Step::Directory(directory) => directory.look_up(notes),
            Step::State(state) => state.act(notes),
            Step::LookUp { group, times } => effects::look_up(group, *times, notes),
            Step::SearchMemory(search) => notes.push(search.found()),
            Step::Finish(finish) => return Some(Ok(finish.outcome(notes))),
            Step::Fail(fail) => return Some(Err(fail.failure())),
        }
    }
    None
}

provender_sdk::export_provisioner!(Misbehaving);

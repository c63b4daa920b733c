//! Provisioner `homedir`: keeps the home directories of people.

mod account;
mod configuration;
mod holder;
mod home;

use provender_sdk::files::{self, Error, Root};
use provender_sdk::records::{Person, Status, Subject, SubjectKind};
use provender_sdk::{
    Action, Applied, Context, Description, Failure, Inspection, Invocation, Outcome, Provisioner, Slot, state,
};
use serde::{Deserialize, Serialize};

use self::account::Account;
use self::configuration::{Configuration, Policy};
use self::home::Homes;

/// Key of the subject's state: the home that was made.
const HOME: &str = "home";

/// The home of a person as this target left it last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    path: String,
    owner: u32,
    group: u32,
    /// Where it was moved when the person left.
    archived: Option<String>,
}

impl Kept {
    /// The path that nobody else can have as long as the home is there.
    fn held(&self) -> Option<&str> {
        self.archived.is_none().then_some(self.path.as_str())
    }
}

struct Homedir;

impl Provisioner for Homedir {
    type Configuration = Configuration;

    const DESCRIPTION: Description = Description::new("homedir", env!("CARGO_PKG_VERSION"))
        .summary("Keeps home directories of people, with owner, group, mode and skeleton")
        .subjects(&[SubjectKind::Person])
        .slots(&[
            Slot::files("homes").summary("makes, moves, gives and removes home directories").operations(&[
                "create-directory",
                "metadata",
                "set-attributes",
                "copy-tree",
                "give-tree",
                "rename",
                "remove-tree",
            ]),
            Slot::files("skeleton")
                .summary("reads the directory that new homes are copied from")
                .operations(&["read", "metadata"])
                .optional(),
        ]);

    fn check(context: &Context<Configuration>) -> Result<Vec<String>, Failure> {
        let configuration = &context.configuration;
        configuration.check()?;
        let homes = Homes::open(context)?;
        let mut lines = Vec::new();
        for (what, place) in [
            ("homes lie in", configuration.below.as_str()),
            ("the archive is", configuration.archive.as_str()),
        ] {
            match home::found(&homes.root, place)? {
                _ if place.is_empty() => lines.push(format!("{what} the root of the slot")),
                Some(_) => lines.push(format!("{what} {place:?}, which is there")),
                None => lines.push(format!("{what} {place:?}, which is made when the target is prepared")),
            }
        }
        lines.push(homes.check_skeleton()?);
        Ok(lines)
    }

    fn prepare(context: &Context<Configuration>) -> Result<Vec<String>, Failure> {
        let configuration = &context.configuration;
        configuration.check()?;
        let root = files::open("homes")?;
        let mut lines = Vec::new();
        if !configuration.below.is_empty() {
            root.create_directory(&configuration.below, home::mode(0o755))?;
            lines.push(format!("the directory {:?} for homes is there", configuration.below));
        }
        if configuration.archives() {
            root.create_directory(&configuration.archive, home::mode(0o700))?;
            lines.push(format!("the archive {:?} is there", configuration.archive));
        }
        Ok(lines)
    }

    fn provision(invocation: &Invocation<Configuration>) -> Result<Outcome, Failure> {
        let Subject::Person(person) = &invocation.subject else {
            return Ok(Outcome::skipped("only people have homes"));
        };
        let configuration = &invocation.context.configuration;
        configuration.check()?;
        let state = state::of_subject();
        let kept: Option<Kept> = state.get_json(HOME)?;
        let homes = Homes::open(&invocation.context)?;
        let id = &person.metadata.id;
        let done = match (standing(person, &invocation.action), &kept) {
            (Standing::Gone, None) => return Ok(Outcome::skipped("no home was made for the person")),
            (Standing::Gone, Some(kept)) => homes.retire(kept, id, configuration.on_deletion)?,
            (Standing::Inactive, None) => {
                return Ok(Outcome::skipped("no home is made for somebody who is not active"));
            }
            (Standing::Inactive, Some(kept)) if configuration.when_inactive != Policy::Keep => {
                homes.retire(kept, id, configuration.when_inactive)?
            }
            (Standing::Active | Standing::Inactive, kept) => {
                match (Account::of(person, configuration)?, kept) {
                    (Some(account), kept) => homes.keep(&account, kept.as_ref(), id)?,
                    (None, Some(_)) => return Err(account::lost(configuration)),
                    (None, None) => {
                        return Ok(Outcome::skipped("the person has no account that has a home"));
                    }
                }
            }
        };
        match &done.kept {
            Some(after) if kept.as_ref() != Some(after) => state.set_json(HOME, after)?,
            None if kept.is_some() => state.delete(HOME)?,
            _ => {}
        }
        holder::note(done.kept.as_ref().and_then(Kept::held), kept.as_ref().and_then(Kept::held), id)?;
        if done.history.is_empty() && done.kept == kept {
            return Ok(Outcome::Unchanged);
        }
        Ok(done.history.into_iter().fold(Applied::new(), Applied::with_history).into())
    }

    fn inspect(context: &Context<Configuration>, subject: &Subject) -> Result<Inspection, Failure> {
        let Subject::Person(person) = subject else {
            return Ok(Inspection::Absent);
        };
        let configuration = &context.configuration;
        configuration.check()?;
        let Some(account) = Account::of(person, configuration)? else {
            return Ok(Inspection::Absent);
        };
        let root = files::open("homes")?;
        let Some(found) = home::found(&root, &account.path)? else {
            return Ok(Inspection::Absent);
        };
        let is_closed = configuration.when_inactive == Policy::Close
            && matches!(standing(person, &Action::Updated), Standing::Inactive);
        let mode = if is_closed { 0 } else { configuration.mode.0 };
        let mut differences = home::differences(&found, &account, mode);
        let other = holder::other(&account.path, &person.metadata.id)?;
        differences.extend(other.map(|other| format!("{} is the home of person {other:?}", account.path)));
        Ok(if differences.is_empty() { Inspection::Present } else { Inspection::Different(differences) })
    }
}

/// Whether a person is to have a home now.
enum Standing {
    Active,
    /// Expired, suspended, locked: still at the target.
    Inactive,
    Gone,
}

fn standing(person: &Person, action: &Action) -> Standing {
    match person.status {
        _ if *action == Action::Deleted => Standing::Gone,
        Status::Active | Status::GracePeriod => Standing::Active,
        Status::Expired | Status::Suspended | Status::Locked => Standing::Inactive,
        _ => Standing::Gone,
    }
}

/// An error of the file system as what it means here.
fn failure(what: &str, error: Error) -> Failure {
    match error {
        Error::Io(message) => Failure::transient(format!(
            "{what}: {message}; nothing was left half made, and it is tried again"
        )),
        Error::NotAllowed(message) => Failure::invalid_data(format!("{what}: {message}")).at("identifiers"),
        Error::AlreadyExists(message) => Failure::conflict(format!("{what}: {message}")),
        Error::NotFound(message) => {
            Failure::configuration(format!("{what}: {message}; prepare the target, and look at its skeleton"))
        }
        other => other.into(),
    }
}

/// What a root holds at a path, if anything.
fn look(root: &Root, path: &str) -> Result<Option<files::Metadata>, Failure> {
    match root.metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound(_)) => Ok(None),
        // A part of it is no directory: so nothing can be there.
        Err(error) => Err(failure(path, error)),
    }
}

provender_sdk::export_provisioner!(Homedir);

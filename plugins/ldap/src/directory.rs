//! An entry brought up to date in the directory, and where this target left it.

use std::collections::BTreeSet;

use provender_sdk::ldap::{
    self, Directory, Dn, ENTRY_ALREADY_EXISTS, Entry, Error, Modification, NO_SUCH_OBJECT, attribute,
    escape_filter_value,
};
use provender_sdk::{Applied, Failure, Outcome, state};
use serde::{Deserialize, Serialize};

use crate::configuration::{Configuration, Existing, ObjectClass, Unconfigured};
use crate::entry::Wanted;

/// Key of the subject's state, written after the directory took the entry.
const ENTRY: &str = "entry";

/// noSuchAttribute: also for a value that is not there.
const NO_SUCH_ATTRIBUTE: u32 = 16;
/// attributeOrValueExists
const VALUE_EXISTS: u32 = 20;

/// How this target left the entry of the subject.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Stored {
    dn: Option<String>,
    /// Object classes that depend on the configuration.
    pub(crate) classes: BTreeSet<String>,
}

impl Stored {
    pub(crate) fn load() -> Result<Self, Failure> {
        Ok(state::of_subject().get_json(ENTRY)?.unwrap_or_default())
    }

    pub(crate) fn dn(&self) -> Result<Option<Dn>, Failure> {
        Ok(self.dn.as_deref().map(Dn::parse).transpose()?)
    }
}

/// Makes the entry what it is to be, wherever it was before.
pub(crate) fn update(
    configuration: &Configuration,
    wanted: &Wanted,
    left: &Stored,
) -> Result<Outcome, Failure> {
    let directory = ldap::open("directory")?;
    let stored = left.dn()?;
    let dn = wanted.dn.to_string();
    let mut history = Vec::new();
    let before = stored.as_ref().filter(|before| **before != wanted.dn);
    let mut current = None;
    if let Some(before) = before {
        current = ldap::read(&directory, &before.to_string(), &wanted.read())?;
        if current.is_some() {
            rename(&directory, before, &wanted.dn)?;
            history.push(format!("renamed {before} to {dn}"));
        }
    }
    if current.is_none() {
        current = ldap::read(&directory, &dn, &wanted.read())?;
    }
    match current {
        None => {
            add(&directory, wanted, configuration.existing_entries)?;
            history.push(format!("added {dn}"));
        }
        Some(entry) => {
            let changes = wanted.changes(&entry);
            if stored.is_none() && !changes.is_empty() && configuration.existing_entries == Existing::Conflict
            {
                return Err(in_the_way(&dn));
            }
            if !changes.is_empty() {
                directory.modify(&dn, &changes)?;
                history.push(format!("changed {dn}"));
            }
        }
    }
    if let Some(before) = before
        && configuration.has(ObjectClass::GroupOfNames)
        && let Some(groups) = configuration.groups()?
    {
        follow(&directory, &groups, before, &wanted.dn)?;
    }
    let mut classes: BTreeSet<String> = wanted.own_classes().map(str::to_owned).collect();
    if configuration.unconfigured_attributes == Unconfigured::Ignore {
        classes.extend(left.classes.iter().cloned());
    }
    let now = Stored { dn: Some(dn), classes };
    if now != *left {
        state::of_subject().set_json(ENTRY, &now)?;
    }
    Ok(outcome(history))
}

fn outcome(history: Vec<String>) -> Outcome {
    if history.is_empty() {
        return Outcome::Unchanged;
    }
    let shortened = |line: String| line.chars().take(256).collect::<String>();
    history.into_iter().map(shortened).fold(Applied::new(), Applied::with_history).into()
}

fn in_the_way(dn: &str) -> Failure {
    Failure::conflict(format!(
        "{dn} is there and not of this target: remove it, or let the target adopt it by `existing_entries`"
    ))
}

fn rename(directory: &Directory, from: &Dn, to: &Dn) -> Result<(), Failure> {
    let rdn = to.rdn().map(ToString::to_string).unwrap_or_default();
    let superior = to.parent().filter(|superior| Some(superior) != from.parent().as_ref());
    let renamed =
        directory.modify_dn(&from.to_string(), &rdn, true, superior.map(|dn| dn.to_string()).as_deref());
    match renamed {
        Err(error) if error.is(ENTRY_ALREADY_EXISTS) => Err(in_the_way(&to.to_string())),
        renamed => Ok(renamed?),
    }
}

fn add(directory: &Directory, wanted: &Wanted, existing: Existing) -> Result<(), Failure> {
    let dn = wanted.dn.to_string();
    match directory.add(&wanted.entry()) {
        Ok(()) => Ok(()),
        // It may have been done all the same, or somebody else was quicker.
        Err(error @ Error::ConnectionLost(_)) => match ldap::read(directory, &dn, &wanted.read()) {
            Ok(Some(entry)) if wanted.changes(&entry).is_empty() => Ok(()),
            _ => Err(error.into()),
        },
        Err(error) if error.is(ENTRY_ALREADY_EXISTS) && existing == Existing::Conflict => {
            Err(in_the_way(&dn))
        }
        Err(error) if error.is(NO_SUCH_OBJECT) => {
            let base = wanted.dn.parent().unwrap_or_default();
            Err(Failure::configuration(format!("{base} is not there: make it, or choose another base")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Removes the entry of the subject: where this target left it, or, was it never told so, where it holds just what would
/// be written.
pub(crate) fn remove(wanted: Option<&Wanted>, left: &Stored) -> Result<Outcome, Failure> {
    let directory = ldap::open("directory")?;
    let dn = match (left.dn()?, wanted) {
        (Some(dn), _) => dn,
        (None, Some(wanted)) => match ldap::read(&directory, &wanted.dn.to_string(), &wanted.read())? {
            Some(entry) if wanted.changes(&entry).is_empty() => wanted.dn.clone(),
            _ => return Ok(Outcome::Unchanged),
        },
        (None, None) => return Ok(Outcome::Unchanged),
    };
    let removed = match directory.delete(&dn.to_string()) {
        Ok(()) => outcome(vec![format!("removed {dn}")]),
        Err(error) if error.is(NO_SUCH_OBJECT) => Outcome::Unchanged,
        Err(error) => return Err(error.into()),
    };
    state::of_subject().delete(ENTRY)?;
    Ok(removed)
}

/// Has the groups name a renamed person by its new name, as the server does by itself where it keeps references.
fn follow(directory: &Directory, groups: &Dn, from: &Dn, to: &Dn) -> Result<(), Failure> {
    let (from, to) = (from.to_string(), to.to_string());
    for name in ["member", "owner"] {
        let filter = format!("({name}={})", escape_filter_value(&from));
        let found = ldap::search(directory, &groups.to_string(), &filter, &["1.1"])?;
        for group in found.collect::<Result<Vec<Entry>, Error>>()? {
            let both = [
                Modification::Add(attribute(name, [to.as_str()])),
                Modification::Delete(attribute(name, [from.as_str()])),
            ];
            let done_before = |error: &Error| error.is(VALUE_EXISTS) || error.is(NO_SUCH_ATTRIBUTE);
            match directory.modify(&group.dn, &both) {
                // The group itself may be written at the same time.
                Err(error) if done_before(&error) => {
                    for one in both {
                        match directory.modify(&group.dn, &[one]) {
                            Err(error) if done_before(&error) => {}
                            done => done?,
                        }
                    }
                }
                done => done?,
            }
        }
    }
    Ok(())
}

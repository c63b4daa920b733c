//! Homes below the root: made, moved, given, closed, archived, removed.

use provender_sdk::files::{self, Attributes, EntryKind, Metadata, Root};
use provender_sdk::{Context, Failure};

use crate::account::{Account, below};
use crate::configuration::{Configuration, Policy};
use crate::{Kept, failure, holder, look};

/// The homes of a target.
pub(crate) struct Homes<'a> {
    pub(crate) root: Root,
    skeleton: Option<Root>,
    configuration: &'a Configuration,
}

/// What was done, and what is kept of it.
pub(crate) struct Done {
    pub(crate) kept: Option<Kept>,
    pub(crate) history: Vec<String>,
}

pub(crate) fn mode(mode: u32) -> Attributes {
    Attributes { mode: Some(mode), ..Attributes::default() }
}

/// What a path names, if anything; an empty path names nothing of its own.
pub(crate) fn found(root: &Root, path: &str) -> Result<Option<Metadata>, Failure> {
    if path.is_empty() { Ok(None) } else { look(root, path) }
}

impl<'a> Homes<'a> {
    pub(crate) fn open(context: &'a Context<Configuration>) -> Result<Self, Failure> {
        let skeleton = context.slot("skeleton").map(|_| files::open("skeleton")).transpose()?;
        Ok(Self { root: files::open("homes")?, skeleton, configuration: &context.configuration })
    }

    /// What the check says of the skeleton.
    pub(crate) fn check_skeleton(&self) -> Result<String, Failure> {
        let Some(path) = &self.configuration.skeleton else { return Ok("homes begin empty".to_owned()) };
        match look(self.skeleton()?, path)? {
            Some(Metadata { kind: EntryKind::Directory, .. }) => {
                Ok(format!("homes are copied from {path:?}"))
            }
            Some(_) => {
                Err(Failure::configuration(format!("the skeleton {path:?} is no directory")).at("/skeleton"))
            }
            None => {
                Err(Failure::configuration(format!("the skeleton {path:?} does not exist")).at("/skeleton"))
            }
        }
    }

    fn skeleton(&self) -> Result<&Root, Failure> {
        let message = "a skeleton is configured, and no server is bound to the slot `skeleton`";
        self.skeleton.as_ref().ok_or_else(|| Failure::configuration(message).at("/skeleton"))
    }

    /// The home is where and whose it is to be. It is found where it was left, also by a call that did not come to its end.
    pub(crate) fn keep(&self, account: &Account, kept: Option<&Kept>, id: &str) -> Result<Done, Failure> {
        let mut history = Vec::new();
        let mut there = look(&self.root, &account.path)?;
        if there.is_some()
            && let Some(other) = holder::other(&account.path, id)?
        {
            return Err(Failure::conflict(format!(
                "{:?} is the home of person {other:?} at this target; give one of them another home directory or, where \
                 that person is gone, move it away",
                account.path
            )));
        }
        if there.is_none() {
            for from in self.places(account, kept, id) {
                if look(&self.root, &from)?.is_some_and(|found| found.kind == EntryKind::Directory) {
                    self.move_to(&from, &account.path)?;
                    history.push(format!("moved the home directory {from} to {}", account.path));
                    there = self.moved(&from, &account.path)?;
                    break;
                }
            }
        }
        match there {
            None => {
                self.make(account)?;
                history.push(format!("made the home directory {}", account.path));
            }
            Some(there) => self.adjust(&there, account, kept, &mut history)?,
        }
        let Account { owner, group, path } = account.clone();
        Ok(Done { kept: Some(Kept { path, owner, group, archived: None }), history })
    }

    /// Where the home may be that is not in its place.
    fn places(&self, account: &Account, kept: Option<&Kept>, id: &str) -> Vec<String> {
        let paths = match kept {
            Some(Kept { archived: Some(archived), .. }) => vec![archived.clone()],
            Some(kept) => vec![kept.path.clone(), self.archived(&kept.path, id)],
            // Archived when the person was deleted.
            None => vec![self.archived(&account.path, id)],
        };
        paths.into_iter().filter(|path| *path != account.path).collect()
    }

    /// What was moved, as it is now: in a preview it is still where it was.
    fn moved(&self, from: &str, to: &str) -> Result<Option<Metadata>, Failure> {
        match look(&self.root, to)? {
            None => look(&self.root, from),
            there => Ok(there),
        }
    }

    fn make(&self, account: &Account) -> Result<(), Failure> {
        let what = format!("the home directory {:?} cannot be made", account.path);
        let attributes = Attributes {
            mode: Some(self.configuration.mode.0),
            owner: Some(account.owner),
            group: Some(account.group),
        };
        self.make_parent(&account.path)?;
        let made = match &self.configuration.skeleton {
            None => self.root.create_directory(&account.path, attributes),
            Some(from) => self.root.copy_tree(self.skeleton()?, from, &account.path, attributes),
        };
        made.map_err(|error| failure(&what, error))
    }

    fn make_parent(&self, path: &str) -> Result<(), Failure> {
        let Some((parent, _)) = path.rsplit_once('/') else { return Ok(()) };
        let made = self.root.create_directory(parent, Attributes::default());
        made.map_err(|error| failure(&format!("the directory {parent:?} cannot be made"), error))
    }

    fn move_to(&self, from: &str, to: &str) -> Result<(), Failure> {
        self.make_parent(to)?;
        let moved = self.root.rename(from, to);
        moved.map_err(|error| {
            failure(&format!("the home directory {from:?} cannot be moved to {to:?}"), error)
        })
    }

    fn adjust(
        &self,
        there: &Metadata,
        account: &Account,
        kept: Option<&Kept>,
        history: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let path = &account.path;
        let is_known = there.owner == account.owner || kept.is_some_and(|kept| kept.owner == there.owner);
        if there.kind != EntryKind::Directory || !is_known {
            return Err(Failure::conflict(format!(
                "{path:?} is there already, and is no home of this person: {}",
                described(there)
            )));
        }
        let owner = (there.owner != account.owner).then_some(account.owner);
        let group = (there.group != account.group).then_some(account.group);
        let failed = |error| failure(&format!("the home directory {path:?} cannot be changed"), error);
        if owner.is_some() || group.is_some() {
            self.root.give_tree(path, owner, group).map_err(failed)?;
            history.push(format!(
                "gave the home directory {path} from {}:{} to {}:{}",
                there.owner, there.group, account.owner, account.group
            ));
        }
        let wanted = self.configuration.mode.0;
        if there.mode != wanted {
            self.root.set_attributes(path, mode(wanted)).map_err(failed)?;
            history.push(format!(
                "changed the mode of the home directory {path} from {:04o} to {wanted:04o}",
                there.mode
            ));
        }
        Ok(())
    }

    /// What becomes of the home of somebody who is not to use it.
    pub(crate) fn retire(&self, kept: &Kept, id: &str, policy: Policy) -> Result<Done, Failure> {
        let path = kept.archived.as_ref().unwrap_or(&kept.path);
        if kept.archived.is_none()
            && let Some(other) = holder::other(path, id)?
        {
            let history = vec![format!("left the home directory {path} to person {other}, who has it")];
            return Ok(Done { kept: None, history });
        }
        let failed =
            |what: &str, error| failure(&format!("the home directory {path:?} cannot be {what}"), error);
        let there = look(&self.root, path)?;
        let mut after = kept.clone();
        let mut history = Vec::new();
        match (policy, there) {
            (Policy::Keep, _) => {}
            (Policy::Close, Some(there)) if kept.archived.is_none() && there.mode != 0 => {
                self.root.set_attributes(path, mode(0)).map_err(|error| failed("closed", error))?;
                history.push(format!("closed the home directory {path}"));
            }
            (Policy::Close, _) => {}
            (Policy::Archive, there) => {
                let archive = self.archived(&kept.path, id);
                if there.is_some() && *path != archive {
                    self.root
                        .create_directory(&self.configuration.archive, mode(0o700))
                        .map_err(|error| failed("archived", error))?;
                    self.move_to(path, &archive)?;
                    history.push(format!("archived the home directory {path} as {archive}"));
                }
                after.archived = Some(archive);
            }
            (Policy::Remove, Some(_)) => {
                self.root.remove_tree(path).map_err(|error| failed("removed", error))?;
                history.push(format!("removed the home directory {path}"));
                return Ok(Done { kept: None, history });
            }
            (Policy::Remove, None) => return Ok(Done { kept: None, history }),
        }
        Ok(Done { kept: Some(after), history })
    }

    /// The name of a home in the archive: the same whenever it is asked for, and of no other person.
    fn archived(&self, path: &str, id: &str) -> String {
        let name = path.rsplit('/').next().unwrap_or(path);
        let id: String = id
            .bytes()
            .map(|byte| match byte {
                b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
                other => format!("%{other:02x}"),
            })
            .collect();
        below(&self.configuration.archive, &format!("{name}.{id}"))
    }
}

fn described(there: &Metadata) -> String {
    let kind = match &there.kind {
        EntryKind::File => "a file",
        EntryKind::Directory => "a directory",
        EntryKind::Other(word) => word,
    };
    format!("{kind} of {}:{} with mode {:04o}", there.owner, there.group, there.mode)
}

/// What of a home is not as it is to be.
pub(crate) fn differences(there: &Metadata, account: &Account, mode: u32) -> Vec<String> {
    if there.kind != EntryKind::Directory {
        return vec![format!("{} is no directory but {}", account.path, described(there))];
    }
    let number = |what: &str, found: u32, wanted: u32| {
        (found != wanted).then(|| format!("{what} is {found}, should be {wanted}"))
    };
    let of_mode = (there.mode != mode).then(|| format!("mode is {:04o}, should be {mode:04o}", there.mode));
    [number("owner", there.owner, account.owner), number("group", there.group, account.group), of_mode]
        .into_iter()
        .flatten()
        .collect()
}

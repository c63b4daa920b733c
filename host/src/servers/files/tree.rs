//! Whole trees: copied, given to somebody else, removed.
//!
//! Their owners may change them meanwhile, and mean harm. So each step is by one name in a directory that is open, no link
//! is followed, and what was decided on is what is acted on.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cap_std::fs::Dir;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, fstat, mkdirat, openat, readlinkat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::attributes::{self, Allowed, Attributes, kind_of, place};
use super::path::split;
use super::{Refused, TEMPORARY_PREFIX};

/// Deepest tree that is copied or given; each level takes open files.
const MAX_DEPTH: u64 = 100;
/// Most entries that are copied.
const MAX_ENTRIES: u64 = 10_000;

/// Whether to go on: an operation on a tree that nobody waits for any more ends at its next entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// For tidying up.
    pub(super) fn disregarded(&self) -> Self {
        Self::default()
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }
}

/// A directory by its name in another, if it is one; a link is not.
pub(super) fn child(directory: &Dir, name: &OsStr) -> io::Result<Dir> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(directory, name, flags, Mode::empty())?;
    Ok(Dir::from_std_file(File::from(opened)))
}

/// The content of a tree, on its way into a directory.
pub(super) struct Copy<'a> {
    pub(super) allowed: &'a Allowed,
    /// Of all that is copied.
    pub(super) owner: Option<u32>,
    pub(super) group: Option<u32>,
    /// Bytes that may be copied.
    pub(super) max_bytes: u64,
    pub(super) stop: &'a Stop,
    entries: u64,
    bytes: u64,
}

impl<'a> Copy<'a> {
    pub(super) fn new(allowed: &'a Allowed, attributes: &Attributes, max_bytes: u64, stop: &'a Stop) -> Self {
        let Attributes { owner, group, .. } = *attributes;
        Self { allowed, owner, group, max_bytes, stop, entries: 0, bytes: 0 }
    }

    /// How many bytes were copied.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Copies what is in `from` into `to`. Links are copied as links, whatever they lead to: nothing here follows them, and
    /// the owner of the copy could make the same.
    pub(super) fn fill(&mut self, from: &Dir, to: &Dir, depth: u64) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(Refused::TooMany { limit: MAX_DEPTH, unit: "levels" }.into());
        }
        for entry in from.entries()? {
            let name = entry?.file_name();
            if name.as_bytes().starts_with(TEMPORARY_PREFIX.as_bytes()) {
                continue;
            }
            self.stop.check()?;
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err(Refused::TooMany { limit: MAX_ENTRIES, unit: "entries" }.into());
            }
            let found = statat(from, &name, AtFlags::SYMLINK_NOFOLLOW)?;
            match kind_of(&found) {
                FileType::Directory => {
                    let source = child(from, &name)?;
                    mkdirat(to, &name, Mode::RWXU)?;
                    let copy = child(to, &name)?;
                    self.fill(&source, &copy, depth + 1)?;
                    attributes::apply(&copy, &self.attributes(&found))?;
                }
                FileType::RegularFile => self.file(from, to, &name)?,
                FileType::Symlink => {
                    symlinkat(readlinkat(from, &name, Vec::new())?, to, &name)?;
                    attributes::give(place(to, &name)?.0, self.owner, self.group)?;
                }
                _ => {
                    let name = name.to_string_lossy();
                    let reason = format!("{name:?} in it is no file, directory or link, and is not copied");
                    return Err(Refused::NotAllowed(reason).into());
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, from: &Dir, to: &Dir, name: &OsStr) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let source = openat(from, name, flags, Mode::empty())?;
        let found = fstat(&source)?;
        if kind_of(&found) != FileType::RegularFile {
            return Err(io::Error::other("changed while it was copied"));
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut copy = File::from(openat(to, name, flags, Mode::RUSR | Mode::WUSR)?);
        let room = self.max_bytes.saturating_sub(self.bytes);
        let copied = io::copy(&mut File::from(source).take(room.saturating_add(1)), &mut copy)?;
        if copied > room {
            return Err(Refused::TooMany { limit: self.max_bytes, unit: "bytes" }.into());
        }
        self.bytes += copied;
        attributes::apply(&copy, &self.attributes(&found))?;
        // Before the tree gets its name: else a loss of power may leave the name with no content.
        copy.sync_all()
    }

    /// Of a copy: bits that act on who runs a file are never copied.
    pub(super) fn attributes(&self, found: &Stat) -> Attributes {
        let mode = found.st_mode & self.allowed.modes & 0o777;
        Attributes { mode: Some(mode), owner: self.owner, group: self.group }
    }
}

/// Gives a tree to another owner, group or both: what belongs to the owner (the group) of its top, and nothing else, the top
/// last. So a repetition ends what a crash left, and a file of somebody else that is linked there stays whose it is.
pub(super) fn give(
    root: &Dir,
    path: &str,
    (owner, group): (Option<u32>, Option<u32>),
    allowed: &Allowed,
    stop: &Stop,
) -> io::Result<()> {
    let (parent, name) = split(path);
    let top = child(&root.open_dir(parent)?, name.as_ref())?;
    let found = fstat(&top)?;
    let wanted = Attributes { mode: None, owner, group };
    allowed.check(&wanted)?;
    let before = Attributes {
        mode: None,
        owner: owner.map(|_| found.st_uid).filter(|before| owner != Some(*before)),
        group: group.map(|_| found.st_gid).filter(|before| group != Some(*before)),
    };
    // Else whole trees of the system could be given away.
    allowed.check(&before)?;
    let gift = Gift { before, wanted, device: found.st_dev, stop };
    gift.below(&top, 1)?;
    gift.give(&top, &found)
}

struct Gift<'a> {
    before: Attributes,
    wanted: Attributes,
    device: u64,
    stop: &'a Stop,
}

impl Gift<'_> {
    fn below(&self, directory: &Dir, depth: u64) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(Refused::TooMany { limit: MAX_DEPTH, unit: "levels" }.into());
        }
        for entry in directory.entries()? {
            self.stop.check()?;
            let name = entry?.file_name();
            let (opened, found) = match place(directory, &name) {
                // Removed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            if kind_of(&found) == FileType::Directory {
                same_device(&found, self.device)?;
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let below = openat(&opened, ".", flags, Mode::empty())?;
                self.below(&Dir::from_std_file(File::from(below)), depth + 1)?;
            }
            self.give(&opened, &found)?;
        }
        Ok(())
    }

    fn give(&self, opened: impl std::os::fd::AsFd, found: &Stat) -> io::Result<()> {
        let owner = self.wanted.owner.filter(|_| self.before.owner == Some(found.st_uid));
        let group = self.wanted.group.filter(|_| self.before.group == Some(found.st_gid));
        attributes::give(opened, owner, group)
    }
}

fn same_device(found: &Stat, device: u64) -> io::Result<()> {
    if found.st_dev == device {
        return Ok(());
    }
    Err(Refused::NotAllowed("another file system is mounted below it".to_owned()).into())
}

/// Removes a directory with all that is below it; links themselves. In place, so that a repetition ends what a crash left.
pub(super) fn remove(root: &Dir, path: &str, stop: &Stop) -> io::Result<()> {
    let (parent, name) = split(path);
    let parent = root.open_dir(parent)?;
    let top = child(&parent, name.as_ref())?;
    let device = fstat(&top)?.st_dev;
    loop {
        let moved = empty(&top, &top, (1, device), stop)?;
        match unlinkat(&parent, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY) if moved => {}
            removed => return Ok(removed?),
        }
    }
}

/// Removes what is in a directory. What is too deep is moved to the top, to be removed from there, since there is no bound
/// on how deep a tree can be made; gives whether something was.
fn empty(top: &Dir, directory: &Dir, (depth, device): (u64, u64), stop: &Stop) -> io::Result<bool> {
    let mut moved = false;
    for entry in directory.entries()? {
        stop.check()?;
        let name = entry?.file_name();
        let found = match statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => continue,
            found => found?,
        };
        if kind_of(&found) != FileType::Directory {
            unlinkat(directory, &name, AtFlags::empty())?;
        } else if depth >= MAX_DEPTH {
            let aside = format!("{TEMPORARY_PREFIX}{}", uuid::Uuid::now_v7());
            directory.rename(&name, top, aside)?;
            moved = true;
        } else {
            same_device(&found, device)?;
            let below = child(directory, &name)?;
            moved |= empty(top, &below, (depth + 1, device), stop)?;
            unlinkat(directory, &name, AtFlags::REMOVEDIR)?;
        }
    }
    Ok(moved)
}

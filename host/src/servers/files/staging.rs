//! A directory that is made beside its place, and put there when it is whole: nobody sees it half made, and a crash leaves
//! only something hidden, which the next try removes.

use std::io;

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt};
use rustix::fs::{FlockOperation, RenameFlags, flock, fstat, renameat_with};
use rustix::io::Errno;

use super::path::split;
use super::tree::{self, Stop, child};
use super::{Refused, TEMPORARY_PREFIX};

/// A directory in the making. Locked for as long as it is open.
pub(super) struct Staging<'a> {
    parent: Dir,
    name: &'a str,
    temporary: String,
    pub(super) directory: Dir,
}

impl<'a> Staging<'a> {
    /// Makes a directory, closed to others, that is to become `path`.
    pub(super) fn begin(root: &Dir, path: &'a str, stop: &Stop) -> io::Result<Self> {
        let (parent, name) = split(path);
        let parent = root.open_dir(parent)?;
        if parent.symlink_metadata(name).is_ok() {
            return Err(Refused::Exists.into());
        }
        let temporary = format!("{TEMPORARY_PREFIX}new-{name}");
        let made = parent.create_dir_with(&temporary, DirBuilder::new().mode(0o700));
        if matches!(&made, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
            // Locked, it is being made by somebody else; else a crash left it.
            locked(&parent, &temporary)?;
            tree::remove(&parent, &temporary, stop)?;
            parent.create_dir_with(&temporary, DirBuilder::new().mode(0o700))?;
        } else {
            made?;
        }
        let directory = locked(&parent, &temporary)?;
        Ok(Self { parent, name, temporary, directory })
    }

    /// Fills it, and gives it its name if all went well.
    pub(super) fn complete(self, fill: impl FnOnce(&Dir) -> io::Result<()>, stop: &Stop) -> io::Result<()> {
        let Self { parent, name, temporary, directory } = self;
        let filled = fill(&directory).and_then(|()| put(&parent, &temporary, &parent, name));
        filled.inspect_err(|_| {
            // What cannot be removed now is by the next try.
            let _ = tree::remove(&parent, &temporary, &stop.disregarded());
        })
    }
}

fn locked(parent: &Dir, name: &str) -> io::Result<Dir> {
    let directory = child(parent, name.as_ref())?;
    flock(&directory, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        Errno::AGAIN => io::Error::other("is being made by somebody else at this moment"),
        error => error.into(),
    })?;
    let there = fstat(child(parent, name.as_ref())?)?;
    let locked = fstat(&directory)?;
    if (there.st_dev, there.st_ino) == (locked.st_dev, locked.st_ino) {
        Ok(directory)
    } else {
        Err(Errno::AGAIN.into())
    }
}

/// Renames where nothing is yet.
pub(super) fn put(from: &Dir, name: &str, to: &Dir, new_name: &str) -> io::Result<()> {
    match renameat_with(from, name, to, new_name, RenameFlags::NOREPLACE) {
        Err(Errno::EXIST) => Err(Refused::Exists.into()),
        // Some file systems cannot promise it.
        Err(Errno::INVAL) if to.symlink_metadata(new_name).is_ok() => Err(Refused::Exists.into()),
        Err(Errno::INVAL) => from.rename(name, to, new_name),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(()),
    }
}

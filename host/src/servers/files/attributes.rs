//! Who owns a file or directory and who may use it: what plugins may set is what the configuration of the server allows.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use cap_std::fs::{Dir, MetadataExt as _};
use jiff::Timestamp;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, fchmod, fstat, openat};
use rustix::io::Errno;

use super::path::split;
use super::{EntryKind, Refused};
use crate::servers::configuration::{FilesConfiguration, IdRange};

/// What is to be set; what is left out stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Bits of permission.
    pub mode: Option<u32>,
    /// Numeric owner.
    pub owner: Option<u32>,
    /// Numeric group.
    pub group: Option<u32>,
}

/// What may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Bits of permission.
    pub modes: u32,
    /// Owners; none unless told.
    pub owners: Option<IdRange>,
    /// Groups; none unless told.
    pub groups: Option<IdRange>,
}

/// What can be told of a file or directory without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it is; a link is not followed.
    pub kind: EntryKind,
    /// Bits of permission.
    pub mode: u32,
    /// Numeric owner.
    pub owner: u32,
    /// Numeric group.
    pub group: u32,
    /// Bytes of a file, else 0.
    pub size: u64,
    /// When its content last changed.
    pub modified: Timestamp,
}

/// All bits of permission, those that act on who runs a file included.
const ALL_MODES: u32 = 0o7777;

impl Default for Allowed {
    fn default() -> Self {
        Self { modes: 0o777, owners: None, groups: None }
    }
}

impl From<&FilesConfiguration> for Allowed {
    fn from(configuration: &FilesConfiguration) -> Self {
        Self { modes: configuration.modes.bits(), owners: configuration.owners, groups: configuration.groups }
    }
}

impl Attributes {
    /// Whether nothing is to be set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Allowed {
    pub(super) fn check(&self, attributes: &Attributes) -> io::Result<()> {
        let refused = |reason: String| Err(Refused::NotAllowed(reason).into());
        if let Some(mode) = attributes.mode.filter(|mode| mode & !self.modes != 0) {
            return refused(format!(
                "mode {mode:04o} has bits that the server's configuration does not allow; it allows {:04o}",
                self.modes
            ));
        }
        for (what, id, range) in
            [("owner", attributes.owner, self.owners), ("group", attributes.group, self.groups)]
        {
            let Some(id) = id.filter(|id| range.is_none_or(|range| !range.contains(*id))) else { continue };
            let allowed = range.map_or_else(|| "none".to_owned(), |range| range.to_string());
            return refused(format!(
                "{what} {id} may not be set by the server's configuration; it allows {allowed}"
            ));
        }
        Ok(())
    }
}

/// What a path names, a link itself.
pub(super) fn metadata(root: &Dir, path: &str) -> io::Result<Metadata> {
    let metadata = root.symlink_metadata(path)?;
    let kind = match metadata.file_type() {
        kind if kind.is_file() => EntryKind::File,
        kind if kind.is_dir() => EntryKind::Directory,
        kind if kind.is_symlink() => EntryKind::Other("symlink"),
        _ => EntryKind::Other("special"),
    };
    Ok(Metadata {
        kind,
        mode: metadata.mode() & ALL_MODES,
        owner: metadata.uid(),
        group: metadata.gid(),
        size: if kind == EntryKind::File { metadata.len() } else { 0 },
        modified: Timestamp::from_second(metadata.mtime()).unwrap_or_default(),
    })
}

/// Sets attributes of a file or directory, by what was opened: a path may name something else by then.
pub(super) fn set(root: &Dir, path: &str, attributes: &Attributes, allowed: &Allowed) -> io::Result<()> {
    allowed.check(attributes)?;
    let (parent, name) = split(path);
    let parent = root.open_dir(parent)?;
    let is_usable = |kind| matches!(kind, FileType::RegularFile | FileType::Directory);
    let refused = |reason: &str| io::Error::from(Refused::NotAllowed(reason.to_owned()));
    // Before it is opened, which may act on a device.
    if !is_usable(kind_of(&rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?)) {
        return Err(refused("is neither a file nor a directory"));
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = openat(&parent, name, flags, Mode::empty())?;
    let found = fstat(&opened)?;
    match kind_of(&found) {
        FileType::RegularFile if found.st_nlink > 1 => {
            Err(refused("has other names (hard links), which may belong to somebody else"))
        }
        kind if is_usable(kind) => apply(&opened, attributes),
        _ => Err(refused("is neither a file nor a directory")),
    }
}

/// Owner and group first: a change of them clears bits of the mode.
pub(super) fn apply(opened: impl AsFd, attributes: &Attributes) -> io::Result<()> {
    let Attributes { mode, owner, group } = *attributes;
    give(opened.as_fd(), owner, group)?;
    if let Some(mode) = mode {
        fchmod(opened, Mode::from_raw_mode(mode)).map_err(own_rights)?;
    }
    Ok(())
}

/// Changes owner and group of what is open, be it only as a place (`O_PATH`).
pub(super) fn give(opened: impl AsFd, owner: Option<u32>, group: Option<u32>) -> io::Result<()> {
    if owner.is_none() && group.is_none() {
        return Ok(());
    }
    chownat(opened, "", owner.map(Uid::from_raw), group.map(Gid::from_raw), AtFlags::EMPTY_PATH)
        .map_err(own_rights)
}

/// The place that a name in a directory has, without its content; a link itself.
pub(super) fn place(directory: &Dir, name: &std::ffi::OsStr) -> io::Result<(OwnedFd, Stat)> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(directory, name, flags, Mode::empty())?;
    let found = fstat(&opened)?;
    Ok((opened, found))
}

pub(super) fn kind_of(found: &Stat) -> FileType {
    FileType::from_raw_mode(found.st_mode)
}

fn own_rights(error: Errno) -> io::Error {
    if error == Errno::PERM {
        let reason = "the host may not change owner, group or mode here: run it as root, or with CAP_CHOWN and CAP_FOWNER";
        return Refused::NotAllowed(reason.to_owned()).into();
    }
    error.into()
}

//! Files and directories one by one: append, replace, read, list.

use std::fs::TryLockError;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::path::{FilePath, split};
use super::{FILE_MODE, FilesError, TEMPORARY_PREFIX};

/// What an entry of a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// Something else, by a word: "symlink", "special".
    Other(&'static str),
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name within its directory.
    pub name: String,
    /// What it is; a link is not followed.
    pub kind: EntryKind,
    /// Bytes of a file, else 0.
    pub size: u64,
}

pub(super) enum Append {
    Done,
    /// Somebody else holds the lock, or replaced the file meanwhile.
    Again,
}

pub(super) fn joined(path: &FilePath, lines: &[String]) -> Result<Vec<u8>, FilesError> {
    let mut text = Vec::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
    for (number, line) in (1..).zip(lines) {
        if line.contains('\n') {
            return Err(FilesError::InvalidLine { path: path.0.clone(), number });
        }
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    Ok(text)
}

pub(super) fn append(directory: &Dir, path: &str, text: &[u8]) -> io::Result<Append> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(FILE_MODE);
    append_to(&open_file(directory, path, &mut options)?, text)
}

/// Opens what is a file, and nothing else. Never waits: to open a pipe may wait for its other end for ever. What it is, is
/// asked of what was opened, since a path may name something else by then.
pub(super) fn open_file(directory: &Dir, path: &str, options: &mut OpenOptions) -> io::Result<std::fs::File> {
    options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
    let file = match directory.open_with(path, options) {
        // What the system says of sockets, and of pipes with nobody at the other end.
        Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => Err(not_a_file()),
        opened => opened.map(cap_std::fs::File::into_std),
    }?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_a_file()) }
}

pub(super) fn append_to(mut file: &std::fs::File, text: &[u8]) -> io::Result<Append> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Append::Again),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // Only now: how long the file is, and whether it is still there, are certain under the lock alone.
    let metadata = file.metadata()?;
    if metadata.nlink() == 0 {
        return Ok(Append::Again);
    }
    let length = metadata.len();
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    let written = if last == *b"\n" { file.write_all(text) } else { file.write_all(&[b"\n", text].concat()) };
    written.inspect_err(|_| {
        // A full disk may have taken a part. What cannot be undone either is ended by the next append.
        let _ = file.set_len(length);
    })?;
    Ok(Append::Done)
}

pub(super) fn replace(root: &Dir, path: &str, content: &[u8]) -> io::Result<()> {
    let (parent, name) = split(path);
    let directory = root.open_dir(parent)?;
    let temporary = format!("{TEMPORARY_PREFIX}{}", uuid::Uuid::now_v7());
    let write = || -> io::Result<()> {
        let mut file = directory
            .open_with(&temporary, OpenOptions::new().write(true).create_new(true).mode(FILE_MODE))?;
        match directory.symlink_metadata(name) {
            Ok(metadata) if metadata.is_file() => file.set_permissions(metadata.permissions())?,
            Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(metadata) if !metadata.is_symlink() => return Err(not_a_file()),
            _ => {}
        }
        file.write_all(content)?;
        // Before the name: else a loss of power may leave the new name with no content.
        file.sync_all()?;
        directory.rename(&temporary, &directory, name)
    };
    write().inspect_err(|_| {
        let _ = directory.remove_file(&temporary);
    })
}

pub(super) fn read(directory: &Dir, path: &str, max_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let file = open_file(directory, path, OpenOptions::new().read(true))?;
    let length = file.metadata()?.len();
    if length > max_bytes {
        return Ok(None);
    }
    let mut content = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    // It may grow while it is read.
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut content)?;
    Ok((content.len() as u64 <= max_bytes).then_some(content))
}

pub(super) fn list(directory: &Dir, path: &str, max_entries: usize) -> io::Result<Option<Vec<Entry>>> {
    let mut entries = Vec::new();
    for entry in directory.read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(TEMPORARY_PREFIX) {
            continue;
        }
        if entries.len() == max_entries {
            return Ok(None);
        }
        let kind = match entry.file_type()? {
            kind if kind.is_file() => EntryKind::File,
            kind if kind.is_dir() => EntryKind::Directory,
            kind if kind.is_symlink() => EntryKind::Other("symlink"),
            _ => EntryKind::Other("special"),
        };
        let size = match (kind, entry.metadata()) {
            (EntryKind::File, Ok(metadata)) => metadata.len(),
            // Removed since the directory was read.
            (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => continue,
            (EntryKind::File, Err(error)) => return Err(error),
            _ => 0,
        };
        entries.push(Entry { name, kind, size });
    }
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Some(entries))
}

pub(super) fn not_a_file() -> io::Error {
    io::Error::other("is not a file")
}

//! A directory of the host's file system, and what can be done below it. No path leaves it, by no link.
//!
//! Operations run on threads for blocking work, so that a file system that hangs, as one over a network may, stops only
//! the calls that wait for it. The exception is an append, a matter of microseconds on most file systems, where the change
//! of threads takes four times as long as the append itself: it runs in place as long as the root proves fast.

use std::fs::TryLockError;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;
use rustix::io::Errno;
use tokio::sync::{Mutex, Semaphore};

/// Longest path in bytes.
pub const MAX_PATH_BYTES: usize = 1024;
/// Names of files that are being written; nobody else sees or uses them.
const TEMPORARY_PREFIX: &str = ".provender-";
/// An append that takes longer sends the next ones to threads for blocking work.
const SLOW_APPEND: Duration = Duration::from_millis(2);
/// Longer texts are not appended in place: to copy them alone takes too long there.
const LONGEST_IN_PLACE: usize = 64 * 1024;
/// Threads that one root may occupy. A file system that hangs holds no more of them; all roots and much else share them.
const THREADS_OF_A_ROOT: usize = 8;
/// Records of people are not for everybody on the machine.
const FILE_MODE: u32 = 0o640;

/// Why an operation on files failed. The path is always the one that was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilesError {
    /// The path names nothing.
    #[error("{path} does not exist")]
    NotFound {
        /// The path.
        path: String,
    },
    /// The path names something already that is in the way.
    #[error("{path} exists already and is {what}")]
    AlreadyExists {
        /// The path.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// The path cannot be used.
    #[error("path {path:?} {reason}")]
    InvalidPath {
        /// The path.
        path: String,
        /// Why.
        reason: String,
    },
    /// The path leads out of the root: by its parts, or by a link.
    #[error("path {path:?} leads out of the root: {reason}")]
    OutsideRoot {
        /// The path.
        path: String,
        /// How.
        reason: &'static str,
    },
    /// A line cannot be appended.
    #[error("line {number} for {path} holds a newline; pass each line by itself")]
    InvalidLine {
        /// The path.
        path: String,
        /// Which line, from 1.
        number: usize,
    },
    /// Larger than the limit.
    #[error("{path} has more than {limit} {unit}")]
    TooLarge {
        /// The path.
        path: String,
        /// The limit.
        limit: u64,
        /// What is counted: "bytes", "entries".
        unit: &'static str,
    },
    /// The operating system refused.
    #[error("{path}: {reason}")]
    Io {
        /// The path.
        path: String,
        /// What it says.
        reason: String,
    },
}

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

/// A root directory. Kept open, and opened anew when something else stands at its path: a file system that was mounted
/// there later, or a directory that was made again.
#[derive(Debug)]
pub struct FilesRoot {
    root: Arc<Root>,
    /// Appends of this process take turns here, so that they do not meet at the lock of the file, and so that at most
    /// one thread waits for a file system that hangs.
    appending: Arc<Mutex<()>>,
    threads: Arc<Semaphore>,
}

#[derive(Debug)]
struct Root {
    path: PathBuf,
    opened: std::sync::Mutex<Arc<Dir>>,
    /// Whether the last append was.
    slow: AtomicBool,
}

enum Append {
    Done,
    /// Somebody else holds the lock, or replaced the file meanwhile.
    Again,
}

impl FilesRoot {
    /// Opens an existing directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        let directory = Dir::open_ambient_dir(path, ambient_authority())?;
        let root = Root {
            path: path.to_owned(),
            opened: std::sync::Mutex::new(Arc::new(directory)),
            slow: AtomicBool::new(false),
        };
        let threads = Arc::new(Semaphore::new(THREADS_OF_A_ROOT));
        Ok(Self { root: Arc::new(root), appending: Arc::default(), threads })
    }

    /// Appends whole lines, all of them or none, under an exclusive lock (flock); makes the file when missing.
    ///
    /// The lines survive the end of the process, not a loss of power: they are not synced to the disk. A last line that
    /// somebody left unfinished is ended first. Waits as long as another process holds the lock; dropping the future
    /// ends the wait.
    pub async fn append_lines(&self, path: &str, lines: &[String]) -> Result<(), FilesError> {
        let path = FilePath::parse(path)?;
        let text: Arc<[u8]> = joined(&path, lines)?.into();
        if text.is_empty() {
            return Ok(());
        }
        let mut pause = Duration::from_millis(1);
        while let Append::Again = self.append(&path, &text).await? {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        Ok(())
    }

    async fn append(&self, path: &FilePath, text: &Arc<[u8]>) -> Result<Append, FilesError> {
        let turn = Arc::clone(&self.appending).lock_owned().await;
        if !self.root.slow.load(Ordering::Relaxed) && text.len() <= LONGEST_IN_PLACE {
            return self.root.append(&path.0, text).map_err(|error| path.explain(&error));
        }
        let text = Arc::clone(text);
        // The turn goes along: it must not end before the thread does, even when nobody waits for it any more.
        let append = move |root: &Root, path: &str| {
            let _turn = turn;
            root.append(path, &text)
        };
        self.blocking(path, append).await
    }

    /// Replaces a file as a whole, or makes it. A reader sees the old or the new content, also after a loss of power.
    /// A link in the place of the file is replaced, not followed.
    pub async fn write(&self, path: &str, content: impl Into<Bytes>) -> Result<(), FilesError> {
        let content = content.into();
        let path = FilePath::parse(path)?;
        self.blocking(&path, move |root, path| replace(&*root.current()?, path, &content)).await
    }

    /// The whole content of a file of at most `max_bytes`.
    pub async fn read(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>, FilesError> {
        let path = FilePath::parse(path)?;
        let too_large = FilesError::TooLarge { path: path.0.clone(), limit: max_bytes, unit: "bytes" };
        let content =
            self.blocking(&path, move |root, path| read(&*root.current()?, path, max_bytes)).await?;
        content.ok_or(too_large)
    }

    /// Makes a directory and the missing ones above it.
    pub async fn create_directory(&self, path: &str) -> Result<(), FilesError> {
        let path = FilePath::parse(path)?;
        self.blocking(&path, |root, path| root.current()?.create_dir_all(path)).await
    }

    /// Entries of a directory by ascending name, at most `max_entries` of them; "." is the root.
    pub async fn list(&self, path: &str, max_entries: usize) -> Result<Vec<Entry>, FilesError> {
        let path = if path == "." { FilePath(path.to_owned()) } else { FilePath::parse(path)? };
        let too_large =
            FilesError::TooLarge { path: path.0.clone(), limit: max_entries as u64, unit: "entries" };
        let entries =
            self.blocking(&path, move |root, path| list(&*root.current()?, path, max_entries)).await?;
        entries.ok_or(too_large)
    }

    /// Removes a file, a link or an empty directory.
    pub async fn remove(&self, path: &str) -> Result<(), FilesError> {
        let path = FilePath::parse(path)?;
        self.blocking(&path, |root, path| {
            let directory = root.current()?;
            if directory.symlink_metadata(path)?.is_dir() {
                directory.remove_dir(path)
            } else {
                directory.remove_file(path)
            }
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        path: &FilePath,
        operation: impl FnOnce(&Root, &str) -> io::Result<T> + Send + 'static,
    ) -> Result<T, FilesError> {
        let root = Arc::clone(&self.root);
        let name = path.0.clone();
        // Never closed. The permit goes along: a thread that hangs keeps it, even when nobody waits any more.
        let permit = Arc::clone(&self.threads).acquire_owned().await.ok();
        let operation = move || {
            let _permit = permit;
            operation(&root, &name)
        };
        match tokio::task::spawn_blocking(operation).await {
            Ok(result) => result.map_err(|error| path.explain(&error)),
            Err(error) => Err(FilesError::Io { path: path.0.clone(), reason: error.to_string() }),
        }
    }
}

impl Root {
    fn append(&self, path: &str, text: &[u8]) -> io::Result<Append> {
        let start = Instant::now();
        let appended = self.current().and_then(|directory| append(&directory, path, text));
        self.slow.store(start.elapsed() > SLOW_APPEND, Ordering::Relaxed);
        appended
    }

    fn current(&self) -> io::Result<Arc<Dir>> {
        // Not an error of the path below the root.
        // Where the root is on this machine is not the plugin's to know.
        let explain = |error: io::Error| io::Error::other(format!("root directory: {error}"));
        let opened = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let there = std::fs::metadata(&self.path).map_err(explain)?;
        let known = Arc::clone(&opened());
        let metadata = known.dir_metadata().map_err(explain)?;
        if (metadata.dev(), metadata.ino()) == (there.dev(), there.ino()) {
            return Ok(known);
        }
        let directory = Arc::new(Dir::open_ambient_dir(&self.path, ambient_authority()).map_err(explain)?);
        *opened() = Arc::clone(&directory);
        Ok(directory)
    }
}

/// A path that is within the rules: relative, parts separated by "/", none of them empty, "." or "..".
struct FilePath(String);

impl FilePath {
    fn parse(path: &str) -> Result<Self, FilesError> {
        let shown = || path.chars().take(MAX_PATH_BYTES / 4).collect();
        if let Some(reason) = way_out(path) {
            return Err(FilesError::OutsideRoot { path: shown(), reason });
        }
        let part_problem = |part: &str| match part {
            "" => Some("is empty or has an empty part"),
            "." | ".." => Some("has a part of dots"),
            _ if part.starts_with(TEMPORARY_PREFIX) => {
                Some("has a name that is kept for files being written")
            }
            _ => None,
        };
        let problem = if path.len() > MAX_PATH_BYTES {
            Some("is longer than 1024 bytes")
        } else if path.contains(char::is_control) {
            Some("holds a control character")
        } else {
            path.split('/').find_map(part_problem)
        };
        match problem {
            None => Ok(Self(path.to_owned())),
            Some(reason) => Err(FilesError::InvalidPath { path: shown(), reason: reason.to_owned() }),
        }
    }

    fn explain(&self, error: &io::Error) -> FilesError {
        let path = self.0.clone();
        let invalid =
            |reason: &str| FilesError::InvalidPath { path: self.0.clone(), reason: reason.to_owned() };
        match error.kind() {
            io::ErrorKind::NotFound => FilesError::NotFound { path },
            io::ErrorKind::AlreadyExists => FilesError::AlreadyExists { path, what: "not a directory" },
            io::ErrorKind::IsADirectory => FilesError::AlreadyExists { path, what: "a directory" },
            io::ErrorKind::NotADirectory => invalid("leads through something that is not a directory"),
            io::ErrorKind::InvalidFilename => invalid("has a part that is too long"),
            // The library's own refusal; one by the operating system has a number.
            io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => {
                FilesError::OutsideRoot { path, reason: "there is a link on it" }
            }
            _ => FilesError::Io { path, reason: error.to_string() },
        }
    }
}

/// How a path leaves the root by its parts alone, if it does. That is no mistake in a name: it is refused as an effect.
fn way_out(path: &str) -> Option<&'static str> {
    if path.starts_with('/') {
        return Some("it is absolute");
    }
    let depths = path.split('/').scan(0_i64, |depth, part| {
        *depth += match part {
            ".." => -1,
            "" | "." => 0,
            _ => 1,
        };
        Some(*depth)
    });
    depths.into_iter().any(|depth| depth < 0).then_some("it has more `..` than parts before them")
}

fn joined(path: &FilePath, lines: &[String]) -> Result<Vec<u8>, FilesError> {
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

fn append(directory: &Dir, path: &str, text: &[u8]) -> io::Result<Append> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(FILE_MODE);
    append_to(&open_file(directory, path, &mut options)?, text)
}

/// Opens what is a file, and nothing else. Never waits: to open a pipe may wait for its other end for ever. What it is, is
/// asked of what was opened, since a path may name something else by then.
fn open_file(directory: &Dir, path: &str, options: &mut OpenOptions) -> io::Result<std::fs::File> {
    options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
    let file = match directory.open_with(path, options) {
        // What the system says of sockets, and of pipes with nobody at the other end.
        Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => Err(not_a_file()),
        opened => opened.map(cap_std::fs::File::into_std),
    }?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_a_file()) }
}

fn append_to(mut file: &std::fs::File, text: &[u8]) -> io::Result<Append> {
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

fn replace(root: &Dir, path: &str, content: &[u8]) -> io::Result<()> {
    let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
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

fn read(directory: &Dir, path: &str, max_bytes: u64) -> io::Result<Option<Vec<u8>>> {
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

fn list(directory: &Dir, path: &str, max_entries: usize) -> io::Result<Option<Vec<Entry>>> {
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

fn not_a_file() -> io::Error {
    io::Error::other("is not a file")
}

#[cfg(test)]
mod tests;

//! A directory of the host's file system, and what can be done below it. No path leaves it, by no link.
//!
//! Operations run on threads for blocking work, so that a file system that hangs, as one over a network may, stops only
//! the calls that wait for it. The exception is an append, a matter of microseconds on most file systems, where the change
//! of threads takes four times as long as the append itself: it runs in place as long as the root proves fast.

mod attributes;
mod content;
mod error;
mod path;
mod staging;
mod tree;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _};
use tokio::sync::{Mutex, Semaphore};

pub use self::attributes::{Allowed, Attributes, Metadata};
use self::content::{Append, append, joined, list, read, replace};
pub use self::content::{Entry, EntryKind};
pub use self::error::FilesError;
use self::error::Refused;
use self::path::{FilePath, split};
use self::staging::{Staging, put};
use self::tree::{Copy, Stop};

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

/// A root directory. Kept open, and opened anew when something else stands at its path: a file system that was mounted
/// there later, or a directory that was made again.
#[derive(Debug)]
pub struct FilesRoot {
    root: Arc<Root>,
    /// Appends of this process take turns here, so that they do not meet at the lock of the file, and so that at most
    /// one thread waits for a file system that hangs.
    appending: Arc<Mutex<()>>,
    threads: Arc<Semaphore>,
    allowed: Allowed,
}

#[derive(Debug)]
struct Root {
    path: PathBuf,
    opened: std::sync::Mutex<Arc<Dir>>,
    /// Whether the last append was.
    slow: AtomicBool,
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
        Ok(Self { root: Arc::new(root), appending: Arc::default(), threads, allowed: Allowed::default() })
    }

    /// With other modes, owners and groups that may be set than the default: no owner, no group.
    #[must_use]
    pub fn allowing(self, allowed: Allowed) -> Self {
        Self { allowed, ..self }
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

    /// Makes a directory and the missing ones above it. One that is there stays as it is; one that is made appears with its
    /// attributes.
    pub async fn create_directory(&self, path: &str, attributes: Attributes) -> Result<(), FilesError> {
        let path = FilePath::parse(path)?;
        let allowed = self.allowed;
        self.tree(&path, move |root, path, stop| {
            let root = root.current()?;
            if attributes.is_empty() {
                return root.create_dir_all(path);
            }
            allowed.check(&attributes)?;
            root.create_dir_all(split(path).0)?;
            let is_there = || root.symlink_metadata(path).is_ok_and(|found| found.is_dir());
            let made = Staging::begin(&root, path, stop).and_then(|staging| {
                staging.complete(|directory| attributes::apply(directory, &attributes), stop)
            });
            if is_there() { Ok(()) } else { made }
        })
        .await
    }

    /// What a path names; a link itself.
    pub async fn metadata(&self, path: &str) -> Result<Metadata, FilesError> {
        let path = FilePath::parse(path)?;
        self.blocking(&path, |root, path| attributes::metadata(&*root.current()?, path)).await
    }

    /// Sets attributes of a file or directory.
    pub async fn set_attributes(&self, path: &str, attributes: Attributes) -> Result<(), FilesError> {
        let path = FilePath::parse(path)?;
        let allowed = self.allowed;
        self.blocking(&path, move |root, path| {
            attributes::set(&*root.current()?, path, &attributes, &allowed)
        })
        .await
    }

    /// Copies the directory `from` of the root `source` to `path`, where nothing is yet. It appears when it is whole, with
    /// these attributes; all that is in it gets the same owner and group. Gives how many bytes were copied.
    pub async fn copy_tree(
        &self,
        path: &str,
        attributes: Attributes,
        (source, from): (&Self, &str),
        max_bytes: u64,
    ) -> Result<u64, FilesError> {
        let (path, from) = (FilePath::parse(path)?, FilePath::parse(from)?);
        let (allowed, source) = (self.allowed, Arc::clone(&source.root));
        self.tree(&path, move |root, path, stop| {
            allowed.check(&attributes)?;
            let told = |error: io::Error| Refused::Told(from.explain(&error));
            let original = source.current()?.open_dir(&from.0).map_err(told)?;
            let mut copy = Copy::new(&allowed, &attributes, max_bytes, stop);
            let staging = Staging::begin(&*root.current()?, path, stop)?;
            let fill = |directory: &Dir| {
                copy.fill(&original, directory, 1)?;
                let Attributes { mode, owner, group } = copy.attributes(&rustix::fs::fstat(&original)?);
                let mode = attributes.mode.or(mode);
                attributes::apply(directory, &Attributes { mode, owner, group })
            };
            staging.complete(fill, stop)?;
            Ok(copy.bytes())
        })
        .await
    }

    /// Gives a directory with what is below it to another owner or group: what belongs to those of the directory itself.
    pub async fn give_tree(
        &self,
        path: &str,
        owner: Option<u32>,
        group: Option<u32>,
    ) -> Result<(), FilesError> {
        let path = FilePath::parse(path)?;
        let allowed = self.allowed;
        self.tree(&path, move |root, path, stop| {
            tree::give(&*root.current()?, path, (owner, group), &allowed, stop)
        })
        .await
    }

    /// Renames a file, directory or link to where nothing is yet.
    pub async fn rename(&self, from: &str, to: &str) -> Result<(), FilesError> {
        let (from, to) = (FilePath::parse(from)?, FilePath::parse(to)?);
        self.blocking(&to, move |root, to| {
            let root = root.current()?;
            let ((old_parent, old_name), (new_parent, new_name)) = (split(&from.0), split(to));
            let told = |error: io::Error| Refused::Told(from.explain(&error));
            let old_parent = root.open_dir(old_parent).map_err(told)?;
            old_parent.symlink_metadata(old_name).map_err(told)?;
            put(&old_parent, old_name, &root.open_dir(new_parent)?, new_name)
        })
        .await
    }

    /// Removes a directory with all that is below it.
    pub async fn remove_tree(&self, path: &str) -> Result<(), FilesError> {
        let path = FilePath::parse(path)?;
        self.tree(&path, |root, path, stop| tree::remove(&*root.current()?, path, stop)).await
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

    /// An operation that ends early when nobody waits for it any more.
    async fn tree<T: Send + 'static>(
        &self,
        path: &FilePath,
        operation: impl FnOnce(&Root, &str, &Stop) -> io::Result<T> + Send + 'static,
    ) -> Result<T, FilesError> {
        struct StopOnDrop(Stop);
        impl Drop for StopOnDrop {
            fn drop(&mut self) {
                self.0.set();
            }
        }
        let stop = Stop::default();
        let _waiting = StopOnDrop(stop.clone());
        self.blocking(path, move |root, path| operation(root, path, &stop)).await
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

#[cfg(test)]
mod tests;

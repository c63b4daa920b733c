//! Paths below the root of a files server. Input: operations, separated: a letter, then the path, or two
//! with ">" between them.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use provender::servers::files::{Attributes, Entry, EntryKind, FilesError, FilesRoot};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::SEPARATOR;
use crate::scratch::{Reused, folder, runtime};

const CANARY: &str = "what nobody may read";
/// Links in the root. Only the first two lead to something within it.
const LINKS: [&str; 8] = ["inner", "inner-file", "out", "out-file", "absolute", "up", "loop", "dangling"];
const MAX_OPERATIONS: usize = 32;

thread_local! {
    static RUNTIME: Reused<Runtime> = const { Reused::for_inputs(u32::MAX) };
}

/// Nothing outside of the root is read, changed or made, by no path; and where no link is on the way, an operation does
/// what the standard library does in a folder that looks the same.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    RUNTIME.with(|reused| {
        reused.with(runtime, |runtime, _| {
            runtime.block_on(async {
                let mut place = Place::new();
                for operation in text.split(SEPARATOR).take(MAX_OPERATIONS) {
                    let mut letters = operation.chars();
                    if let Some(letter) = letters.next() {
                        place.run(letter, letters.as_str()).await;
                    }
                }
                place.check();
            });
        });
    });
}

/// A root with links, something outside of it, and a folder that looks as the root without its links.
struct Place {
    folder: TempDir,
    root: FilesRoot,
    outside: (u64, i64, i64),
    /// Whether the two folders are still to look the same: not when one was changed through a link.
    alike: bool,
}

/// What an operation gave, for comparison.
#[derive(Debug, PartialEq)]
enum Given {
    Nothing,
    Content(Vec<u8>),
    Names(Vec<String>),
    Refused,
}

impl Place {
    fn new() -> Self {
        let folder = folder();
        let path = folder.path();
        for made in ["outside", "root/dir/below", "twin/dir/below"] {
            fs::create_dir_all(path.join(made)).expect("a folder");
        }
        fs::write(path.join("outside/canary"), CANARY).expect("a file");
        for root in ["root", "twin"] {
            fs::write(path.join(root).join("file"), "one\n").expect("a file");
            fs::write(path.join(root).join("dir/file"), "unfinished").expect("a file");
        }
        let absolute = path.join("outside");
        let aims = ["dir", "file", "../outside", "../outside/canary", "", "..", "loop", "../outside/new"];
        for (name, aim) in LINKS.iter().zip(aims) {
            let aim = if aim.is_empty() { absolute.as_path() } else { Path::new(aim) };
            symlink(aim, path.join("root").join(name)).expect("a link");
        }
        let root = FilesRoot::open(&path.join("root")).expect("a root");
        let outside = change_of(&absolute);
        Self { folder, root, outside, alike: true }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    async fn run(&mut self, letter: char, path: &str) {
        let mode = Attributes { mode: Some(0o700), ..Attributes::default() };
        let given = match letter {
            'a' => self.root.append_lines(path, &["a line".to_owned()]).await.map(|()| Given::Nothing),
            'w' => self.root.write(path, b"whole".to_vec()).await.map(|()| Given::Nothing),
            'r' => self.root.read(path, 4_096).await.map(Given::Content),
            'd' => self.root.create_directory(path, Attributes::default()).await.map(|()| Given::Nothing),
            'l' => self.root.list(path, 1_000).await.map(|entries| Given::Names(names(entries))),
            'x' => self.root.remove(path).await.map(|()| Given::Nothing),
            'm' => self.root.metadata(path).await.map(|found| Given::Names(vec![format!("{}", found.size)])),
            's' => self.root.set_attributes(path, mode).await.map(|()| Given::Nothing),
            'g' => self.root.give_tree(path, None, None).await.map(|()| Given::Nothing),
            't' => self.root.remove_tree(path).await.map(|()| Given::Nothing),
            // Two paths, separated by ">".
            'c' => {
                let (from, to) = path.split_once('>').unwrap_or((path, "copy"));
                let copied = self.root.copy_tree(to, mode, (&self.root, from), 4_096).await;
                copied.map(|_| Given::Nothing)
            }
            'n' => {
                let (from, to) = path.split_once('>').unwrap_or((path, "renamed"));
                self.root.rename(from, to).await.map(|()| Given::Nothing)
            }
            _ => return,
        };
        match &given {
            Ok(Given::Content(content)) => assert_ne!(content, CANARY.as_bytes(), "{path:?} was read"),
            Ok(Given::Names(names)) => assert!(!names.iter().any(|name| name == "canary"), "{path:?}"),
            _ => {}
        }
        // The standard library has nothing like them.
        if "msgtcn".contains(letter) {
            self.alike &= "mg".contains(letter) || given.is_err();
            return;
        }
        let allowed = !matches!(&given, Err(error) if is_of_the_rules(error));
        let on_a_link = path.split('/').next().is_some_and(|first| LINKS.contains(&first));
        self.alike &= !(on_a_link && given.is_ok() && "awdx".contains(letter));
        if allowed && !on_a_link && self.alike {
            let expected = plain(letter, &self.path("twin"), path).unwrap_or(Given::Refused);
            let given = given.unwrap_or(Given::Refused);
            match (given, expected) {
                (Given::Names(mut given), Given::Names(expected)) => {
                    given.retain(|name| !LINKS.contains(&plain_name(name)));
                    assert_eq!(given, expected, "{letter} {path:?}");
                }
                (given, expected) => assert_eq!(given, expected, "{letter} {path:?}"),
            }
        }
    }

    fn check(&self) {
        let outside = self.path("outside");
        assert_eq!(change_of(&outside), self.outside, "something was made or removed outside");
        let canary = fs::read(outside.join("canary")).expect("the file outside");
        assert_eq!(canary, CANARY.as_bytes());
        let mut around: Vec<_> = fs::read_dir(self.folder.path())
            .expect("the folder around")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        around.sort();
        assert_eq!(around, ["outside", "root", "twin"]);
    }
}

/// Refused by the host's own rules, before the file system is asked.
fn is_of_the_rules(error: &FilesError) -> bool {
    let of_the_system = ["leads through something that is not a directory", "has a part that is too long"];
    match error {
        FilesError::OutsideRoot { .. } => true,
        FilesError::InvalidPath { reason, .. } => !of_the_system.contains(&reason.as_str()),
        _ => false,
    }
}

fn names(entries: Vec<Entry>) -> Vec<String> {
    let name = |entry: Entry| match entry.kind {
        EntryKind::File => format!("{} {}", entry.name, entry.size),
        EntryKind::Directory => format!("{}/", entry.name),
        EntryKind::Other(_) => entry.name,
    };
    entries.into_iter().map(name).collect()
}

/// The inode and the last change of a folder.
fn change_of(folder: &Path) -> (u64, i64, i64) {
    let metadata = fs::metadata(folder).expect("a folder");
    (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

/// The operation by the standard library.
fn plain(letter: char, root: &Path, path: &str) -> io::Result<Given> {
    let full = root.join(path);
    match letter {
        'a' => {
            let before = fs::read(&full).unwrap_or_default();
            let mut file = fs::OpenOptions::new().append(true).create(true).open(&full)?;
            let end = if before.last().is_some_and(|last| *last != b'\n') { "\n" } else { "" };
            file.write_all(format!("{end}a line\n").as_bytes())?;
        }
        'w' => fs::write(&full, "whole")?,
        'r' => return fs::read(&full).map(Given::Content),
        'd' => fs::create_dir_all(&full)?,
        'l' => {
            let mut entries: Vec<String> = Vec::new();
            for entry in fs::read_dir(&full)? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let metadata = entry.metadata()?;
                entries.push(match metadata.is_dir() {
                    true => format!("{name}/"),
                    false => format!("{name} {}", metadata.len()),
                });
            }
            entries.sort_by(|one, other| plain_name(one).cmp(plain_name(other)));
            return Ok(Given::Names(entries));
        }
        _ if fs::symlink_metadata(&full)?.is_dir() => fs::remove_dir(&full)?,
        _ => fs::remove_file(&full)?,
    }
    Ok(Given::Nothing)
}

fn plain_name(shown: &str) -> &str {
    shown.strip_suffix('/').or_else(|| shown.rsplit_once(' ').map(|(name, _)| name)).unwrap_or(shown)
}

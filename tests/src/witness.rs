//! What arrives at the counterparts of a run, appended to the file that `TESTS_WITNESS` names; without it,
//! nothing is written. `tests/one-way-out` reads it.
//!
//! A line is the name of the test program, a word and what it is about, separated by tabs: `up KIND NAME` for a counterpart
//! that is there to be reached, `connection KIND NAME`, `bytes KIND NAME COUNT`, `by-operator KIND NAME COUNT` for what a
//! check of a server brought, which is no effect of a plugin, and `refused CAPABILITY OPERATION` for an effect that the gate
//! refused.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::iter;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use provender::sandbox::Transcript;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const VARIABLE: &str = "TESTS_WITNESS";

static REPORT: LazyLock<Option<File>> = LazyLock::new(|| {
    let path = std::env::var_os(VARIABLE)?;
    Some(OpenOptions::new().create(true).append(true).open(path).expect("a report of what arrives"))
});

/// As cargo knows it: without the hash that a program's file name ends with.
static PROGRAM: LazyLock<String> = LazyLock::new(|| {
    let path = std::env::current_exe().expect("a program");
    let name = path.file_name().expect("a name").to_string_lossy();
    name.rsplit_once('-').map_or(&*name, |(name, _)| name).to_owned()
});

/// Whether this build is the proof that nothing arrives.
const PROOF: bool = cfg!(feature = "refuse-all-effects");

fn report(line: &[&dyn Display]) {
    let Some(mut file) = REPORT.as_ref() else { return };
    let words = line.iter().map(|word| word.to_string().replace(['\t', '\n'], " "));
    let words: Vec<String> = iter::once(PROGRAM.clone()).chain(words).collect();
    // One write, so that lines of processes beside each other stay whole.
    file.write_all(format!("{}\n", words.join("\t")).as_bytes()).expect("a report of what arrives");
}

/// Notes the effects that the gate refused to a call.
pub fn refusals(transcript: &Transcript) {
    for entry in transcript.effects.iter().filter(|entry| entry.refused.is_some()) {
        report(&[&"refused", &entry.capability, &entry.operation]);
    }
}

/// A counterpart that listens.
#[derive(Debug)]
pub struct Listening {
    kind: &'static str,
    name: String,
    by_operator: AtomicBool,
}

impl Listening {
    /// Notes that it is there.
    pub fn start(kind: &'static str, name: impl Display) -> Arc<Self> {
        report(&[&"up", &kind, &name]);
        Arc::new(Self { kind, name: name.to_string(), by_operator: AtomicBool::new(false) })
    }

    /// From now on it is reached by checks that operators ask for, not by plugins.
    pub fn expect_the_operator(&self) {
        self.by_operator.store(true, Ordering::Relaxed);
    }

    /// Notes a connection.
    pub fn connected(&self) {
        if !self.by_operator.load(Ordering::Relaxed) {
            report(&[&"connection", &self.kind, &self.name]);
        }
    }

    /// Notes bytes that arrived.
    pub fn received(&self, count: usize) {
        if count > 0 {
            let word = if self.by_operator.load(Ordering::Relaxed) { "by-operator" } else { "bytes" };
            report(&[&word, &self.kind, &self.name, &count]);
        }
    }
}

/// A connection whose incoming bytes are noted.
#[derive(Debug)]
pub struct Witnessed<S> {
    stream: S,
    listening: Arc<Listening>,
}

impl<S> Witnessed<S> {
    /// Notes the connection, and from here on its bytes.
    pub fn accepted(stream: S, listening: Arc<Listening>) -> Self {
        listening.connected();
        Self { stream, listening }
    }

    /// The connection itself.
    pub fn stream(&self) -> &S {
        &self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Witnessed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.listening.received(buffer.filled().len() - before);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Witnessed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A directory that a host takes for the root of a files server. When it is dropped, what changed below it is noted.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
    before: BTreeMap<PathBuf, u64>,
    own: Option<TempDir>,
}

impl Root {
    /// Watches a directory. In the build that is the proof, it is another one, which nobody knows but the host: so whatever
    /// is in it in the end came from there.
    pub fn bind(path: &Path) -> Self {
        if !PROOF {
            return Self::watch(path);
        }
        let own = tempfile::tempdir().expect("a folder");
        let mut watched = Self::watch(own.path());
        watched.own = Some(own);
        watched
    }

    /// Watches a directory in which nobody else writes, also one that is yet to be made.
    pub fn watch(path: &Path) -> Self {
        report(&[&"up", &"files", &path.display()]);
        let before = if REPORT.is_some() { entries(path) } else { BTreeMap::new() };
        Self { path: path.to_owned(), before, own: None }
    }

    /// What the host is to be told.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if REPORT.is_none() {
            return;
        }
        for (path, size) in entries(&self.path) {
            if self.before.get(&path) != Some(&size) {
                // An empty file or a directory is an effect too: its name arrived.
                report(&[&"bytes", &"files", &path.display(), &size.max(1)]);
            }
        }
    }
}

/// Everything below a directory, with its size.
fn entries(directory: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                directories.push(entry.path());
            }
            found.insert(entry.path(), if metadata.is_file() { metadata.len() } else { 0 });
        }
    }
    found
}

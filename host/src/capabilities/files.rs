//! Files below the root directory of a slot.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasmtime::component::Resource;

use super::CallState;
use super::contract::files::{Entry, EntryKind, Error, Host, HostRoot};
use super::readable::Readable;
use crate::sandbox::{Effect, GuestState, InPreview, Performed, Refusal};
use crate::servers;
use crate::servers::files::{FilesError, FilesRoot};

/// A root directory bound to a slot, and what the plugin asked for there.
pub struct Slot {
    pub name: String,
    /// None in a replay, where nothing happens.
    pub root: Option<Arc<FilesRoot>>,
    /// Operations that the slot asks for; empty asks for all.
    pub operations: Vec<String>,
}

/// The roots that a call may open.
#[derive(Clone, Default)]
pub struct Grant(pub Vec<Arc<Slot>>);

/// What the guest holds a handle to.
pub struct Root(Arc<Slot>);

/// Entries of a directory that one listing may give.
const MAX_ENTRIES: usize = 100_000;

/// What an operation on files asks for.
#[derive(Serialize)]
struct Request<'a> {
    slot: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Readable<&'a [u8]>>,
}

impl CallState {
    /// Passes one file operation through the gate. `written` is what it sends; `received` counts what comes back.
    async fn file_effect<T: Serialize + DeserializeOwned + Send, F>(
        &mut self,
        root: &Resource<Root>,
        (operation, in_preview): (&'static str, InPreview<T>),
        (path, written): (&str, Written<'_>),
        perform: impl FnOnce(Arc<FilesRoot>, u64) -> F + Send,
        received: impl FnOnce(&T) -> usize + Send,
    ) -> wasmtime::Result<Result<T, Error>>
    where
        F: Future<Output = Result<T, FilesError>> + Send,
    {
        let slot = Arc::clone(&self.table().get(root)?.0);
        let (lines, content) = match written {
            Written::Nothing => (None, None),
            Written::Lines(lines) => (Some(lines), None),
            Written::Content(content) => (None, Some(Readable(content))),
        };
        let effect = Effect {
            capability: "files",
            operation: operation.into(),
            access: in_preview.access(),
            request: Request { slot: &slot.name, path, lines, content },
            bytes_out: written.bytes(),
            overlaps: false,
            granted: slot.granted(operation),
        };
        let gate = Arc::clone(&self.guest().gate);
        let (files, name) = (slot.root.clone(), &slot.name);
        let answer = gate.pass(effect, in_preview, |room| async move {
            let performed = match files {
                Some(files) => perform(files, room).await,
                None => Err(FilesError::NotFound { path: ".".to_owned() }),
            };
            match performed {
                Ok(value) => {
                    let bytes_in = Some(received(&value) as u64);
                    Performed { answer: Ok(value), bytes_in, refused: None }
                }
                Err(error) => {
                    // More than there was room for is a budget of the call.
                    let over = matches!(error, FilesError::TooLarge { unit: "bytes", .. });
                    let bytes_in = Some(if over { room.saturating_add(1) } else { 0 });
                    let refused = matches!(error, FilesError::OutsideRoot { .. })
                        .then(|| Refusal(format!("slot `{name}`: {error}")));
                    Performed { answer: Err(Error::from(error)), bytes_in, refused }
                }
            }
        });
        Ok(answer.await?)
    }
}

/// What an operation sends.
#[derive(Clone, Copy)]
enum Written<'a> {
    Nothing,
    Lines(&'a [String]),
    Content(&'a [u8]),
}

impl Written<'_> {
    fn bytes(self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Lines(lines) => lines.iter().map(|line| line.len() as u64 + 1).sum(),
            Self::Content(content) => content.len() as u64,
        }
    }
}

impl Slot {
    fn granted(&self, operation: &str) -> Result<(), Refusal> {
        if self.operations.is_empty() || self.operations.iter().any(|granted| granted == operation) {
            return Ok(());
        }
        let asked = self.operations.join(", ");
        Err(Refusal(format!(
            "slot `{}` asks only for {asked}; name `{operation}` in its operations",
            self.name
        )))
    }
}

fn nothing<T>(_: &T) -> usize {
    0
}

fn entry(entry: servers::files::Entry) -> Entry {
    let kind = match entry.kind {
        servers::files::EntryKind::File => EntryKind::File,
        servers::files::EntryKind::Directory => EntryKind::Directory,
        servers::files::EntryKind::Other(word) => EntryKind::Other(word.to_owned()),
    };
    Entry { name: entry.name, kind, size: entry.size }
}

impl From<FilesError> for Error {
    fn from(error: FilesError) -> Self {
        let message = error.to_string();
        match error {
            FilesError::NotFound { .. } => Self::NotFound(message),
            FilesError::AlreadyExists { .. } => Self::AlreadyExists(message),
            FilesError::InvalidPath { .. } | FilesError::InvalidLine { .. } => Self::InvalidPath(message),
            FilesError::OutsideRoot { .. } => Self::Refused(message),
            FilesError::TooLarge { .. } => Self::TooLarge(message),
            FilesError::Io { .. } => Self::Io(message),
        }
    }
}

impl Host for CallState {
    async fn open(&mut self, slot: String) -> wasmtime::Result<Result<Resource<Root>, Error>> {
        let Some(found) = self.files.0.iter().find(|granted| granted.name == slot) else {
            let known: Vec<&str> = self.files.0.iter().map(|granted| granted.name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Ok(Err(Error::Refused(format!(
                "no files root is bound to slot `{slot}`; bound are: {known}"
            ))));
        };
        let root = Root(Arc::clone(found));
        Ok(Ok(self.table().push(root)?))
    }
}

impl HostRoot for CallState {
    async fn append_lines(
        &mut self,
        root: Resource<Root>,
        path: String,
        lines: Vec<String>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let append = async |files: Arc<FilesRoot>, _| files.append_lines(&path, &lines).await;
        self.file_effect(
            &root,
            ("append", InPreview::Answered(())),
            (&path, Written::Lines(&lines)),
            append,
            nothing,
        )
        .await
    }

    async fn write(
        &mut self,
        root: Resource<Root>,
        path: String,
        content: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let content = Bytes::from(content);
        let write = async |files: Arc<FilesRoot>, _| files.write(&path, content.clone()).await;
        self.file_effect(
            &root,
            ("write", InPreview::Answered(())),
            (&path, Written::Content(&content)),
            write,
            nothing,
        )
        .await
    }

    async fn read(&mut self, root: Resource<Root>, path: String) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let read = async |files: Arc<FilesRoot>, room| files.read(&path, room).await.map(Readable);
        let received = |content: &Readable<Vec<u8>>| content.0.len();
        let read = self
            .file_effect(&root, ("read", InPreview::Happens), (&path, Written::Nothing), read, received)
            .await?;
        Ok(read.map(|Readable(content)| content))
    }

    async fn create_directory(
        &mut self,
        root: Resource<Root>,
        path: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        let create = async |files: Arc<FilesRoot>, _| files.create_directory(&path).await;
        self.file_effect(
            &root,
            ("create-directory", InPreview::Answered(())),
            (&path, Written::Nothing),
            create,
            nothing,
        )
        .await
    }

    async fn list(
        &mut self,
        root: Resource<Root>,
        path: String,
    ) -> wasmtime::Result<Result<Vec<Entry>, Error>> {
        let list = async |files: Arc<FilesRoot>, _| {
            let entries = files.list(&path, MAX_ENTRIES).await?;
            Ok(entries.into_iter().map(entry).collect::<Vec<_>>())
        };
        let received = |entries: &Vec<Entry>| entries.iter().map(|entry| entry.name.len()).sum();
        self.file_effect(&root, ("list", InPreview::Happens), (&path, Written::Nothing), list, received).await
    }

    async fn remove(&mut self, root: Resource<Root>, path: String) -> wasmtime::Result<Result<(), Error>> {
        let remove = async |files: Arc<FilesRoot>, _| files.remove(&path).await;
        self.file_effect(
            &root,
            ("remove", InPreview::Answered(())),
            (&path, Written::Nothing),
            remove,
            nothing,
        )
        .await
    }

    async fn drop(&mut self, root: Resource<Root>) -> wasmtime::Result<()> {
        self.table().delete(root)?;
        Ok(())
    }
}

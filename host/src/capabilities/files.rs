//! Files below the root directory of a slot.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasmtime::component::Resource;

use super::contract::files::{Attributes, Entry, EntryKind, Error, Host, HostRoot, Metadata};
use super::readable::Readable;
use super::{CallState, slots};
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
#[derive(Default, Serialize)]
struct Request<'a> {
    slot: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Readable<&'a [u8]>>,
    /// The new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    /// What is copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source<'a>>,
    #[serde(flatten)]
    attributes: ShownAttributes,
}

#[derive(Serialize)]
struct Source<'a> {
    slot: &'a str,
    path: &'a str,
}

/// Attributes with the mode in octal, as people read it.
#[derive(Default, Serialize)]
struct ShownAttributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<u32>,
}

impl<'a> Request<'a> {
    fn of(path: &'a str) -> Self {
        Self { path, ..Self::default() }
    }

    fn with(self, attributes: &servers::files::Attributes) -> Self {
        let mode = attributes.mode.map(|mode| format!("{mode:04o}"));
        let attributes = ShownAttributes { mode, owner: attributes.owner, group: attributes.group };
        Self { attributes, ..self }
    }

    fn bytes(&self) -> u64 {
        let lines = self.lines.unwrap_or_default().iter().map(|line| line.len() as u64 + 1);
        let content = self.content.as_ref().map_or(0, |content| content.0.len() as u64);
        content + lines.sum::<u64>()
    }
}

impl CallState {
    /// Passes one file operation through the gate. `received` counts what comes back.
    async fn file_effect<T: Serialize + DeserializeOwned + Send, F>(
        &mut self,
        root: &Resource<Root>,
        (operation, in_preview): (&'static str, InPreview<T>),
        request: Request<'_>,
        perform: impl FnOnce(Arc<FilesRoot>, u64) -> F + Send,
        received: impl FnOnce(&T) -> usize + Send,
    ) -> wasmtime::Result<Result<T, Error>>
    where
        F: Future<Output = Result<T, FilesError>> + Send,
    {
        let slot = Arc::clone(&self.table().get(root)?.0);
        let granted = slot.granted(operation);
        let perform = async |files, room| {
            let value = perform(files, room).await?;
            let bytes = received(&value) as u64;
            Ok((value, bytes))
        };
        self.pass(&slot, (operation, in_preview), (request, granted), perform).await
    }

    /// As [`file_effect`](Self::file_effect), where the operation itself tells how many bytes came in.
    async fn pass<T: Serialize + DeserializeOwned + Send, F>(
        &mut self,
        slot: &Slot,
        (operation, in_preview): (&'static str, InPreview<T>),
        (request, granted): (Request<'_>, Result<(), Refusal>),
        perform: impl FnOnce(Arc<FilesRoot>, u64) -> F + Send,
    ) -> wasmtime::Result<Result<T, Error>>
    where
        F: Future<Output = Result<(T, u64), FilesError>> + Send,
    {
        let effect = Effect {
            capability: "files",
            operation: operation.into(),
            access: in_preview.access(),
            bytes_out: request.bytes(),
            request: Request { slot: &slot.name, ..request },
            overlaps: false,
            granted,
        };
        let gate = Arc::clone(&self.guest().gate);
        let (files, name) = (slot.root.clone(), &slot.name);
        let answer = gate.pass(effect, in_preview, |room| async move {
            let performed = match files {
                Some(files) => perform(files, room).await,
                None => Err(FilesError::NotFound { path: ".".to_owned() }),
            };
            match performed {
                Ok((value, bytes)) => Performed { answer: Ok(value), bytes_in: Some(bytes), refused: None },
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

    /// Passes one that changes something and gives nothing back.
    async fn file_change<F>(
        &mut self,
        root: &Resource<Root>,
        operation: &'static str,
        request: Request<'_>,
        perform: impl FnOnce(Arc<FilesRoot>) -> F + Send,
    ) -> wasmtime::Result<Result<(), Error>>
    where
        F: Future<Output = Result<(), FilesError>> + Send,
    {
        let perform = |files, _| perform(files);
        self.file_effect(root, (operation, InPreview::Answered(())), request, perform, nothing).await
    }
}

impl Slot {
    fn granted(&self, operation: &str) -> Result<(), Refusal> {
        if slots::asks_for(&self.operations, operation) {
            return Ok(());
        }
        Err(slots::not_asked_for(&self.name, &self.operations, operation))
    }
}

fn nothing<T>(_: &T) -> usize {
    0
}

fn entry(entry: servers::files::Entry) -> Entry {
    Entry { name: entry.name, kind: kind(entry.kind), size: entry.size }
}

fn attributes(attributes: Attributes) -> servers::files::Attributes {
    let Attributes { mode, owner, group } = attributes;
    servers::files::Attributes { mode, owner, group }
}

fn kind(kind: servers::files::EntryKind) -> EntryKind {
    match kind {
        servers::files::EntryKind::File => EntryKind::File,
        servers::files::EntryKind::Directory => EntryKind::Directory,
        servers::files::EntryKind::Other(word) => EntryKind::Other(word.to_owned()),
    }
}

fn metadata(metadata: servers::files::Metadata) -> Metadata {
    Metadata {
        kind: kind(metadata.kind),
        mode: metadata.mode,
        owner: metadata.owner,
        group: metadata.group,
        size: metadata.size,
        modified: metadata.modified.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
}

impl From<FilesError> for Error {
    fn from(error: FilesError) -> Self {
        let message = error.to_string();
        match error {
            FilesError::NotFound { .. } => Self::NotFound(message),
            FilesError::AlreadyExists { .. } => Self::AlreadyExists(message),
            FilesError::InvalidPath { .. } | FilesError::InvalidLine { .. } => Self::InvalidPath(message),
            FilesError::OutsideRoot { .. } => Self::Refused(message),
            FilesError::NotAllowed { .. } => Self::NotAllowed(message),
            FilesError::TooLarge { .. } => Self::TooLarge(message),
            FilesError::Io { .. } => Self::Io(message),
        }
    }
}

impl Host for CallState {
    async fn open(&mut self, slot: String) -> wasmtime::Result<Result<Resource<Root>, Error>> {
        let found = slots::opened(&self.files.0, |slot| &slot.name, ("files root", &slot));
        let root = match found {
            Ok(found) => Root(found),
            Err(refused) => return Ok(Err(Error::Refused(refused))),
        };
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
        let request = Request { lines: Some(&lines), ..Request::of(&path) };
        let append = async |files: Arc<FilesRoot>| files.append_lines(&path, &lines).await;
        self.file_change(&root, "append", request, append).await
    }

    async fn write(
        &mut self,
        root: Resource<Root>,
        path: String,
        content: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let content = Bytes::from(content);
        let request = Request { content: Some(Readable(&content)), ..Request::of(&path) };
        let write = async |files: Arc<FilesRoot>| files.write(&path, content.clone()).await;
        self.file_change(&root, "write", request, write).await
    }

    async fn read(&mut self, root: Resource<Root>, path: String) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let read = async |files: Arc<FilesRoot>, room| files.read(&path, room).await.map(Readable);
        let received = |content: &Readable<Vec<u8>>| content.0.len();
        let read =
            self.file_effect(&root, ("read", InPreview::Happens), Request::of(&path), read, received).await?;
        Ok(read.map(|Readable(content)| content))
    }

    async fn create_directory(
        &mut self,
        root: Resource<Root>,
        path: String,
        asked: Attributes,
    ) -> wasmtime::Result<Result<(), Error>> {
        let asked = attributes(asked);
        let create = async |files: Arc<FilesRoot>| files.create_directory(&path, asked).await;
        self.file_change(&root, "create-directory", Request::of(&path).with(&asked), create).await
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
        self.file_effect(&root, ("list", InPreview::Happens), Request::of(&path), list, received).await
    }

    async fn remove(&mut self, root: Resource<Root>, path: String) -> wasmtime::Result<Result<(), Error>> {
        let remove = async |files: Arc<FilesRoot>| files.remove(&path).await;
        self.file_change(&root, "remove", Request::of(&path), remove).await
    }

    async fn metadata(
        &mut self,
        root: Resource<Root>,
        path: String,
    ) -> wasmtime::Result<Result<Metadata, Error>> {
        let look = async |files: Arc<FilesRoot>, _| files.metadata(&path).await.map(metadata);
        self.file_effect(&root, ("metadata", InPreview::Happens), Request::of(&path), look, nothing).await
    }

    async fn set_attributes(
        &mut self,
        root: Resource<Root>,
        path: String,
        asked: Attributes,
    ) -> wasmtime::Result<Result<(), Error>> {
        let asked = attributes(asked);
        let set = async |files: Arc<FilesRoot>| files.set_attributes(&path, asked).await;
        self.file_change(&root, "set-attributes", Request::of(&path).with(&asked), set).await
    }

    async fn copy_tree(
        &mut self,
        root: Resource<Root>,
        source: Resource<Root>,
        from: String,
        to: String,
        asked: Attributes,
    ) -> wasmtime::Result<Result<(), Error>> {
        let slot = Arc::clone(&self.table().get(&root)?.0);
        let source = Arc::clone(&self.table().get(&source)?.0);
        let asked = attributes(asked);
        let shown = Source { slot: &source.name, path: &from };
        let request = Request { source: Some(shown), ..Request::of(&to).with(&asked) };
        let granted = slot.granted("copy-tree").and_then(|()| source.granted("read"));
        let original = source.root.clone();
        let copy = async |files: Arc<FilesRoot>, room| {
            let original = original.ok_or_else(|| FilesError::NotFound { path: ".".to_owned() })?;
            let bytes = files.copy_tree(&to, asked, (&original, &from), room).await?;
            Ok(((), bytes))
        };
        self.pass(&slot, ("copy-tree", InPreview::Answered(())), (request, granted), copy).await
    }

    async fn give_tree(
        &mut self,
        root: Resource<Root>,
        path: String,
        owner: Option<u32>,
        group: Option<u32>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let asked = servers::files::Attributes { mode: None, owner, group };
        let give = async |files: Arc<FilesRoot>| files.give_tree(&path, owner, group).await;
        self.file_change(&root, "give-tree", Request::of(&path).with(&asked), give).await
    }

    async fn rename(
        &mut self,
        root: Resource<Root>,
        from: String,
        to: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        let request = Request { to: Some(&to), ..Request::of(&from) };
        let rename = async |files: Arc<FilesRoot>| files.rename(&from, &to).await;
        self.file_change(&root, "rename", request, rename).await
    }

    async fn remove_tree(
        &mut self,
        root: Resource<Root>,
        path: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        let remove = async |files: Arc<FilesRoot>| files.remove_tree(&path).await;
        self.file_change(&root, "remove-tree", Request::of(&path), remove).await
    }

    async fn drop(&mut self, root: Resource<Root>) -> wasmtime::Result<()> {
        self.table().delete(root)?;
        Ok(())
    }
}

//! Files below the root directory of a slot.

use std::sync::Arc;

use serde_json::{Value, json};
use wasmtime::component::Resource;

use super::contract::files::{Entry, EntryKind, Error, Host, HostRoot};
use super::{CallState, readable};
use crate::sandbox::{Access, Effect, GuestState, Performed, Refusal};
use crate::servers;
use crate::servers::files::{FilesError, FilesRoot};

/// A root directory bound to a slot, and what the plugin asked for there.
pub struct Slot {
    pub name: String,
    pub root: Arc<FilesRoot>,
    /// Operations that the slot asks for; empty asks for all.
    pub operations: Vec<String>,
}

/// The roots that a call may open.
#[derive(Default)]
pub struct Grant(pub Vec<Arc<Slot>>);

/// What the guest holds a handle to.
pub struct Root(Arc<Slot>);

/// Entries of a directory that one listing may give.
const MAX_ENTRIES: usize = 100_000;

/// What came of an operation, for the transcript: the result, and how many bytes came in.
type Shown = (Value, u64);

impl CallState {
    /// Passes one file operation through the gate.
    async fn file_effect<T: Send, F>(
        &mut self,
        root: &Resource<Root>,
        (operation, access): (&str, Access),
        request: Value,
        bytes_out: usize,
        perform: impl FnOnce(Arc<FilesRoot>, u64) -> F + Send,
        show: impl FnOnce(&T) -> Shown + Send,
    ) -> wasmtime::Result<Result<T, Error>>
    where
        F: Future<Output = Result<T, FilesError>> + Send,
    {
        let slot = Arc::clone(&self.table().get(root)?.0);
        let granted =
            if slot.operations.is_empty() || slot.operations.iter().any(|granted| granted == operation) {
                Ok(())
            } else {
                let asked = slot.operations.join(", ");
                Err(Refusal(format!(
                    "slot `{}` asks only for {asked}; name `{operation}` in its operations",
                    slot.name
                )))
            };
        let effect = Effect {
            capability: "files",
            operation: operation.to_owned(),
            access,
            request: with_slot(request, &slot.name),
            bytes_out: bytes_out as u64,
            granted,
        };
        let gate = Arc::clone(&self.guest().gate);
        let leaving = Arc::clone(&gate);
        let performed = gate.pass(effect, |room| async move {
            match perform(Arc::clone(&slot.root), room).await {
                Ok(value) => {
                    let (result, bytes_in) = show(&value);
                    Performed { value: Ok(value), result, bytes_in }
                }
                Err(error) => {
                    if let FilesError::OutsideRoot { .. } = error {
                        leaving.refuse("files", operation, format!("slot `{}`: {error}", slot.name));
                    }
                    let result = json!({"error": error.to_string()});
                    // More than there was room for is a budget of the call.
                    let over = matches!(error, FilesError::TooLarge { unit: "bytes", .. });
                    let bytes_in = if over { room.saturating_add(1) } else { 0 };
                    Performed { value: Err(Error::from(error)), result, bytes_in }
                }
            }
        });
        Ok(performed.await?)
    }
}

fn with_slot(mut request: Value, slot: &str) -> Value {
    if let Some(request) = request.as_object_mut() {
        request.insert("slot".to_owned(), slot.into());
    }
    request
}

fn nothing<T>(_: &T) -> Shown {
    (Value::Null, 0)
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
        let request = json!({"path": path, "lines": lines});
        let bytes = lines.iter().map(|line| line.len() + 1).sum();
        let append = async |files: Arc<FilesRoot>, _| files.append_lines(&path, &lines).await;
        self.file_effect(&root, ("append", Access::Write), request, bytes, append, nothing).await
    }

    async fn write(
        &mut self,
        root: Resource<Root>,
        path: String,
        content: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let request = json!({"path": path, "content": readable(&content)});
        let bytes = content.len();
        let write = async |files: Arc<FilesRoot>, _| files.write(&path, content).await;
        self.file_effect(&root, ("write", Access::Write), request, bytes, write, nothing).await
    }

    async fn read(&mut self, root: Resource<Root>, path: String) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let request = json!({"path": path});
        let read = async |files: Arc<FilesRoot>, room| files.read(&path, room).await;
        let show = |content: &Vec<u8>| (readable(content), content.len() as u64);
        self.file_effect(&root, ("read", Access::Read), request, 0, read, show).await
    }

    async fn create_directory(
        &mut self,
        root: Resource<Root>,
        path: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        let request = json!({"path": path});
        let create = async |files: Arc<FilesRoot>, _| files.create_directory(&path).await;
        self.file_effect(&root, ("create-directory", Access::Write), request, 0, create, nothing).await
    }

    async fn list(
        &mut self,
        root: Resource<Root>,
        path: String,
    ) -> wasmtime::Result<Result<Vec<Entry>, Error>> {
        let request = json!({"path": path});
        let list = async |files: Arc<FilesRoot>, _| {
            let entries = files.list(&path, MAX_ENTRIES).await?;
            Ok(entries.into_iter().map(entry).collect::<Vec<_>>())
        };
        let show = |entries: &Vec<Entry>| {
            let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
            (json!(names), names.iter().map(|name| name.len()).sum::<usize>() as u64)
        };
        self.file_effect(&root, ("list", Access::Read), request, 0, list, show).await
    }

    async fn remove(&mut self, root: Resource<Root>, path: String) -> wasmtime::Result<Result<(), Error>> {
        let request = json!({"path": path});
        let remove = async |files: Arc<FilesRoot>, _| files.remove(&path).await;
        self.file_effect(&root, ("remove", Access::Write), request, 0, remove, nothing).await
    }

    async fn drop(&mut self, root: Resource<Root>) -> wasmtime::Result<()> {
        self.table().delete(root)?;
        Ok(())
    }
}

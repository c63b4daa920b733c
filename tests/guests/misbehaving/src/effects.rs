//! Effects, granted or not. What came of each is noted.

use std::collections::BTreeMap;

use provender_sdk::http::Client;
use provender_sdk::state::{of_subject, of_target};
use provender_sdk::{Context, files, ldap, registry};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Configuration;

/// A request, made some times.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Request {
    #[serde(default = "get")]
    method: String,
    /// An absolute URL; or, with a slot, what follows its base URL.
    url: String,
    slot: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Size of the body.
    #[serde(default)]
    body_bytes: usize,
    #[serde(default = "once")]
    times: usize,
}

/// An operation on files, done some times.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct File {
    operation: FileOperation,
    #[serde(default = "folder")]
    slot: String,
    #[serde(default)]
    path: String,
    /// Where it is renamed or copied to.
    #[serde(default)]
    to: String,
    mode: Option<u32>,
    owner: Option<u32>,
    group: Option<u32>,
    /// A line to append, or a content to write.
    #[serde(default)]
    text: String,
    /// As many bytes more.
    #[serde(default)]
    bytes: usize,
    #[serde(default = "once")]
    times: usize,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum FileOperation {
    Append,
    Read,
    Write,
    List,
    CreateDirectory,
    Remove,
    Metadata,
    SetAttributes,
    CopyTree,
    GiveTree,
    Rename,
    RemoveTree,
}

/// A search in the directory of the slot `directory`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Directory {
    base: String,
    filter: String,
}

/// An operation on the state.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct State {
    operation: StateOperation,
    #[serde(default)]
    of_target: bool,
    /// The key, or the prefix of keys.
    #[serde(default)]
    key: String,
    #[serde(default)]
    value: String,
    /// As many bytes more in the value.
    #[serde(default)]
    bytes: usize,
    /// As many bytes more in the key.
    #[serde(default)]
    key_bytes: usize,
    /// Whether each time has a key of its own, by a number at its end.
    #[serde(default)]
    numbered: bool,
    /// Bytes to write in place of a text, or to compare with what is read.
    #[serde(default)]
    binary: Option<Vec<u8>>,
    #[serde(default = "once")]
    times: usize,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum StateOperation {
    Get,
    Set,
    Delete,
    Keys,
}

fn get() -> String {
    "GET".to_owned()
}

fn folder() -> String {
    "folder".to_owned()
}

fn once() -> usize {
    1
}

impl Request {
    pub(crate) fn make(&self, context: &Context<Configuration>, notes: &mut Vec<String>) {
        for _ in 0..self.times {
            notes.push(self.once(context).unwrap_or_else(|failure| format!("failed: {}", failure.message())));
        }
    }

    fn once(&self, context: &Context<Configuration>) -> Result<String, provender_sdk::Failure> {
        let (client, path) = match &self.slot {
            Some(slot) => (Client::for_slot(context, slot)?, self.url.as_str()),
            None => (Client::new(&self.url), ""),
        };
        let mut request = client.request(&self.method, path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if self.body_bytes > 0 {
            request = request.body("text/plain", vec![b'x'; self.body_bytes]);
        }
        let response = request.send()?;
        Ok(format!("{} {}", response.status(), String::from_utf8_lossy(response.body())))
    }
}

impl File {
    pub(crate) fn act(&self, notes: &mut Vec<String>) {
        let root = match files::open(&self.slot) {
            Ok(root) => root,
            Err(error) => return notes.push(format!("failed: {error:?}")),
        };
        for _ in 0..self.times {
            notes.push(self.once(&root).unwrap_or_else(|error| format!("failed: {error:?}")));
        }
    }

    fn once(&self, root: &files::Root) -> Result<String, files::Error> {
        let text = format!("{}{}", self.text, "x".repeat(self.bytes));
        let path = self.path.as_str();
        let attributes = files::Attributes { mode: self.mode, owner: self.owner, group: self.group };
        match self.operation {
            FileOperation::Append => root.append_lines(path, &[text])?,
            FileOperation::Write => root.write(path, text.as_bytes())?,
            FileOperation::CreateDirectory => root.create_directory(path, attributes)?,
            FileOperation::Remove => root.remove(path)?,
            FileOperation::SetAttributes => root.set_attributes(path, attributes)?,
            FileOperation::CopyTree => root.copy_tree(root, path, &self.to, attributes)?,
            FileOperation::GiveTree => root.give_tree(path, self.owner, self.group)?,
            FileOperation::Rename => root.rename(path, &self.to)?,
            FileOperation::RemoveTree => root.remove_tree(path)?,
            FileOperation::Metadata => {
                let files::Metadata { kind, mode, size, .. } = root.metadata(path)?;
                return Ok(format!("{kind:?} {mode:04o} {size}"));
            }
            FileOperation::Read => return Ok(String::from_utf8_lossy(&root.read(path)?).into_owned()),
            FileOperation::List => {
                let names: Vec<String> = root.list(path)?.into_iter().map(|entry| entry.name).collect();
                return Ok(names.join(" "));
            }
        }
        Ok("done".to_owned())
    }
}

impl Directory {
    pub(crate) fn look_up(&self, notes: &mut Vec<String>) {
        notes.push(self.names().unwrap_or_else(|error| format!("failed: {error:?}")));
    }

    fn names(&self) -> Result<String, ldap::Error> {
        let directory = ldap::open("directory")?;
        let entries = ldap::search(&directory, &self.base, &self.filter, &["*"])?;
        let names = entries.map(|entry| entry.map(|entry| entry.dn)).collect::<Result<Vec<_>, _>>()?;
        Ok(names.join(" "))
    }
}

impl State {
    pub(crate) fn act(&self, notes: &mut Vec<String>) {
        for number in 0..self.times {
            notes.push(self.once(number).unwrap_or_else(|failure| format!("failed: {}", failure.message())));
        }
    }

    fn once(&self, number: usize) -> Result<String, provender_sdk::Failure> {
        let state = if self.of_target { of_target() } else { of_subject() };
        let number = if self.numbered { number.to_string() } else { String::new() };
        let key = format!("{}{}{number}", self.key, "k".repeat(self.key_bytes));
        let text = || format!("{}{}", self.value, "x".repeat(self.bytes)).into_bytes();
        match self.operation {
            StateOperation::Get => state.get(&key).map(|value| match value {
                Some(value) if self.binary.as_ref() == Some(&value) => "the same bytes".to_owned(),
                Some(value) => String::from_utf8_lossy(&value).into_owned(),
                None => "nothing".to_owned(),
            }),
            StateOperation::Set => {
                state.set(&key, &self.binary.clone().unwrap_or_else(text)).map(|()| "done".to_owned())
            }
            StateOperation::Delete => state.delete(&key).map(|()| "done".to_owned()),
            StateOperation::Keys => {
                state.keys(&key).collect::<Result<Vec<_>, _>>().map(|keys| match keys.len() {
                    0..=20 => keys.join(" "),
                    count => format!("{count} keys to {}", keys.last().map_or("", String::as_str)),
                })
            }
        }
    }
}

pub(crate) fn look_up(group: &str, times: usize, notes: &mut Vec<String>) {
    for _ in 0..times {
        notes.push(match registry::get_group(group) {
            Ok(group) => group.name,
            Err(error) => format!("failed: {error:?}"),
        });
    }
}

//! Arguments that several commands share, and what they are read from.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::host::Host;
use crate::registry::record::{RecordKind, SubjectKey};
use crate::registry::write::WriteOptions;
use crate::servers::configuration::secrets::{SecretInput, SecretReference};

/// A record.
pub(super) type SubjectArguments = Subject<true>;
/// A record, or none.
pub(super) type SubjectFilter = Subject<false>;

#[derive(Debug, Args)]
#[group(required = REQUIRED, multiple = false)]
pub(super) struct Subject<const REQUIRED: bool> {
    /// id of a person
    #[arg(long, value_name = "ID")]
    person: Option<String>,
    /// id of a group
    #[arg(long, value_name = "ID")]
    group: Option<String>,
    /// id of an email list
    #[arg(long, value_name = "ID")]
    email_list: Option<String>,
    /// id of a service
    #[arg(long, value_name = "ID")]
    service: Option<String>,
    /// id of a department
    #[arg(long, value_name = "ID")]
    department: Option<String>,
}

impl SubjectFilter {
    pub(super) fn key(self) -> Option<SubjectKey> {
        let given = [
            (RecordKind::Person, self.person),
            (RecordKind::Group, self.group),
            (RecordKind::EmailList, self.email_list),
            (RecordKind::Service, self.service),
            (RecordKind::Department, self.department),
        ];
        given.into_iter().find_map(|(kind, id)| Some(SubjectKey { kind, id: id? }))
    }
}

impl SubjectArguments {
    pub(super) fn key(self) -> SubjectKey {
        let Self { person, group, email_list, service, department } = self;
        let named = SubjectFilter { person, group, email_list, service, department }.key();
        // One of them is required.
        named.unwrap_or(SubjectKey { kind: RecordKind::Person, id: String::new() })
    }
}

/// What follows from a write.
#[derive(Debug, Args)]
pub(super) struct WriteArguments {
    /// Store and record the change, but provision nothing
    #[arg(long)]
    no_provision: bool,
    /// The write is the last of a pipeline: the person is provisioned for that, with all the person's groups
    #[arg(long)]
    pipeline: bool,
    /// Suspend a group although it is the provisioning group of targets, which then remove everybody
    #[arg(long)]
    deprovision: bool,
}

impl WriteArguments {
    pub(super) fn options(&self) -> WriteOptions {
        let Self { no_provision, pipeline, deprovision } = *self;
        WriteOptions { actor: actor(), provision: !no_provision, pipeline, deprovision }
    }
}

/// The configuration of a plugin for a target or filter.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct ConfigurationArguments {
    /// Configuration of the plugin, as JSON
    #[arg(long, value_name = "JSON", value_parser = json)]
    config_json: Option<Value>,
    /// File with the configuration of the plugin, as JSON
    #[arg(long, value_name = "FILE")]
    config_file: Option<PathBuf>,
}

impl ConfigurationArguments {
    /// An empty object where none is given.
    pub(super) fn read(self) -> anyhow::Result<Value> {
        match (self.config_json, self.config_file) {
            (Some(value), _) => Ok(value),
            (None, Some(file)) => read_json(&file),
            (None, None) => Ok(Value::Object(serde_json::Map::new())),
        }
    }
}

/// Where a secret comes from; never the command line, which others can read.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct SecretArguments {
    /// File whose first line is the password or token
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Environment variable that holds the password or token
    #[arg(long, value_name = "NAME")]
    password_env: Option<String>,
    /// Read the password or token from standard input
    #[arg(long)]
    password_stdin: bool,
}

impl SecretArguments {
    pub(super) fn read(&self) -> anyhow::Result<Option<SecretString>> {
        let text = if let Some(file) = &self.password_file {
            std::fs::read_to_string(file).with_context(|| format!("password file `{}`", file.display()))?
        } else if let Some(name) = &self.password_env {
            std::env::var(name).with_context(|| format!("environment variable `{name}`"))?
        } else if self.password_stdin {
            if std::io::stdin().is_terminal() {
                eprintln!("Password or token, then Enter and Ctrl-D:");
            }
            std::io::read_to_string(std::io::stdin()).context("password from standard input")?
        } else {
            return Ok(None);
        };
        first_line(&text).map(Some)
    }

    /// What is stored of the secret: itself or, by reference, where it is.
    pub(super) fn input(&self, by_reference: bool) -> anyhow::Result<Option<SecretInput>> {
        match (by_reference, &self.password_file, &self.password_env) {
            (true, Some(file), _) => reference(file).map(Some),
            (true, None, Some(name)) => {
                Ok(Some(SecretInput::Reference(SecretReference::Environment(name.clone()))))
            }
            (true, None, None) if self.password_stdin => {
                bail!("what comes from standard input cannot be stored by reference")
            }
            _ => Ok(self.read()?.map(SecretInput::Text)),
        }
    }
}

/// A secret, without what follows it.
pub(super) fn first_line(text: &str) -> anyhow::Result<SecretString> {
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(SecretString::from(line)),
        _ => bail!("the password is empty; give it in the first line"),
    }
}

/// A file as the place of a secret, whatever the directory that the host runs in.
pub(super) fn reference(file: &Path) -> anyhow::Result<SecretInput> {
    let file = std::path::absolute(file).with_context(|| format!("file `{}`", file.display()))?;
    Ok(SecretInput::Reference(SecretReference::File(file)))
}

/// Reads a file of text.
pub(super) fn read_text(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("file `{}`", file.display()))
}

/// Reads a JSON document from a file, or from standard input where the file is `-`.
pub(super) fn read_json<T: DeserializeOwned>(file: &Path) -> anyhow::Result<T> {
    let name = || format!("file `{}`", file.display());
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).with_context(name)?;
    } else {
        text = std::fs::read_to_string(file).with_context(name)?;
    }
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    serde_path_to_error::deserialize(&mut deserializer).with_context(name)
}

/// `name=value`, the name not empty.
pub(super) fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("write it as name=value".to_owned()),
    }
}

/// `name=number`.
pub(super) fn number_assignment(text: &str) -> Result<(String, u64), String> {
    let (name, value) = assignment(text)?;
    let number = value.parse().map_err(|_| format!("`{value}` is not a whole number"))?;
    Ok((name, number))
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))
}

/// Tells a collaboration that is empty from one that does not exist.
pub(super) async fn known_collaboration(host: &Host, co: &str) -> anyhow::Result<()> {
    match host.store.collaboration(co).await? {
        Some(_) => Ok(()),
        None => bail!("there is no collaboration `{co}`; `provender co list` shows those that there are"),
    }
}

/// Who writes, in the change history: this command line, and the user where that is known.
pub(super) fn actor() -> String {
    match std::env::var("USER") {
        Ok(user) if !user.is_empty() => format!("cli:{user}"),
        _ => "cli".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn an_assignment_needs_a_name_and_a_value() {
        assert_eq!(assignment("log=files"), Ok(("log".to_owned(), "files".to_owned())));
        for text in ["log", "=files", "log="] {
            assert!(assignment(text).is_err(), "{text}");
        }
        assert_eq!(number_assignment("fuel=7"), Ok(("fuel".to_owned(), 7)));
        assert_eq!(number_assignment("fuel=x"), Err("`x` is not a whole number".to_owned()));
    }

    #[test]
    fn a_password_is_the_first_line_of_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("password");
        std::fs::write(&file, "hunter2\n").unwrap();
        let arguments =
            SecretArguments { password_file: Some(file.clone()), password_env: None, password_stdin: false };
        assert_eq!(arguments.read().unwrap().unwrap().expose_secret(), "hunter2");
        std::fs::write(&file, "\n").unwrap();
        assert!(arguments.read().unwrap_err().to_string().contains("empty"));
    }

    #[test]
    fn a_json_file_that_does_not_fit_is_named_with_the_place_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("target.json");
        std::fs::write(&file, r#"{"order": "first"}"#).unwrap();
        #[derive(Debug, serde::Deserialize)]
        struct Ordered {
            #[expect(dead_code, reason = "only read")]
            order: i64,
        }
        let error = format!("{:#}", read_json::<Ordered>(&file).unwrap_err());
        assert!(error.contains("target.json") && error.contains("order"), "{error}");
    }
}

//! The configuration of the host. Input: a TOML file, then variables of the environment as `NAME=VALUE`, separated.

use std::ffi::OsString;
use std::path::PathBuf;

use provender::configuration::{Configuration, ConfigurationError, SECRET_KEY_VARIABLE};
use serde_json::Value;
use tempfile::TempDir;

use crate::SEPARATOR;
use crate::scratch::{Reused, folder};

thread_local! {
    static FILE: Reused<(TempDir, PathBuf)> = const { Reused::for_inputs(u32::MAX) };
}

/// What is taken has no key that the host does not know, and is the same when it is written out and read again; what is
/// refused is refused by its key or line, and no text holds the secret key.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split(SEPARATOR);
    let content = parts.next().unwrap_or_default();
    let environment: Vec<(String, String)> = parts
        .filter_map(|variable| variable.split_once('='))
        // Which file is read is not the matter here.
        .filter(|(name, _)| *name != provender::configuration::FILE_VARIABLE)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    match load(content, &environment) {
        Ok(configuration) => check_taken(content, &configuration),
        Err(error) => check_refused(&error, content, &environment),
    }
}

fn load(content: &str, environment: &[(String, String)]) -> Result<Configuration, ConfigurationError> {
    FILE.with(|file| {
        let make = || {
            let folder = folder();
            let file = folder.path().join("host.toml");
            (folder, file)
        };
        file.with(make, |(_, file), _| {
            std::fs::write(&*file, content).expect("a file");
            let environment =
                environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
            Configuration::load_from(Some(file), environment)
        })
    })
}

fn check_taken(content: &str, configuration: &Configuration) {
    let known = serde_json::to_value(configuration).expect("settings as JSON");
    let given: Value = toml::from_str(content).expect("what is taken is TOML");
    check_known(&given, &known, "");
    let written = toml::to_string(configuration).expect("settings as TOML");
    let again = load(&written, &[]).expect("what was written out");
    assert_eq!(serde_json::to_value(again).expect("settings as JSON"), known);
}

fn check_known(given: &Value, known: &Value, path: &str) {
    let (Some(given), Some(known)) = (given.as_object(), known.as_object()) else { return };
    for (name, value) in given {
        if path != "limits" {
            let known = known.get(name).unwrap_or_else(|| panic!("`{name}` in `{path}` was taken"));
            check_known(value, known, name);
        }
    }
}

fn check_refused(error: &ConfigurationError, content: &str, environment: &[(String, String)]) {
    let message = format!("{error}: {error:?}");
    let secret = |(name, value): &&(String, String)| {
        name == SECRET_KEY_VARIABLE && value.len() >= 16 && !content.contains(value.as_str())
    };
    for (_, secret) in environment.iter().filter(secret) {
        assert!(!message.contains(secret.as_str()), "{message}");
    }
    match error {
        ConfigurationError::UnknownKey { key, .. } | ConfigurationError::Value { key, .. } => {
            assert!(error.to_string().contains(&format!("`{key}`")), "{error}");
        }
        ConfigurationError::Invalid { .. } => panic!("names no key: {error}"),
        ConfigurationError::Unreadable { .. } | ConfigurationError::DataDirectory { .. } => {
            panic!("the file is there: {error}")
        }
        // The line that is wrong may hold the password of the database.
        ConfigurationError::NotToml { problem, .. } => {
            assert!(problem.contains("line") && !problem.contains('\n'), "{problem}");
        }
        ConfigurationError::SecretInFile { .. }
        | ConfigurationError::Limits(_)
        | ConfigurationError::Zero { .. } => {}
    }
}

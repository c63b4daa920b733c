//! Commands that a reader of the account can copy.

use std::path::Path;

use serde::Serialize;
use uuid::Uuid;

use super::place::Place;
use super::setup::{CHANGELOG, CO};

/// A command and what it shows.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Suggestion {
    pub(super) what: &'static str,
    pub(super) line: String,
}

/// What the commands are about.
pub(super) struct Subjects {
    /// A person that something happened to.
    pub(super) person: Option<String>,
    /// An invocation that failed.
    pub(super) failed: Option<Uuid>,
    /// The change before those of the script.
    pub(super) change: i64,
}

pub(super) fn suggestions(program: &Path, place: &Place, subjects: &Subjects) -> Vec<Suggestion> {
    let start = format!(
        "{} --config {}",
        quoted(&program.display().to_string()),
        quoted(&place.configuration_file().display().to_string())
    );
    let suggest = |what, arguments: String| Suggestion { what, line: format!("{start} {arguments}") };
    let person = subjects.person.as_ref().map(|id| {
        let id = quoted(id);
        [
            suggest("what each target holds of a person", format!("services --co {CO} --person {id}")),
            suggest("the record of that person", format!("records get --co {CO} --person {id}")),
        ]
    });
    let failed = subjects.failed.map(|id| {
        suggest("what a call that failed did, effect by effect", format!("invocation show --co {CO} {id}"))
    });
    let mut suggestions: Vec<Suggestion> = person.into_iter().flatten().chain(failed).collect();
    suggestions.extend([
        suggest("everything that failed", format!("invocation list --co {CO} --failed")),
        suggest("the change history", format!("changes --co {CO} --after {}", subjects.change)),
        suggest("what a plugin is and may do", "plugin inspect api".to_owned()),
        suggest("how a target is configured", format!("target show {CHANGELOG} --co {CO}")),
        suggest("a key for the API", "key create --full --description 'my key'".to_owned()),
        suggest("the host with its API", "serve".to_owned()),
    ]);
    suggestions
}

/// A word of a shell.
fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,+@".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn a_word_of_a_shell_is_quoted_where_it_must_be() {
        assert_eq!(quoted("/tmp/demo-1/p.toml"), "/tmp/demo-1/p.toml");
        assert_eq!(quoted("it's me"), r"'it'\''s me'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn every_suggested_command_is_one() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::prepare(Some(&directory.path().join("demo"))).unwrap();
        let subjects =
            Subjects { person: Some("p-001".to_owned()), failed: Some(Uuid::now_v7()), change: 212 };
        let suggestions = suggestions(Path::new("/usr/bin/provender"), &place, &subjects);
        assert_eq!(suggestions.len(), 9);
        for Suggestion { line, .. } in suggestions {
            let words = line.replace("'my key'", "my-key");
            crate::cli::Arguments::try_parse_from(words.split(' '))
                .unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }
}

//! Provisioner `changelog`: appends one line of JSON per event to a file.

mod bare;
mod envelope;
mod file;

use provender_sdk::records::SubjectKind;
use provender_sdk::{Context, Description, Failure, Invocation, Outcome, Provisioner, Slot, files};
use schemars::JsonSchema;
use serde::Deserialize;

/// Where lines go, and what they hold.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Configuration {
    /// The file, relative to the root of the slot. Its folder must exist.
    #[schemars(length(min = 1, max = 1024))]
    file: String,
    /// What a line holds.
    format: Format,
    /// Whether password hashes, and credentials of kinds that may be secret, are written too.
    include_authenticators: bool,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { file: "changelog.ndjson".to_owned(), format: Format::Envelope, include_authenticators: false }
    }
}

#[derive(Clone, Copy, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// When, why and for whom, with the record as `document`.
    Envelope,
    /// The record alone, in the shape that COmanage Registry's changelog writes.
    Bare,
}

struct Changelog;

impl Provisioner for Changelog {
    type Configuration = Configuration;

    const DESCRIPTION: Description = Description::new("changelog", env!("CARGO_PKG_VERSION"))
        .summary("Appends one line of JSON per event to a file")
        .subjects(SubjectKind::ALL)
        .other_subjects(&["department"])
        .slots(&[Slot::files("log")
            .summary("appends to the log file; looks for it when a target is checked")
            .operations(&["append", "list"])]);

    fn check(context: &Context<Configuration>) -> Result<Vec<String>, Failure> {
        let root = files::open("log")?;
        let place = file::Place::of(&context.configuration.file);
        place.judge(root.list(place.folder)).map(|line| vec![line])
    }

    fn provision(invocation: &Invocation<Configuration>) -> Result<Outcome, Failure> {
        let configuration = &invocation.context.configuration;
        let line = match configuration.format {
            Format::Envelope => envelope::line(invocation)?,
            Format::Bare => {
                bare::document(&invocation.subject, configuration.include_authenticators).to_string()
            }
        };
        files::open("log")?.append_lines(&configuration.file, &[line]).map_err(file::append_failure)?;
        Ok(Outcome::applied())
    }
}

provender_sdk::export_provisioner!(Changelog);

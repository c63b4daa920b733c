//! The commands, as an operator types them.

mod an_error;
mod an_import;
mod groups;
mod help;
mod jobs;
mod selection;
mod servers;
mod the_data;
mod the_path_of_an_operator;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use provender_tests::guests::{COMMAND, MISBEHAVING, described};
use provender_tests::people::directory;
use provender_tests::process::Program;
use serde_json::{Value, json};

fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_provender-under-test"))
}

/// A program with a collaboration, the bundled plugins, and a target `log` that appends to `out/changelog.ndjson`.
fn with_target() -> Program {
    let program = program();
    let out = program.folder().join("out");
    std::fs::create_dir(&out).unwrap();
    program.output(&["co", "create", "physics", "--name", "Physics", "--no-automatic-groups"]);
    program.output(&["plugin", "install", "--bundled"]);
    program.output(&["server", "put", "files", "--co", "physics", "--files", out.to_str().unwrap()]);
    program.output(&[
        "target",
        "put",
        "log",
        "--co",
        "physics",
        "--plugin",
        "changelog",
        "--slot",
        "log=files",
    ]);
    program
}

const PEOPLE: &str = r#"{"kind":"group","record":{"meta":{"id":"staff"},"name":"Staff"}}
{"kind":"person","record":{"meta":{"id":"42"},"names":[{"given":"Zoë","primary":true}]},"memberships":[{"group":"staff"}]}
{"kind":"person","record":{"meta":{"id":"43"},"names":[{"given":"Bob","primary":true}]}}
"#;

fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

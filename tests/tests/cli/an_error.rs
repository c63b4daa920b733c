//! What is told when something is wrong.

use super::*;

fn error_of_configuration(text: &str) -> String {
    let program = program();
    program.file("provender.toml", text);
    program.error(&["co", "list"])
}

#[test]
fn in_the_configuration_names_file_key_and_what_helps() {
    for (text, parts) in [
        ("lisen = \"127.0.0.1:1\"", &["provender.toml", "`lisen`", "did you mean `listen`?"][..]),
        ("[sandbox]\ninstance = 3", &["`sandbox.instance`", "did you mean `instances`?"]),
        ("listen = 7", &["`listen`", "provender.toml"]),
        ("listen = ", &["provender.toml", "is no TOML"]),
        ("[limits]\nfuel = 0", &["limit `fuel` is 0, but must be from 1 to "]),
        ("[limits]\ncpu = 1", &["limit `cpu` does not exist"]),
        ("secret_key = \"x\"", &["`secret_key`", "is not allowed", "PROVENDER_SECRET_KEY"]),
        ("[log]\nformat = \"xml\"", &["xml", "\"text\" or \"json\""]),
    ] {
        let error = error_of_configuration(text);
        assert!(error.starts_with("error: "), "{error}");
        assert_contains(&error, parts);
    }
}

#[test]
fn in_the_environment_is_told_from_one_in_the_file() {
    let program = program();
    let output = program.command(&["co", "list"]).env("PROVENDER_LISTN", "x").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_contains(
        &String::from_utf8_lossy(&output.stderr),
        &["`listn`", "environment", "did you mean `listen`?"],
    );
}

#[test]
fn names_a_configuration_file_that_is_not_there() {
    let error = program().error(&["--config", "nowhere.toml", "co", "list"]);
    assert_contains(&error, &["configuration file `nowhere.toml` cannot be read", "No such file"]);
}

#[test]
fn names_what_does_not_exist() {
    let program = with_target();
    program.file("people.ndjson", PEOPLE);
    for (arguments, parts) in [
        (&["services", "--co", "chem", "--person", "1"][..], &["there is no collaboration `chem`"][..]),
        (&["services", "--co", "physics", "--person", "1"], &["there is no person `1`"]),
        (&["provision", "--co", "physics", "--target", "t", "--person", "1"], &["there is no target `t`"]),
        (&["provision", "--co", "physics", "--target", "log", "--person", "1"], &["there is no person `1`"]),
        (&["import", "nowhere.ndjson", "--co", "physics"], &["nowhere.ndjson", "No such file"]),
        (&["import", "people.ndjson", "--co", "chem"], &["there is no collaboration", "chem"]),
        (&["plugin", "inspect", "mainframe"], &["plugin `mainframe` is not installed", "changelog@0.1.0"]),
        (&["target", "show", "t", "--co", "physics"], &["there is no target `t`"]),
        (&["server", "show", "s", "--co", "physics"], &["there is no server `s`"]),
    ] {
        let error = program.error(arguments);
        assert!(error.starts_with("error: "), "{arguments:?}: {error}");
        assert_contains(&error, parts);
    }
}

#[test]
fn of_a_plugin_says_what_it_is_and_what_to_do() {
    let program = program();
    program.file("text.wasm", "hello");
    program.file("command.wasm", COMMAND);
    program.file("trap.wasm", described("trap"));
    for (file, parts) in [
        ("text.wasm", &["plugin `text.wasm` is a file of unknown kind", "build it for `wasm32-wasip2`"][..]),
        ("command.wasm", &["plugin `command.wasm` exports `wasi:cli/run@", "`provisioner` or `data-filter`"]),
        ("trap.wasm", &["plugin `trap.wasm` does not describe itself: plugin trapped in `describe`: panic"]),
    ] {
        assert_contains(&program.error(&["plugin", "install", file]), parts);
        assert_contains(&program.error(&["plugin", "inspect", file]), parts);
    }
    assert_eq!(program.json(&["plugin", "list"]), json!([]));
}

#[test]
fn of_a_target_has_the_pointer_into_its_configuration() {
    let program = with_target();
    let error = program.error(&[
        "target",
        "put",
        "t",
        "--co",
        "physics",
        "--plugin",
        "changelog",
        "--slot",
        "log=files",
        "--config-json",
        r#"{"format": "loud"}"#,
    ]);
    assert_contains(&error, &["target `t` cannot be stored", "/configuration/format"]);
}

#[test]
fn keeps_the_service_from_other_addresses_as_long_as_there_is_no_key() {
    let program = program();
    let mut command = program.command(&["serve"]);
    let output = command.env("PROVENDER_LISTEN", "0.0.0.0:0").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_contains(
        &String::from_utf8_lossy(&output.stderr),
        &["without an API key", "`provender key create`"],
    );
}

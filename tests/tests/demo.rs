//! `provender demo`, as a new user runs it.

use provender_tests::process::Program;
use serde_json::Value;

fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_provender-under-test"))
}

#[test]
fn the_demo_ends_well_and_gives_an_account() {
    let program = program();
    let account = program.output(&["demo", "--directory", "look"]);
    for part in [
        "Imported 200 people and 12 groups",
        "What the targets received, all in all:",
        "What failed, all of it on purpose:",
        "out_of_fuel",
        "invalid_data",
        "transient",
        "Files:",
        "Look further:",
    ] {
        assert!(account.contains(part), "{part:?} is not in the account:\n{account}");
    }
    let changelog = std::fs::read_to_string(program.folder().join("look/changelog/events.ndjson")).unwrap();
    assert!(changelog.lines().count() > 212, "{} lines", changelog.lines().count());
    assert!(changelog.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
}

#[test]
fn the_demo_says_how_to_look_further_and_that_works() {
    let program = program();
    let account = program.output(&["demo", "--directory", "look"]);
    let suggested: Vec<&str> = account.lines().filter(|line| line.contains("--config ")).collect();
    assert!(suggested.len() >= 5, "{account}");
    for line in suggested.into_iter().filter(|line| !line.trim_end().ends_with(" serve")) {
        let (_, arguments) = line.split_once("--config ").unwrap();
        let mut words = vec!["--config"];
        // Only the description of a key holds a blank.
        words.extend(arguments.split_whitespace().filter(|word| !word.contains('\'')));
        let words: Vec<&str> = words.into_iter().filter(|word| *word != "--description").collect();
        program.output(&words);
    }
}

#[test]
fn the_demo_takes_the_users_own_records() {
    let program = program();
    program.file("mine.ndjson", provender_tests::people::directory(30));
    let account = program.output(&["demo", "--records", "mine.ndjson", "--directory", "look"]);
    assert!(account.contains("Imported 30 people and 12 groups"), "{account}");
}

#[test]
fn the_account_of_the_demo_can_be_read_by_a_program() {
    let account = program().json(&["demo", "--directory", "look"]);
    assert!(account.is_object(), "{account}");
}

#[test]
fn the_demo_leaves_a_folder_that_is_in_use_alone() {
    let program = program();
    std::fs::create_dir(program.folder().join("used")).unwrap();
    program.file("used/mine.txt", "mine");
    let error = program.error(&["demo", "--directory", "used"]);
    assert!(error.contains("used"), "{error}");
    assert_eq!(std::fs::read_dir(program.folder().join("used")).unwrap().count(), 1);
}

use serde_json::{Value, json};

use super::*;
use crate::capabilities::contract::types;

fn slot(name: &str, kind: ServerKind, operations: &[&str]) -> types::Slot {
    types::Slot {
        name: name.to_owned(),
        kind,
        required: true,
        summary: "accounts".to_owned(),
        operations: operations.iter().map(|operation| (*operation).to_owned()).collect(),
    }
}

fn description() -> Description {
    Description {
        name: "accounts".to_owned(),
        version: "1.0.0".to_owned(),
        summary: "Keeps accounts".to_owned(),
        subject_kinds: vec![SubjectKind::Person],
        configuration_schema: json!({"type": "object"}).to_string(),
        slots: vec![slot("directory", ServerKind::Http, &["GET", "PUT"])],
        safe_requests: vec![types::SafeRequest {
            slot: "directory".to_owned(),
            method: "POST".to_owned(),
            path: "/search/*".to_owned(),
        }],
        expected_answers: vec![types::ExpectedAnswer {
            slot: "directory".to_owned(),
            method: "PUT".to_owned(),
            path: "/accounts/*".to_owned(),
            status: 201,
            body: r#"{"id": "1"}"#.to_owned(),
        }],
        extensions: Vec::new(),
    }
}

fn read_as(world: World, description: Description) -> Result<Manifest, InstallProblem> {
    let inspection = Inspection { world, contract: "0.1.0".to_owned(), imports: Vec::new() };
    manifest(description, inspection, "0".repeat(64), 7)
}

/// A manifest with a given configuration schema.
pub(in crate::plugins) fn manifest_of_schema(schema: Value) -> Manifest {
    Manifest { configuration_schema: schema, ..read_as(World::Provisioner, description()).unwrap() }
}

fn refusal(world: World, change: impl FnOnce(&mut Description)) -> String {
    let mut changed = description();
    change(&mut changed);
    read_as(world, changed).unwrap_err().to_string()
}

#[test]
fn a_description_by_the_contract_becomes_a_manifest() {
    let manifest = read_as(World::Provisioner, description()).unwrap();
    assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("accounts", "1.0.0"));
    assert_eq!(manifest.subject_kinds, ["person"]);
    assert_eq!((manifest.slots[0].kind.as_str(), manifest.slots[0].required), ("http", true));
    assert_eq!(manifest.installed, None);
    let again: Manifest = serde_json::from_value(serde_json::to_value(&manifest).unwrap()).unwrap();
    assert_eq!(again, manifest);
}

#[test]
fn names_that_do_not_fit_are_refused() {
    for name in ["", "Accounts", "1st", "-a", "a_b", "a b", "käse", &"a".repeat(65)] {
        let refusal = refusal(World::Provisioner, |description| description.name = name.to_owned());
        assert!(refusal.contains("its name is"), "{name}: {refusal}");
    }
    for name in ["a", "a-1", &"a".repeat(64)] {
        assert!(is_name(name), "{name}");
    }
}

#[test]
fn versions_are_semantic() {
    for version in ["0.0.0", "1.2.3", "1.0.0-alpha.1", "1.0.0-0a.-", "1.0.0+20261122.7", "1.0.0-rc.1+x"] {
        assert!(is_semantic_version(version), "{version}");
    }
    for version in
        ["", "1", "1.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+", "v1.0.0", "1.0.0-a_b"]
    {
        assert!(!is_semantic_version(version), "{version}");
        let refusal = refusal(World::Provisioner, |description| description.version = version.to_owned());
        assert!(refusal.contains("Semantic Versioning"), "{refusal}");
    }
}

#[test]
fn a_summary_is_one_line() {
    for summary in ["", "  ", "two\nlines", &"x".repeat(257)] {
        let refusal = refusal(World::Provisioner, |description| description.summary = summary.to_owned());
        assert!(refusal.contains("its summary must be one line"), "{refusal}");
    }
}

#[test]
fn a_provisioner_handles_something_that_this_host_has() {
    let nothing = refusal(World::Provisioner, |description| description.subject_kinds.clear());
    assert!(nothing.contains("it handles nothing, but this host provisions person, group"), "{nothing}");
    let newer = refusal(World::Provisioner, |description| {
        description.subject_kinds = vec![SubjectKind::Other("department".to_owned())];
    });
    assert!(newer.contains("it handles department"), "{newer}");
    let mut both = description();
    both.subject_kinds.push(SubjectKind::Other("department".to_owned()));
    assert_eq!(read_as(World::Provisioner, both).unwrap().subject_kinds, ["person", "department"]);
}

#[test]
fn slots_are_unique_well_named_and_of_a_kind_that_is_offered() {
    for (change, complaint) in [
        (slot("directory", ServerKind::Files, &[]), "asks for slot `directory` twice"),
        (slot("Files", ServerKind::Files, &[]), "a slot \"Files\""),
        (
            slot("tree", ServerKind::Other("ftp".to_owned()), &[]),
            "kind `ftp` for slot `tree`, but this host offers",
        ),
        (
            slot("files", ServerKind::Files, &["GET"]),
            "operation \"GET\" in slot `files`, but kind `files` has append",
        ),
        (slot("web", ServerKind::Http, &["CONNECT"]), "operation \"CONNECT\" in slot `web`"),
    ] {
        let refusal = refusal(World::Provisioner, |description| description.slots.push(change));
        assert!(refusal.contains(complaint), "{refusal}");
    }
}

#[test]
fn an_optional_slot_of_a_newer_kind_is_taken() {
    let mut description = description();
    let newer = slot("queue", ServerKind::Other("ftp".to_owned()), &["publish"]);
    description.slots.push(types::Slot { required: false, ..newer });
    assert_eq!(read_as(World::Provisioner, description).unwrap().slots[1].kind, "ftp");
}

#[test]
fn lists_of_a_description_are_bounded_and_so_is_what_is_said_of_them() {
    let many = |words: &[&str]| words.iter().cycle().take(10_000).map(|word| (*word).to_owned()).collect();
    let kinds = vec![SubjectKind::Other("x".repeat(64)); 10_000];
    for (refusal, complaint) in [
        (
            refusal(World::Provisioner, |description| description.slots[0].operations = many(&["GET"])),
            "it asks for 10000 operations in slot `directory`, of at most 64",
        ),
        (
            refusal(World::Provisioner, |description| description.slots[0].operations = many(&["NONE"])),
            "10000 operations",
        ),
        (
            refusal(World::Provisioner, |description| description.subject_kinds = kinds),
            "it names 10000 subject kinds, of at most 64",
        ),
        (
            refusal(World::Provisioner, |description| {
                description.safe_requests[0].path = format!("/{}", "x".repeat(10_000));
            }),
            "at most 1024 characters",
        ),
    ] {
        assert!(refusal.contains(complaint) && refusal.len() < 8_192, "{refusal}");
    }
}

#[test]
fn a_data_filter_has_no_slots() {
    let refusal = refusal(World::DataFilter, |_| {});
    assert!(refusal.contains("a data filter reaches no server"), "{refusal}");
    let mut filter = description();
    filter.slots.clear();
    filter.safe_requests.clear();
    filter.expected_answers.clear();
    filter.subject_kinds.clear();
    assert!(read_as(World::DataFilter, filter).is_ok());
}

#[test]
fn a_safe_request_belongs_to_a_slot_and_has_a_path() {
    for (slot, method, path, complaint) in [
        ("other", "POST", "/", "of slot `other`, which it does not ask for"),
        ("directory", "post", "/", "a safe request \"post\""),
        ("directory", "POST", "search", "by path \"search\""),
        ("directory", "POST", "/*/x", "by path \"/*/x\""),
    ] {
        let refusal = refusal(World::Provisioner, |description| {
            description.safe_requests = vec![types::SafeRequest {
                slot: slot.to_owned(),
                method: method.to_owned(),
                path: path.to_owned(),
            }];
        });
        assert!(refusal.contains(complaint), "{refusal}");
    }
}

#[test]
fn all_problems_are_told_at_once_and_the_schema_by_its_own() {
    let both = refusal(World::Provisioner, |description| {
        description.name.clear();
        description.version.clear();
    });
    assert!(both.contains("its name is \"\"") && both.contains("its version is \"\""), "{both}");
    let schema = refusal(World::Provisioner, |description| {
        description.configuration_schema = r#"{"type": "array"}"#.to_owned();
    });
    assert!(schema.contains("configuration schema that is not of type object; this host takes"), "{schema}");
}

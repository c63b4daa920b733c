//! From nothing to provisioned people, and what an operator looks at on the way.

use super::*;

#[test]
fn leads_from_nothing_to_provisioned_people() {
    let program = with_target();
    assert_contains(
        &program.output(&["target", "check", "log", "--co", "physics"]),
        &["target `log` is as it should be"],
    );
    assert_contains(
        &program.output(&["target", "check", "log", "--co", "physics"]),
        &["#1 files list, done:", "list . of slot `log`"],
    );
    assert_contains(
        &program.output(&["target", "grants", "log", "--co", "physics"]),
        &["changelog", "append, list", "server `files`, at or below", "provender:plugin/files", "fuel"],
    );
    program.file("people.ndjson", PEOPLE);
    let imported = program.output(&["import", "people.ndjson", "--co", "physics"]);
    assert_contains(&imported, &["3 lines in ", "3 stored, 0 unchanged, 0 refused", "TARGET", "log     3"]);

    assert_contains(
        &program.output(&["preview", "--co", "physics", "--target", "log", "--person", "42"]),
        &["#1 files append, would be done:", "append to changelog.ndjson", "applied", "Nothing was changed."],
    );
    let lines = std::fs::read_to_string(program.folder().join("out/changelog.ndjson")).unwrap();
    assert_eq!(lines.lines().count(), 3);
    assert_contains(
        &program.output(&["services", "--co", "physics", "--person", "42"]),
        &["log", "provisioned"],
    );
    assert_contains(
        &program.output(&["changes", "--co", "physics"]),
        &["created", "person", "42", "names, memberships", "cli"],
    );
    assert_contains(
        &program.output(&["provision", "--co", "physics", "--target", "log", "--person", "42"]),
        &["applied"],
    );

    let invocations = program.json(&["invocation", "list", "--co", "physics", "--person", "42"]);
    assert_eq!(invocations.as_array().map(Vec::len), Some(2), "{invocations}");
    let id = invocations[0]["id"].as_str().unwrap();
    let shown = program.output(&["invocation", "show", id, "--co", "physics"]);
    assert_contains(&shown, &["append", "changelog.ndjson", "applied"]);
    let replayed = program.output(&["invocation", "replay", id, "--co", "physics"]);
    assert_contains(&replayed, &["provisioner log (changelog 0.1.0): equal: 1 effects"]);
}

#[test]
fn can_be_walked_again_without_a_change() {
    let program = with_target();
    program.file("people.ndjson", PEOPLE);
    program.output(&["import", "people.ndjson", "--co", "physics"]);
    let again = program.output(&["import", "people.ndjson", "--co", "physics"]);
    assert_contains(&again, &["0 stored, 3 unchanged, 0 refused"]);
    let changes = program.json(&["changes", "--co", "physics"]);
    assert_eq!(changes.as_array().map(Vec::len), Some(3));
}

#[test]
fn answers_in_json_everywhere() {
    let program = with_target();
    program.file("people.ndjson", PEOPLE);
    let imported = program.json(&["import", "people.ndjson", "--co", "physics"]);
    assert_eq!(
        (&imported["stored"], &imported["provisioning"]["targets"]["log"]["applied"]),
        (&json!(3), &json!(3))
    );
    for arguments in [
        &["co", "list"][..],
        &["plugin", "list"],
        &["plugin", "inspect", "changelog"],
        &["server", "list", "--co", "physics"],
        &["server", "show", "files", "--co", "physics"],
        &["server", "check", "files", "--co", "physics"],
        &["target", "list", "--co", "physics"],
        &["target", "show", "log", "--co", "physics"],
        &["target", "check", "log", "--co", "physics"],
        &["target", "prepare", "log", "--co", "physics", "--preview"],
        &["target", "grants", "log", "--co", "physics"],
        &["preview", "--co", "physics", "--target", "log", "--person", "42"],
        &["filter", "list", "--co", "physics"],
        &["services", "--co", "physics", "--person", "42"],
        &["changes", "--co", "physics"],
        &["invocation", "list", "--co", "physics"],
        &["records", "get", "--co", "physics", "--group", "staff"],
        &["provision", "--co", "physics", "--target", "log", "--group", "staff"],
        &["key", "create"],
        &["key", "list"],
        &["limits"],
    ] {
        let answer = program.json(arguments);
        assert!(answer.is_object() || answer.is_array(), "{arguments:?}: {answer}");
    }
}

#[test]
fn writes_records_of_every_kind_and_what_they_refer_to() {
    let program = with_target();
    let co = ["--co", "physics"];
    let run = |arguments: &[&str]| program.output(&[arguments, &co].concat());
    program.file("lab.json", r#"{"id": "lab", "name": "Laboratory"}"#);
    program.file("hr.json", r#"{"id": "hr", "description": "Payroll"}"#);
    program.file("use.json", r#"{"id": "use", "description": "Terms of use"}"#);
    for (entries, file, id) in
        [("cou", "lab.json", "lab"), ("org-identity-source", "hr.json", "hr"), ("terms", "use.json", "use")]
    {
        assert_contains(&run(&[entries, "put", file]), &["created"]);
        assert_contains(&run(&[entries, "list"]), &[id]);
        assert_contains(&run(&[entries, "get", id]), &[id]);
    }
    program.file("theory.json", r#"{"meta": {"id": "theory"}, "name": "Theory", "cou": "lab"}"#);
    let put = ["records", "put", "theory.json", "--kind", "department"];
    assert_contains(&run(&put), &["created", "added", "DA", "applied"]);
    assert_contains(&run(&["records", "list", "--kind", "department"]), &["theory", "Theory"]);
    assert_contains(&run(&["services", "--department", "theory"]), &["provisioned"]);
    assert_contains(&program.error(&["cou", "delete", "lab", "--co", "physics"]), &["department \"theory\""]);
    assert_contains(&run(&["records", "delete", "--department", "theory", "--no-provision"]), &["deleted"]);
    assert_contains(&run(&["services", "--department", "theory"]), &["stale"]);
    assert_contains(&run(&["cou", "delete", "lab"]), &["deleted"]);

    program.file("people.ndjson", PEOPLE);
    run(&["import", "people.ndjson"]);
    let told = run(&["person", "enrollment-finalized", "42"]);
    assert_contains(&told, &["nothing to store", "enrollment_finalized", "PP"]);
    assert_contains(&run(&["import", "people.ndjson", "--pipeline"]), &["0 stored"]);
    let newest = program.json(&["invocation", "list", "--co", "physics", "--person", "42", "--limit", "1"]);
    assert_eq!((&newest[0]["action"], &newest[0]["code"]), (&json!("pipeline"), &json!("PL")));
}

#[test]
fn shows_what_a_plugin_is_and_may_do_before_it_is_installed() {
    let program = program();
    program.file("plugin.wasm", MISBEHAVING);
    let shown = program.output(&["plugin", "inspect", "plugin.wasm"]);
    assert_contains(
        &shown,
        &[
            "misbehaving",
            "provisioner of provender:plugin@0.1.0",
            &format!("{} bytes", MISBEHAVING.len()),
            "wasi:http/outgoing-handler@0.2.12",
            "capability",
            "wasi:sockets/tcp@0.2.",
            "stub: every call is refused",
            "another-folder",
            "\"provision\"",
        ],
    );
    assert_contains(&program.output(&["plugin", "list"]), &["no plugins yet"]);
}

#[test]
fn keeps_secrets_out_of_sight() {
    let program = with_target();
    program.file("token", "s3cr3t\n");
    program.output(&[
        "server",
        "put",
        "web",
        "--co",
        "physics",
        "--http",
        "https://example.org",
        "--bearer",
        "--password-file",
        "token",
    ]);
    for form in [&["server", "show", "web", "--co", "physics"][..], &["server", "list", "--co", "physics"]] {
        assert_contains(&program.output(form), &["example.org"]);
        assert!(!program.output(form).contains("s3cr3t"));
        assert!(!program.json(form).to_string().contains("s3cr3t"));
    }
}

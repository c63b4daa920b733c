//! Many records from a file.

use super::*;

const BAD: &str = r#"{"kind":"person","record":{"meta":{"id":"1"},"names":[{"given":"Anna","primary":true}]}}

{"kind":"person","record":{"meta":{"id":"2"},"names":[]}}
{"kind":"person","record":
{"kind":"person","record":{"meta":{"id":"5"},"names":[{"given":"Eve","primary":true}]}}
"#;

fn people(program: &Program) -> Vec<bool> {
    let get = |id| program.run(&["records", "get", "--co", "physics", "--person", id]).code == 0;
    ["1", "2", "5"].map(get).to_vec()
}

#[test]
fn stops_at_a_line_that_is_refused_and_names_it() {
    let program = with_target();
    program.file("bad.ndjson", BAD);
    let ended = program.run(&["import", "bad.ndjson", "--co", "physics"]);
    assert_eq!(ended.code, 1);
    let told = format!("{}{}", ended.stdout, ended.stderr);
    assert_contains(&told, &["line 3", "/record/names"]);
    assert_eq!(people(&program), [true, false, false], "nothing after the line is stored");
}

#[test]
fn goes_on_behind_lines_that_are_refused_when_asked_to() {
    let program = with_target();
    program.file("bad.ndjson", BAD);
    let ended = program.run(&["import", "bad.ndjson", "--co", "physics", "--on-error", "continue"]);
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    let told = format!("{}{}", ended.stdout, ended.stderr);
    assert_contains(&told, &["line 3", "line 4", "2 stored, 0 unchanged, 2 refused"]);
    assert_eq!(people(&program), [true, false, true]);
}

#[test]
fn reads_standard_input() {
    let program = with_target();
    let mut command = program.command(&["import", "-", "--co", "physics"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(PEOPLE.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_contains(&String::from_utf8(output.stdout).unwrap(), &["3 stored"]);
}

#[test]
fn reads_documents_of_the_core_api() {
    let program = with_target();
    let document = json!({
        "CoPerson": {"meta": {"id": 5}, "status": "A"},
        "Name": [{"given": "Anna", "family": "Kovács", "type": "official", "primary_name": true}],
        "Identifier": [{"identifier": "akovacs", "type": "uid", "login": true, "status": "A"}],
        "EmailAddress": [{"mail": "anna@example.org", "type": "official", "verified": true}],
    });
    program.file("core.ndjson", format!("{document}\n"));
    let arguments =
        ["import", "core.ndjson", "--co", "physics", "--format", "core-api", "--identifier-type", "uid"];
    assert_contains(&program.output(&arguments), &["1 stored"]);
    let record = program.json(&["records", "get", "--co", "physics", "--person", "akovacs"]);
    assert_eq!(record["record"]["names"][0]["family"], "Kovács", "{record}");
    assert_eq!(record["record"]["email_addresses"][0]["mail"], "anna@example.org");
}

#[test]
fn provisions_nothing_when_told_so() {
    let program = with_target();
    program.file("people.ndjson", PEOPLE);
    program.output(&["import", "people.ndjson", "--co", "physics", "--no-provision"]);
    assert_eq!(program.json(&["invocation", "list", "--co", "physics"]), json!([]));
    let changes = program.json(&["changes", "--co", "physics"]);
    assert_eq!(changes.as_array().map(Vec::len), Some(3));
    let services = program.json(&["services", "--co", "physics", "--person", "42"]);
    assert_eq!(services[0]["status"], "never", "{services}");
}

#[test]
fn of_many_records_provisions_each_of_them_once() {
    let program = with_target();
    program.file("many.ndjson", directory(700));
    let imported = program.json(&["import", "many.ndjson", "--co", "physics", "--batch", "100"]);
    assert_eq!((&imported["stored"], &imported["refused"]), (&json!(712), &json!([])), "{imported}");
    let lines = std::fs::read_to_string(program.folder().join("out/changelog.ndjson")).unwrap();
    let people: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["subject"].clone())
        .filter(|subject| subject["kind"] == "person")
        .collect();
    assert_eq!(people.len(), 700, "each person is in the changelog once");
}

#[test]
fn tells_of_provisionings_that_failed() {
    let program = with_target();
    std::fs::create_dir(program.folder().join("out/changelog.ndjson")).unwrap();
    program.file("people.ndjson", PEOPLE);
    let ended = program.run(&["import", "people.ndjson", "--co", "physics"]);
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    assert_contains(&ended.stdout, &["3 stored", "person 42 to log: "]);
    let failed = program.run(&["provision", "--co", "physics", "--target", "log", "--person", "42"]);
    assert_eq!(failed.code, 1);
    assert_contains(&failed.stdout, &["failed"]);
}

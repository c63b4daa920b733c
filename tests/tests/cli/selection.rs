//! Who goes to a target.

use super::*;

#[test]
fn who_goes_to_a_target_is_set_counted_and_explained() {
    let program = with_target();
    program.output(&[
        "filter",
        "put",
        "mail",
        "--co",
        "physics",
        "--plugin",
        "elector",
        "--config-json",
        r#"{
        "attribute": "name", "outbound_type": "display", "replacement": "replace",
        "precedences": [{"type": "official"}]}"#,
    ]);
    let file = program.folder().join("people.ndjson");
    std::fs::write(&file, PEOPLE).unwrap();
    program.output(&["import", file.to_str().unwrap(), "--co", "physics"]);
    program.file("hr.json", r#"{"id": "hr", "description": "Payroll"}"#);
    program.output(&["org-identity-source", "put", "hr.json", "--co", "physics"]);
    let put = [
        "target",
        "put",
        "log",
        "--co",
        "physics",
        "--plugin",
        "changelog",
        "--slot",
        "log=files",
        "--filter",
        "mail",
        "--provisioning-group",
        "staff",
        "--skip-source",
        "hr",
    ];
    assert_contains(&program.output(&put), &["replaced", "provender target re-evaluate log"]);
    let shown = program.output(&["target", "show", "log", "--co", "physics"]);
    assert_contains(&shown, &["staff", "hr", "sent once"]);
    let counted = program.output(&["target", "re-evaluate", "log", "--co", "physics", "--dry-run"]);
    assert_contains(&counted, &["would be updated", "would be removed"]);

    let explain = |more: &[&str]| {
        let mut arguments = vec!["explain", "--co", "physics", "--target", "log"];
        arguments.extend(more);
        program.output(&arguments)
    };
    assert_contains(
        &explain(&["--person", "43"]),
        &["no  eligibility", "not in provisioning group `staff`", "a run now would:  remove"],
    );
    assert_contains(
        &explain(&["--person", "42"]),
        &["yes filter", "filter `mail`", "name_type", "a run now would:  send"],
    );
    let told: Value = serde_json::from_str(&explain(&["--group", "staff", "--json"])).unwrap();
    assert_eq!((&told["would"], &told["service"]["held"]), (&json!("send"), &json!(true)));

    let done = program.output(&["provision", "--co", "physics", "--target", "log", "--person", "43"]);
    assert_contains(&done, &["applied"]);
    let services = program.output(&["services", "--co", "physics", "--person", "43"]);
    assert_contains(&services, &["removed", "not in provisioning group `staff`"]);

    let re_evaluate = ["target", "re-evaluate", "log", "--co", "physics"];
    assert_contains(
        &program.output(&re_evaluate),
        &["complete: 1 of 3 subjects sent, none of them failed", "AS THEY WERE"],
    );
    let again = program.json(&re_evaluate);
    assert_eq!((&again["kind"], &again["failed"]), (&json!("reevaluate"), &json!(0)));
    assert_contains(again["message"].as_str().unwrap(), &["0 of 3 subjects sent"]);
}

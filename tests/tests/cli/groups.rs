//! Groups nested in groups, and the groups that targets provision the members of.

use super::*;

const STAFF_AND_LAB: &str = r#"{"kind":"group","record":{"meta":{"id":"staff"},"name":"Staff"}}
{"kind":"group","record":{"meta":{"id":"lab"},"name":"Laboratory"}}
{"kind":"person","record":{"meta":{"id":"42"},"names":[{"given":"Zoë","primary":true}]},"memberships":[{"group":"lab"}]}
{"kind":"person","record":{"meta":{"id":"43"},"names":[{"given":"Bob","primary":true}]},"memberships":[{"group":"staff"}]}
"#;

fn with_groups() -> Program {
    let program = with_target();
    program.file("people.ndjson", STAFF_AND_LAB);
    program.output(&["import", "people.ndjson", "--co", "physics"]);
    program
}

/// The groups of a person, each with the nested group that it comes from.
fn groups_of(program: &Program, person: &str) -> Vec<(String, Value)> {
    let found = program.json(&["records", "get", "--co", "physics", "--person", person]);
    let memberships = found["memberships"].as_array().unwrap().iter();
    memberships.map(|row| (row["group"].as_str().unwrap().to_owned(), row["nested_from"].clone())).collect()
}

#[test]
fn members_of_a_nested_group_come_and_go_and_are_provisioned() {
    let program = with_groups();
    let nested = ["group", "nested", "--co", "physics", "--group", "staff"];
    assert_contains(&program.output(&nested), &["nothing is nested in this group"]);
    let pair = ["--co", "physics", "--group", "staff", "--source", "lab"];
    let run = |word: &str| program.output(&[&["group", word], &pair[..]].concat());
    assert_contains(&run("nest"), &["`lab` nested in `staff`; ", "0 failed"]);
    assert_contains(&program.output(&nested), &["lab", "members"]);
    let of_zoe = [("lab".to_owned(), Value::Null), ("staff".to_owned(), json!("lab"))];
    assert_eq!(groups_of(&program, "42"), of_zoe);
    assert_contains(&run("nest"), &["`lab` was nested so already in `staff`; 0 provisionings followed"]);
    let newest = program.json(&["invocation", "list", "--co", "physics", "--person", "42", "--limit", "1"]);
    assert_eq!((&newest[0]["target"], &newest[0]["code"]), (&json!("log"), &json!("PU")));

    assert_contains(&run("unnest"), &["`lab` taken out of `staff`; ", "0 failed"]);
    assert_eq!(groups_of(&program, "42"), of_zoe[..1]);
    assert_contains(
        &program.error(&[&["group", "unnest"], &pair[..]].concat()),
        &["there is no nesting \"staff/lab\""],
    );
}

#[test]
fn members_of_a_negated_group_are_kept_out_and_what_cannot_be_nested_is_told() {
    let program = with_groups();
    let nest = |group: &str, source: &str| {
        program.run(&[
            "group",
            "nest",
            "--co",
            "physics",
            "--group",
            group,
            "--source",
            source,
            "--no-provision",
        ])
    };
    assert_eq!(nest("staff", "lab").code, 0);
    assert_contains(&nest("lab", "staff").stderr, &["cannot be nested in"]);
    assert_contains(&nest("staff", "none").stderr, &["there is no group \"none\""]);
    let negate = ["group", "nest", "--co", "physics", "--group", "staff", "--source", "lab", "--negate"];
    assert_contains(&program.output(&negate), &["`lab` nested anew in `staff`"]);
    assert_eq!(groups_of(&program, "42"), [("lab".to_owned(), Value::Null)]);
    let listed = program.json(&["group", "nested", "--co", "physics", "--group", "staff"]);
    assert_eq!(listed, json!([{"group": "staff", "source": "lab", "negate": true}]));
}

#[test]
fn the_provisioning_group_is_suspended_by_who_says_so_and_not_deleted() {
    let program = with_groups();
    let put = ["target", "put", "log", "--co", "physics", "--plugin", "changelog", "--slot", "log=files"];
    program.output(&[&put[..], &["--provisioning-group", "staff"]].concat());
    program.file("staff.json", r#"{"meta": {"id": "staff"}, "name": "Staff", "status": "suspended"}"#);
    let suspend = ["records", "put", "staff.json", "--co", "physics", "--kind", "group"];
    let error = program.error(&suspend);
    assert_contains(
        &error,
        &["group \"staff\" is the provisioning group of target \"log\" (people there: 2)", "--deprovision"],
    );
    let delete = ["records", "delete", "--co", "physics", "--group", "staff"];
    assert_contains(&program.error(&delete), &["give that another group, or none, first"]);
    let told = program.output(&[&suspend[..], &["--deprovision"]].concat());
    assert_contains(&told, &["updated", "log"]);
    let services = program.json(&["services", "--co", "physics", "--person", "43"]);
    assert_eq!(services[0]["status"], "removed", "{services}");
    program.output(&put);
    assert_contains(&program.output(&delete), &["deleted"]);
}

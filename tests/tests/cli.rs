//! The commands, as an operator types them.

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

mod help {
    use super::*;

    /// The commands that a help text lists.
    fn listed(help: &str) -> Vec<String> {
        let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let words =
            commands.take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
        words.filter(|word| *word != "help").map(str::to_owned).collect()
    }

    #[test]
    fn every_command_has_help() {
        let program = program();
        let commands = listed(&program.output(&["--help"]));
        for expected in [
            "serve",
            "demo",
            "import",
            "plugin",
            "server",
            "target",
            "provision",
            "services",
            "changes",
            "check",
            "invocation",
            "key",
        ] {
            assert!(commands.iter().any(|command| command == expected), "{expected}: {commands:?}");
        }
        for command in &commands {
            let help = program.output(&[command, "--help"]);
            assert_contains(&help, &["Usage: "]);
            for below in listed(&help) {
                assert_contains(&program.output(&[command, &below, "--help"]), &["Usage: "]);
            }
        }
    }

    #[test]
    fn wrong_usage_ends_with_2_and_says_what_helps() {
        let program = program();
        for (arguments, complaint) in [
            (&[][..], "Usage: "),
            (&["nonsense"][..], "unrecognized subcommand 'nonsense'"),
            (&["import"][..], "--co"),
            (&["services", "--co", "physics"][..], "--person"),
            (&["target", "put", "t", "--co", "physics", "--plugin", "p", "--limit", "fuel=lots"][..], "lots"),
        ] {
            let ended = program.run(arguments);
            assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{arguments:?}");
            assert_contains(&ended.stderr, &[complaint]);
        }
    }

    #[test]
    fn the_version_is_told() {
        assert_eq!(program().output(&["--version"]).trim(), "provender 0.1.0");
    }
}

mod the_path_of_an_operator {
    use super::*;

    #[test]
    fn leads_from_nothing_to_provisioned_people() {
        let program = with_target();
        assert_contains(
            &program.output(&["target", "check", "log", "--co", "physics"]),
            &["target `log` is as it should be"],
        );
        program.file("people.ndjson", PEOPLE);
        let imported = program.output(&["import", "people.ndjson", "--co", "physics"]);
        assert_contains(
            &imported,
            &["3 lines in ", "3 stored, 0 unchanged, 0 refused", "TARGET", "log     3"],
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
        for (entries, file, id) in [
            ("cou", "lab.json", "lab"),
            ("org-identity-source", "hr.json", "hr"),
            ("terms", "use.json", "use"),
        ] {
            assert_contains(&run(&[entries, "put", file]), &["created"]);
            assert_contains(&run(&[entries, "list"]), &[id]);
            assert_contains(&run(&[entries, "get", id]), &[id]);
        }
        program.file("theory.json", r#"{"meta": {"id": "theory"}, "name": "Theory", "cou": "lab"}"#);
        let put = ["records", "put", "theory.json", "--kind", "department"];
        assert_contains(&run(&put), &["created", "added", "DA", "applied"]);
        assert_contains(&run(&["records", "list", "--kind", "department"]), &["theory", "Theory"]);
        assert_contains(&run(&["services", "--department", "theory"]), &["provisioned"]);
        assert_contains(
            &program.error(&["cou", "delete", "lab", "--co", "physics"]),
            &["department \"theory\""],
        );
        assert_contains(
            &run(&["records", "delete", "--department", "theory", "--no-provision"]),
            &["deleted"],
        );
        assert_contains(&run(&["services", "--department", "theory"]), &["stale"]);
        assert_contains(&run(&["cou", "delete", "lab"]), &["deleted"]);

        program.file("people.ndjson", PEOPLE);
        run(&["import", "people.ndjson"]);
        let told = run(&["person", "enrollment-finalized", "42"]);
        assert_contains(&told, &["nothing to store", "enrollment_finalized", "PP"]);
        assert_contains(&run(&["import", "people.ndjson", "--pipeline"]), &["0 stored"]);
        let newest =
            program.json(&["invocation", "list", "--co", "physics", "--person", "42", "--limit", "1"]);
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
        for form in
            [&["server", "show", "web", "--co", "physics"][..], &["server", "list", "--co", "physics"]]
        {
            assert_contains(&program.output(form), &["example.org"]);
            assert!(!program.output(form).contains("s3cr3t"));
            assert!(!program.json(form).to_string().contains("s3cr3t"));
        }
    }
}

mod an_import {
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
}

mod an_error {
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
            (
                &["provision", "--co", "physics", "--target", "t", "--person", "1"],
                &["there is no target `t`"],
            ),
            (
                &["provision", "--co", "physics", "--target", "log", "--person", "1"],
                &["there is no person `1`"],
            ),
            (&["import", "nowhere.ndjson", "--co", "physics"], &["nowhere.ndjson", "No such file"]),
            (&["import", "people.ndjson", "--co", "chem"], &["there is no collaboration", "chem"]),
            (&["plugin", "inspect", "ldap"], &["plugin `ldap` is not installed", "changelog@0.1.0"]),
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
            (
                "text.wasm",
                &["plugin `text.wasm` is a file of unknown kind", "build it for `wasm32-wasip2`"][..],
            ),
            (
                "command.wasm",
                &["plugin `command.wasm` exports `wasi:cli/run@", "`provisioner` or `data-filter`"],
            ),
            (
                "trap.wasm",
                &["plugin `trap.wasm` does not describe itself: plugin trapped in `describe`: panic"],
            ),
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
}

mod the_data {
    use super::*;

    #[test]
    fn of_the_host_is_for_its_owner_only() {
        let program = program();
        let mut command = program.command(&["co", "list"]);
        let output = command
            .env_remove("PROVENDER_SECRET_KEY")
            .env("PROVENDER_DATA_DIRECTORY", "new")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let new = program.folder().join("new");
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&new), 0o700);
        assert_eq!(mode(&new.join("secret.key")), 0o600);
    }

    #[test]
    fn of_a_key_is_shown_once_and_kept_as_a_hash() {
        let program = program();
        let created = program.output(&["key", "create", "--full"]);
        let secret = created.lines().find(|line| line.starts_with("pvk_")).unwrap();
        assert!(!program.json(&["key", "list"]).to_string().contains(secret));
        let data = program.folder().join("data");
        for file in std::fs::read_dir(data).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
    }
}

mod selection {
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
}

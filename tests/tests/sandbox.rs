//! The sandbox: every way a call can end, every limit, and what a plugin sees of the machine.

use provender::capabilities::contract::records::Extension;
use provender::capabilities::contract::types::{
    Failure, Inspection, LocatedFailure, Outcome, PassingFailure, WrittenIdentifier,
};
use provender::sandbox::{Fault, LimitName};
use provender_tests::calls::{Stored, TestCall, Unreadable, failure, fault, history, misbehaving};
use serde_json::{Value, json};

/// A call of one step.
fn call(step: Value) -> TestCall {
    TestCall::of(json!([step]))
}

mod what_the_plugin_says {
    use super::*;

    #[tokio::test]
    async fn applied_comes_with_identifiers_and_history() {
        let end = call(
            json!({"do": "finish", "outcome": "applied", "identifiers": ["42"], "lines": 2, "characters": 3}),
        );
        let Ok(Ok(Outcome::Applied(applied))) = end.provision().await.result else { panic!("not applied") };
        assert_eq!(
            applied.identifiers,
            [WrittenIdentifier {
                identifier: "42".to_owned(),
                identifier_type: "provisioningtarget".to_owned()
            }]
        );
        assert_eq!(applied.history, ["xxx", "xxx"]);
    }

    #[tokio::test]
    async fn unchanged_skipped_and_other_outcomes_arrive_as_they_are() {
        let other = Extension { name: "example.org/postponed".to_owned(), json: "7".to_owned() };
        for (finish, expected) in [
            (json!({"do": "finish", "outcome": "unchanged"}), Outcome::Unchanged),
            (
                json!({"do": "finish", "outcome": "skipped", "reason": "no uid"}),
                Outcome::Skipped("no uid".to_owned()),
            ),
            (
                json!({"do": "finish", "outcome": "other", "name": "example.org/postponed", "json": "7"}),
                Outcome::Other(other),
            ),
        ] {
            assert_eq!(call(finish).provision().await.result, Ok(Ok(expected)));
        }
    }

    #[tokio::test]
    async fn every_failure_of_the_contract_arrives_as_it_is() {
        let text = || "why".to_owned();
        let located = |location: Option<&str>| LocatedFailure {
            message: text(),
            location: location.map(str::to_owned),
        };
        let passing = |retry_after_seconds| PassingFailure { message: text(), retry_after_seconds };
        for (fail, expected) in [
            (json!({"failure": "transient", "message": "why"}), Failure::Transient(passing(None))),
            (
                json!({"failure": "transient", "message": "why", "retry-after": 5}),
                Failure::Transient(passing(Some(5))),
            ),
            (
                json!({"failure": "rate-limited", "message": "why", "retry-after": 60}),
                Failure::RateLimited(passing(Some(60))),
            ),
            (json!({"failure": "authentication", "message": "why"}), Failure::Authentication(text())),
            (
                json!({"failure": "configuration", "message": "why", "location": "/url"}),
                Failure::Configuration(located(Some("/url"))),
            ),
            (json!({"failure": "invalid-data", "message": "why"}), Failure::InvalidData(located(None))),
            (json!({"failure": "conflict", "message": "why"}), Failure::Conflict(text())),
            (json!({"failure": "permanent", "message": "why"}), Failure::Permanent(text())),
            (
                json!({"failure": "other", "name": "example.org/x", "json": "{}"}),
                Failure::Other(Extension { name: "example.org/x".to_owned(), json: "{}".to_owned() }),
            ),
        ] {
            let mut step = fail;
            step["do"] = "fail".into();
            assert_eq!(failure(call(step).provision().await), expected);
        }
    }

    #[tokio::test]
    async fn check_prepare_and_inspect_answer_too() {
        let note = || call(json!({"do": "report"}));
        assert_eq!(history(note().check().await), ["target under-test of physics, slots "]);
        assert_eq!(history(note().prepare().await), ["target under-test of physics, slots "]);
        let Ok(Ok(Inspection::Different(lines))) = note().inspect().await.result else {
            panic!("not inspected")
        };
        assert_eq!(lines, ["target under-test of physics, slots "]);
    }
}

mod limits {
    use super::*;

    #[tokio::test]
    async fn memory_within_the_limit_is_given_and_told() {
        let end = call(json!({"do": "allocate", "bytes": 50 << 20, "piece": 1 << 20})).provision().await;
        assert!(end.memory_bytes > 50 << 20 && end.memory_bytes <= 128 << 20, "{}", end.memory_bytes);
        assert_eq!(history(end), [format!("50 pieces of {} bytes", 1 << 20)]);
    }

    #[tokio::test]
    async fn tables_are_limited() {
        let end = call(json!({"do": "finish", "outcome": "unchanged"}))
            .limit("table_elements", 2)
            .provision()
            .await;
        let Fault::MemoryLimit { name: LimitName::TableElements, limit: 2, requested, .. } = *fault(&end)
        else {
            panic!("no table limit: {:?}", end.result.err())
        };
        assert_eq!(
            fault(&end).to_string(),
            format!(
                "plugin exceeded limit `table_elements` in `provision`: limit is 2, asked for {requested}; it can be \
                 raised to 400000 by `--limit table_elements=...` for a target, or under `[limits]` for this host"
            )
        );
    }

    #[tokio::test]
    async fn instances_are_limited() {
        let end =
            call(json!({"do": "finish", "outcome": "unchanged"})).limit("instances", 1).provision().await;
        let text = fault(&end).to_string();
        assert!(text.starts_with("plugin exceeded limit `instances` in `provision`: limit is 1"), "{text}");
    }

    #[tokio::test]
    async fn log_lines_beyond_the_limit_are_dropped_and_counted() {
        let end =
            call(json!({"do": "log", "message": "x".repeat(936), "times": 100})).limit("log_bytes", 10_000);
        let end = end.provision().await;
        assert_eq!((end.transcript.log.len(), end.transcript.log_lines_left_out), (10, 90));
        assert_eq!(end.transcript.log[0].level, "info");
        assert_eq!(history(end), [""; 0], "a flood of lines fails nothing");
    }

    #[tokio::test]
    async fn the_number_of_effects_is_limited() {
        let end = call(json!({"do": "state", "operation": "get", "key": "k", "times": 1001}))
            .state(Stored::default());
        let end = end.provision().await;
        let text = fault(&end).to_string();
        let expected = "plugin exceeded limit `effects` in `provision`: limit is 1000, used 1001; it can be raised to \
                        100000 by `--limit effects=...`";
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(end.effects, 1000);
    }

    #[tokio::test]
    async fn a_thousand_effects_are_within_the_limit() {
        let end = call(json!({"do": "state", "operation": "get", "key": "k", "times": 1000}))
            .state(Stored::default());
        let end = end.provision().await;
        assert_eq!(end.effects, 1000);
        assert_eq!(history(end).len(), 1000);
    }

    #[tokio::test]
    async fn bytes_out_are_limited() {
        let folder = tempfile::tempdir().unwrap();
        let write = json!({"do": "file", "operation": "write", "path": "f", "bytes": 600, "times": 2});
        let end = call(write).folder("folder", folder.path(), &[]).limit("bytes_out", 1000).provision().await;
        let text = fault(&end).to_string();
        let expected = "plugin exceeded limit `bytes_out` in `provision`: limit is 1000, used 1200; it can be raised to \
                        268435456 by `--limit bytes_out=...`";
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(end.effects, 1, "the second write did not happen");
    }

    #[tokio::test]
    async fn bytes_in_are_limited() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("f"), "x".repeat(600)).unwrap();
        let read = json!({"do": "file", "operation": "read", "path": "f", "times": 2});
        let end = call(read).folder("folder", folder.path(), &[]).limit("bytes_in", 1000).provision().await;
        let &Fault::BudgetExceeded { name: LimitName::BytesIn, limit: 1000, used, .. } = fault(&end) else {
            panic!("no budget: {:?}", end.result)
        };
        assert!(used > 1000, "{used}");
    }

    #[tokio::test]
    async fn the_state_that_one_call_writes_is_limited() {
        let set = json!({"do": "state", "operation": "set", "key": "k", "bytes": 999, "times": 2});
        let end = call(set).state(Stored::default()).limit("state_bytes", 1500).provision().await;
        let text = fault(&end).to_string();
        let expected = "plugin exceeded limit `state_bytes` in `provision`: limit is 1500, used 2000; it can be raised to \
                        67108864 by `--limit state_bytes=...`";
        assert!(text.starts_with(expected), "{text}");
    }

    #[tokio::test]
    async fn a_transcript_is_shortened_at_its_limit() {
        let set = json!({"do": "state", "operation": "set", "key": "k", "bytes": 1000, "times": 50});
        let end = call(set).state(Stored::default()).limit("transcript_bytes", 4_000).provision().await;
        let size = serde_json::to_string(&end.transcript).unwrap().len();
        assert!(size < 8_000, "{size}");
        let kept = end.transcript.effects.len() as u64;
        assert_eq!(kept + end.transcript.effects_left_out, 50);
        assert!(
            end.transcript.effects[kept as usize - 1].request.value()["value"]
                .as_str()
                .unwrap()
                .contains("bytes more")
        );
    }
}

mod state {
    use std::collections::BTreeMap;

    use provender::capabilities::contract::state::Scope;
    use provender::capabilities::state::StateChange;

    use super::*;

    #[tokio::test]
    async fn a_call_reads_what_it_wrote_and_hands_it_over_at_its_end() {
        let stored = BTreeMap::from([("a".to_owned(), b"1".to_vec()), ("b".to_owned(), b"2".to_vec())]);
        let steps = json!([
            {"do": "state", "operation": "get", "key": "a"},
            {"do": "state", "operation": "set", "key": "a", "value": "one"},
            {"do": "state", "operation": "get", "key": "a"},
            {"do": "state", "operation": "delete", "key": "b"},
            {"do": "state", "operation": "get", "key": "b"},
            {"do": "state", "operation": "set", "key": "c", "value": "3", "of-target": true},
            {"do": "state", "operation": "keys"},
        ]);
        let end = TestCall::of(steps).state(Stored(stored)).provision().await;
        let Ok(Ok(Outcome::Applied(applied))) = &end.result else { panic!("not applied") };
        assert_eq!(applied.history, ["1", "done", "one", "done", "nothing", "done", "a"]);
        let change = |scope, key: &str, value: Option<&str>| StateChange {
            scope,
            key: key.to_owned(),
            value: value.map(|value| value.as_bytes().to_vec()),
        };
        assert_eq!(
            end.state.into_state_changes(),
            [
                change(Scope::Target, "c", Some("3")),
                change(Scope::Subject, "a", Some("one")),
                change(Scope::Subject, "b", None),
            ]
        );
    }

    #[tokio::test]
    async fn a_key_of_the_wrong_length_is_an_error_of_the_plugin() {
        let steps = json!([
            {"do": "state", "operation": "get", "key": ""},
            {"do": "state", "operation": "set", "key": "k".repeat(513)},
        ]);
        let lines = history(TestCall::of(steps).state(Stored::default()).provision().await);
        assert_eq!(
            lines,
            [
                "failed: a key has 1 to 512 bytes, this one has 0",
                "failed: a key has 1 to 512 bytes, this one has 513"
            ]
        );
    }

    #[tokio::test]
    async fn the_state_of_a_subject_is_refused_where_there_is_none() {
        let step = json!({"do": "state", "operation": "get", "key": "k"});
        let end = call(step).state_of_target(Stored::default()).check().await;
        assert_eq!(
            fault(&end).to_string(),
            "effect refused in `check`: state get: this call has no subject, so it has no state of one"
        );
    }

    #[tokio::test]
    async fn state_is_refused_where_there_is_no_target() {
        let end = call(json!({"do": "state", "operation": "set", "key": "k"})).provision().await;
        assert_eq!(
            fault(&end).to_string(),
            "effect refused in `provision`: state set: this call has no target, so it has no state"
        );
    }

    #[tokio::test]
    async fn a_store_that_fails_is_the_fault_of_the_host() {
        let end =
            call(json!({"do": "state", "operation": "get", "key": "k"})).state(Unreadable).provision().await;
        assert_eq!(
            *fault(&end),
            Fault::Host { export: "provision", message: "state of the plugin: the disk is gone".to_owned() }
        );
    }
}

mod the_machine {
    use super::*;

    async fn observed() -> Vec<String> {
        history(call(json!({"do": "observe"})).provision().await)
    }

    #[tokio::test]
    async fn a_plugin_sees_nothing_of_it() {
        let lines = observed().await;
        let denied = [
            "environment []",
            "arguments []",
            "input Ok(\"\")",
            "file .: NotFound",
            "file /: NotFound",
            "file /etc/passwd: NotFound",
            "write: NotFound",
            "connect: PermissionDenied",
            "bind: PermissionDenied",
        ];
        for expected in denied {
            assert!(lines.iter().any(|line| line == expected), "{expected} is not among {lines:#?}");
        }
        for begin in ["resolve: ", "thread: "] {
            let line = lines.iter().find(|line| line.starts_with(begin)).unwrap();
            assert!(!line.ends_with("there"), "{line}");
        }
    }

    #[tokio::test]
    async fn stubs_that_deny_are_told_from_what_a_plugin_can_do() {
        use provender::sandbox::Support;
        let imports = &misbehaving().await.inspection.imports;
        for (name, support) in [
            ("provender:plugin/files@", Support::Capability),
            ("wasi:http/outgoing-handler@", Support::Capability),
            ("provender:plugin/records@", Support::Types),
            ("wasi:cli/environment@", Support::Runtime),
            ("wasi:random/insecure-seed@", Support::Runtime),
            ("wasi:sockets/tcp@", Support::Denied),
            ("wasi:filesystem/types@", Support::Denied),
        ] {
            let import = imports.iter().find(|import| import.name.starts_with(name));
            assert_eq!(import.map(|import| import.support), Some(support), "{name}");
        }
    }
}

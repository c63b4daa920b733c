//! Memory, of the guest and, through everything that a guest can make it keep, of the host.

use provender::sandbox::{Fault, LimitName};
use provender_tests::calls::{TestCall, fault, history};
use serde_json::json;

use crate::{Told, assert_served, call, unhurried};

#[tokio::test]
async fn things_of_the_host_are_limited_in_number() {
    let mut told = Told::default();
    let folder = tempfile::tempdir().unwrap();
    for what in [
        "pollables",
        "instances of networks",
        "roots",
        "fields",
        "copies of fields",
        "options",
        "requests",
        "responses",
        "bodies",
    ] {
        let hoard =
            call(json!({"do": "hoard", "what": what, "times": 100_000})).limit("fuel", 50_000_000_000);
        let end = hoard.folder("folder", folder.path(), &[]).provision().await;
        assert!(
            matches!(fault(&end), Fault::BudgetExceeded { name: LimitName::Resources, limit: 1_000, .. }),
            "{what}: {}",
            fault(&end)
        );
        told.add_end(what, &end);
        assert_served().await;
    }
    insta::assert_snapshot!("memory_of_resources", told.0);
}

#[tokio::test]
async fn each_thing_of_the_host_is_limited_in_size() {
    let mut told = Told::default();
    for what in ["one large field", "many fields in one", "one long method"] {
        told.add_end(what, &call(json!({"do": "hoard", "what": what, "times": 100_000})).provision().await);
    }
    let under_way = call(json!({"do": "hoard", "what": "requests under way", "times": 8}));
    told.add_end("requests under way", &under_way.provision().await);
    insta::assert_snapshot!("memory_of_one_resource", told.0);
    assert_served().await;
}

#[tokio::test]
async fn resources_within_the_limit_are_given() {
    let hoard = |times| call(json!({"do": "hoard", "what": "pollables", "times": times}));
    assert_eq!(history(hoard(900).provision().await), ["900 held"]);
    assert_eq!(history(hoard(9_000).limit("resources", 10_000).provision().await), ["9000 held"]);
}

#[tokio::test]
async fn what_a_call_gives_back_is_limited() {
    let mut told = Told::default();
    for (what, times) in [
        ("identifiers", 1_000_000),
        ("history", 1_000_000),
        ("a line", 40 << 20),
        ("one line many times", 10_000),
        ("a reason", 40 << 20),
        ("a failure", 40 << 20),
        ("another outcome", 20 << 20),
    ] {
        let given = call(json!({"do": "give-back", "what": what, "times": times}));
        let end = given.limit("fuel", 10_000_000_000).provision().await;
        told.add_end(what, &end);
        assert_served().await;
    }
    for step in [json!({"do": "enlarge", "bytes": 40 << 20}), json!({"do": "multiply", "times": 1_000_000})] {
        let attack = format!("a filtered subject: {step}");
        let given = unhurried(TestCall::of_filter(step)).limit("fuel", 10_000_000_000);
        told.add_end(&attack, &given.filter().await);
    }
    insta::assert_snapshot!("memory_of_results", told.0);
    assert_served().await;
}

#[tokio::test]
async fn what_a_call_gives_to_an_import_is_limited() {
    let mut told = Told::default();
    let folder = tempfile::tempdir().unwrap();
    let write = json!({"do": "file", "operation": "append", "path": "f", "bytes": 50 << 20});
    let end = call(write).folder("folder", folder.path(), &[]).provision().await;
    told.add_end("a long line for a file", &end);
    assert!(!folder.path().join("f").exists());
    let log = json!({"do": "log", "message": "x".repeat(1 << 20), "times": 1_000});
    let end = call(log).provision().await;
    assert_eq!((end.transcript.log.len(), end.transcript.log_lines_left_out), (0, 1_000));
    told.add_end("long lines for the log", &end);
    insta::assert_snapshot!("memory_of_arguments", told.0);
    assert_served().await;
}

#[tokio::test]
async fn millions_of_log_lines_are_counted_and_dropped() {
    let log = json!({"do": "log", "message": "", "times": 2_000_000});
    let end = call(log).limit("fuel", 10_000_000_000).provision().await;
    let (kept, dropped) = (end.transcript.log.len() as u64, end.transcript.log_lines_left_out);
    assert_eq!(kept + dropped, 2_000_000);
    assert!(kept <= 1024, "an empty line is not free: {kept}");
    assert_eq!(history(end), [""; 0], "a flood of lines fails nothing");
    assert_served().await;
}

#[tokio::test]
async fn memory_within_a_limit_beyond_the_default_is_given() {
    let call = call(json!({"do": "allocate", "bytes": 400 << 20, "piece": 16 << 20}));
    let end = call.limit("memory_bytes", 1 << 30).provision().await;
    assert_eq!(history(end), [format!("25 pieces of {} bytes", 16 << 20)]);
}

//! Operations on files that a slot does not grant, and paths, files and folders that are not what they seem.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use insta::assert_snapshot;
use provender::sandbox::Fault;
use provender_tests::calls::{TestCall, fault, history, local_server};
use provender_tests::receiver::Receiver;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Report, told};

pub(crate) const OPERATIONS: [&str; 12] = [
    "read",
    "append",
    "write",
    "list",
    "create-directory",
    "remove",
    "metadata",
    "set-attributes",
    "copy-tree",
    "give-tree",
    "rename",
    "remove-tree",
];

/// A folder that holds something secret, and in it the root, with something of its own.
pub(crate) struct Place {
    pub(crate) outside: TempDir,
    pub(crate) root: std::path::PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("root");
        fs::create_dir_all(root.join("inside")).unwrap();
        fs::write(outside.path().join("secret"), "s3cr3t").unwrap();
        fs::write(root.join("file"), "content").unwrap();
        Self { outside, root }
    }

    /// Nothing outside of the root was made, changed or removed.
    pub(crate) fn is_untouched(&self) {
        assert_eq!(fs::read_to_string(self.outside.path().join("secret")).unwrap(), "s3cr3t");
        assert_eq!(fs::read_dir(self.outside.path()).unwrap().count(), 2);
    }
}

pub(crate) fn step(operation: &str, path: &str) -> Value {
    json!({"do": "file", "operation": operation, "path": path, "to": format!("{path}-to"), "text": "x"})
}

pub(crate) fn steps(steps: &[Value], root: &Path) -> TestCall {
    TestCall::of(steps.iter().cloned().collect()).folder("folder", root, &[])
}

#[tokio::test]
async fn a_path_that_leaves_the_root_is_refused_by_every_operation() {
    let place = Place::new();
    let absolute = place.outside.path().join("secret").display().to_string();
    let mut report = Report::default();
    for path in [
        "..",
        "../secret",
        "a/../../secret",
        "./../secret",
        "inside/../../secret",
        "inside/./.././../secret",
        "a//../../secret",
        "/",
        "//",
        "/etc/passwd",
        &absolute,
    ] {
        for operation in OPERATIONS {
            let end = steps(&[step(operation, path), step("read", "file")], &place.root).provision().await;
            assert!(matches!(fault(&end), Fault::EffectRefused { .. }), "{operation} {path}: {}", told(&end));
            if operation == "read" {
                report.add(path, &end, &[(&absolute, "ABSOLUTE")]);
            }
        }
    }
    place.is_untouched();
    assert_snapshot!(report.0.replace(&absolute, "ABSOLUTE"));
}

#[tokio::test]
async fn a_name_that_cannot_be_used_is_a_mistake_that_the_plugin_is_told() {
    let place = Place::new();
    let (long, deep) = ("n".repeat(256), "a/".repeat(512) + "a");
    let mut report = Report::default();
    for path in [
        "",
        ".",
        "./file",
        "inside/.",
        "inside/..",
        "inside/../file",
        "inside//x",
        "inside/",
        "file/x",
        "a\0b",
        "a\nb",
        "a\u{7f}",
        "\u{85}",
        ".provender-x",
        "inside/.provender-x",
        "nothing",
        "FILE",
        &long,
        &deep,
    ] {
        let shown = path.chars().take(40).collect::<String>();
        for operation in ["read", "write"] {
            // Made where it is a name that can be used after all.
            if operation == "write" && ["nothing", "FILE"].contains(&path) {
                continue;
            }
            let end = steps(&[step(operation, path)], &place.root).provision().await;
            report.add(
                &format!("{operation} {shown:?}"),
                &end,
                &[(&"n".repeat(255), "n..."), (&"a/".repeat(128), "a/...")],
            );
        }
    }
    place.is_untouched();
    assert_snapshot!(report.0);
}

/// Names that look like tricks elsewhere are names here.
#[tokio::test]
async fn a_name_means_itself() {
    let place = Place::new();
    for path in [
        "...",
        "..x",
        "%2e%2e",
        "~",
        "~root",
        "C:\\x",
        "..\\secret",
        "-rf",
        "$HOME",
        "a b",
        "\u{202e}x",
        "\u{ff0e}\u{ff0e}",
    ] {
        let end = steps(&[step("write", path), step("read", path)], &place.root).provision().await;
        assert_eq!(history(end), ["done", "x"], "{path}");
        assert_eq!(fs::read_to_string(place.root.join(path)).unwrap(), "x", "{path}");
    }
    place.is_untouched();
}

#[tokio::test]
async fn what_is_no_file_is_neither_read_nor_written() {
    let place = Place::new();
    mknodat(CWD, place.root.join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _socket = UnixListener::bind(place.root.join("socket")).unwrap();
    let mut report = Report::default();
    for path in ["pipe", "socket", "inside"] {
        for operation in ["read", "append", "write", "list", "create-directory"] {
            let call = steps(&[step(operation, path)], &place.root);
            let end = call.limit("deadline_ms", 20_000).provision().await;
            report.add(&format!("{operation} {path}"), &end, &[]);
        }
    }
    for path in ["zero", "null", "full", "tty", "fd/0"] {
        for operation in ["read", "append"] {
            let end = steps(&[step(operation, path)], Path::new("/dev")).provision().await;
            report.add(&format!("{operation} {path} of /dev"), &end, &[]);
        }
    }
    assert_snapshot!(report.0);
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_read() {
    let place = Place::new();
    File::create(place.root.join("sparse")).unwrap().set_len(1 << 40).unwrap();
    fs::write(place.root.join("edge"), "x".repeat(1_000)).unwrap();
    let read = |path: &str, limit| steps(&[step("read", path)], &place.root).limit("bytes_in", limit);
    let mut report = Report::default();
    report.add("a sparse file of a terabyte", &read("sparse", 1_000).provision().await, &[]);
    report.add("one byte too many", &read("edge", 999).provision().await, &[]);
    assert_eq!(history(read("edge", 1_000).provision().await), ["x".repeat(1_000)]);
    let write = json!({"do": "file", "operation": "write", "path": "new", "bytes": 1_000});
    let end = steps(&[write], &place.root).limit("bytes_out", 999).provision().await;
    report.add("a write of one byte too many", &end, &[]);
    assert!(!place.root.join("new").exists());
    assert_snapshot!(report.0);
}

#[tokio::test]
async fn a_directory_of_more_entries_than_a_listing_has_is_not_listed() {
    let place = Place::new();
    let full = place.root.join("full");
    fs::create_dir(&full).unwrap();
    for number in 0..100_001 {
        File::create(full.join(number.to_string())).unwrap();
    }
    assert_snapshot!(told(&steps(&[step("list", "full")], &place.root).provision().await));
}

#[tokio::test]
async fn the_deepest_path_works_and_ends_where_the_contract_says() {
    let place = Place::new();
    let deepest = "d/".repeat(511) + "d";
    let file = "d/".repeat(511) + "ff";
    let calls = [
        step("create-directory", &deepest),
        step("append", &file),
        step("list", &deepest),
        step("remove", &file),
    ];
    assert_eq!(history(steps(&calls, &place.root).provision().await), ["done", "done", "", "done"]);
}

#[tokio::test]
async fn names_that_are_no_text_are_listed_as_far_as_they_can_be() {
    let place = Place::new();
    File::create(place.root.join(std::ffi::OsStr::from_bytes(b"inside/\xff\n"))).unwrap();
    let end =
        steps(&[step("list", "inside"), step("read", "inside/\u{fffd}\n")], &place.root).provision().await;
    assert_snapshot!(told(&end));
}

#[tokio::test]
async fn a_root_that_is_removed_during_a_call_is_an_error_without_its_place() {
    let (place, receiver) = (Place::new(), Receiver::start().await);
    receiver.hold();
    let calls = [
        step("append", "log"),
        json!({"do": "request", "slot": "web", "url": "/x"}),
        step("append", "log"),
        step("list", "."),
    ];
    let call = steps(&calls, &place.root).web("web", &local_server(&receiver.url()), &[]);
    let running = tokio::spawn(call.provision());
    receiver.wait_for(1).await;
    fs::remove_dir_all(&place.root).unwrap();
    receiver.release();
    assert_snapshot!(told(&running.await.unwrap()));
    assert!(!place.root.exists());
}

#[tokio::test]
async fn lines_of_calls_at_the_same_time_stay_whole() {
    let place = Place::new();
    let call = |text: &str| {
        let append = json!({"do": "file", "operation": "append", "path": "log", "text": text, "bytes": 500, "times": 200});
        tokio::spawn(steps(&[append], &place.root).provision())
    };
    let running = ["one ", "two ", "six "].map(call);
    for running in running {
        assert_eq!(history(running.await.unwrap()), ["done"; 200]);
    }
    let log = fs::read_to_string(place.root.join("log")).unwrap();
    assert_eq!(log.lines().count(), 600);
    for line in log.lines() {
        assert!(line.len() == 504 && line[4..].bytes().all(|byte| byte == b'x'), "{line}");
    }
}

#[tokio::test]
async fn an_operation_that_the_slot_does_not_ask_for_is_refused() {
    let place = Place::new();
    let mut report = Report::default();
    for operation in OPERATIONS {
        let granted: Vec<&str> = OPERATIONS.into_iter().filter(|other| *other != operation).collect();
        let path = if operation == "list" { "inside" } else { "file" };
        let call = TestCall::of(json!([step(operation, path)])).folder("folder", &place.root, &granted);
        report.add(operation, &call.provision().await, &[]);
    }
    assert_eq!(fs::read_to_string(place.root.join("file")).unwrap(), "content");
    let unbound = json!([{"do": "file", "operation": "list", "path": ".", "slot": "another-folder"}]);
    let end = TestCall::of(unbound).folder("folder", &place.root, &[]).provision().await;
    report.add("a slot that is not bound", &end, &[]);
    assert_snapshot!(report.0);
}

//! Links below a root: those that stay are followed, those that leave are refused, also when they change meanwhile.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use insta::assert_snapshot;
use provender::sandbox::Fault;
use provender_tests::calls::{fault, history};

use super::files::{OPERATIONS, Place, step, steps};
use super::{Report, told};

#[tokio::test]
async fn no_link_leads_out_of_the_root() {
    let place = Place::new();
    symlink("..", place.root.join("up")).unwrap();
    symlink("../secret", place.root.join("relative")).unwrap();
    symlink(place.outside.path().join("secret"), place.root.join("absolute")).unwrap();
    symlink("../not-there", place.root.join("dangling")).unwrap();
    symlink("up/secret", place.root.join("twice")).unwrap();
    symlink("/proc/self/root", place.root.join("magic")).unwrap();
    symlink("loop", place.root.join("loop")).unwrap();
    let mut report = Report::default();
    for path in
        ["up/secret", "relative", "absolute", "dangling", "twice", "magic/etc/passwd", "loop", "up/root/file"]
    {
        for operation in ["read", "append"] {
            let end = steps(&[step(operation, path)], &place.root).provision().await;
            report.add(&format!("{operation} {path}"), &end, &[]);
        }
    }
    for (operation, path) in [
        ("list", "up"),
        ("write", "up/new"),
        ("create-directory", "up/new"),
        ("remove", "up/secret"),
        ("metadata", "up/secret"),
        ("set-attributes", "up/secret"),
        ("copy-tree", "up"),
        ("give-tree", "up/root"),
        ("rename", "up/secret"),
        ("remove-tree", "up/root"),
    ] {
        let end = steps(&[step(operation, path)], &place.root).provision().await;
        assert!(matches!(fault(&end), Fault::EffectRefused { .. }), "{operation} {path}: {}", told(&end));
        report.add(&format!("{operation} {path}"), &end, &[]);
    }
    place.is_untouched();
    assert_snapshot!(report.0);
}

#[tokio::test]
async fn a_link_itself_is_replaced_and_removed_and_not_what_it_leads_to() {
    let place = Place::new();
    symlink("../secret", place.root.join("written")).unwrap();
    symlink("../secret", place.root.join("removed")).unwrap();
    let end =
        steps(&[step("write", "written"), step("read", "written"), step("remove", "removed")], &place.root);
    assert_eq!(history(end.provision().await), ["done", "x", "done"]);
    place.is_untouched();
}

/// A hard link is the file as much as its other names are: who made it in the root put the file there. A write replaces
/// the name alone.
#[tokio::test]
async fn a_hard_link_is_a_file_of_the_root_and_a_write_replaces_its_name_alone() {
    let place = Place::new();
    fs::hard_link(place.outside.path().join("secret"), place.root.join("inside/hard")).unwrap();
    let calls = [
        step("list", "inside"),
        step("read", "inside/hard"),
        step("write", "inside/hard"),
        step("read", "inside/hard"),
    ];
    assert_eq!(history(steps(&calls, &place.root).provision().await), ["hard", "s3cr3t", "done", "x"]);
    place.is_untouched();
}

/// Swaps a directory of the root and a link out of it, again and again, while calls go through the place.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_appears_during_a_call_leads_nowhere() {
    let place = Place::new();
    let outside = place.outside.path().join("elsewhere");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "s3cr3t").unwrap();
    fs::create_dir(place.root.join("swapped")).unwrap();
    fs::write(place.root.join("swapped/file"), "inside").unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let swapping = std::thread::spawn({
        let (root, outside, stop) = (place.root.clone(), outside.clone(), Arc::clone(&stop));
        move || {
            let mut swaps = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                fs::rename(root.join("swapped"), root.join("aside")).unwrap();
                // A plugin may make a directory meanwhile.
                if symlink(&outside, root.join("swapped")).is_ok() {
                    fs::remove_file(root.join("swapped")).unwrap();
                }
                while fs::rename(root.join("aside"), root.join("swapped")).is_err() {
                    let _ = fs::remove_dir_all(root.join("swapped"));
                }
                swaps += 1;
            }
            swaps
        }
    });
    let (mut went_well, mut refused, mut failed) = (0, 0, 0);
    for _ in 0..100 {
        for operation in OPERATIONS {
            let path = match operation {
                "read" => "swapped/file",
                "list" => "swapped",
                _ => "swapped/mine",
            };
            let mut one = step(operation, path);
            one["times"] = 5.into();
            let end = steps(&[one], &place.root).provision().await;
            let text = told(&end);
            assert!(!text.contains("s3cr3t"), "{operation}: {text}");
            match &end.result {
                Ok(_) if text.contains("failed") => failed += 1,
                Ok(_) => went_well += 1,
                Err(Fault::EffectRefused { .. }) => refused += 1,
                Err(other) => panic!("{operation}: {other}"),
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    let swaps = swapping.join().unwrap();
    assert!(swaps > 100 && went_well + refused + failed == 1_200, "{swaps} {went_well} {refused} {failed}");
    // What was there is there, and nothing else.
    assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "s3cr3t");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(place.root.join("swapped/file")).unwrap(), "inside");
}

/// As before, with a pipe in the place of a file: whoever opens it without care waits for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_appears_during_a_call_holds_nobody() {
    let place = Place::new();
    let stop = Arc::new(AtomicBool::new(false));
    let swapping = std::thread::spawn({
        let (root, stop) = (place.root.clone(), Arc::clone(&stop));
        move || {
            use rustix::fs::{CWD, FileType, Mode, mknodat};
            mknodat(CWD, root.join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
            while !stop.load(Ordering::Relaxed) {
                fs::rename(root.join("file"), root.join("aside")).unwrap();
                fs::rename(root.join("pipe"), root.join("file")).unwrap();
                fs::rename(root.join("file"), root.join("pipe")).unwrap();
                fs::rename(root.join("aside"), root.join("file")).unwrap();
            }
        }
    });
    for _ in 0..100 {
        let mut read = step("read", "file");
        read["times"] = 10.into();
        for line in history(steps(&[read], &place.root).provision().await) {
            let expected =
                line == "content" || line.contains("is not a file") || line.contains("does not exist");
            assert!(expected, "{line}");
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
}

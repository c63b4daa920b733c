mod trees;

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};

use cap_std::fs::OpenOptions;

use super::content::{append_to, open_file};
use super::*;

struct Fixture {
    directory: tempfile::TempDir,
    root: FilesRoot,
}

/// A root inside of a directory that also holds something to stay away from.
fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::write(directory.path().join("outside"), "untouched\n").unwrap();
    fs::create_dir(directory.path().join("outside-directory")).unwrap();
    Fixture { root: FilesRoot::open(&root).unwrap(), directory }
}

impl Fixture {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("root").join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn outside_is_untouched(&self) {
        assert_eq!(fs::read_to_string(self.directory.path().join("outside")).unwrap(), "untouched\n");
        assert_eq!(fs::read_dir(self.directory.path().join("outside-directory")).unwrap().count(), 0);
    }
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn lines_are_appended_and_the_file_is_made() {
    let fixture = fixture();
    fixture.root.append_lines("a.log", &lines(&["one", "two"])).await.unwrap();
    fixture.root.append_lines("a.log", &lines(&["", "drei ✓"])).await.unwrap();
    fixture.root.append_lines("a.log", &[]).await.unwrap();
    assert_eq!(fixture.text("a.log"), "one\ntwo\n\ndrei ✓\n");
    let mode = fs::metadata(fixture.path("a.log")).unwrap().permissions().mode();
    assert_eq!(mode & 0o007, 0, "not for everybody");
}

#[tokio::test]
async fn a_line_with_a_newline_is_refused_and_nothing_is_written() {
    let fixture = fixture();
    let error = fixture.root.append_lines("a.log", &lines(&["one", "t\nwo"])).await.unwrap_err();
    assert_eq!(error, FilesError::InvalidLine { path: "a.log".to_owned(), number: 2 });
    assert!(!fixture.path("a.log").exists());
}

#[tokio::test]
async fn an_unfinished_last_line_is_ended_before_the_next() {
    let fixture = fixture();
    fs::write(fixture.path("a.log"), "whole\ntorn").unwrap();
    fixture.root.append_lines("a.log", &lines(&["next"])).await.unwrap();
    assert_eq!(fixture.text("a.log"), "whole\ntorn\nnext\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lines_of_many_writers_stay_whole() {
    let fixture = fixture();
    let other = Arc::new(FilesRoot::open(&fixture.path("")).unwrap());
    let root = Arc::new(fixture.root);
    let writers = (0..16).map(|writer| {
        // Two roots lock each other out by the file alone, as two processes do.
        let root = if writer % 2 == 0 { Arc::clone(&root) } else { Arc::clone(&other) };
        tokio::spawn(async move {
            let pair = [format!("{writer} first {}", "x".repeat(5000)), format!("{writer} second")];
            for _ in 0..20 {
                root.append_lines("a.log", &pair).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let text = fs::read_to_string(fixture.directory.path().join("root/a.log")).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 16 * 20 * 2);
    for pair in lines.chunks(2) {
        let (writer, rest) = pair[0].split_once(' ').unwrap();
        assert_eq!(rest, format!("first {}", "x".repeat(5000)));
        assert_eq!(pair[1], format!("{writer} second"));
    }
}

#[tokio::test]
async fn an_append_waits_for_the_lock_of_another_process_and_can_be_given_up() {
    let fixture = fixture();
    let holder = fs::File::create(fixture.path("a.log")).unwrap();
    holder.lock().unwrap();
    let line = lines(&["late"]);
    {
        let append = fixture.root.append_lines("a.log", &line);
        assert!(tokio::time::timeout(Duration::from_millis(50), append).await.is_err());
    }
    // Other files of the root are not held up.
    fixture.root.append_lines("b.log", &line).await.unwrap();
    let append = fixture.root.append_lines("a.log", &line);
    tokio::pin!(append);
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut append).await.is_err());
    holder.unlock().unwrap();
    append.await.unwrap();
    assert_eq!(fixture.text("a.log"), "late\n");
}

#[tokio::test]
async fn a_slow_root_appends_on_a_thread_and_is_tried_in_place_again_when_it_is_fast() {
    let fixture = fixture();
    fixture.root.root.slow.store(true, Ordering::Relaxed);
    // Until one append is fast, which the first need not be on a busy machine.
    let mut appended = 0;
    while fixture.root.root.slow.load(Ordering::Relaxed) {
        fixture.root.append_lines("a.log", &lines(&["x"])).await.unwrap();
        appended += 1;
    }
    assert_eq!(fixture.text("a.log"), "x\n".repeat(appended));
}

#[tokio::test]
async fn an_append_goes_to_the_new_file_when_a_lock_holder_replaced_it() {
    let fixture = fixture();
    let holder = fs::File::create(fixture.path("a.log")).unwrap();
    holder.lock().unwrap();
    let line = lines(&["late"]);
    let append = fixture.root.append_lines("a.log", &line);
    tokio::pin!(append);
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut append).await.is_err());
    fs::write(fixture.path("new"), "compacted\n").unwrap();
    fs::rename(fixture.path("new"), fixture.path("a.log")).unwrap();
    drop(holder);
    append.await.unwrap();
    assert_eq!(fixture.text("a.log"), "compacted\nlate\n");
}

#[test]
fn an_append_to_a_file_that_was_removed_meanwhile_is_tried_again() {
    let fixture = fixture();
    let file = fs::File::create(fixture.path("a.log")).unwrap();
    fs::remove_file(fixture.path("a.log")).unwrap();
    assert!(matches!(append_to(&file, b"x\n").unwrap(), Append::Again));
}

#[tokio::test]
async fn a_write_replaces_the_whole_file_and_keeps_its_mode() {
    let fixture = fixture();
    fixture.root.write("a", b"old and longer".to_vec()).await.unwrap();
    fs::set_permissions(fixture.path("a"), fs::Permissions::from_mode(0o604)).unwrap();
    let reader = fs::File::open(fixture.path("a")).unwrap();
    fixture.root.write("a", b"new".to_vec()).await.unwrap();
    assert_eq!(fixture.text("a"), "new");
    assert_eq!(fs::metadata(fixture.path("a")).unwrap().permissions().mode() & 0o777, 0o604);
    let mut old = String::new();
    (&reader).read_to_string(&mut old).unwrap();
    assert_eq!(old, "old and longer", "who had it open reads on");
    assert_eq!(fs::read_dir(fixture.path("")).unwrap().count(), 1, "no temporary file is left");
}

#[tokio::test]
async fn a_write_that_fails_leaves_nothing_behind() {
    let fixture = fixture();
    fixture.root.create_directory("a/b", Attributes::default()).await.unwrap();
    let error = fixture.root.write("a/b", b"x".to_vec()).await.unwrap_err();
    assert_eq!(error, FilesError::AlreadyExists { path: "a/b".to_owned(), what: "a directory" });
    let error = fixture.root.write("missing/b", b"x".to_vec()).await.unwrap_err();
    assert_eq!(error, FilesError::NotFound { path: "missing/b".to_owned() });
    let names: Vec<_> =
        fs::read_dir(fixture.path("a")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["b"]);
}

#[tokio::test]
async fn a_file_is_read_up_to_the_limit() {
    let fixture = fixture();
    fs::write(fixture.path("a"), "12345").unwrap();
    assert_eq!(fixture.root.read("a", 5).await.unwrap(), b"12345");
    let error = fixture.root.read("a", 4).await.unwrap_err();
    assert_eq!(error, FilesError::TooLarge { path: "a".to_owned(), limit: 4, unit: "bytes" });
    let error = fixture.root.read("b", 4).await.unwrap_err();
    assert_eq!(error, FilesError::NotFound { path: "b".to_owned() });
    assert!(fixture.root.read("a", u64::MAX).await.is_ok());
}

#[tokio::test]
async fn directories_are_made_listed_and_removed() {
    let fixture = fixture();
    let root = &fixture.root;
    root.create_directory("z/y/x", Attributes::default()).await.unwrap();
    root.create_directory("z/y", Attributes::default()).await.unwrap();
    root.write("b", b"12".to_vec()).await.unwrap();
    root.write("B", Vec::new()).await.unwrap();
    symlink("../outside", fixture.path("link")).unwrap();
    fs::write(fixture.path(".provender-left-by-a-crash"), "x").unwrap();

    let entry = |name: &str, kind, size| Entry { name: name.to_owned(), kind, size };
    let all = [
        entry("B", EntryKind::File, 0),
        entry("b", EntryKind::File, 2),
        entry("link", EntryKind::Other("symlink"), 0),
        entry("z", EntryKind::Directory, 0),
    ];
    assert_eq!(root.list(".", 4).await.unwrap(), all);
    assert_eq!(root.list("z/y", 4).await.unwrap(), [entry("x", EntryKind::Directory, 0)]);
    let error = root.list(".", 3).await.unwrap_err();
    assert_eq!(error, FilesError::TooLarge { path: ".".to_owned(), limit: 3, unit: "entries" });

    let error = root.remove("z/y").await.unwrap_err();
    assert!(matches!(&error, FilesError::Io { path, .. } if path == "z/y"), "{error}");
    root.remove("z/y/x").await.unwrap();
    root.remove("z/y").await.unwrap();
    root.remove("b").await.unwrap();
    root.remove("link").await.unwrap();
    fixture.outside_is_untouched();
    let error = root.remove("b").await.unwrap_err();
    assert_eq!(error, FilesError::NotFound { path: "b".to_owned() });
    let error = root.create_directory("B/c", Attributes::default()).await.unwrap_err();
    assert!(matches!(error, FilesError::InvalidPath { .. } | FilesError::AlreadyExists { .. }), "{error}");
    let error = root.create_directory("B", Attributes::default()).await.unwrap_err();
    assert!(matches!(error, FilesError::AlreadyExists { .. }), "{error}");
}

#[tokio::test]
async fn a_path_outside_the_rules_is_refused_by_every_operation() {
    let fixture = fixture();
    let root = &fixture.root;
    let long = "a/".repeat(512) + "a";
    for path in [
        "",
        "a/..",
        "./a",
        "a/.",
        "a//b",
        "a/",
        "a\0b",
        "a\nb",
        "a\u{85}b",
        "\u{7f}",
        ".provender-x",
        "a/.provender-x/b",
        &long,
    ] {
        let answers = [
            root.append_lines(path, &lines(&["x"])).await.err(),
            root.write(path, b"x".to_vec()).await.err(),
            root.read(path, 10).await.err(),
            root.create_directory(path, Attributes::default()).await.err(),
            root.list(path, 10).await.err(),
            root.remove(path).await.err(),
        ];
        for answer in answers {
            assert!(matches!(answer, Some(FilesError::InvalidPath { .. })), "{path:?}: {answer:?}");
        }
    }
    for root_itself in [root.read(".", 10).await.err(), root.remove(".").await.err()] {
        assert!(matches!(root_itself, Some(FilesError::InvalidPath { .. })), "{root_itself:?}");
    }
    let longest = "a/".repeat(511) + "aa";
    assert_eq!(root.read(&longest, 1).await.unwrap_err(), FilesError::NotFound { path: longest });
    let error = root.write(&"a".repeat(300), Vec::new()).await.unwrap_err();
    assert!(matches!(error, FilesError::InvalidPath { .. }), "{error}");
    fixture.outside_is_untouched();
}

#[tokio::test]
async fn a_path_that_leaves_the_root_by_its_parts_is_told_from_a_mistake() {
    let fixture = fixture();
    let root = &fixture.root;
    for path in
        ["/", "//", "/etc/passwd", "..", "../outside", "a/../../outside", "./../outside", "a//../../outside"]
    {
        let answers = [
            root.append_lines(path, &lines(&["x"])).await.err(),
            root.write(path, b"x".to_vec()).await.err(),
            root.read(path, 10).await.err(),
            root.create_directory(path, Attributes::default()).await.err(),
            root.list(path, 10).await.err(),
            root.remove(path).await.err(),
        ];
        for answer in answers {
            assert!(matches!(answer, Some(FilesError::OutsideRoot { .. })), "{path:?}: {answer:?}");
        }
    }
    fixture.outside_is_untouched();
}

#[tokio::test]
async fn no_link_leads_out_of_the_root() {
    let fixture = fixture();
    let root = &fixture.root;
    symlink("../outside", fixture.path("file")).unwrap();
    symlink(fixture.directory.path().join("outside"), fixture.path("absolute")).unwrap();
    symlink("../outside-directory", fixture.path("directory")).unwrap();
    symlink("../nothing-yet", fixture.path("dangling")).unwrap();
    for path in ["file", "absolute", "dangling", "directory/new"] {
        for answer in [root.append_lines(path, &lines(&["x"])).await.err(), root.read(path, 100).await.err()]
        {
            assert!(matches!(answer, Some(FilesError::OutsideRoot { .. })), "{path}: {answer:?}");
        }
    }
    for answer in [
        root.write("directory/new", b"x".to_vec()).await.err(),
        root.create_directory("directory/new", Attributes::default()).await.err(),
        root.list("directory", 10).await.err(),
        root.remove("directory/new").await.err(),
    ] {
        assert!(matches!(answer, Some(FilesError::OutsideRoot { .. })), "{answer:?}");
    }
    root.write("file", b"mine".to_vec()).await.unwrap();
    assert_eq!(fixture.text("file"), "mine", "a write replaces the link itself");
    assert!(!fixture.directory.path().join("nothing-yet").exists());
    fixture.outside_is_untouched();
}

#[tokio::test]
async fn links_within_the_root_are_followed() {
    let fixture = fixture();
    fixture.root.create_directory("real", Attributes::default()).await.unwrap();
    symlink("real", fixture.path("link")).unwrap();
    fixture.root.append_lines("link/a.log", &lines(&["x"])).await.unwrap();
    assert_eq!(fixture.text("real/a.log"), "x\n");
}

#[tokio::test]
async fn what_is_no_file_is_neither_read_nor_appended_to() {
    let fixture = fixture();
    let _socket = std::os::unix::net::UnixListener::bind(fixture.path("socket")).unwrap();
    pipe(&fixture.path("pipe"));
    for path in ["socket", "pipe"] {
        let error = fixture.root.write(path, b"x".to_vec()).await.unwrap_err().to_string();
        assert_eq!(error, format!("{path}: is not a file"));
    }
    fixture.root.create_directory("directory", Attributes::default()).await.unwrap();
    for path in ["socket", "pipe", "directory"] {
        assert!(fixture.root.read(path, 10).await.is_err(), "{path}");
        assert!(fixture.root.append_lines(path, &lines(&["x"])).await.is_err(), "{path}");
    }
    let kinds: Vec<_> =
        fixture.root.list(".", 10).await.unwrap().into_iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [EntryKind::Directory, EntryKind::Other("special"), EntryKind::Other("special")]);
}

#[tokio::test]
async fn a_pipe_in_the_place_of_a_file_is_opened_without_waiting() {
    let fixture = fixture();
    pipe(&fixture.path("pipe"));
    let root = Dir::open_ambient_dir(fixture.path(""), ambient_authority()).unwrap();
    for options in [OpenOptions::new().read(true), OpenOptions::new().read(true).append(true)] {
        assert_eq!(open_file(&root, "pipe", options).unwrap_err().to_string(), "is not a file");
    }
}

#[tokio::test]
async fn a_root_that_hangs_occupies_a_few_threads_and_no_more() {
    let fixture = fixture();
    let (release, _) = tokio::sync::broadcast::channel::<()>(1);
    let begun = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let path = FilePath::parse("x").unwrap();
    let hanging = (0..3 * THREADS_OF_A_ROOT).map(|_| {
        let (mut released, begun) = (release.subscribe(), Arc::clone(&begun));
        fixture.root.blocking(&path, move |_, _| {
            begun.fetch_add(1, Ordering::SeqCst);
            let _ = released.blocking_recv();
            Ok(())
        })
    });
    let all_occupied = async {
        while begun.load(Ordering::SeqCst) < THREADS_OF_A_ROOT {
            tokio::task::yield_now().await;
        }
    };
    // Given up when all threads are occupied: they stay so.
    tokio::select! {
        _ = futures::future::join_all(hanging) => panic!("nothing ends before it is released"),
        () = all_occupied => {}
    }
    assert_eq!(begun.load(Ordering::SeqCst), THREADS_OF_A_ROOT);
    assert_eq!(fixture.root.threads.available_permits(), 0);
    drop(release);
    let _all = fixture.root.threads.acquire_many(THREADS_OF_A_ROOT as u32).await.unwrap();
}

fn pipe(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[tokio::test]
async fn a_root_that_was_made_anew_is_opened_anew() {
    let fixture = fixture();
    fs::rename(fixture.path(""), fixture.directory.path().join("moved")).unwrap();
    let error = fixture.root.append_lines("a.log", &lines(&["x"])).await.unwrap_err().to_string();
    assert!(error.contains("root directory") && error.contains("No such file"), "{error}");
    fs::create_dir(fixture.path("")).unwrap();
    fixture.root.append_lines("a.log", &lines(&["x"])).await.unwrap();
    assert_eq!(fixture.text("a.log"), "x\n");
}

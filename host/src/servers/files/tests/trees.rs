//! Whole trees, their owners and modes. Numbers of users need no accounts, but setting them needs root.

use std::os::unix::fs::{MetadataExt as _, chown, lchown};

use super::*;
use crate::servers::configuration::IdRange;

fn homes() -> Fixture {
    assert!(rustix::process::geteuid().is_root(), "owners can be set by root alone: run the tests as root");
    let Fixture { directory, root } = fixture();
    let people = IdRange::new(1000, 59_999);
    let allowed = Allowed { modes: 0o2777, owners: people, groups: people };
    Fixture { directory, root: root.allowing(allowed) }
}

const ANNA: Attributes = Attributes { mode: Some(0o2750), owner: Some(5001), group: Some(6001) };

/// Everything below a directory: path, mode, owner, group, and content or target.
fn listed(directory: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = vec![directory.to_owned()];
    while let Some(path) = rest.pop() {
        let found = fs::symlink_metadata(&path).unwrap();
        let content = if found.is_dir() {
            rest.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            "/".to_owned()
        } else if found.is_symlink() {
            format!("-> {}", fs::read_link(&path).unwrap().display())
        } else {
            fs::read_to_string(&path).unwrap()
        };
        let name = path.strip_prefix(directory).unwrap().display().to_string();
        lines.push(format!("{name} {:o} {}:{} {content}", found.mode() & 0o7777, found.uid(), found.gid()));
    }
    lines.sort();
    lines
}

fn skeleton(fixture: &Fixture) {
    fs::create_dir_all(fixture.path("skel/.config/deep")).unwrap();
    fs::write(fixture.path("skel/.profile"), "umask 077\n").unwrap();
    fs::write(fixture.path("skel/run"), "#!/bin/sh\n").unwrap();
    fs::hard_link(fixture.path("skel/run"), fixture.path("skel/again")).unwrap();
    fs::write(fixture.path("skel/.provender-x"), "left").unwrap();
    symlink("/etc/passwd", fixture.path("skel/link")).unwrap();
    for (path, mode) in
        [("skel", 0o755), (".profile", 0o644), ("run", 0o4755), (".config", 0o1777), (".config/deep", 0o700)]
    {
        let path = if path == "skel" { path.to_owned() } else { format!("skel/{path}") };
        fs::set_permissions(fixture.path(&path), fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[tokio::test]
async fn a_copied_tree_belongs_to_its_owner_and_holds_no_bits_that_act_on_others() {
    let fixture = homes();
    skeleton(&fixture);
    let copied = fixture.root.copy_tree("anna", ANNA, (&fixture.root, "skel"), 1_000).await.unwrap();
    assert_eq!(copied, 30);
    let expected = [
        " 2750 5001:6001 /",
        ".config 777 5001:6001 /",
        ".config/deep 700 5001:6001 /",
        ".profile 644 5001:6001 umask 077\n",
        "again 755 5001:6001 #!/bin/sh\n",
        "link 777 5001:6001 -> /etc/passwd",
        "run 755 5001:6001 #!/bin/sh\n",
    ];
    assert_eq!(listed(&fixture.path("anna")), expected);
    assert_eq!(fs::metadata("/etc/passwd").unwrap().uid(), 0, "the link was not followed");
    let names: Vec<_> = fs::read_dir(fixture.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[tokio::test]
async fn a_copy_that_cannot_be_made_whole_leaves_nothing() {
    let fixture = homes();
    skeleton(&fixture);
    let root = &fixture.root;
    let copy = async |max_bytes| root.copy_tree("anna", ANNA, (root, "skel"), max_bytes).await.unwrap_err();
    assert_eq!(copy(29).await, FilesError::TooLarge { path: "anna".to_owned(), limit: 29, unit: "bytes" });
    pipe(&fixture.path("skel/pipe"));
    let error = copy(1_000).await;
    assert!(matches!(&error, FilesError::NotAllowed { reason, .. } if reason.contains("pipe")), "{error}");
    fs::remove_file(fixture.path("skel/pipe")).unwrap();
    let error = root.copy_tree("anna", ANNA, (root, "nothing"), 1_000).await.unwrap_err();
    assert_eq!(error, FilesError::NotFound { path: "nothing".to_owned() });
    fs::create_dir_all(fixture.path("skel/".to_owned().as_str()).join("d/".repeat(101))).unwrap();
    assert!(matches!(copy(1_000).await, FilesError::TooLarge { unit: "levels", .. }));
    fs::remove_dir_all(fixture.path("skel/d")).unwrap();
    assert_eq!(fs::read_dir(fixture.path("")).unwrap().count(), 1, "only the skeleton is there");

    fs::create_dir(fixture.path("anna")).unwrap();
    let error = copy(1_000).await;
    assert_eq!(error, FilesError::AlreadyExists { path: "anna".to_owned(), what: "in the way" });
    assert_eq!(fs::read_dir(fixture.path("anna")).unwrap().count(), 0);
}

#[tokio::test]
async fn what_a_crash_left_is_removed_by_the_next_try_and_what_is_being_made_is_not() {
    let fixture = homes();
    skeleton(&fixture);
    let left = fixture.path(".provender-new-anna");
    fs::create_dir(&left).unwrap();
    symlink("../../outside-directory", left.join("directory")).unwrap();
    fs::write(left.join("half"), "x").unwrap();
    let copy = async || fixture.root.copy_tree("anna", ANNA, (&fixture.root, "skel"), 1_000).await;
    let maker = fs::File::open(&left).unwrap();
    maker.lock().unwrap();
    let error = copy().await.unwrap_err();
    assert!(matches!(&error, FilesError::Io { .. }), "{error}");
    assert!(left.join("half").exists());
    drop(maker);
    copy().await.unwrap();
    assert!(!left.exists() && !fixture.path("anna/half").exists());
    fixture.outside_is_untouched();
}

#[tokio::test]
async fn a_directory_appears_with_its_attributes_and_one_that_is_there_stays_as_it_is() {
    let fixture = homes();
    fixture.root.create_directory("a/anna", ANNA).await.unwrap();
    fs::write(fixture.path("a/anna/file"), "mine").unwrap();
    let other = Attributes { mode: Some(0o700), owner: Some(5002), group: None };
    fixture.root.create_directory("a/anna", other).await.unwrap();
    let found = fixture.root.metadata("a/anna").await.unwrap();
    let shown = (found.kind, found.mode, found.owner, found.group);
    assert_eq!(shown, (EntryKind::Directory, 0o2750, 5001, 6001));
    assert_eq!(fs::metadata(fixture.path("a")).unwrap().uid(), 0);
    fs::write(fixture.path("file"), "x").unwrap();
    let error = fixture.root.create_directory("file", other).await.unwrap_err();
    assert!(matches!(error, FilesError::AlreadyExists { .. }), "{error}");
}

#[tokio::test]
async fn only_what_the_configuration_allows_is_set() {
    let fixture = homes();
    fs::create_dir(fixture.path("anna")).unwrap();
    let with = |mode, owner, group| Attributes { mode, owner, group };
    for (attributes, expected) in [
        (
            with(Some(0o4755), None, None),
            "mode 4755 has bits that the server's configuration does not allow; it allows 2777",
        ),
        (
            with(None, Some(0), None),
            "owner 0 may not be set by the server's configuration; it allows 1000-59999",
        ),
        (
            with(None, None, Some(60_000)),
            "group 60000 may not be set by the server's configuration; it allows 1000-59999",
        ),
    ] {
        let (root, of) = (&fixture.root, "anna");
        for answer in [
            root.set_attributes(of, attributes).await.err(),
            root.create_directory("new", attributes).await.err(),
            root.copy_tree("new", attributes, (root, of), 100).await.err(),
        ] {
            let reason = expected.to_owned();
            let path = if answer.as_ref().is_some_and(|error| error.to_string().starts_with(of)) {
                of
            } else {
                "new"
            };
            assert_eq!(answer, Some(FilesError::NotAllowed { path: path.to_owned(), reason }));
        }
    }
    assert!(fixture.root.give_tree("anna", Some(0), None).await.is_err());
    let error = fixture.root.give_tree("anna", Some(5001), None).await.unwrap_err().to_string();
    assert!(error.contains("owner 0 may not"), "what belongs to root is not given away: {error}");
    let nobody = FilesRoot::open(&fixture.path("")).unwrap();
    let error = nobody.set_attributes("anna", with(None, Some(5001), None)).await.unwrap_err().to_string();
    assert!(error.ends_with("it allows none"), "{error}");
}

#[tokio::test]
async fn attributes_are_set_of_files_and_directories_that_have_one_name() {
    let fixture = homes();
    fs::write(fixture.path("file"), "x").unwrap();
    fixture.root.set_attributes("file", ANNA).await.unwrap();
    assert_eq!(listed(&fixture.path("file")), [" 2750 5001:6001 x"]);
    symlink("file", fixture.path("link")).unwrap();
    pipe(&fixture.path("pipe"));
    fs::hard_link(fixture.directory.path().join("outside"), fixture.path("hard")).unwrap();
    for path in ["link", "pipe", "hard"] {
        let error = fixture.root.set_attributes(path, ANNA).await.unwrap_err();
        assert!(matches!(error, FilesError::NotAllowed { .. }), "{path}: {error}");
    }
    assert_eq!(fs::metadata(fixture.directory.path().join("outside")).unwrap().uid(), 0);
}

#[tokio::test]
async fn only_what_belongs_to_the_owner_of_a_tree_is_given_away() {
    let fixture = homes();
    skeleton(&fixture);
    fixture.root.copy_tree("anna", ANNA, (&fixture.root, "skel"), 1_000).await.unwrap();
    fs::hard_link(fixture.directory.path().join("outside"), fixture.path("anna/hard")).unwrap();
    fs::write(fixture.path("anna/of-ben"), "x").unwrap();
    chown(fixture.path("anna/of-ben"), Some(5002), Some(6001)).unwrap();
    // As after a crash in the middle.
    lchown(fixture.path("anna/link"), Some(5003), Some(6001)).unwrap();
    fixture.root.give_tree("anna", Some(5003), Some(6003)).await.unwrap();
    fixture.root.give_tree("anna", Some(5003), Some(6003)).await.unwrap();
    let expected = [
        " 2750 5003:6003 /",
        ".config 777 5003:6003 /",
        ".config/deep 700 5003:6003 /",
        ".profile 644 5003:6003 umask 077\n",
        "again 755 5003:6003 #!/bin/sh\n",
        "hard 644 0:0 untouched\n",
        "link 777 5003:6003 -> /etc/passwd",
        "of-ben 644 5002:6003 x",
        "run 755 5003:6003 #!/bin/sh\n",
    ];
    assert_eq!(listed(&fixture.path("anna")), expected);
    fixture.outside_is_untouched();
}

/// Swaps a file of the tree with a link to one that belongs to somebody else, again and again.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_somebody_else_that_appears_meanwhile_is_not_given_away() {
    let fixture = homes();
    fixture.root.create_directory("anna", ANNA).await.unwrap();
    let outside = fixture.directory.path().join("outside");
    let stop = Arc::new(AtomicBool::new(false));
    let swapping = std::thread::spawn({
        let (home, outside, stop) = (fixture.path("anna"), outside.clone(), Arc::clone(&stop));
        move || {
            while !stop.load(Ordering::Relaxed) {
                fs::write(home.join("own"), "x").unwrap();
                chown(home.join("own"), Some(5001), Some(6001)).unwrap();
                fs::rename(home.join("own"), home.join("file")).unwrap();
                fs::hard_link(&outside, home.join("hard")).unwrap();
                fs::rename(home.join("hard"), home.join("file")).unwrap();
            }
        }
    });
    let mut given = 0;
    for turn in 0..500_u32 {
        chown(fixture.path("anna"), Some(5001), None).unwrap();
        given += usize::from(fixture.root.give_tree("anna", Some(5002 + turn % 2), None).await.is_ok());
    }
    stop.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
    assert!(given > 0);
    assert_eq!(fs::metadata(&outside).unwrap().uid(), 0);
}

#[tokio::test]
async fn a_tree_is_renamed_to_where_nothing_is() {
    let fixture = homes();
    fixture.root.create_directory("anna", ANNA).await.unwrap();
    fixture.root.create_directory("archive", Attributes::default()).await.unwrap();
    fs::create_dir(fixture.path("empty")).unwrap();
    let error = fixture.root.rename("anna", "empty").await.unwrap_err();
    assert_eq!(error, FilesError::AlreadyExists { path: "empty".to_owned(), what: "in the way" });
    let error = fixture.root.rename("ben", "archive/ben").await.unwrap_err();
    assert_eq!(error, FilesError::NotFound { path: "ben".to_owned() });
    let error = fixture.root.rename("anna", "missing/anna").await.unwrap_err();
    assert_eq!(error, FilesError::NotFound { path: "missing/anna".to_owned() });
    assert!(fixture.root.rename("anna", "anna/below").await.is_err());
    fixture.root.rename("anna", "archive/anna").await.unwrap();
    assert_eq!(listed(&fixture.path("archive/anna")), [" 2750 5001:6001 /"]);
}

#[tokio::test]
async fn a_tree_is_removed_however_deep_it_is_and_links_alone() {
    let fixture = homes();
    let mut deep = fixture.path("anna");
    fs::create_dir(&deep).unwrap();
    let top = Dir::open_ambient_dir(&deep, ambient_authority()).unwrap();
    let mut directory = top.try_clone().unwrap();
    for _ in 0..1_000 {
        directory.create_dir("down").unwrap();
        directory.write("file", "x").unwrap();
        directory = directory.open_dir("down").unwrap();
    }
    deep.push("link");
    symlink("../../outside-directory", &deep).unwrap();
    fs::write(fixture.directory.path().join("outside-directory/kept"), "x").unwrap();
    fixture.root.remove_tree("anna").await.unwrap();
    assert_eq!(fs::read_dir(fixture.path("")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(fixture.directory.path().join("outside-directory")).unwrap().count(), 1);
    let error = fixture.root.remove_tree("anna").await.unwrap_err();
    assert_eq!(error, FilesError::NotFound { path: "anna".to_owned() });
    symlink("../outside-directory", fixture.path("link")).unwrap();
    assert!(fixture.root.remove_tree("link").await.is_err());
    assert!(fixture.path("link").is_symlink());
}

#[test]
fn an_operation_on_a_tree_that_nobody_waits_for_ends() {
    let fixture = homes();
    fs::create_dir_all(fixture.path("anna/below")).unwrap();
    let root = Dir::open_ambient_dir(fixture.path(""), ambient_authority()).unwrap();
    let stop = Stop::default();
    stop.set();
    let error = tree::remove(&root, "anna", &stop).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    assert!(fixture.path("anna/below").exists());
}

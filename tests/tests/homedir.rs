//! The plugin `homedir` with real directories, owners, groups and modes. Numbers of users need no accounts, but setting them
//! needs root.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use provender::capabilities::contract::records::{Identifier as GivenIdentifier, Metadata, Subject};
use provender::capabilities::contract::types::{Action, Context, Inspection, Invocation, Outcome};
use provender::capabilities::plugin::Said;
use provender::capabilities::slots::Slots;
use provender::capabilities::{CallState, Grants, Surroundings, files, state};
use provender::provisioning::{FailureClass, InvocationOutcome, JobStatus};
use provender::registry::record::{Identifier, Record, Status};
use provender::sandbox::{Limits, Mode};
use provender::servers::configuration::IdRange;
use provender::servers::files::{Allowed, FilesRoot};
use provender_bundled_plugins::find;
use provender_tests::calls::{Stored, TIME, load, person as subject, plugin_host};
use provender_tests::host::{CO, TestHost};
use provender_tests::people::{group, group_key, person_key, plain_person};
use serde_json::{Value, json};

/// Everything below a directory: path, mode, owner, group, and content or target.
fn tree(directory: &Path) -> Vec<String> {
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
        if path != directory {
            let name = path.strip_prefix(directory).unwrap().display().to_string();
            lines.push(format!(
                "{name} {:04o} {}:{} {content}",
                found.mode() & 0o7777,
                found.uid(),
                found.gid()
            ));
        }
    }
    lines.sort();
    lines
}

fn skeleton(directory: &Path) {
    fs::create_dir_all(directory.join("skel/.ssh")).unwrap();
    fs::write(directory.join("skel/.profile"), "umask 077").unwrap();
    symlink(".profile", directory.join("skel/.login")).unwrap();
    for (path, mode) in [("skel/.ssh", 0o700), ("skel/.profile", 0o640)] {
        fs::set_permissions(directory.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// A home as the skeleton makes it.
fn home(path: &str, mode: &str, owner: &str) -> Vec<String> {
    vec![
        format!("{path} {mode} {owner} /"),
        format!("{path}/.login 0777 {owner} -> .profile"),
        format!("{path}/.profile 0640 {owner} umask 077"),
        format!("{path}/.ssh 0700 {owner} /"),
    ]
}

/// Lists of [`tree`], in its order.
fn all(parts: &[Vec<String>]) -> Vec<String> {
    let mut lines: Vec<String> = parts.concat();
    lines.sort();
    lines
}

/// A host with a target that keeps homes, and the directory of its homes.
async fn host_with_homes(configuration: Value) -> (TestHost, PathBuf) {
    assert!(rustix::process::geteuid().is_root(), "owners can be set by root alone: run the tests as root");
    let host = TestHost::start().await;
    let (homes, skel) = (host.folder("homes"), host.folder("skeleton"));
    skeleton(&skel);
    target(&host, &homes, &skel, configuration).await;
    (host, homes)
}

async fn target(host: &TestHost, homes: &Path, skel: &Path, configuration: Value) {
    let people = "1000-59999";
    host.install_bundled("homedir").await;
    let server = json!({"kind": "files", "root": homes, "modes": "0777", "owners": people, "groups": people});
    host.server("homes", server).await;
    host.server("skel", json!({"kind": "files", "root": skel})).await;
    let slots = json!({"homes": "homes", "skeleton": "skel"});
    host.target("t", json!({"plugin": "homedir", "slots": slots, "configuration": configuration})).await;
}

fn person(id: &str, status: Status, uid: u32, home: &str) -> Record {
    let mut person = plain_person(id);
    person.status = status;
    for (of, value) in
        [("uidNumber", uid.to_string()), ("gidNumber", "6001".to_owned()), ("homeDirectory", home.to_owned())]
    {
        person.identifiers.push(Identifier {
            identifier: value,
            identifier_type: of.to_owned(),
            ..Identifier::default()
        });
    }
    Record::Person(Box::new(person))
}

/// Writes somebody, and expects that this went well.
async fn put(host: &TestHost, id: &str, status: Status, uid: u32, home: &str) {
    let all = host.put(person_key(id), person(id, status, uid, home)).await;
    assert!(!all.is_empty(), "nothing was provisioned");
    for done in all {
        assert!(!matches!(done.outcome, Some(InvocationOutcome::Failed { .. })), "{:?}", done.outcome);
    }
}

async fn delete(host: &TestHost, id: &str) {
    let all = host.delete(&person_key(id)).await;
    assert!(!all.is_empty(), "nothing was provisioned");
    for done in all {
        assert!(!matches!(done.outcome, Some(InvocationOutcome::Failed { .. })), "{:?}", done.outcome);
    }
}

async fn failure(host: &TestHost, id: &str, uid: u32, home: &str) -> (FailureClass, String) {
    let done = host.put(person_key(id), person(id, Status::Active, uid, home)).await;
    match &done[0].outcome {
        Some(InvocationOutcome::Failed { class, message, .. }) => (*class, message.clone()),
        other => panic!("did not fail: {other:?}"),
    }
}

#[tokio::test]
async fn a_home_follows_its_owner_through_a_whole_life() {
    let configuration = json!({
        "skeleton": "skel", "mode": "0750", "when_inactive": "close", "on_deletion": "archive", "below": "users",
    });
    let (host, homes) = host_with_homes(configuration).await;
    let check = host.host.pipeline.check_target(CO, "t").await.unwrap();
    assert!(check.findings.iter().any(|line| line.contains("copied from")), "{check:?}");
    host.host.pipeline.prepare_target(CO, "t").await.unwrap();
    let around = vec!["archive 0700 0:0 /".to_owned(), "users 0755 0:0 /".to_owned()];
    let holds = |parts: &[Vec<String>]| {
        assert_eq!(tree(&homes), all(&[std::slice::from_ref(&around), parts].concat()));
    };
    holds(&[]);

    host.put(group_key("staff"), group("staff")).await;
    put(&host, "ben", Status::Active, 5002, "/home/ben ß").await;
    let ben = home("users/ben ß", "0750", "5002:6001");
    put(&host, "anna", Status::Active, 5001, "/home/anna").await;
    holds(&[home("users/anna", "0750", "5001:6001"), ben.clone()]);

    // What the owner does with it is the owner's.
    fs::write(homes.join("users/anna/.ssh/key"), "k").unwrap();
    std::os::unix::fs::chown(homes.join("users/anna/.ssh/key"), Some(5001), Some(6001)).unwrap();
    let with_key = |path: &str, mode: &str, owner: &str| {
        let key = format!("{path}/.ssh/key 0644 {owner} k");
        [home(path, mode, owner), vec![key]].concat()
    };
    put(&host, "anna", Status::Active, 5005, "/home/anna").await;
    holds(&[with_key("users/anna", "0750", "5005:6001"), ben.clone()]);
    put(&host, "anna", Status::Active, 5005, "/home/a/anna2").await;
    let a = vec!["users/a 0755 0:0 /".to_owned()];
    holds(&[a.clone(), with_key("users/a/anna2", "0750", "5005:6001"), ben.clone()]);
    for status in [Status::Suspended, Status::Expired] {
        put(&host, "anna", status, 5005, "/home/a/anna2").await;
        holds(&[a.clone(), with_key("users/a/anna2", "0000", "5005:6001"), ben.clone()]);
    }
    put(&host, "anna", Status::Active, 5005, "/home/a/anna2").await;
    holds(&[a.clone(), with_key("users/a/anna2", "0750", "5005:6001"), ben.clone()]);
    delete(&host, "anna").await;
    holds(&[a.clone(), with_key("archive/anna2.anna", "0750", "5005:6001"), ben.clone()]);
    put(&host, "anna", Status::Active, 5005, "/home/anna").await;
    holds(&[a.clone(), with_key("users/anna", "0750", "5005:6001"), ben.clone()]);
    delete(&host, "anna").await;
    assert!(
        host.host.registry.delete(CO, &person_key("anna"), &provender_tests::host::by_test()).await.is_err()
    );
    let at_last = [a, with_key("archive/anna.anna", "0750", "5005:6001"), ben];
    holds(&at_last);

    let job = host.ended(host.reprovision_all("t").await.id).await;
    assert_eq!(job.status, JobStatus::Complete, "{job:?}");
    holds(&at_last);
    host.assert_healthy().await;
}

#[tokio::test]
async fn a_home_is_removed_where_that_is_the_policy_and_nothing_else_is() {
    let (host, homes) = host_with_homes(json!({"on_deletion": "remove", "when_inactive": "archive"})).await;
    put(&host, "anna", Status::Active, 5001, "/home/anna").await;
    put(&host, "ben", Status::Active, 5002, "/home/ben").await;
    symlink("../ben", homes.join("anna/link")).unwrap();
    put(&host, "anna", Status::Locked, 5001, "/home/anna").await;
    assert!(homes.join("archive/anna.anna/link").is_symlink() && !homes.join("anna").exists());
    put(&host, "anna", Status::Active, 5001, "/home/anna").await;
    assert_eq!(fs::read_dir(homes.join("archive")).unwrap().count(), 0);
    delete(&host, "anna").await;
    assert_eq!(tree(&homes), ["archive 0700 0:0 /", "ben 0700 5002:6001 /"]);
}

#[tokio::test]
async fn what_is_in_the_way_or_not_allowed_is_told_and_left_alone() {
    let (host, homes) = host_with_homes(json!({})).await;
    fs::create_dir(homes.join("anna")).unwrap();
    let before = tree(&homes);
    let (class, message) = failure(&host, "anna", 5001, "/home/anna").await;
    assert_eq!(class, FailureClass::Conflict);
    assert!(message.contains("a directory of 0:0"), "{message}");
    let (class, message) = failure(&host, "ben", 0, "/home/ben").await;
    assert_eq!(class, FailureClass::InvalidData);
    assert!(message.contains("owner 0 may not be set") && message.contains("1000-59999"), "{message}");
    for home in ["/home/../etc", "/root", "/home/archive/x"] {
        assert_eq!(failure(&host, "chloe", 5003, home).await.0, FailureClass::InvalidData, "{home}");
    }
    assert_eq!(tree(&homes), before);
}

#[tokio::test]
async fn two_people_never_share_one_home() {
    let (host, homes) = host_with_homes(json!({"skeleton": "skel", "on_deletion": "remove"})).await;
    put(&host, "anna", Status::Active, 5001, "/home/one").await;
    let before = tree(&homes);
    let provision = async |id: &str, home: &str| {
        host.put(person_key(id), person(id, Status::Active, 5001, home)).await;
        host.host.pipeline.provision(CO, "t", &person_key(id)).await.unwrap().outcome
    };
    let refused = async |id: &str, home: &str, other: &str| {
        let outcome = provision(id, home).await;
        let Some(InvocationOutcome::Failed { class, message, .. }) = outcome else { panic!("{outcome:?}") };
        let path = home.trim_start_matches("/home/");
        let named = format!("\"{path}\" is the home of person \"{other}\"");
        assert!(class == FailureClass::Conflict && message.contains(&named), "{class:?} {message}");
    };
    refused("ben", "/home/one", "anna").await;
    assert_eq!(tree(&homes), before);
    // Who has no home takes none along.
    host.delete(&person_key("ben")).await;
    assert_eq!(tree(&homes), before);

    put(&host, "chloe", Status::Active, 5001, "/home/two").await;
    refused("chloe", "/home/one", "anna").await;
    put(&host, "anna", Status::Active, 5001, "/home/three").await;
    let moved = provision("chloe", "/home/one").await;
    assert!(matches!(moved, Some(InvocationOutcome::Applied { .. })), "{moved:?}");
    refused("anna", "/home/one", "chloe").await;
    let both = [home("one", "0700", "5001:6001"), home("three", "0700", "5001:6001")];
    assert_eq!(tree(&homes), all(&both));
    // What was moved away by hand is in nobody's way, and is given back by none.
    fs::rename(homes.join("one"), homes.join("moved")).unwrap();
    put(&host, "dora", Status::Active, 5001, "/home/one").await;
    refused("chloe", "/home/one", "dora").await;
    delete(&host, "chloe").await;
    delete(&host, "anna").await;
    let left = [home("moved", "0700", "5001:6001"), home("one", "0700", "5001:6001")];
    assert_eq!(tree(&homes), all(&left));
    delete(&host, "dora").await;
    assert_eq!(tree(&homes), home("moved", "0700", "5001:6001"));
    host.assert_healthy().await;
}

/// A small file system that is gone with the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        let options = ["-t", "tmpfs", "-o", "size=64k,mode=0755", "tmpfs"];
        let mounted = Command::new("mount").args(options).arg(at).status().expect("the program mount");
        assert!(mounted.success(), "a tmpfs cannot be mounted: run the tests as root, with CAP_SYS_ADMIN");
        Self(at.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_a_failure_that_passes_and_leaves_nothing_half_made() {
    let host = TestHost::start().await;
    let (homes, skel) = (host.folder("homes"), host.folder("skeleton"));
    let disk = SmallDisk::mount(&homes);
    skeleton(&skel);
    fs::write(skel.join("skel/large"), vec![b'x'; 100_000]).unwrap();
    target(&host, &homes, &skel, json!({"skeleton": "skel"})).await;
    let (class, message) = failure(&host, "anna", 5001, "/home/anna").await;
    assert_eq!(class, FailureClass::Transient, "{message}");
    let helps = ["\"anna\" cannot be made", "No space left on device", "nothing was left half made"];
    assert!(helps.iter().all(|part| message.contains(part)), "{message}");
    assert_eq!(tree(&homes), Vec::<String>::new());
    fs::remove_file(skel.join("skel/large")).unwrap();
    let again = host.host.pipeline.provision(CO, "t", &person_key("anna")).await.unwrap();
    assert!(matches!(again.outcome, Some(InvocationOutcome::Applied { .. })), "{:?}", again.outcome);
    assert_eq!(tree(&homes), home("anna", "0700", "5001:6001"));
    drop(disk);
}

/// A call of the plugin with two roots, and with what it kept before.
async fn call(
    mode: Mode,
    homes: &Path,
    skel: &Path,
    kept: Option<Value>,
    subject: Subject,
) -> (Said<Outcome>, Inspection) {
    let plugin = load(find("homedir").unwrap().wasm).await.unwrap();
    let people = IdRange::new(1000, 59_999);
    let allowed = Allowed { modes: 0o777, owners: people, groups: people };
    let surroundings =
        |mode| Surroundings { limits: Limits::default(), seed: [0; 32], time: TIME.parse().unwrap(), mode };
    let slots = || {
        let mut slots = Slots::default();
        for (name, path) in [("homes", homes), ("skeleton", skel)] {
            let root = Some(Arc::new(FilesRoot::open(path).unwrap().allowing(allowed)));
            slots.files.0.push(Arc::new(files::Slot { name: name.to_owned(), root, operations: Vec::new() }));
        }
        slots
    };
    let state = |mode| {
        let stored = kept.iter().map(|kept| ("home".to_owned(), kept.to_string().into_bytes())).collect();
        let state = state::Grant { reader: Some(Arc::new(Stored(stored))), subject: true };
        CallState::new(surroundings(mode), Grants { slots: slots(), state, ..Grants::default() })
    };
    let configuration = json!({"skeleton": "skel", "on_deletion": "remove"});
    let context = Context {
        co: CO.to_owned(),
        target: "t".to_owned(),
        target_description: String::new(),
        configuration: configuration.to_string(),
        slots: slots().bindings(),
        time: TIME.to_owned(),
    };
    let inspection = plugin_host().inspect(&plugin, state(Mode::Live), &context, &subject).await;
    let action = if kept.is_some() { Action::Deleted } else { Action::Updated };
    let invocation = Invocation {
        id: "0198c0de-0000-7000-8000-000000000000".to_owned(),
        attempt: 1,
        context,
        action,
        subject,
        extensions: Vec::new(),
    };
    let said = plugin_host().provision(&plugin, state(mode), invocation).await;
    (said, inspection.result.unwrap().unwrap())
}

fn anna() -> Subject {
    let Subject::Person(mut person) = subject("anna") else { panic!("a person") };
    for (of, value) in [("uidNumber", "5001"), ("gidNumber", "6001"), ("homeDirectory", "/home/a/anna")] {
        let metadata = Metadata { id: of.to_owned(), ..person.metadata.clone() };
        person.identifiers.push(GivenIdentifier {
            metadata,
            identifier: value.to_owned(),
            identifier_type: of.to_owned(),
            login: false,
            status: provender::capabilities::contract::records::Status::Active,
            language: None,
            provisioning_target: None,
        });
    }
    Subject::Person(person)
}

#[tokio::test]
async fn a_preview_tells_what_would_happen_and_changes_nothing() {
    let (homes, skel) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    skeleton(skel.path());
    let (said, inspection) = call(Mode::Preview, homes.path(), skel.path(), None, anna()).await;
    assert!(matches!(said.result, Ok(Ok(Outcome::Applied(_)))), "{:?}", said.result);
    assert_eq!(inspection, Inspection::Absent);
    let written: Vec<Value> = said
        .transcript
        .effects
        .iter()
        .filter(|effect| effect.foreseen)
        .map(|effect| json!([effect.operation, effect.request.value()]))
        .collect();
    assert_eq!(
        Value::from(written),
        json!([
            ["create-directory", {"slot": "homes", "path": "a"}],
            ["copy-tree", {"slot": "homes", "path": "a/anna", "source": {"slot": "skeleton", "path": "skel"},
                           "mode": "0700", "owner": 5001, "group": 6001}],
        ])
    );
    assert_eq!(tree(homes.path()), Vec::<String>::new());

    let (said, _) = call(Mode::Live, homes.path(), skel.path(), None, anna()).await;
    assert!(matches!(said.result, Ok(Ok(Outcome::Applied(_)))), "{:?}", said.result);
    let before = tree(homes.path());
    let kept = json!({"path": "a/anna", "owner": 5001, "group": 6001, "archived": null});
    let (said, inspection) = call(Mode::Preview, homes.path(), skel.path(), Some(kept), anna()).await;
    assert!(matches!(said.result, Ok(Ok(Outcome::Applied(_)))), "{:?}", said.result);
    assert_eq!((inspection, tree(homes.path())), (Inspection::Present, before));
    std::os::unix::fs::chown(homes.path().join("a/anna"), Some(5002), None).unwrap();
    let (_, inspection) = call(Mode::Preview, homes.path(), skel.path(), None, anna()).await;
    assert_eq!(inspection, Inspection::Different(vec!["owner is 5002, should be 5001".to_owned()]));
}

//! `provender check`: a healthy host passes, and each kind of damage is found and named, on SQLite and on PostgreSQL.

use provender::check::{Report, check};
use provender::configuration::Configuration;
use provender::registry::record::{Person, Record, Role};
use provender_tests::guests::MISBEHAVING;
use provender_tests::host::{CO, TestHost, configuration};
use provender_tests::people::{group, group_key, membership, person, person_key, plain_person};
use provender_tests::postgres;
use provender_tests::process::Program;
use serde_json::json;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};
use tempfile::TempDir;

/// The database of a host that did a bit of everything, and has ended.
struct Sample {
    url: String,
    folder: TempDir,
}

impl Sample {
    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("sample.db").display());
        Self::fill(url, folder).await
    }

    async fn postgres() -> Self {
        Self::fill(postgres::fresh_database().await.unwrap(), tempfile::tempdir().unwrap()).await
    }

    async fn fill(url: String, folder: TempDir) -> Self {
        let host = TestHost::start_with(|configuration| configuration.database_url = Some(url.clone())).await;
        host.changelog("log", json!({"order": 2})).await;
        let web = json!({
            "kind": "http", "base_url": "https://example.org", "authentication": {"kind": "bearer", "token": "s3cr3t"},
        });
        host.server("web", web).await;
        let webhook = json!({"server": "web", "secret": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"});
        let settings = serde_json::from_value(json!({ "webhook": webhook })).unwrap();
        host.host.administration.put_notification_settings(CO, settings).await.unwrap();
        host.misbehaving_filter("marks", json!({"do": "mark", "name": "m"})).await;
        let steps = json!([{"do": "state", "operation": "set", "key": "seen", "value": "yes"}]);
        host.misbehaving_target_with("keeps", steps, json!({"filters": ["marks"]})).await;
        host.put(group_key("staff"), group("staff")).await;
        host.put(group_key("team"), group("team")).await;
        host.nest("staff", "team", false).await;
        for id in ["anna", "bela", "gone"] {
            host.put(person_key(id), person(id)).await;
            host.put_membership(membership("staff", id)).await;
        }
        host.delete(&person_key("gone")).await;
        let valid_through = Some("2090-01-01T00:00:00Z".parse().unwrap());
        let role = Role { valid_through, ..Role::default() };
        let cleo = Person { roles: vec![role], ..plain_person("cleo") };
        host.put(person_key("cleo"), Record::Person(Box::new(cleo))).await;
        host.assert_healthy().await;
        host.host.stop().await;
        Self { url, folder }
    }

    fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    /// A copy of the database, damaged by statements that no reference stops.
    async fn damaged(&self, number: usize, damage: &str) -> Configuration {
        let url = if self.is_sqlite() {
            let copy = self.folder.path().join(format!("damaged-{number}.db"));
            std::fs::copy(self.folder.path().join("sample.db"), &copy).unwrap();
            format!("sqlite://{}", copy.display())
        } else {
            postgres::copy_of(&self.url).await.unwrap()
        };
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(&url).await.unwrap();
        let (unbound, byte) = match self.is_sqlite() {
            true => ("PRAGMA foreign_keys = OFF", "x'00'"),
            false => ("SET session_replication_role = replica", "'\\x00'::bytea"),
        };
        connection.execute(unbound).await.unwrap();
        let changed =
            connection.execute(AssertSqlSafe(damage.replace("BYTE", byte))).await.unwrap().rows_affected();
        assert!(changed > 0, "nothing was damaged by: {damage}");
        connection.close().await.unwrap();
        self.configuration(url)
    }

    fn configuration(&self, url: String) -> Configuration {
        Configuration { database_url: Some(url), ..configuration(self.folder.path()) }
    }
}

fn has(report: &Report, check: &str, text: &str) -> bool {
    let found =
        report.checks.iter().find(|found| found.name == check).unwrap_or_else(|| panic!("no {check}"));
    found.broken > 0 && found.findings.iter().any(|finding| finding.what.contains(text))
}

/// The check that finds it, a part of what it says, and the damage.
const DAMAGE: &[(&str, &str, &str)] = &[
    ("schema", "migration 1 is missing", "DELETE FROM _sqlx_migrations"),
    ("schema", "newer version", "UPDATE _sqlx_migrations SET version = 999 WHERE version = 1"),
    ("services", "what it was last given is not there", "DELETE FROM provisioned_records"),
    (
        "services",
        "holds nothing, but was last given a record",
        "INSERT INTO provisioned_records (co, subject_kind, subject_id, target, record) \
         VALUES ('physics', 'person', 'gone', 'keeps', '{}')",
    ),
    (
        "services",
        "nothing is known of it",
        "INSERT INTO provisioned_records (co, subject_kind, subject_id, target, record) \
         VALUES ('physics', 'person', 'anna', 'unknown', '{}')",
    ),
    ("records", "records anna holds a document", "UPDATE records SET document = '{' WHERE id = 'anna'"),
    (
        "records",
        "Person anna in physics holds the document of bela",
        "UPDATE records SET document = replace(document, 'anna', 'bela') WHERE id = 'anna'",
    ),
    ("records", "in physics belongs to no collaboration", "DELETE FROM collaborations"),
    (
        "records",
        "key k in nowhere",
        "INSERT INTO api_keys (id, co, full_access, description, hash, created) \
         VALUES ('k', 'nowhere', 1, '', '', 0)",
    ),
    (
        "memberships",
        "membership staff/anna in physics has no living person",
        "UPDATE records SET deleted = 1 WHERE id = 'anna'",
    ),
    ("memberships", "has no living group", "UPDATE records SET deleted = 1 WHERE id = 'staff'"),
    (
        "memberships",
        "membership staff/anna in physics holds the document of stuff/anna",
        "UPDATE memberships SET document = replace(document, 'staff', 'stuff')",
    ),
    (
        "groups",
        "nesting team/staff in physics is of a group",
        "UPDATE records SET deleted = 1 WHERE id = 'staff'",
    ),
    (
        "groups",
        "membership team/anna in physics is not as it should follow",
        "DELETE FROM memberships WHERE group_id = 'team' AND person_id = 'anna'",
    ),
    (
        "groups",
        "automatic group CO:admins in physics is not there",
        "UPDATE collaborations SET document = replace(document, '_groups\":false', '_groups\":true')",
    ),
    (
        "due",
        "Person cleo in physics is due at another instant",
        "UPDATE records SET due = NULL WHERE id = 'cleo'",
    ),
    ("history", "change 4 in physics follows no other", "DELETE FROM changes WHERE sequence = 3"),
    ("history", "is of a record that is not there", "DELETE FROM records WHERE id = 'anna'"),
    ("history", "person anna in physics is not as", "UPDATE records SET deleted = 1 WHERE id = 'anna'"),
    ("history", "person gone in physics is not as", "UPDATE records SET deleted = NULL WHERE id = 'gone'"),
    ("invocations", "is finished and has no outcome", "UPDATE invocations SET outcome = NULL"),
    ("invocations", "is finished and has no transcript", "DELETE FROM transcripts"),
    ("invocations", "is unfinished and has an outcome", "UPDATE invocations SET finished = NULL"),
    ("invocations", "is unfinished and has a transcript", "UPDATE invocations SET finished = NULL"),
    ("invocations", "not listed as its outcome says", "UPDATE invocations SET failed = 1"),
    ("invocations", "was never attempted", "UPDATE invocations SET attempt = 0"),
    ("invocations", "holds a document that cannot be read", "UPDATE invocations SET outcome = '[]'"),
    ("invocations", "change that did not plan it", "UPDATE invocations SET change = 999"),
    ("invocations", "change that did not plan it", "UPDATE changes SET provision = 0"),
    ("invocations", "change that did not plan it", "UPDATE invocations SET planned = planned + 1"),
    ("invocations", "is of a record that is not there", "UPDATE invocations SET subject_id = 'ghost'"),
    (
        "invocations",
        "its target is gone",
        "UPDATE invocations SET target = 'gone', finished = NULL WHERE id = \
         (SELECT id FROM invocations ORDER BY id LIMIT 1)",
    ),
    ("invocations", "is not there, but its transcript is", "DELETE FROM invocations"),
    (
        "plans",
        "left no work for person anna at log",
        "DELETE FROM invocations WHERE subject_id = 'anna'; DELETE FROM provisioned_services WHERE subject_id = 'anna'",
    ),
    (
        "plans",
        "left no work for group staff at keeps",
        "DELETE FROM invocations WHERE subject_id = 'staff'; DELETE FROM provisioned_services WHERE subject_id = 'staff'",
    ),
    (
        "services",
        "person anna at log in physics does not stand as invocation",
        "UPDATE provisioned_services SET document = \
         replace(document, '\"status\":\"provisioned\"', '\"status\":\"failed\"')",
    ),
    (
        "services",
        "which is not there",
        "DELETE FROM invocations WHERE id = (SELECT id FROM invocations WHERE target = 'log' \
         AND subject_id = 'bela' ORDER BY id DESC LIMIT 1)",
    ),
    (
        "services",
        "ended later",
        "UPDATE provisioned_services SET document = (SELECT max(document) FROM provisioned_services older \
         WHERE older.target = 'log' AND older.subject_id = 'anna') WHERE target = 'log' AND subject_id = 'gone'",
    ),
    (
        "services",
        "stands at a target that is not there",
        "UPDATE provisioned_services SET target = 'nowhere' WHERE target = 'log'",
    ),
    (
        "services",
        "there is no such record",
        "UPDATE provisioned_services SET subject_id = 'ghost' WHERE subject_id = 'anna'",
    ),
    ("plugin state", "target nowhere in physics", "UPDATE plugin_state SET target = 'nowhere'"),
    (
        "plugin state",
        "person ghost at keeps in physics",
        "UPDATE plugin_state SET subject_id = 'ghost' WHERE subject_id = 'anna'",
    ),
    ("notifications", "failed last, and has no notification", "UPDATE invocations SET failed = 1"),
    (
        "notifications",
        "person bela at log in physics has a notification, and did not fail last",
        "INSERT INTO notifications (co, id, target, subject_kind, subject_id, state, failures, first_failed, last_failed, \
         class, message, invocation, announced) SELECT co, id, target, subject_kind, subject_id, 'open', 1, 0, 0, \
         'trap', '', id, 0 FROM invocations WHERE target = 'log' AND subject_id = 'bela' LIMIT 1",
    ),
    (
        "notifications",
        "person bela at nowhere in physics has a notification, and the target is gone",
        "INSERT INTO notifications (co, id, target, subject_kind, subject_id, state, failures, first_failed, last_failed, \
         class, message, invocation, announced) SELECT co, id, 'nowhere', subject_kind, subject_id, 'open', 1, 0, 0, \
         'trap', '', id, 0 FROM invocations WHERE target = 'log' AND subject_id = 'bela' LIMIT 1",
    ),
    (
        "notifications",
        "channel log in physics has to tell of a notification that is not there",
        "INSERT INTO notification_events (co, channel, id, notification, event) \
         SELECT co, 'log', id, id, 'opened' FROM invocations LIMIT 1",
    ),
    (
        "notifications",
        "channel log in physics has something to tell and never wakes up",
        "INSERT INTO notification_events (co, channel, id, notification, event) \
         SELECT co, 'log', id, id, 'opened' FROM invocations LIMIT 1",
    ),
    (
        "notifications",
        "person ghost in physics has a history",
        "UPDATE provisioning_history SET subject_id = 'ghost' WHERE subject_id = 'anna'",
    ),
    (
        "webhooks",
        "webhook of physics has the server web, which is not there",
        "DELETE FROM servers WHERE id = 'web'",
    ),
    (
        "webhooks",
        "webhook of physics: sealed secret is damaged",
        "UPDATE notification_settings SET secrets = replace(secrets, '\"}', 'AAAA\"}')",
    ),
    (
        "webhooks",
        "notification_settings physics holds a document",
        "UPDATE notification_settings SET document = '{'",
    ),
    ("plugins", "is not the component that was installed", "UPDATE plugin_components SET wasm = BYTE"),
    ("plugins", "has no component", "DELETE FROM plugin_components"),
    ("targets", "target log in physics has a plugin that is not installed", "DELETE FROM plugins"),
    ("targets", "names another plugin", "UPDATE targets SET plugin = 'another' WHERE id = 'log'"),
    ("targets", "names another plugin", "UPDATE filters SET plugin = 'another'"),
    ("targets", "target keeps in physics has the filter marks, which is not there", "DELETE FROM filters"),
    (
        "targets",
        "target log in physics has the server folder-of-log in its slot log",
        "DELETE FROM servers WHERE id = 'folder-of-log'",
    ),
    ("targets", "targets log holds a document", "UPDATE targets SET document = '{' WHERE id = 'log'"),
    (
        "servers",
        "server web in physics: secret was sealed with key 0",
        "UPDATE servers SET secrets = replace(secrets, ':\"v1:', ':\"v1:0')",
    ),
    (
        "servers",
        "server web in physics: sealed secret is damaged",
        "UPDATE servers SET secrets = replace(secrets, '\"}', 'AAAA\"}') WHERE id = 'web'",
    ),
];

async fn each_damage_is_found_and_named(sample: Sample) {
    let mut missed = Vec::new();
    for (number, (name, text, damage)) in DAMAGE.iter().enumerate() {
        let report = check(&sample.damaged(number, damage).await).await.unwrap();
        if !has(&report, name, text) || report.is_healthy() {
            let said: Vec<_> = report.checks.iter().filter(|check| check.broken > 0).collect();
            missed.push(format!("{name}: {text:?} after {damage}: {said:#?}"));
        }
    }
    assert!(missed.is_empty(), "{} missed: {}", missed.len(), missed.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_damage_of_an_sqlite_database_is_found_and_named() {
    each_damage_is_found_and_named(Sample::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_damage_of_a_postgresql_database_is_found_and_named() {
    each_damage_is_found_and_named(Sample::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_page_of_an_sqlite_file_is_found() {
    const PAGE: usize = 4096;
    let sample = Sample::sqlite().await;
    let file = sample.folder.path().join("sample.db");
    let mut pages = std::fs::read(&file).unwrap();
    // The number of entries in the leaves of indexes (type 10 in SQLite's file format).
    let leaves: Vec<usize> =
        (1..pages.len() / PAGE).map(|page| page * PAGE).filter(|at| pages[*at] == 10).collect();
    assert!(!leaves.is_empty());
    for at in leaves {
        pages[at + 3..at + 5].fill(0);
    }
    std::fs::write(&file, pages).unwrap();
    let report = check(&sample.configuration(sample.url.clone())).await.unwrap();
    assert!(has(&report, "database", "on page "), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_index_of_a_postgresql_database_is_found() {
    let sample = Sample::postgres().await;
    let damage = "UPDATE pg_index SET indisvalid = false \
                  WHERE indexrelid = (SELECT oid FROM pg_class WHERE relname = 'invocations_by_target')";
    let report = check(&sample.damaged(0, damage).await).await.unwrap();
    assert!(has(&report, "database", "index invocations_by_target is not valid"), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_findings_are_counted_and_the_first_are_listed() {
    let host = TestHost::start().await;
    host.misbehaving_target("t", json!([])).await;
    for number in 0..30 {
        let id = format!("p{number}");
        host.put(person_key(&id), person(&id)).await;
    }
    host.host.stop().await;
    let url = host.host.configuration.database_url();
    let mut connection = AnyConnection::connect(&url).await.unwrap();
    connection.execute("UPDATE records SET deleted = 1").await.unwrap();
    connection.close().await.unwrap();
    let report = check(&host.host.configuration).await.unwrap();
    let history = report.checks.iter().find(|check| check.name == "history").unwrap();
    assert_eq!((history.broken, history.findings.len()), (30, 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_compiled_component_is_a_warning() {
    let sample = Sample::sqlite().await;
    let data = tempfile::tempdir().unwrap();
    let compiled = data.path().join("compiled");
    std::fs::create_dir(&compiled).unwrap();
    std::fs::write(compiled.join("abc-def.cwasm"), "not what the host put there").unwrap();
    let mut configuration = sample.configuration(sample.url.clone());
    configuration.data_directory = data.path().to_owned();
    let report = check(&configuration).await.unwrap();
    let found = report.checks.iter().find(|check| check.name == "compiled").unwrap();
    assert_eq!((found.examined, found.warnings, found.broken), (1, 1, 0));
    assert!(found.findings[0].what.starts_with("abc-def.cwasm is broken"), "{found:?}");
    assert!(report.is_healthy());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut configuration = configuration(folder.path());
    configuration.data_directory = folder.path().join("nothing");
    let error = check(&configuration).await.unwrap_err().to_string();
    assert!(error.contains("cannot open the database"), "{error}");
    assert!(!configuration.data_directory.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_tells_all_checks_beside_a_host_that_serves() {
    let program = Program::new(env!("CARGO_BIN_EXE_provender-under-test"));
    program.file("misbehaving.wasm", MISBEHAVING);
    program.output(&["co", "create", CO, "--name", "Physics", "--no-automatic-groups"]);
    program.output(&["plugin", "install", "misbehaving.wasm"]);
    program.output(&["target", "put", "t", "--co", CO, "--plugin", "misbehaving"]);
    let serving = program.serve().await;
    let person = json!({"names": [{"given": "Anna", "primary": true}]});
    serving.api.put(&format!("/api/v1/cos/{CO}/people/anna"), person).await.expect(201);
    let said = program.output(&["check"]);
    for part in ["CHECK", "invocations", "every invariant holds"] {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
    let report = program.json(&["check"]);
    let checks = report["checks"].as_array().unwrap();
    assert!(checks.len() >= 10 && checks.iter().all(|check| check["broken"] == 0), "{report:#}");
    serving.kill();

    let url = format!("sqlite://{}", program.folder().join("data/provender.db").display());
    let mut connection = AnyConnection::connect(&url).await.unwrap();
    connection.execute("DELETE FROM transcripts").await.unwrap();
    connection.close().await.unwrap();
    let ended = program.run(&["check"]);
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("is finished and has no transcript"), "{}", ended.stdout);
    assert!(ended.stdout.contains("not every invariant holds"), "{}", ended.stdout);
}

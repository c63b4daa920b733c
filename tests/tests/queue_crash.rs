//! `kill -9` of a host while it works through queued changes, again and again: at the end the target holds exactly what the
//! registry does, on SQLite and on PostgreSQL.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use provender::host::Host;
use provender::provisioning::JobStatus;
use provender::registry::record::{Record, Status};
use provender::registry::write::{ImportItem, OnError, UnknownGroups};
use provender::store::JobFilter;
use provender_tests::host::{CO, by_test, configuration};
use provender_tests::people::{person_key, plain_person};
use provender_tests::process::Program;
use provender_tests::waiting::eventually;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

const CHANGES: usize = 5_000;
const PEOPLE: usize = 1_000;
const KILLS: usize = 10;
/// Changes in one transaction.
const BATCH: usize = 50;

fn program(database_url: Option<&str>) -> Program {
    let program = Program::new(env!("CARGO_BIN_EXE_provender-under-test"));
    if let Some(url) = database_url {
        let file = program.folder().join("provender.toml");
        let settings = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("database_url = \"{url}\"\n{settings}")).unwrap();
    }
    program
}

fn changelog(program: &Program) -> PathBuf {
    let out = program.folder().join("out");
    std::fs::create_dir(&out).unwrap();
    program.output(&["co", "create", CO, "--name", "Physics"]);
    program.output(&["plugin", "install", "--bundled"]);
    program.output(&["server", "put", "files", "--co", CO, "--files", out.to_str().unwrap()]);
    let target = ["target", "put", "log", "--co", CO, "--plugin", "changelog", "--slot", "log=files"];
    program.output(&[&target[..], &["--mode", "queue"]].concat());
    out.join("changelog.ndjson")
}

/// A change of somebody: a new name, another status, or the end.
fn change(random: &mut StdRng, number: usize) -> ImportItem {
    let id = format!("p{}", if number < PEOPLE { number } else { random.random_range(0..PEOPLE) });
    if number >= PEOPLE && random.random_bool(0.1) {
        return ImportItem::Delete(person_key(&id));
    }
    let mut person = plain_person(&id);
    person.names[0].given = Some(format!("name {number}"));
    person.status = if random.random_bool(0.1) { Status::Pending } else { Status::Active };
    let record = Record::Person(Box::new(person));
    ImportItem::Put { record, memberships: None, unknown_groups: UnknownGroups::Refuse }
}

/// Makes all changes, as another process on the same database that runs nothing itself.
async fn make_changes(host: Arc<Host>, mut random: StdRng) {
    for batch in (0..CHANGES).collect::<Vec<_>>().chunks(BATCH) {
        let items = batch.iter().map(|number| change(&mut random, *number)).collect();
        host.registry.import(CO, items, OnError::Continue, &by_test()).await.expect("an import");
    }
}

/// Lines of the changelog. One that was cut off by a kill has no end, and the next begins behind it.
fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// What the changelog says of each person: the given name; none when the person is gone.
fn told(file: &Path) -> HashMap<String, Option<String>> {
    let mut told = HashMap::new();
    for line in lines(file) {
        let id = line["subject"]["id"].as_str().unwrap().to_owned();
        let name = &line["document"]["names"][0]["given"];
        let name = name.as_str().map(str::to_owned);
        told.insert(id, if line["action"] == "deleted" { None } else { name });
    }
    told
}

async fn work_through_kills(database_url: Option<&str>, seed: u64) {
    let program = program(database_url);
    let log = changelog(&program);
    let mut settings = configuration(program.folder());
    settings.database_url = database_url.map(str::to_owned);
    let host = Host::open(settings).await.unwrap();
    let mut random = StdRng::seed_from_u64(seed);
    let changes = tokio::spawn(make_changes(Arc::clone(&host), StdRng::seed_from_u64(seed + 1)));
    let size = || std::fs::metadata(&log).map_or(0, |metadata| metadata.len());
    for _ in 0..KILLS {
        let serving = program.serve().await;
        let enough = size() + random.random_range(1..150_000);
        let done = || async { changes.is_finished() && open_jobs(&host).await == 0 };
        eventually("some more work to be done", async || (size() >= enough || done().await).then_some(()))
            .await;
        serving.kill();
    }
    changes.await.unwrap();
    program.output(&["check"]);
    let serving = program.serve().await;
    eventually("all jobs to end", async || (open_jobs(&host).await == 0).then_some(())).await;
    drop(serving);
    program.output(&["check"]);
    let told = told(&log);
    for number in 0..PEOPLE {
        let id = format!("p{number}");
        let stored = host.store.record(CO, &person_key(&id)).await.unwrap().unwrap();
        let Record::Person(person) = stored.record else { panic!("{id} is a person") };
        let there = stored.deleted.is_none() && person.status.is_provisionable();
        let expected = person.names[0].given.clone().filter(|_| there);
        assert_eq!(told.get(&id).cloned().flatten(), expected, "{id}");
    }
    host.stop().await;
}

async fn open_jobs(host: &Host) -> usize {
    let mut open = 0;
    for status in [JobStatus::Queued, JobStatus::InProgress] {
        let filter = JobFilter { status: Some(status), ..JobFilter::default() };
        open += host.store.jobs(CO, &filter, None, 1).await.unwrap().len();
    }
    open
}

#[tokio::test(flavor = "multi_thread")]
async fn queued_changes_on_sqlite_survive_ten_kills() {
    work_through_kills(None, 7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queued_changes_on_postgres_survive_ten_kills() {
    let url = provender_tests::postgres::fresh_database().await.expect("a database");
    work_through_kills(Some(&url), 8).await;
}

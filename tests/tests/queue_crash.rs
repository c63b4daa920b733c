//! `kill -9` of a host while it works through queued changes, or through a Reprovision All, again and again: at the end the
//! target holds exactly what the registry does, on SQLite and on PostgreSQL.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use provender::host::Host;
use provender::jobs::reprovision_all;
use provender::provisioning::{Job, JobStatus};
use provender::registry::record::{Record, Status};
use provender::registry::write::{ImportItem, OnError, UnknownGroups, WriteOptions};
use provender::store::{InvocationFilter, JobFilter};
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

fn changelog(program: &Program, settings: &[&str]) -> PathBuf {
    let out = program.folder().join("out");
    std::fs::create_dir(&out).unwrap();
    program.output(&["co", "create", CO, "--name", "Physics"]);
    program.output(&["plugin", "install", "--bundled"]);
    program.output(&["server", "put", "files", "--co", CO, "--files", out.to_str().unwrap()]);
    let target = ["target", "put", "log", "--co", CO, "--plugin", "changelog", "--slot", "log=files"];
    program.output(&[&target[..], settings].concat());
    out.join("changelog.ndjson")
}

/// A host on the same database that runs nothing itself.
async fn beside(program: &Program, database_url: Option<&str>) -> Arc<Host> {
    let mut settings = configuration(program.folder());
    settings.database_url = database_url.map(str::to_owned);
    Host::open(settings).await.unwrap()
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

/// Makes all changes.
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
    let log = changelog(&program, &["--mode", "queue"]);
    let host = beside(&program, database_url).await;
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

const ALL: usize = 3_000;
const KILLS_OF_ALL: usize = 4;
/// Calls that can be under way when a host is killed, and are done again: those that `instances` allows.
const CUT_OFF: usize = 8;

/// Stores everybody, every tenth of them not active, and tells no target.
async fn everybody(host: &Host) {
    let quiet = WriteOptions { provision: false, ..by_test() };
    for batch in (0..ALL).collect::<Vec<_>>().chunks(500) {
        let items = batch.iter().map(|number| {
            let mut person = plain_person(&format!("p{number}"));
            person.status = if number % 10 == 0 { Status::Pending } else { Status::Active };
            let record = Record::Person(Box::new(person));
            ImportItem::Put { record, memberships: None, unknown_groups: UnknownGroups::Refuse }
        });
        host.registry.import(CO, items.collect(), OnError::Continue, &quiet).await.expect("an import");
    }
}

/// The job, whose progress must be honest whenever it is looked at.
async fn looked_at(host: &Host, id: i64, before: u64) -> Job {
    let job = host.store.job(CO, id).await.unwrap().unwrap();
    assert!(job.percent <= 100 && job.done <= job.total && job.done >= before, "{before} before: {job:?}");
    job
}

async fn reprovision_through_kills(database_url: Option<&str>, seed: u64) {
    let program = program(database_url);
    let log = changelog(&program, &["--concurrency", "1"]);
    let host = beside(&program, database_url).await;
    everybody(&host).await;
    let begun = reprovision_all(&host.store, CO, "log", "eve", host.clock().now()).await.unwrap();
    let mut random = StdRng::seed_from_u64(seed);
    let mut done = 0;
    for _ in 0..KILLS_OF_ALL {
        let serving = program.serve().await;
        let enough = done + random.random_range(100..500);
        let reached = eventually("some more subjects to be done", async || {
            let job = looked_at(&host, begun.id, done).await;
            (job.done >= enough).then_some(job)
        })
        .await;
        serving.kill();
        assert_eq!(reached.status, JobStatus::InProgress, "killed in the middle");
        done = looked_at(&host, begun.id, reached.done).await.done;
        program.output(&["check"]);
    }
    let serving = program.serve().await;
    let ended = eventually("the job to end", async || {
        let job = looked_at(&host, begun.id, done).await;
        done = job.done;
        job.ended.is_some().then_some(job)
    })
    .await;
    drop(serving);
    program.output(&["check"]);
    assert_eq!((ended.status, ended.failed, ended.percent), (JobStatus::Complete, 0, 100), "{ended:?}");
    let kinds = ended.progress.unwrap();
    assert!(kinds.iter().all(|kind| kind.done == kind.total), "{kinds:?}");
    assert_eq!((kinds.last().unwrap().done, ended.done), (ALL as u64, ended.total));
    assert_each_once(&host, begun.id, ended.total).await;
    assert_told_all(&log);
    host.stop().await;
}

/// One run of each subject has ended, whatever was cut off.
async fn assert_each_once(host: &Host, job: i64, total: u64) {
    let runs = host.store.invocations(CO, &InvocationFilter::default(), None, 10_000).await.unwrap();
    let mut subjects: Vec<_> =
        runs.into_iter().filter(|run| run.job == Some(job)).map(|run| run.subject).collect();
    assert_eq!(subjects.len() as u64, total);
    subjects.sort();
    subjects.dedup();
    assert_eq!(subjects.len() as u64, total);
}

/// Everybody who is active was told of, and few twice: it went on where it was. Of the others a run that was cut off may have
/// told, so that they are removed.
fn assert_told_all(log: &Path) {
    let mut told: HashMap<String, Vec<String>> = HashMap::new();
    for line in lines(log).iter().filter(|line| line["subject"]["kind"] == "person") {
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        told.entry(word(&line["subject"]["id"])).or_default().push(word(&line["action"]));
    }
    let mut again = 0;
    for number in 0..ALL {
        let told = told.remove(&format!("p{number}")).unwrap_or_default();
        let (action, once) = if number % 10 == 0 { ("deleted", 0) } else { ("reprovision_requested", 1) };
        assert!(told.len() >= once && told.iter().all(|told| told == action), "p{number}: {told:?}");
        again += told.len() - once;
    }
    assert!(again <= KILLS_OF_ALL * CUT_OFF, "{again} were told again");
}

#[tokio::test(flavor = "multi_thread")]
async fn reprovision_all_on_sqlite_goes_on_where_it_was_through_kills() {
    reprovision_through_kills(None, 9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reprovision_all_on_postgres_goes_on_where_it_was_through_kills() {
    let url = provender_tests::postgres::fresh_database().await.expect("a database");
    reprovision_through_kills(Some(&url), 10).await;
}
